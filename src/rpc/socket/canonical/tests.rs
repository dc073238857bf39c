//! What is recognised is what the scanner and the JSON readers make of the same bytes.

use proptest::prelude::*;

use super::*;
use crate::rpc::call::envelope;
use crate::rpc::socket::scan::{Scanner, Step};

/// Parameters of which the product is the only one.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyProduct {
    product: String,
}

/// The same by the readers that everything else goes through.
fn by_the_readers(bytes: &[u8]) -> Option<(String, String, usize)> {
    let Step::Frame { start: 0, end } = Scanner::new(2).next(bytes) else { return None };
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let envelope = envelope::read(text).ok()?;
    let params = serde_json::from_str::<OnlyProduct>(envelope.params?.get()).ok()?;
    let is_check = envelope.method == "entitlement_check";
    is_check.then(|| (envelope.id.unwrap().get().to_owned(), params.product, end))
}

fn agrees(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let Some(check) = recognise(bytes) else { return Ok(false) };
    let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
    let recognised = (text(check.id), text(check.product), check.length);
    prop_assert_eq!(Some(recognised), by_the_readers(bytes), "{}", bytes.escape_ascii());
    Ok(true)
}

#[test]
fn programs_are_recognised_by_how_they_write() {
    for request in [
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"acme-cad"}}"#,
        r#"{"jsonrpc": "2.0", "id": 1, "method": "entitlement_check", "params": {"product": "acme-cad"}}"#,
        r#"{"jsonrpc":"2.0","method":"entitlement_check","params":{"product":"acme-cad"},"id":0}"#,
        r#"{"method":"entitlement_check","params":{"product":"a"},"id":"x-1 {","jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":"","method":"entitlement_check","params":{"product":"a"}}{"#,
    ] {
        assert!(agrees(request.as_bytes()).unwrap(), "{request}");
    }
}

#[test]
fn the_rest_is_left_to_the_readers() {
    for request in [
        r#"{"jsonrpc":"2.0","method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":01,"method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1e3,"method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"entitlement_check","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"\u0061"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"a","wait_ms":0}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_list","params":{"product":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"a"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"a"},}"#,
        r#" {"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"a"}}"#,
    ] {
        assert_eq!(recognise(request.as_bytes()), None, "{request}");
    }
}

/// Requests made of what requests are made of, in any order and number.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let id =
        prop_oneof!["[0-9]{1,17}", "-?[0-9]{1,3}[.eE][0-9]", "\"[ -~]{0,3}\"", "null|true|[{]}"];
    let blank = || prop_oneof![4 => Just(""), 3 => Just(" "), 1 => Just("\n"), 1 => Just("  ")];
    let product = r#""[a-z.-]{1,5}"|"[ -~]{0,70}"|"é"|7"#;
    let params = (blank(), product, "|,\"wait_ms\":0|,\"product\":\"b\"| ", blank()).prop_map(
        |(blank, product, more, end)| {
            format!("\"params\":{blank}{{{end}\"product\":{blank}{product}{more}}}")
        },
    );
    let member = prop_oneof![
        blank().prop_map(|blank| format!("\"jsonrpc\":{blank}\"2.0\"")),
        (blank(), id).prop_map(|(blank, id)| format!("\"id\":{blank}{id}")),
        (blank(), "check|list")
            .prop_map(|(blank, it)| format!("\"method\":{blank}\"entitlement_{it}\"")),
        params,
    ];
    let members = prop::collection::vec((member, blank()), 3..6);
    members.prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(it, blank)| format!("{blank}{it}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

/// A right request, with the members in any order, of which some bytes were exchanged, put in or left out.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let members = [
        r#""jsonrpc":"2.0""#,
        r#""id":12"#,
        r#""method":"entitlement_check""#,
        r#""params":{"product":"acme-cad"}"#,
    ];
    let byte = prop_oneof![prop::sample::select(&br#"{}[]",:\ 09e.-"#[..]), any::<u8>(),];
    let spoil = (any::<prop::sample::Index>(), 0..3, byte);
    let order = Just(members.to_vec()).prop_shuffle();
    (order, prop::sample::select(vec![",", ", "]), prop::collection::vec(spoil, 0..4)).prop_map(
        |(members, comma, spoils)| {
            let mut bytes = format!("{{{}}}", members.join(comma)).into_bytes();
            for (place, how, byte) in spoils {
                let at = place.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        },
    )
}

#[test]
fn a_form_is_remembered_from_the_second_check_on() {
    let ask = |id: u32, product: &str| {
        format!(
            "{{\"id\": {id}, \"method\":\"entitlement_check\",\"params\":{{\"product\":\"{product}\"}},\"jsonrpc\":\"2.0\"}}"
        )
    };
    let mut form = Form::default();
    assert!(form.recognise(ask(1, "acme").as_bytes()).is_some());
    assert!(form.id_and_length(ask(2, "acme").as_bytes()).is_none(), "who asks once");
    assert!(form.recognise(ask(2, "acme").as_bytes()).is_some());
    assert!(form.id_and_length(ask(345, "acme").as_bytes()).is_some());
    assert!(form.id_and_length(ask(345, "acma").as_bytes()).is_none());
    let other = ask(4, "acma");
    assert_eq!(form.recognise(other.as_bytes()), recognise(other.as_bytes()));
    assert!(form.id_and_length(ask(5, "acma").as_bytes()).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_192))]

    /// Whatever a connection has asked before, and whatever of it is repeated, in whole or in part.
    #[test]
    fn what_was_asked_before_makes_no_difference(
        all in prop::collection::vec((prop_oneof![pieces(), spoilt()], 0..3, any::<prop::sample::Index>()), 1..6)
    ) {
        let mut form = Form::default();
        for (bytes, repeats, end) in &all {
            for _ in 0..=*repeats {
                prop_assert_eq!(form.recognise(bytes), recognise(bytes));
            }
            let cut = &bytes[..end.index(bytes.len())];
            prop_assert_eq!(form.recognise(cut), recognise(cut));
            let longer = [bytes, &b"}"[..]].concat();
            prop_assert_eq!(form.recognise(&longer), recognise(&longer));
        }
    }

    #[test]
    fn what_is_recognised_the_readers_read_alike(bytes in prop_oneof![pieces(), spoilt()]) {
        agrees(&bytes)?;
    }

    #[test]
    fn a_request_cut_short_is_none(bytes in spoilt(), end in any::<prop::sample::Index>()) {
        if let Some(check) = recognise(&bytes) {
            let cut = &bytes[..end.index(check.length)];
            prop_assert_eq!(recognise(cut), None);
        }
    }
}
