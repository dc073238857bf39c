use super::*;

fn of(milliseconds: impl IntoIterator<Item = u64>) -> Latency {
    let mut latency = Latency::default();
    milliseconds.into_iter().for_each(|it| latency.note(Duration::from_millis(it)));
    latency
}

#[test]
fn percentiles_are_of_what_is_remembered() {
    assert_eq!(of([]).percentile(50), None);
    assert_eq!(of([7]).percentile(95), Some(Duration::from_millis(7)));
    let hundred = of(1..=100);
    assert_eq!(hundred.percentile(50), Some(Duration::from_millis(68)), "of 37 to 100");
    assert_eq!(hundred.percentile(95), Some(Duration::from_millis(97)));
}

#[test]
fn patience_is_bounded_and_needs_some_experience() {
    assert_eq!(of([1; 7]).patience(), USUAL);
    assert_eq!(of([1; 8]).patience(), LEAST);
    assert_eq!(of([9_000; 8]).patience(), MOST);
    assert_eq!(of([300; 8]).patience(), Duration::from_millis(300));
}

#[test]
fn a_few_slow_answers_do_not_change_the_class() {
    let mut latency = of([20; 20]);
    (0..5).for_each(|_| latency.note(Duration::from_secs(5)));
    assert_eq!(latency.class(), 0);
    assert_eq!(of([700; 9]).class(), 2);
}
