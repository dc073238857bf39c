use super::*;

#[test]
fn domains() {
    for text in [
        "example.com",
        "example.com:8080",
        "entitled-0123456789ab.localhost",
        "127.0.0.1",
        "[::1]:3000",
        "user:pw@example.com",
        "a%20b",
    ] {
        assert!(is_domain(text), "{text}");
    }
    for text in
        ["", ":80", "user@", "a b", "a/b", "a:b", "[::g]", "[::1", "[v1.a]", "a%2", "a\nb", "ä"]
    {
        assert!(!is_domain(text), "{text}");
    }
}

#[test]
fn uris() {
    for text in [
        "entitled:link",
        "https://example.com/a/b?c=d&e#f?/",
        "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
        "did:key:z6Mk",
        "urn:a:b%20c",
        "file:///etc",
        "x:",
        "http://[::1]:80/",
    ] {
        assert!(is_uri(text), "{text}");
    }
    for text in [
        "",
        "example.com",
        "://x",
        "1a:b",
        "a b:c",
        "https://a b",
        "x:a#b#c",
        "x:%zz",
        "x:\"",
        "x:[",
        "http://[x]/",
        "http://a:b/",
        "x:é",
    ] {
        assert!(!is_uri(text), "{text}");
    }
}

#[test]
fn date_times() {
    for text in [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.123456789Z",
        "2026-11-22T10:00:00+01:00",
        "2026-11-22T10:00:00.5-23:59",
    ] {
        assert!(is_date_time(text), "{text}");
    }
    for text in [
        "",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22 10:00:00Z",
        "2026-11-22t10:00:00z",
        "2026-11-22T10:00Z",
        "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00,5Z",
        "2026-11-22T10:00:00+0100",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00+-1:00",
        "2026-11-22T10:00:00Z[UTC]",
        "+02026-11-22T10:00:00Z",
        "2026-11-22T10:00:0é",
    ] {
        assert!(!is_date_time(text), "{text}");
    }
}

#[test]
fn statements_nonces_and_request_ids() {
    assert!(is_statement("Link this wallet, please: uid:1000 [it's free]?"));
    for text in ["", "a\nb", "50%", "\"a\"", "naïve", "a\tb", "<a>"] {
        assert!(!is_statement(text), "{text}");
    }
    assert!(is_nonce("abcDEF12"));
    for text in ["", "abcDEF1", "abcDEF1-", "abcDEF1é"] {
        assert!(!is_nonce(text), "{text}");
    }
    assert!(is_request_id("") && is_request_id("a:b@c%20"));
    assert!(!is_request_id("a/b") && !is_request_id("a b"));
}
