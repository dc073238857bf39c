use super::*;
use serde_json::json;

fn is_known_to_be(said: &Value) -> bool {
    is_known(&serde_json::value::to_raw_value(said).unwrap())
}

#[test]
fn what_is_not_known_or_not_fresh_is_waited_for() {
    let verdict = |code: &str, freshness: &str| json!({"code": code, "freshness": freshness});
    let [fresh, stale] = ["fresh", "stale"].map(|it| verdict("VALID", it));
    let unknown = verdict("UNDETERMINED", "fresh");
    for (said, expected) in [
        (fresh.clone(), true),
        (verdict("NO_TOKEN", "fresh"), true),
        (stale.clone(), false),
        (verdict("VALID", "grace"), false),
        (unknown.clone(), false),
        (json!({"items": []}), true),
        (json!({"items": [fresh, verdict("NO_TOKEN", "fresh")]}), true),
        (json!({"items": [fresh, unknown]}), false),
        (json!({"items": [stale, fresh]}), false),
    ] {
        assert_eq!(is_known_to_be(&said), expected, "{said}");
    }
}

#[test]
fn what_the_daemon_would_refuse_it_is_left_to_refuse() {
    let waits = |method: &str, params: Value| wait(method, params.as_object().unwrap());
    let check = |params: Value| waits("entitlement_check", params);
    assert_eq!(check(json!({"wait_ms": 30_000})), Some(Duration::from_secs(30)));
    assert_eq!(check(json!({})), Some(Duration::from_secs(2)));
    assert_eq!(check(json!({"wait_ms": null})), Some(Duration::from_secs(2)));
    for given in [json!(0), json!(30_001), json!(-1), json!("1"), json!(1.5)] {
        assert_eq!(check(json!({ "wait_ms": given })), None, "{given}");
    }
    assert_eq!(waits("token_list", json!({"wait_ms": 1})), None);
}
