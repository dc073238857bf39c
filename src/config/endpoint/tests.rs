use super::*;

#[test]
fn what_may_be_secret_is_shown_nowhere() {
    for text in [
        "https://user:SECRET@node.example:8443/v2/SECRET?key=SECRET#SECRET",
        "wss://SECRET@node.example:8443/",
        "https://:SECRET@node.example:8443/SECRET",
    ] {
        let endpoint: Endpoint = text.parse().unwrap();
        let shown = format!("{endpoint} {endpoint:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
        assert!(shown.contains("node.example:8443"), "{shown}");
        assert!(endpoint.expose().contains("SECRET"));
    }
    assert_eq!(
        "http://127.0.0.1:8545".parse::<Endpoint>().unwrap().to_string(),
        "http://127.0.0.1:8545"
    );
}

#[test]
fn only_what_can_be_connected_to_is_an_endpoint() {
    assert!("/run/geth/geth.ipc".parse::<Endpoint>().is_ok());
    for text in
        ["", "SECRET", "ftp://SECRET", "https://", "geth.ipc", "file:///SECRET", "https://a b/"]
    {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(!error.contains("SECRET"), "{error}");
    }
}
