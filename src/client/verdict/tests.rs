use super::*;

/// The example of the API's documentation, with a field of the future.
const VALID: &str = r#"{ "product": "acme-cad", "valid": true, "code": "VALID", "detail": "tier pro",
        "tier": "pro", "rank": 20, "features": { "export": true, "max_projects": 50, "ratio": 0.5,
        "support": "mail", "trial": false, "zero": 0, "later": [1] },
        "customer": "uid:1000", "wallet": "eip155:1:0xAb", "token": "eip155:1/erc721:0xAb/7",
        "provisional": false, "freshness": "fresh", "trust": "quorum",
        "anchor": { "chain": "eip155:1", "number": 22789250, "hash": "0x00",
        "time": "2026-11-22T10:00:00Z", "finality": "finalized", "more": {} },
        "verified_at": "2026-11-22T10:00:00Z", "expires_at": null, "seconds_until_change": 1209600,
        "of_the_future": {"x": 1} }"#;

fn valid() -> Verdict {
    serde_json::from_str(VALID).unwrap()
}

#[test]
fn features_are_read_by_kind() {
    let verdict = valid();
    assert_eq!(verdict.feature("max_projects").and_then(Feature::as_i64), Some(50));
    assert_eq!(verdict.feature("ratio").and_then(Feature::as_f64), Some(0.5));
    assert_eq!(verdict.feature("support").and_then(Feature::as_str), Some("mail"));
    for (name, on) in [("export", true), ("trial", false), ("zero", false), ("absent", false)] {
        assert_eq!(verdict.has(name), on, "{name}");
    }
}

#[test]
fn who_is_not_entitled_has_no_features() {
    let verdict = Verdict { valid: false, ..valid() };
    assert_eq!(verdict.feature("export"), None);
    assert!(!verdict.has("export"));
}

#[test]
fn a_code_of_the_future_is_kept_as_text() {
    let text = r#"{"product":"p","valid":false,"code":"SEATS_TAKEN","tier":null}"#;
    let verdict: Verdict = serde_json::from_str(text).unwrap();
    assert_eq!(verdict.code, Code::Other("SEATS_TAKEN".to_owned()));
    assert_eq!(verdict.code.to_string(), "SEATS_TAKEN");
}

#[test]
fn a_verdict_without_its_verdict_is_refused() {
    assert!(serde_json::from_str::<Verdict>(r#"{"product":"p","code":"VALID"}"#).is_err());
}

#[test]
fn an_explanation_is_a_verdict_with_steps() {
    let text = VALID.replacen(
        '{',
        r#"{"steps":[{"step":"grant","subject":"pro","outcome":"yes","reason":"r"}],"#,
        1,
    );
    let explanation: Explanation = serde_json::from_str(&text).unwrap();
    assert_eq!(explanation.verdict, valid());
    assert_eq!(explanation.steps.len(), 1);
}
