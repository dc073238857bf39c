//! Every method, parameter and field says whether it stays as it is, and every mark belongs to one.

use std::collections::BTreeMap;
use std::path::Path;

use entitled::rpc::openrpc;
use serde_json::Value;

const MARK: &str = "x-stability";

/// Every name of the document that needs a mark, and the one it has.
fn marks() -> BTreeMap<String, Value> {
    let document = openrpc::document();
    let mut marks = BTreeMap::new();
    let methods = ["methods", "x-notifications"].map(|it| document[it].as_array().expect(it));
    for method in methods.into_iter().flatten() {
        let name = method["name"].as_str().expect("a name");
        marks.insert(name.to_owned(), method[MARK].clone());
        for param in method["params"].as_array().expect("params") {
            let param_name = param["name"].as_str().expect("a name");
            marks.insert(format!("{name}.{param_name}"), param[MARK].clone());
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            marks.insert(format!("{name}.{field}"), schema[MARK].clone());
        }
    }
    marks
}

#[test]
fn every_method_parameter_and_field_is_marked() {
    let marks = marks();
    assert!(marks.len() > 300, "the names were not found: {}", marks.len());
    let unmarked: Vec<&String> = marks
        .iter()
        .filter(|(_, mark)| !["stable", "experimental"].iter().any(|it| mark == it))
        .map(|(name, _)| name)
        .collect();
    assert!(
        unmarked.is_empty(),
        "say in src/rpc/openrpc/stability.txt whether these are `stable` or `experimental`: {unmarked:?}"
    );
}

#[test]
fn every_mark_belongs_to_one_name() {
    let marks = marks();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rpc/openrpc/stability.txt");
    let text = std::fs::read_to_string(path).expect("the marks are there");
    let mut names: Vec<&str> = text.lines().filter_map(|it| it.split(' ').next()).collect();
    let gone: Vec<_> = names.iter().filter(|it| !marks.contains_key(**it)).collect();
    assert!(gone.is_empty(), "marked, and not in the API: what was stable must stay: {gone:?}");
    let lines = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(lines, names.len(), "a name has one mark");
}

#[test]
fn nothing_stable_rests_on_what_may_change() {
    let document = openrpc::document();
    for method in document["methods"].as_array().expect("methods") {
        let (name, stable) = (&method["name"], method[MARK] == "stable");
        for param in method["params"].as_array().expect("params") {
            let param_stable = param[MARK] == "stable";
            assert!(
                stable || !param_stable,
                "{name}: a part of it is no more stable than it: {param}"
            );
            let needed = param["required"] == true;
            assert!(!stable || param_stable || !needed, "{name} cannot be called without {param}");
        }
    }
    // What a program decides by.
    let marks = marks();
    for name in [
        "entitlement_check",
        "entitlement_check.product",
        "Verdict.valid",
        "Verdict.code",
        "Verdict.trust",
    ] {
        assert_eq!(marks[name], "stable", "{name}");
    }
}
