use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), HeaderValue::from_static(value))
        })
        .collect()
}

#[test]
fn the_handshake_of_the_standard_is_accepted() {
    // RFC 6455, section 1.3.
    let asked = headers(&[
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    assert!(is_upgrade(&asked));
    let answer = accept(&asked).unwrap();
    assert_eq!(answer[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn what_is_missing_is_named() {
    let old = headers(&[("connection", "upgrade"), ("sec-websocket-version", "8")]);
    assert!(accept(&old).unwrap_err().contains("version 13"));
    let no_key = headers(&[("connection", "upgrade"), ("sec-websocket-version", "13")]);
    assert!(accept(&no_key).unwrap_err().contains("Sec-WebSocket-Key"));
    assert!(accept(&headers(&[])).unwrap_err().contains("Connection"));
}
