use super::*;

fn product(text: &str) -> ProductId {
    text.parse().unwrap()
}

/// `acme`, `acme.cad` and `tiered` are installed.
fn installed(id: &ProductId) -> Option<Arc<FeatureKinds>> {
    let features: &[(&str, bool)] = match id.as_str() {
        "acme" => &[("cad.export", true), ("export", true)],
        "acme.cad" => &[("export", true), ("max.projects", false)],
        "tiered" => &[("tier", true)],
        _ => return None,
    };
    let features = features.iter().map(|(name, flag)| ((*name).to_owned(), *flag));
    Some(Arc::new(features.collect()))
}

fn verdict(code: &str) -> Value {
    let valid = ["VALID", "GRACE"].contains(&code);
    json!({
        "code": code, "valid": valid, "tier": valid.then_some("pro"), "freshness": "fresh", "trust": "quorum",
        "features": if valid { json!({ "export": true, "max.projects": 50, "off": false }) } else { json!({}) },
        "anchor": { "number": 12 }, "expires_at": null, "grace_until": "2026-12-06T10:00:00Z",
        "stale_after": "2026-11-29T10:00:00Z",
    })
}

fn feature(name: &str, is_boolean: bool) -> Flag {
    Flag::Feature { name: name.to_owned(), is_boolean }
}

#[test]
fn a_key_names_the_longest_product_that_has_such_a_flag() {
    let named = |key: &str| Flag::named(key, installed);
    let cases = [
        ("acme", "acme", Flag::Entitled),
        ("acme.cad", "acme.cad", Flag::Entitled),
        ("acme.tier", "acme", Flag::Tier),
        ("acme.export", "acme", feature("export", true)),
        ("acme.cad.export", "acme.cad", feature("export", true)),
        ("acme.cad.max.projects", "acme.cad", feature("max.projects", false)),
        ("tiered.tier", "tiered", Flag::Tier),
    ];
    for (key, id, flag) in cases {
        assert_eq!(named(key), Some((product(id), flag)), "{key}");
    }
    for key in
        ["", ".", "acme.", ".acme", "nowhere", "nowhere.tier", "acme.3d", "ACME", "acme..export"]
    {
        assert_eq!(named(key), None, "{key}");
    }
}

#[test]
fn all_flags_of_a_product_are_those_that_can_be_named() {
    let all = Flag::all(&product("acme.cad"), &installed(&product("acme.cad")).unwrap());
    assert_eq!(all.len(), 4);
    for (key, flag) in all {
        assert_eq!(Flag::named(&key, installed), Some((product("acme.cad"), flag)));
    }
    assert_eq!(Flag::all(&product("tiered"), &installed(&product("tiered")).unwrap()).len(), 2);
}

/// The value, if there is one, and the reason.
fn said(flag: &Flag, verdict: &Value) -> (Option<Value>, String) {
    let said = flag.evaluation("k", verdict);
    assert_eq!(said["key"], "k");
    assert!(said["variant"].is_string(), "Python's provider reads it without looking: {said}");
    (said.get("value").cloned(), said["reason"].as_str().unwrap().to_owned())
}

#[test]
fn the_three_standings_stay_three() {
    let (on, max) = (feature("export", true), feature("max.projects", false));
    let yes = verdict("VALID");
    for (flag, value) in [
        (&Flag::Entitled, json!(true)),
        (&Flag::Tier, json!("pro")),
        (&on, json!(true)),
        (&max, json!(50)),
    ] {
        assert_eq!(said(flag, &yes), (Some(value), "TARGETING_MATCH".to_owned()), "{flag:?}");
    }
    for code in
        ["NOT_HELD", "EXPIRED", "SUSPENDED", "NO_WALLET", "TRUST_TOO_LOW", "PUBLISHER_MISMATCH"]
    {
        for flag in [&Flag::Entitled, &on] {
            assert_eq!(
                said(flag, &verdict(code)),
                (Some(json!(false)), "DEFAULT".to_owned()),
                "{code}"
            );
        }
        for flag in [&Flag::Tier, &max] {
            assert_eq!(said(flag, &verdict(code)), (None, "DEFAULT".to_owned()), "{code}");
        }
    }
    // Also of a verdict that has another form than any we know.
    for unknown in [verdict("UNDETERMINED"), json!({}), json!({ "valid": "yes", "code": "VALID" })]
    {
        for flag in [&Flag::Entitled, &Flag::Tier, &on, &max] {
            let (value, reason) = said(flag, &json!({ "variant": "x", "code": "UNDETERMINED" }));
            assert_eq!((value, reason.as_str()), (None, "UNKNOWN"));
            assert_eq!(flag.evaluation("k", &unknown).get("value"), None, "{unknown}");
        }
    }
}

#[test]
fn what_the_tier_has_not_is_off() {
    let yes = verdict("VALID");
    let off = feature("off", true);
    assert_eq!(said(&off, &yes), (Some(json!(false)), "TARGETING_MATCH".to_owned()));
    assert_eq!(said(&feature("3d", true), &yes), (Some(json!(false)), "DEFAULT".to_owned()));
    assert_eq!(said(&feature("seats", false), &yes), (None, "DEFAULT".to_owned()));
}

#[test]
fn what_is_stale_or_in_grace_says_since_when_and_until_when() {
    let mut grace = verdict("GRACE");
    grace["freshness"] = json!("grace");
    let said = Flag::Entitled.evaluation("k", &grace);
    assert_eq!((&said["value"], &said["reason"]), (&json!(true), &json!("STALE")));
    let metadata = json!({ "code": "GRACE", "trust": "quorum", "block": 12,
        "until": "2026-12-06T10:00:00Z", "stale_since": "2026-11-29T10:00:00Z" });
    assert_eq!(said["metadata"], metadata);
    let fresh = Flag::Entitled.evaluation("k", &verdict("VALID"));
    assert_eq!(fresh["metadata"], json!({ "code": "VALID", "trust": "quorum", "block": 12 }));
}
