use super::has_more_than;

#[test]
fn values_are_counted_outside_of_text_only() {
    let most = 1_000;
    let many = |value: &str| format!("[{}{value}]", format!("{value},").repeat(most));
    for value in ["0", "{}", r#"{"":0}"#, "[[]]"] {
        assert!(has_more_than(most, many(value).as_bytes()), "{value}");
        assert!(!has_more_than(5 * most, many(value).as_bytes()), "{value}");
    }
    let text = format!(r#"{{"result":"{}\"[,"}}"#, "[,{".repeat(most));
    assert!(!has_more_than(most, text.as_bytes()));
}
