use serde_json::json;

use super::*;

fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "Mail": [{"name": "to", "type": "Person[]"}, {"name": "text", "type": "string"}],
            "Person": [{"name": "wallet", "type": "address"}]
        },
        "primaryType": "Mail",
        "domain": {"name": "test"},
        "message": {
            "to": [{"wallet": "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"}],
            "text": "hello"
        }
    })
}

/// The fault after the part of `mail()` at `pointer` was replaced.
fn fault_with(pointer: &str, value: Value) -> TypedDataFault {
    let mut json = mail();
    *json.pointer_mut(pointer).unwrap() = value;
    typed_data_hash(&json).unwrap_err()
}

#[test]
fn every_part_changes_the_hash() {
    let whole = typed_data_hash(&mail()).unwrap();
    for (pointer, value) in [
        ("/domain/name", json!("other")),
        ("/message/text", json!("hallo")),
        ("/message/to", json!([])),
        ("/types/Mail/1/type", json!("bytes")),
    ] {
        let mut json = mail();
        if pointer.ends_with("type") {
            *json.pointer_mut("/message/text").unwrap() = json!("0x00");
        }
        *json.pointer_mut(pointer).unwrap() = value;
        assert_ne!(typed_data_hash(&json).unwrap(), whole, "{pointer}");
    }
}

#[test]
fn what_the_signature_would_not_cover_is_refused() {
    let person = json!([{"wallet": "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf", "vip": true}]);
    let fault = fault_with("/message/to", person);
    assert_eq!(fault, TypedDataFault::Uncovered { name: "vip".into() });
    let mut json = mail();
    json["note"] = json!(1);
    assert_eq!(typed_data_hash(&json), Err(TypedDataFault::Shape));
}

#[test]
fn a_domain_must_be_what_its_type_says() {
    for domain in [json!({}), json!({"name": "a", "version": "1"}), json!({"name": null})] {
        let fault = fault_with("/domain", domain.clone());
        assert!(matches!(fault, TypedDataFault::Domain { .. }), "{domain}: {fault}");
    }
    let bytes = json!([{"name": "name", "type": "bytes"}]);
    assert!(matches!(fault_with("/types/EIP712Domain", bytes), TypedDataFault::Domain { .. }));
    let mut json = mail();
    json["types"].as_object_mut().unwrap().remove("EIP712Domain");
    assert!(matches!(typed_data_hash(&json), Err(TypedDataFault::Domain { .. })));
    let own = fault_with("/primaryType", json!("EIP712Domain"));
    assert_eq!(own, TypedDataFault::Part { part: "primaryType" });
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for (pointer, value) in [
        ("/message/text", json!(7)),
        ("/message/to", json!({})),
        ("/message/to/0/wallet", json!("0x00")),
        ("/message", json!({"text": "no recipients"})),
        ("/message", json!(null)),
    ] {
        let fault = fault_with(pointer, value);
        assert!(matches!(fault, TypedDataFault::Value { .. }), "{pointer}: {fault}");
    }
}

#[test]
fn names_that_are_none_are_refused() {
    for kind in ["", "Person[", "Person[]x", "Person[-1]", "Person[][][][][]", "(uint8)", "a b"] {
        let fault = fault_with("/types/Mail/0/type", json!(kind));
        assert!(matches!(fault, TypedDataFault::Name { .. }), "{kind}: {fault}");
    }
    let twice = json!([{"name": "to", "type": "string"}, {"name": "to", "type": "string"}]);
    assert_eq!(fault_with("/types/Mail", twice), TypedDataFault::Name { name: "to".into() });
    let mut json = mail();
    json["types"]["uint256"] = json!([]);
    let fault = typed_data_hash(&json).unwrap_err();
    assert_eq!(fault, TypedDataFault::Name { name: "uint256".into() });
}

#[test]
fn types_must_be_defined_and_must_end() {
    let fault = fault_with("/types/Mail/0/type", json!("Nobody[]"));
    assert_eq!(fault, TypedDataFault::Undefined { name: "Nobody".into() });
    let fault = fault_with("/primaryType", json!("uint256"));
    assert_eq!(fault, TypedDataFault::Undefined { name: "uint256".into() });
    let fault = fault_with("/types/Person/0/type", json!("Mail"));
    assert_eq!(fault, TypedDataFault::Cycle { name: "Mail".into() });
}

#[test]
fn types_that_unfold_without_end_are_refused() {
    let mut json = mail();
    for level in 0..30 {
        let next = format!("T{}", level + 1);
        json["types"][format!("T{level}")] =
            json!([{"name": "a", "type": next}, {"name": "b", "type": next}]);
    }
    json["types"]["T30"] = json!([]);
    json["primaryType"] = json!("T0");
    let fault = typed_data_hash(&json).unwrap_err();
    assert_eq!(fault, TypedDataFault::TooLarge { what: "fields", limit: EXPANDED_LIMIT });
}

#[test]
fn structs_times_the_text_of_their_types_are_bounded() {
    // 12 KB that are legal in every other way: 60 types and 800 empty structs took 50 ms.
    let document = |types: usize, structs: usize| {
        let mut json = mail();
        let fields: Vec<Value> = (0..types)
            .map(|it| json!({"name": format!("field{it}"), "type": format!("Type{it}[]")}))
            .collect();
        for it in 0..types {
            json["types"][format!("Type{it}")] = json!([]);
            json["message"][format!("field{it}")] = json!([]);
        }
        json["types"]["Person"] = json!(fields);
        json["message"] = json!({"to": [], "text": "hello"});
        let mut person = Map::new();
        for it in 0..types {
            let count = if it == 0 { structs } else { 0 };
            person.insert(format!("field{it}"), json!(vec![json!({}); count]));
        }
        json["message"]["to"] = json!([person]);
        json
    };
    assert!(typed_data_hash(&document(60, 20)).is_ok());
    let fault = typed_data_hash(&document(60, 800)).unwrap_err();
    assert!(matches!(fault, TypedDataFault::TooLarge { limit: TYPE_WORK_LIMIT, .. }), "{fault}");
    assert!(typed_data_hash(&document(2, 800)).is_ok(), "many structs of few types");
}

#[test]
fn size_depth_and_count_are_bounded() {
    let too_large = |fault| match fault {
        TypedDataFault::TooLarge { what, .. } => what,
        other => panic!("{other}"),
    };
    let long = fault_with("/message/text", json!("a".repeat(TYPED_DATA_LIMIT)));
    assert_eq!(too_large(long), "bytes");
    let many = fault_with("/message/to", json!(vec![0; VALUES_LIMIT]));
    assert_eq!(too_large(many), "values");
    let deep = (0..DEPTH_LIMIT).fold(json!(0), |inner, _| json!([inner]));
    assert_eq!(too_large(fault_with("/message/to", deep)), "levels");
    let wide: Map<String, Value> = (0..TYPES_LIMIT)
        .map(|it| (format!("T{it}"), json!([])))
        .chain([("Mail".to_owned(), json!([]))])
        .collect();
    assert_eq!(too_large(fault_with("/types", Value::Object(wide))), "types");
}
