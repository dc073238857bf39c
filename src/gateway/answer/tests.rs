use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn result(json: &str) -> Kept {
    Kept::new(Bytes::copy_from_slice(json.as_bytes()), now())
}

fn kept(json: &str, known: Option<&str>) -> (StatusCode, String, String) {
    let known = known.map(|it| HeaderValue::from_str(it).unwrap());
    let answer = result(json).answer(known.as_ref(), Duration::from_secs(60), now());
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

/// What is handed out again, and for how long.
#[test]
fn a_verdict_is_handed_out_again_until_time_alone_makes_it_another() {
    let verdict =
        r#"{"seconds_until_change": 90 ,"code":"VALID","more":{"seconds_until_change":90}}"#;
    let after = |seconds| now() + SignedDuration::from_millis(seconds);
    let body = |at: Timestamp| match result(verdict).answer(None, Duration::from_secs(60), at) {
        Answer { body: Body::Whole(bytes), headers, .. } => {
            let cache = headers["cache-control"].to_str().unwrap().to_owned();
            (String::from_utf8(bytes.into()).unwrap(), cache)
        }
        Answer { body: Body::Events(_), .. } => panic!("a body"),
    };
    assert_eq!(body(now()), (verdict.to_owned(), "private, max-age=60".to_owned()));
    // A second that has begun has passed.
    let (text, cache) = body(after(40_500));
    assert_eq!(text, verdict.replacen("90", "49", 1));
    assert_eq!(cache, "private, max-age=49");
    for (at, holds) in [(0, true), (89_999, true), (90_000, false), (-1, false)] {
        assert_eq!(result(verdict).holds_at(after(at)), holds, "{at}");
    }
    for other in [
        r#"{"code":"UNDETERMINED","seconds_until_change":90}"#,
        r#"{"items":[]}"#,
        r#"{"code":"NOT_HELD","seconds_until_change":null}"#,
        "[]",
    ] {
        assert!(!result(other).holds_at(now()), "{other}");
    }
}
