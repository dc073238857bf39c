use super::*;

#[test]
fn each_is_told_in_the_way_it_asked() {
    let fault = Fault::limit("full", "wait");
    let text = |asked: &[u8]| String::from_utf8_lossy(&answer(asked, &fault)).into_owned();
    let asked = br#"{"jsonrpc":"2.0","id":"a","method":"m"}"#;
    assert!(text(asked).starts_with(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32005"#));
    for unclear in [&b""[..], b"{\"jsonrpc\":\"2.0\"", b"[1]", b"\x01"] {
        assert!(text(unclear).starts_with(r#"{"jsonrpc":"2.0","id":null,"#), "{unclear:?}");
        assert!(text(unclear).ends_with("}\n"));
    }
    let http = text(b"POST / HTTP/1.1\r\n");
    let (head, body) = http.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && body.contains("-32005"), "{http}");
    assert!(head.contains(&format!("content-length: {}", body.len())));
    assert_eq!(answer(b"PRI * HTTP/2.0\r\n", &fault).get(12), Some(&7), "GOAWAY");
}
