//! Texts that are no light client's object are refused for what they are, with nothing lost but themselves.

use serde_json::{Value, json};

use super::*;

fn update_json() -> Value {
    let network = Network::small();
    network.update(all(&network, 40, 55))
}

#[test]
fn with_its_envelope_or_bare_it_is_the_same() {
    let network = Network::small();
    let json = update_json();
    for text in [&json, &json["data"]] {
        let update = Update::from_json(&bytes(text)).unwrap();
        assert_eq!(update.attested_slot(), 55);
        let mut client = begun(&network, 32);
        assert!(client.apply_update(&specification(&network), &update, NOW).is_ok());
    }
}

#[test]
fn a_list_has_one_or_many() {
    let json = update_json();
    let slots = |json: &Value| {
        let list = Update::list_from_json(&bytes(json)).unwrap();
        list.iter().map(Update::attested_slot).collect::<Vec<_>>()
    };
    assert_eq!(slots(&json!([json, json["data"]])), [55, 55]);
    assert_eq!(slots(&json), [55]);
    assert_eq!(slots(&json!([])), Vec::<u64>::new());
}

#[test]
fn a_list_has_an_end() {
    let many = json!(vec![Value::Null; MOST_UPDATES + 1]);
    let refused = Update::list_from_json(&bytes(&many)).unwrap_err();
    assert_eq!(refused, Malformed::TooMany { found: 129, most: 128 });
}

#[test]
fn what_is_too_long_is_not_read() {
    let long = vec![b' '; LONGEST_OBJECT + 1];
    let most = LONGEST_OBJECT;
    let refused = Malformed::TooLong { length: most + 1, most };
    assert_eq!(Bootstrap::from_json(&long).unwrap_err(), refused);
    let long = vec![b' '; LONGEST_LIST + 1];
    assert!(matches!(Update::list_from_json(&long), Err(Malformed::TooLong { .. })));
}

#[test]
fn a_mistake_is_told_with_its_place_and_not_at_length() {
    let mut json = update_json();
    json["data"]["attested_header"]["beacon"]["state_root"] = json!("y".repeat(100_000));
    let refused = Update::from_json(&bytes(&json)).unwrap_err();
    assert!(matches!(refused, Malformed::Text { line: 1, .. }), "{refused:?}");
    assert!(refused.to_string().len() < 400, "{refused}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let text = bytes(&update_json()["data"]);
    let text = String::from_utf8(text).unwrap();
    let twice = text.replacen('{', "{\"signature_slot\":\"56\",", 1);
    assert!(Update::from_json(twice.as_bytes()).is_err());
}

#[test]
fn a_header_says_one_thing_of_execution() {
    let mut json = update_json();
    json["data"]["attested_header"]["execution_block_hash"] = json!(alloy_primitives::B256::ZERO);
    let refused = Update::from_json(&bytes(&json)).unwrap_err();
    assert!(refused.to_string().contains("not both"), "{refused}");
}

#[test]
fn numbers_have_one_form() {
    for (text, good) in [
        ("55", true),
        ("0", true),
        ("18446744073709551615", true),
        ("18446744073709551616", false),
        ("", false),
        ("055", false),
        ("+55", false),
        ("-1", false),
        ("5.5", false),
        ("0x37", false),
        (" 55", false),
    ] {
        let mut json = update_json();
        json["data"]["signature_slot"] = json!(text);
        assert_eq!(Update::from_json(&bytes(&json)).is_ok(), good, "{text:?}");
    }
}

#[test]
fn deep_and_odd_texts_are_refused() {
    let deep = ["[".repeat(100_000), "{\"data\":".repeat(100_000)];
    for text in
        deep.iter().map(String::as_str).chain(["", "null", "7", "{}", "[[]]", "{\"data\":[]}"])
    {
        assert!(Update::from_json(text.as_bytes()).is_err());
        assert!(Bootstrap::from_json(text.as_bytes()).is_err());
        assert!(FinalityUpdate::from_json(text.as_bytes()).is_err());
        assert!(OptimisticUpdate::from_json(text.as_bytes()).is_err());
        assert!(Update::list_from_json(text.as_bytes()).is_err());
    }
}
