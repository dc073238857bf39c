use super::*;

#[test]
fn durations_read_back_as_written() {
    for text in ["500ms", "90s", "10m", "12h", "14d", "0s"] {
        assert_eq!(written(parse_duration(text).unwrap()), text);
    }
    for text in [
        "",
        "10",
        "m",
        "1.5h",
        "-1s",
        "1h30m",
        "10 m",
        "99999999999999999999s",
        "9999999999999999999d",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
    let known = ["rank", "price", "features", "seats", "expires_at"];
    for (word, meant) in [
        ("rnak", "rank"),
        ("Price", "price"),
        ("feature", "features"),
        ("expires-at", "expires_at"),
    ] {
        assert_eq!(nearest(word, &known), Some(meant), "{word}");
    }
    for word in ["", "colour", "id", "x", "rate_of_exchange"] {
        assert_eq!(nearest(word, &known), None, "{word}");
    }
}

#[test]
fn distance_counts_letters_added_dropped_changed_and_swapped() {
    for (one, other, steps) in
        [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("rnak", "rank", 1)]
    {
        assert_eq!(distance(one, other), steps);
        assert_eq!(distance(other, one), steps);
    }
}

#[test]
fn a_moment_that_no_calendar_holds_is_a_mistake_of_the_file() {
    let node = |text: &str| Node {
        place: Place::default(),
        value: Value::Text(text.to_owned()),
        raw: None,
    };
    for text in ["9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "-10000-01-01T00:00:00Z", "99"] {
        assert!(moment(&node(text)).is_err(), "{text}");
    }
    assert!(moment(&node("9999-12-30T00:00:00Z")).is_ok());
    assert!(moment(&node("0001-01-01T00:00:00Z")).is_ok());
}
