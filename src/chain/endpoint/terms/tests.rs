use super::*;

fn with_header(url: &str, name: &str, value: &str) -> EndpointSettings {
    let headers = vec![(name.to_owned(), value.to_owned())];
    EndpointSettings { headers, ..EndpointSettings::new(url) }
}

#[test]
fn no_key_is_shown() {
    let settings = with_header("https://a.example/KEY", "authorization", "Bearer KEY");
    let headers = Terms::read(&settings).ok().map(|it| it.headers);
    let shown = format!("{settings:?} {headers:?}");
    assert!(shown.contains("authorization") && !shown.contains("KEY"), "{shown}");
}

#[test]
fn headers_go_over_http_only_and_have_to_be_headers() {
    for (url, name, value, error) in [
        ("/run/node.ipc", "a", "KEY", LocationError::HeadersWithoutHttp),
        ("wss://a.example", "a", "KEY", LocationError::HeadersWithoutHttp),
        ("https://a.example", "not a name", "KEY", LocationError::Header),
        ("https://a.example", "a", "KEY\r\nb: c", LocationError::Header),
    ] {
        let refused = Terms::read(&with_header(url, name, value)).err();
        assert_eq!(refused, Some(error), "{url}");
    }
}
