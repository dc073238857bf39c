//! What is a label, and that those in ledgers are read as they stand.

use super::*;

#[test]
fn labels_are_short_and_plain() {
    for text in ["main", "Büro, 2. Stock", &"ä".repeat(64), &"\u{1F511}".repeat(64)] {
        assert_eq!(text.parse::<Label>().map(|it| it.to_string()), Ok(text.to_owned()));
    }
    for (text, fault) in [
        ("", LabelFault::Blank),
        ("  ", LabelFault::Blank),
        (&"a".repeat(65), LabelFault::TooLong),
        ("a\nb", LabelFault::Control),
        ("a\u{1b}[2J", LabelFault::Control),
        ("a\u{202E}b", LabelFault::Control),
        ("a\u{7f}", LabelFault::Control),
    ] {
        assert_eq!(text.parse::<Label>(), Err(fault), "{text:?}");
    }
}

#[test]
fn what_a_ledger_holds_is_read_and_written_as_it_stands() {
    for kept in [format!("\"{}\"", "a".repeat(256)), "\"a\\nb\"".to_owned()] {
        let label: Label = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&label).unwrap(), kept);
    }
}
