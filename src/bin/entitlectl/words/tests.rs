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
    assert_eq!(tame("a\u{202e}nimda\u{2066}\u{2028}b"), "a\u{fffd}nimda\u{fffd}\u{fffd}b");
    assert_eq!(tame("Zürich"), "Zürich");
    // What is not shown at all would let two names look alike.
    assert_eq!(
        tame("a\u{200b}b\u{ad}\u{2060}c\u{feff}\u{e0041}d"),
        "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}\u{fffd}d"
    );
}

#[test]
fn a_terminal_obeys_nothing_in_json_either_which_stays_the_same() {
    let name = "a\u{1b}]0;b\u{7}\u{7f}\u{9b}31m\u{202e}c\u{200b}\u{e0041}\"\\ Zürich \u{1f600}";
    let value = serde_json::json!({ name: [name], "n": 1 });
    for text in [value.to_string(), format!("{value:#}\n")] {
        let tamed = tame_json(&text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&tamed).unwrap(), value, "{tamed}");
        let obeyed = |it: char| is_control_character(it) && it != '\n';
        assert!(!tamed.contains(|it| obeyed(it) || is_unseen(it)), "{tamed:?}");
        assert!(tamed.contains("\\u009b31m\\u202ec\\u200b\\udb40\\udc41"), "{tamed}");
        assert!(tamed.contains("Zürich \u{1f600}"), "{tamed}");
    }
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

#[test]
fn times_are_said_as_people_say_them() {
    let now = at("2026-11-29T08:00:00Z");
    for (time, said) in [
        ("2026-12-13T08:04:00Z", "13 December 2026 (in 14 days)"),
        ("2026-11-29T07:57:00Z", "29 November 2026, 07:57 UTC (3 minutes ago)"),
        ("2026-11-29T08:00:00.5Z", "29 November 2026, 08:00 UTC (now)"),
        ("soon", "soon"),
    ] {
        assert_eq!(moment_from(time, now), said);
    }
    assert_eq!(
        with_moments("too old since 2026-11-20T07:00:00.123Z; look again", now),
        "too old since 20 November 2026 (9 days ago); look again"
    );
}

#[test]
fn addresses_and_hashes_are_shortened_and_nothing_else_is() {
    let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    assert_eq!(
        shortened(&format!("a {address} eip155:1/erc721:{address}/7 0x12 0")),
        "a 0x7099…79C8 eip155:1/erc721:0x7099…79C8/7 0x12 0"
    );
    assert_eq!(cut("Zürich liegt", 7), "Zürich…");
    assert_eq!(cut("Zürich", 6), "Zürich");
}

#[test]
fn lines_are_broken_between_words_only() {
    assert_eq!(wrapped("one two three four", 9, "  "), "one two\n  three\n  four");
    assert_eq!(wrapped("  extraordinarily long", 5, "  "), "  extraordinarily\n  long");
}
