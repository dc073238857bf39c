use serde_json::json;

use super::*;

fn customers() -> Vec<Value> {
    vec![
        json!({"id": "machine", "name": "machine", "uids": []}),
        json!({"id": "customer:1", "name": "Acme AG", "external_id": "A-7", "uids": [1002]}),
        json!({"id": "customer:2", "name": "Twin", "uids": []}),
        json!({"id": "customer:3", "name": "twin", "uids": []}),
    ]
}

#[test]
fn a_customer_has_many_names() {
    for (name, uid, id) in [
        ("Acme AG", None, "customer:1"),
        ("acme ag", None, "customer:1"),
        ("A-7", None, "customer:1"),
        ("1002", Some(1002), "customer:1"),
        ("bob", Some(1003), "uid:1003"),
    ] {
        assert_eq!(customer_of(&customers(), name, uid).unwrap(), id, "{name}");
    }
}

#[test]
fn a_name_of_nobody_or_of_several_is_refused() {
    let nobody = customer_of(&customers(), "Acne", None).unwrap_err();
    assert!(matches!(nobody, Failure::Unknown(_)), "{nobody}");
    let several = customer_of(&customers(), "twin", None).unwrap_err().to_string();
    assert!(several.contains("customer:2 or customer:3"), "{several}");
}

#[test]
fn a_product_has_a_name() {
    let all = [json!({"id": "acme-cad", "name": "Acme CAD"})];
    assert_eq!(product_of(&all, "Acme CAD").unwrap(), "acme-cad");
    assert!(product_of(&all, "Acme DB").is_err());
}
