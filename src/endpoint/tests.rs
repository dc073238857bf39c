use super::*;

fn at(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_may_be_secret_is_shown_nowhere() {
    for (text, shown) in [
        ("https://user:KEY@node.example:8443/v2/KEY?key=KEY#KEY", "https://node.example:8443"),
        ("https://:KEY@node.example/", "https://node.example"),
        ("wss://node.example:8443/KEY", "wss://node.example:8443"),
        ("http://[::1]:8545/?KEY", "http://[::1]:8545"),
    ] {
        let address = at(text);
        assert_eq!(address.shown(), shown);
        assert_eq!(address.to_string(), format!("{shown}/…"), "that there is more is told");
        assert_eq!(format!("{address:?}"), format!("Address({shown})"));
    }
    for text in ["http://127.0.0.1:8545", "/run/geth/geth.ipc"] {
        assert_eq!((at(text).shown(), at(text).to_string()), (text.to_owned(), text.to_owned()));
    }
}

#[test]
fn only_what_can_be_connected_to_is_an_address() {
    for text in [
        "",
        "KEY",
        "geth.ipc",
        "ftp://KEY.example",
        "file:///KEY",
        "http://",
        "https://",
        "http://[KEY",
        "https://a b/",
        "/run/KEY\n",
        &format!("/{}", "KEY".repeat(LONGEST)),
    ] {
        let error = text.parse::<Address>().unwrap_err();
        assert_eq!(error, AddressError::Form, "{text}");
        assert!(!format!("{error} {error:?}").contains("KEY"), "{error:?}");
    }
}

#[test]
fn a_websocket_carries_no_credentials() {
    for text in ["ws://KEY@a.example/", "wss://:KEY@a.example", "WSS://u:KEY@a.example"] {
        assert_eq!(text.parse::<Address>(), Err(AddressError::WebSocketCredentials), "{text}");
    }
}

#[test]
fn what_leads_out_of_this_machine_is_told_apart() {
    for text in
        ["http://localhost:1", "http://localhost.:1", "ws://127.7.7.7", "http://[::1]", "/x"]
    {
        assert!(at(text).is_loopback(), "{text}");
    }
    for text in ["http://localhost.example", "http://128.0.0.1", "wss://[::2]"] {
        assert!(!at(text).is_loopback(), "{text}");
    }
}

#[test]
fn a_header_is_one_and_keeps_its_secret() {
    let header = Header::new("X-Key", "Bearer KEY").unwrap();
    let (name, value) = header.expose();
    assert_eq!((name.as_str(), value.as_bytes()), ("x-key", &b"Bearer KEY"[..]));
    let shown = format!("{header:?} {value:?}");
    assert!(shown.contains("x-key") && !shown.contains("KEY"), "{shown}");
    for (name, value, why) in [
        ("not a name", "KEY", HeaderError::Name),
        ("", "KEY", HeaderError::Name),
        ("Content-Type", "KEY", HeaderError::Reserved),
        ("a", "", HeaderError::Value),
        ("a", "KEY\r\nb: c", HeaderError::Value),
        ("a", "KÉY", HeaderError::Value),
    ] {
        assert_eq!(Header::new(name, value), Err(why), "{name}");
    }
}

#[test]
fn headers_go_over_http_only() {
    let headers = vec![Header::new("authorization", "Bearer KEY").unwrap()];
    for text in ["/run/node.ipc", "wss://a.example"] {
        let mut settings = EndpointSettings::new(at(text));
        assert_eq!(settings.set_headers(headers.clone()), Err(HeadersWithoutHttp), "{text}");
        assert!(settings.headers().is_empty());
    }
    let mut settings = EndpointSettings::new(at("https://a.example/KEY"));
    assert_eq!(settings.set_headers(headers.clone()), Ok(()));
    assert_eq!(settings.headers(), headers);
    let shown = format!("{settings:?}");
    assert!(shown.contains("authorization") && !shown.contains("KEY"), "{shown}");
}
