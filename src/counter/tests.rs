use super::*;

#[test]
fn what_many_threads_count_adds_up() {
    let counter = Counter::default();
    std::thread::scope(|scope| {
        for _ in 0..3 * LINES {
            scope.spawn(|| (0..1_000).for_each(|_| counter.one_more()));
        }
    });
    assert_eq!(counter.get(), 3 * LINES as u64 * 1_000);
}

#[test]
fn what_one_thread_adds_another_may_take_away() {
    let counter = Counter::default();
    counter.add(2);
    std::thread::scope(|scope| drop(scope.spawn(|| counter.one_less())));
    assert_eq!(counter.get(), 1);
}

#[test]
fn a_thread_keeps_its_line_and_no_two_lines_overlap() {
    let value = PerThread::<u64>::default();
    let line = |of: &u64| std::ptr::from_ref(of).addr() / 128;
    assert_eq!(line(value.own()), line(value.own()));
    let lines: std::collections::BTreeSet<_> = value.all().map(line).collect();
    assert_eq!(lines.len(), LINES);
}
