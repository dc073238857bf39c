use super::*;

fn at(text: &str) -> Location {
    Location::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_may_hold_a_key_is_not_shown() {
    for (text, shown) in [
        ("https://user:pass@rpc.example.com/v3/KEY?k=KEY#KEY", "https://rpc.example.com"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("wss://rpc.example.com:9000/KEY", "wss://rpc.example.com:9000"),
        ("http://[::1]:8545/", "http://[::1]:8545"),
        ("/run/geth/geth.ipc", "/run/geth/geth.ipc"),
    ] {
        assert_eq!(at(text).shown(), shown);
    }
}

#[test]
fn one_owner_counts_once() {
    for (left, right) in [
        ("https://a.example.com/x", "wss://b.example.com:9000"),
        ("https://EXAMPLE.com", "https://example.com."),
        ("https://a.example.co.uk", "https://b.example.co.uk"),
        ("http://10.0.0.1:1", "http://10.0.0.1:2"),
        ("http://127.0.0.1:1", "http://localhost:1"),
    ] {
        assert_eq!(at(left).domain(), at(right).domain(), "{left} {right}");
    }
}

#[test]
fn different_owners_count_each() {
    for (left, right) in [
        ("https://a.example.com", "https://a.example.org"),
        ("https://one.co.uk", "https://two.co.uk"),
        ("http://127.0.0.1:1", "http://127.0.0.1:2"),
        ("http://localhost:1", "http://localhost:2"),
        ("http://10.0.0.1", "http://10.0.0.2"),
        ("/a.ipc", "/b.ipc"),
    ] {
        assert_ne!(at(left).domain(), at(right).domain(), "{left} {right}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_without_repeating_it() {
    for text in ["", "geth.ipc", "ftp://KEY.example", "http://", "http://[KEY", "ws://KEY@h/"] {
        let error = Location::parse(text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(!format!("{error} {error:?}").contains("KEY"), "{error:?}");
    }
}
