use super::*;

fn kept(json: &str, known: Option<&str>) -> (StatusCode, String, String) {
    let known = known.map(|it| HeaderValue::from_str(it).unwrap());
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let terms = Keeping { most: Duration::from_secs(60), now };
    let answer = Answer::kept(Bytes::copy_from_slice(json.as_bytes()), known.as_ref(), terms);
    let text = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    (answer.status, text("etag"), text("cache-control"))
}

fn tag(json: &str) -> String {
    kept(json, None).1
}

#[test]
fn a_tag_is_of_all_but_what_only_counts_down() {
    let verdict = r#"{"code":"VALID","wallet":"0x1","seconds_until_change":9}"#;
    let later = r#"{"code":"VALID","wallet":"0x1","seconds_until_change":8}"#;
    assert_eq!(tag(verdict), tag(later));
    for other in [
        r#"{"code":"VALID","wallet":"0x2","seconds_until_change":9}"#,
        r#"{"code":"VALID","wallet":null,"seconds_until_change":9}"#,
        r#"{"code":"VALID","seconds_until_change":9}"#,
        r#"{"code":"VALID","wallet":"0x1","more":{"seconds_until_change":9}}"#,
        "[1,2]",
        "null",
    ] {
        assert_ne!(tag(verdict), tag(other), "{other}");
    }
    assert_ne!(tag("[1,2]"), tag("[1,3]"));
    assert_eq!(kept(later, Some(&tag(verdict))).0, StatusCode::NOT_MODIFIED);
    assert_eq!(kept(later, Some("W/\"other\"")).0, StatusCode::OK);
}

#[test]
fn an_answer_is_kept_until_the_first_of_its_ends_and_never_longer_than_allowed() {
    let age = |json: &str| kept(json, None).2;
    for (json, expected) in [
        (
            r#"{"code":"VALID","stale_after":"2026-01-01T00:00:07Z","expires_at":null}"#,
            "private, max-age=7",
        ),
        (
            r#"{"code":"VALID","stale_after":"2026-01-01T00:00:07Z","seconds_until_change":3}"#,
            "private, max-age=3",
        ),
        (r#"{"code":"VALID","grace_until":"2026-02-01T00:00:00Z"}"#, "private, max-age=60"),
        (
            r#"{"code":"VALID","stale_after":"2025-12-31T23:59:59Z","seconds_until_change":3}"#,
            "private, max-age=0",
        ),
        (r#"{"code":"NOT_HELD"}"#, "private, max-age=0"),
        (r#"{"code":"UNDETERMINED","stale_after":"2026-01-01T00:00:07Z"}"#, "no-store"),
        (r#"{"items":[]}"#, "private, no-cache"),
        ("[]", "private, no-cache"),
    ] {
        assert_eq!(age(json), expected, "{json}");
    }
}
