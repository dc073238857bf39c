use super::*;

fn refused(text: &str) -> String {
    read(text.as_bytes(), "the body").unwrap_err().detail().to_owned()
}

#[test]
fn an_object_is_what_it_says() {
    let text = r#"{"a":[1,-2,1.5,null,true,"\u00e9",{"a":{}}],"b":{"a":18446744073709551615}}"#;
    let members = read(text.as_bytes(), "the body").unwrap();
    assert_eq!(Value::Object(members), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn nothing_is_said_twice() {
    assert_eq!(refused(r#"{"customer":"a","customer":"b"}"#), "`customer` is given twice");
    assert_eq!(refused(r#"{"a":[{"b":1,"\u0062":1}]}"#), "`b` is given twice");
}

#[test]
fn what_is_no_object_is_refused() {
    for text in
        ["[]", "1", "\"a\"", "null", "{", "{} {}", "", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}"]
    {
        assert_eq!(refused(text), "the body is not one JSON object", "{text}");
    }
}
