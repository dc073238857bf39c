use super::*;

fn fault(text: &str) -> (i32, Option<&str>) {
    let (fault, id) = read(text).unwrap_err();
    (fault.code.number(), id.map(RawValue::get))
}

#[test]
fn every_kind_of_id_is_kept_as_written() {
    for id in ["1", "-7", "1.50", "1e3", "\"a\\u00e9\"", "\"\"", "null"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        assert_eq!(read(&text).unwrap().id.unwrap().get(), id);
    }
}

#[test]
fn without_an_id_it_is_a_notification() {
    assert!(read(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap().id.is_none());
}

#[test]
fn params_are_borrowed_and_null_counts_as_none() {
    let text = r#"{"id":1,"params":{"a":[1]},"method":"m","jsonrpc":"2.0"}"#;
    assert_eq!(read(text).unwrap().params.unwrap().get(), r#"{"a":[1]}"#);
    let text = r#"{"id":1,"params":null,"method":"m","jsonrpc":"2.0"}"#;
    assert!(read(text).unwrap().params.is_none());
}

#[test]
fn json_that_is_no_request_names_its_id() {
    let cases = [
        (r#"{"jsonrpc":"1.0","id":5,"method":"m"}"#, Some("5")),
        (r#"{"id":5,"method":"m"}"#, Some("5")),
        (r#"{"jsonrpc":"2.0","id":"x"}"#, Some("\"x\"")),
        (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, Some("5")),
        (r#"{"jsonrpc":"2.0","id":5,"method":"m","params":3}"#, Some("5")),
        (r#"{"jsonrpc":"2.0","id":5,"method":"m","method":"n"}"#, Some("5")),
        (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, None),
        ("{}", None),
    ];
    for (text, id) in cases {
        assert_eq!(fault(text), (-32600, id), "{text}");
    }
}

#[test]
fn a_member_that_no_request_has_is_named() {
    let text = r#"{"jsonrpc":"2.0","id":5,"method":"m","parms":{"product":"a"}}"#;
    let (fault, id) = read(text).unwrap_err();
    assert_eq!((fault.code.number(), id.map(RawValue::get)), (-32600, Some("5")));
    assert!(fault.detail.contains("`parms`"), "{}", fault.detail);
}

#[test]
fn what_is_no_json_is_a_parse_error() {
    for text in [r#"{"jsonrpc":"2.0","id":1,"method":"m",}"#, "{a}", "{\"a\"}", "{\"a\":01}"] {
        assert_eq!(fault(text), (-32700, None), "{text}");
    }
}

#[test]
fn an_error_is_good_json_whatever_its_detail() {
    let mut out = Vec::new();
    Fault::invalid("a \"quoted\"\nline").write(None, &mut out);
    let reply: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(reply["id"], serde_json::Value::Null);
    assert_eq!(reply["error"]["code"], -32600);
    assert_eq!(reply["error"]["data"]["code"], "INVALID_REQUEST");
    assert_eq!(reply["error"]["data"]["detail"], "a \"quoted\"\nline");
    assert!(reply["error"]["data"]["help"].is_string());
    assert!(!out.contains(&b'\n'), "a reply is one line");
}

#[test]
fn a_batch_has_one_to_so_many_entries() {
    assert_eq!(read_batch("[]", 2).unwrap_err().code.number(), -32600);
    assert_eq!(read_batch("[1,2]", 2).unwrap().len(), 2);
    assert_eq!(read_batch("[1,2,3]", 2).unwrap_err().code.number(), -32005);
    assert_eq!(read_batch("[1,]", 2).unwrap_err().code.number(), -32700);
}

#[test]
fn a_reply_can_be_given_another_id() {
    let id: Box<RawValue> = serde_json::from_str("-1.5").unwrap();
    let given = with_id(r#"{"jsonrpc":"2.0","id":null,"result":null}"#, &id).unwrap();
    assert_eq!(given, br#"{"jsonrpc":"2.0","id":-1.5,"result":null}"#);
    let given = with_id(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#, &id).unwrap();
    assert_eq!(given, br#"{"jsonrpc":"2.0","id":-1.5,"error":{"code":1}}"#);
}
