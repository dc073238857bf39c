use serde_json::json;

use super::super::clients::tests::client;
use super::super::endpoints::{Route, route};
use super::*;

fn asked(verb: &str, address: &str, body: &Value) -> Result<Map<String, Value>, Problem> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let Route::Found(row, given) = route(verb, path) else { panic!("{path}") };
    read(row, given, query, body.as_object().cloned().unwrap_or_default())
}

#[test]
fn a_text_of_the_query_becomes_what_the_method_takes() {
    let given =
        asked("GET", "/api/v1/products/acme/entitlement?wait_ms=7&feature=a%20b", &json!(null));
    let expected = json!({"product": "acme", "wait_ms": 7, "feature": "a b"});
    assert_eq!(Value::from(given.unwrap()), expected);
    let given = asked("GET", "/api/v1/ownerships?active=true&limit=3", &json!(null)).unwrap();
    assert_eq!(Value::from(given), json!({"active": true, "limit": 3}));
    for query in
        ["limit=+3", "limit=03", "limit=-1", "limit=", "limit=1&limit=2", "active=1", "more=1"]
    {
        let address = format!("/api/v1/ownerships?{query}");
        assert!(asked("GET", &address, &json!(null)).is_err(), "{query}");
    }
    let twice = asked("POST", "/api/v1/customers/tier", &json!({"product": "a", "wait_ms": 1}));
    assert!(twice.is_err(), "a member that the row does not name");
}

#[test]
fn a_client_asks_for_its_own_customer_and_its_own_products() {
    let mut one = client("customer:1");
    one.products = vec!["acme".parse().unwrap()];
    let admitted =
        |given: Value| admit(&one, "entitlement_check", false, given.as_object().cloned().unwrap());
    let given = admitted(json!({"product": "acme", "customer_id": "customer:1"})).unwrap();
    assert_eq!(Value::from(given), json!({"product": "acme", "customer": "customer:1"}));
    for refused in [
        json!({"product": "acme", "customer": "customer:2"}),
        json!({"product": "acme", "customer": null}),
        json!({"product": "acme", "customer_id": ["customer:1"]}),
        json!({"product": "other"}),
        json!({"product": ["acme"]}),
        json!({}),
    ] {
        assert!(admitted(refused.clone()).is_err(), "{refused}");
    }
}

#[test]
fn of_lists_only_what_is_the_clients_is_seen() {
    let mut one = client("customer:1");
    let all = json!({"items": [{"product": "a"}, {"product": "b"}], "pools": [{"product": "b"}]});
    one.products = vec!["a".parse().unwrap()];
    let seen = |narrowing: Narrowing| {
        let mut seen = all.clone();
        narrow(&one, narrowing, &mut seen);
        seen
    };
    assert_eq!(seen(Narrowing::Seats), json!({"items": [{"product": "a"}], "pools": []}));
    assert_eq!(seen(Narrowing::Products("product"))["items"], json!([{"product": "a"}]));
    assert_eq!(seen(Narrowing::Nothing), all);
}
