use super::*;

#[test]
fn the_bar_fills() {
    assert!(bar(0, 0).starts_with("[....."));
    assert_eq!(bar(500, 1_000).matches('#').count(), WIDTH / 2);
    assert_eq!(bar(1_000, 1_000).matches('#').count(), WIDTH);
    assert_eq!(bar(2, 1).matches('#').count(), WIDTH);
}

#[test]
fn the_spinner_turns_and_says_how_far_it_is() {
    let work = |count, done| Work { words: "waiting for entitled", count, done };
    let at = |turns, count| line(turns, work(count, None), Duration::from_millis(3_400));
    let half = line(2, work(0, Some(500)), Duration::from_secs(3));
    assert_eq!(
        half,
        "- waiting for entitled [###############...............], 3 s (Ctrl-C gives up)"
    );
    assert!(half.chars().count() < 80);
    assert_eq!(at(0, 0), "| waiting for entitled, 3 s (Ctrl-C gives up)");
    assert_eq!(at(5, 2_000), "/ waiting for entitled, 3 s, 2000 so far (Ctrl-C gives up)");
}

#[test]
fn without_a_terminal_nothing_is_drawn() {
    assert!(Spinner::begin(false, "waiting").drawing.is_none());
}
