use super::*;

fn of(text: &str) -> String {
    domain(&text.parse().unwrap())
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
        assert_eq!(of(left), of(right), "{left} {right}");
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
        assert_ne!(of(left), of(right), "{left} {right}");
    }
}
