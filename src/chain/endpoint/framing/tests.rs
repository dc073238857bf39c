use super::*;
use proptest::prelude::*;

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
