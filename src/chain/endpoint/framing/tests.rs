use super::*;
use proptest::prelude::*;

#[test]
fn values_are_counted_outside_of_text_only() {
    let many = |value: &str| format!("[{}{value}]", format!("{value},").repeat(VALUES));
    for value in ["0", "{}", r#"{"":0}"#, "[[]]"] {
        assert!(has_too_many_values(many(value).as_bytes()), "{value}");
    }
    let text = format!(r#"{{"result":"{}\"[,"}}"#, "[,{".repeat(VALUES));
    assert!(!has_too_many_values(text.as_bytes()));
    // As dense as answers of nodes are: an event without data, as the tersest of them write it.
    let event = format!(
        r#"{{"address":"0x{}","topics":["0x{}","0x{}"],"data":"0x","blockHash":"0x{}","blockNumber":"0x1","transactionHash":"0x{}","transactionIndex":"0x0","logIndex":"0x0","removed":false}}"#,
        "1".repeat(40),
        "2".repeat(64),
        "3".repeat(64),
        "4".repeat(64),
        "5".repeat(64),
    );
    let count = 8 * 1024 * 1024 / (event.len() + 1);
    let events = format!("[{}]", vec![event; count].join(","));
    assert!(!has_too_many_values(events.as_bytes()));
}

#[test]
fn brackets_and_quotes_inside_text_do_not_count() {
    let text = br#"{"a":"}]\"{[","b":[{}]} {"next":1}"#;
    assert_eq!(JsonEnd::default().find(text, 0), Some(23));
}

proptest! {
    #[test]
    fn the_end_does_not_depend_on_how_the_bytes_arrive(
        texts in prop::collection::vec(".*", 0..4),
        cut in 0_usize..200,
    ) {
        let value = serde_json::to_vec(&serde_json::json!({ "of": texts })).unwrap();
        let cut = cut.min(value.len() - 1);
        let mut end = JsonEnd::default();
        prop_assert_eq!(end.find(&value[..cut], 0), None);
        prop_assert_eq!(end.find(&value, cut), Some(value.len()));
    }
}
