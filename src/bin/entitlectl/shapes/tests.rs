use serde_json::{Value, json};

use super::*;

fn of(method: &'static str, reply: &Value) -> Result<(), String> {
    let reply = serde_json::value::to_raw_value(reply).unwrap();
    check(method, &reply).map_err(|it| entitled_core::domain::causes::with_causes(&it))
}

/// The schema that a reference leads to, one of `anyOf` that is no null among them.
fn followed<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let parts = schema["anyOf"].as_array().or(schema["allOf"].as_array());
    if let Some(part) = parts.and_then(|it| it.iter().find(|it| it["type"] != "null")) {
        return followed(document, part);
    }
    match schema["$ref"].as_str() {
        Some(path) => followed(document, document.pointer(&path[1..]).unwrap()),
        None => schema,
    }
}

/// Whether the API's document promises that a value of this schema is of this kind.
fn promises(document: &Value, schema: &Value, kind: Kind) -> bool {
    let schema = followed(document, schema);
    let is = |name: &str| schema["type"] == name;
    let has = |members: Members| {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        members.iter().all(|(name, kind)| {
            required.contains(&json!(name))
                && promises(document, &schema["properties"][name], *kind)
        })
    };
    match kind {
        Flag => is("boolean"),
        Number => is("integer") || is("number"),
        Text => is("string"),
        Texts => is("array") && promises(document, &schema["items"], Text),
        Object(members) | ObjectOrNull(members) => members.is_empty() || has(members),
        Each(members) => is("array") && promises(document, &schema["items"], Object(members)),
    }
}

#[test]
fn what_is_asked_for_is_what_the_api_promises() {
    let document = entitled::rpc::openrpc::document();
    let methods = document["methods"].as_array().unwrap();
    let mut known = 0;
    for method in methods {
        let name = method["name"].as_str().unwrap();
        let Some(kind) = reply_of(name) else { continue };
        known += 1;
        // A keystore's form is that of Web3 Secret Storage.
        if name == "wallet_export" {
            continue;
        }
        let schema = &method["result"]["schema"];
        assert!(promises(document, schema, kind), "{name}: {kind:?} of {schema}");
    }
    assert!(known > 50, "{known}");
}

#[test]
fn the_examples_of_the_api_are_replies() {
    let examples: Value =
        serde_json::from_str(include_str!("../../../rpc/openrpc/examples.json")).unwrap();
    for (method, example) in examples.as_object().unwrap() {
        if reply_of(method).is_some() {
            let method: &'static str = method.clone().leak();
            assert_eq!(of(method, &example["result"]), Ok(()), "{method}");
        }
    }
}

#[test]
fn what_lacks_what_it_is_for_is_none() {
    for (reply, why) in [
        (json!(null), "`the result` is of another kind"),
        (json!({}), "`items` is missing"),
        (json!({"items": {}}), "`items` is of another kind"),
        (json!({"items": [7]}), "`items` is of another kind"),
        (json!({"items": [{"address": 7}]}), "`address` is of another kind"),
        (json!({"items": [{}]}), "`address` is missing"),
    ] {
        let said = of("wallet_list", &reply).unwrap_err();
        assert!(said.contains(why), "{reply}: {said}");
    }
    assert_eq!(of("wallet_list", &json!({"items": [], "more": {"a": [1.5, -1, "b"]}})), Ok(()));
    assert_eq!(of("customer_tier", &json!(null)), Ok(()));
    assert_eq!(of("chain_status", &json!([])), Ok(()));
    assert!(of("no_such_method", &json!({})).is_err());
}
