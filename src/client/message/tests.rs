use super::*;

#[test]
fn a_request_is_one_line_and_empty_params_are_left_out() {
    let line = request(7, "system_health", &()).unwrap();
    assert_eq!(line, b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"system_health\"}\n");
    let line = request(8, "m", &serde_json::json!({"text": "a\nb"})).unwrap();
    assert_eq!(line.iter().filter(|it| **it == b'\n').count(), 1);
}

#[test]
fn a_result_keeps_its_text_and_may_be_null() {
    for text in ["{ \"b\":1.50, \"a\":2 }", "null", "18446744073709551616"] {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{text}}}");
        let Message::Reply { outcome: Ok(result), .. } = read(line.as_bytes()).unwrap() else {
            panic!("no result in {line}");
        };
        assert_eq!(result.get(), text);
    }
}

#[test]
fn a_refusal_names_itself() {
    let line = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no such wallet",
            "data":{"code":"NOT_FOUND","detail":"d","help":"h","later":1}}}"#;
    let Message::Reply { outcome: Err(error), .. } = read(line).unwrap() else {
        panic!("no refusal");
    };
    assert_eq!(error.to_string(), "no such wallet");
    assert_eq!(
        (error.name(), error.detail(), error.help()),
        (Some("NOT_FOUND"), Some("d"), Some("h"))
    );
}

#[test]
fn what_is_neither_answer_nor_notice_is_an_error() {
    for line in [
        "",
        "[]",
        "{}",
        "{\"id\":1}",
        "{\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
    ] {
        assert!(matches!(read(line.as_bytes()), Err(ClientError::Protocol { .. })), "{line}");
    }
}

/// What a line is refused for wherever it stands, also in what nobody reads.
#[test]
fn what_two_readers_may_understand_otherwise_is_an_error() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let (deep, deeper) = (nested(126), nested(127));
    for (right, wrong) in [
        ("{\"it\":1}", "{\"it\":1,\"it\":1}"),
        ("[{\"it\":1},{\"it\":1}]", "[{\"it\":1,\"\\u0069t\":1}]"),
        ("1e308", "1e309"),
        ("\"\\ud83c\\udfab\"", "\"\\udfab\""),
        (&deep, &deeper),
    ] {
        let line = |later| format!("{{\"id\":1,\"result\":1,\"later\":{later}}}");
        read(line(right).as_bytes()).unwrap();
        let failed = read(line(wrong).as_bytes());
        assert!(matches!(failed, Err(ClientError::Protocol { .. })), "{wrong}");
    }
}
