use super::*;

#[test]
fn durations_need_a_number_and_a_unit() {
    for (text, milliseconds) in
        [("500ms", 500), ("5s", 5_000), ("10m", 600_000), ("14d", 1_209_600_000)]
    {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)));
    }
    for text in [
        "",
        "5",
        "s",
        "-5s",
        "1.5s",
        "5 s",
        "5w",
        "99999999999999999999s",
        "18446744073709551615d",
        "5é",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn moments_are_read_or_left_alone() {
    assert_eq!(moment("2026-12-06T10:00:05Z"), "6 December 2026, 10:00 UTC");
    assert_eq!(short_moment("2026-12-06T10:00:05Z"), "2026-12-06 10:00:05");
    assert_eq!(moment("soon"), "soon");
}

#[test]
fn spans_are_said_in_one_unit() {
    for (seconds, text) in [
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (1_209_600, "14 days"),
    ] {
        assert_eq!(span(seconds), text);
    }
}

#[test]
fn a_terminal_obeys_nothing_in_tamed_text() {
    assert_eq!(tame("a\u{1b}[31mb\nc\u{9b}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    assert_eq!(tame("Zürich"), "Zürich");
}
