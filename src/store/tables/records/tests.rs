use super::*;
use entitled_core::domain::audit::AuditEntry;
use entitled_core::domain::confirmed::Confirmations;
use entitled_core::domain::customer::{Challenge, Customer, Wallet};
use entitled_core::domain::kept::KeptSighting;
use entitled_core::domain::ownership::{Ownership, Suspension};

/// What files of schema 1 hold. These texts must read for ever, and be written again unchanged.
const CUSTOMER: &str = r#"{"id":"customer:7","name":"Ada","external_id":"crm-1","uids":[1000],"metadata":{"site":"north"},"active":true,"created_at":"2026-11-22T10:00:00Z"}"#;
const WALLET: &str = r#"{"address":"0x0707070707070707070707070707070707070707","customer":"uid:1000","custody":"managed","label":null,"active":false,"added_at":"2026-11-22T10:00:00Z","removed_at":"2026-11-22T10:00:00.5Z"}"#;
const CONTRACT: &str = r#"{"address":"0x0707070707070707070707070707070707070707","customer":"uid:1000","custody":"linked","label":null,"active":true,"added_at":"2026-11-22T10:00:00Z","removed_at":null,"chain":"eip155:10"}"#;
const CHALLENGE: &str = r#"{"nonce":"abc","address":"0x0707070707070707070707070707070707070707","chain":1,"customer":"machine","message":"sign me","expires_at":"2026-11-22T10:10:00Z"}"#;
const HELD: &str = r#"{"sighting":{"look":3,"seen_at":"2026-11-22T10:00:00Z","wallet":"0x0707070707070707070707070707070707070707","rule":"owner","target":{"token":"eip155:1/erc721:0x0808080808080808080808080808080808080808/7"},"finding":{"held":{"until":null,"anchor":{"chain":"eip155:1","number":100,"hash":"0x0909090909090909090909090909090909090909090909090909090909090909","time":"2026-11-22T09:59:48Z","finality":"finalized","trust":"quorum"}}}}}"#;
const REST: &str = r#"{"sighting":{"look":3,"seen_at":"2026-11-22T10:00:00Z","wallet":"0x0707070707070707070707070707070707070707","rule":"owner","target":{"rest":{"collection":"eip155:1/erc721:0x0808080808080808080808080808080808080808","ids":[["0x1","0x9"]]}},"finding":{"unknown":{"cause":"unreachable","finality":"latest"}}},"except":["0x7"]}"#;
const OWNERSHIP: &str = r#"{"number":1,"token":"eip155:1/erc721:0x0808080808080808080808080808080808080808/7","wallet":"0x0707070707070707070707070707070707070707","first_seen":"2026-11-22T10:00:00Z","last_proven":"2026-11-22T10:00:00Z","evidence":{"rule":"owner","anchor":{"chain":"eip155:1","number":100,"hash":"0x0909090909090909090909090909090909090909090909090909090909090909","time":"2026-11-22T09:59:48Z","finality":"safe","trust":"consensus"},"transaction":null},"closed":null,"suspended":null}"#;
/// Since schema 2.
const THROUGH: &str = r#"{"sighting":{"look":3,"seen_at":"2026-11-22T10:00:00Z","wallet":"0x0707070707070707070707070707070707070707","rule":{"balance":{"min":"0x2"}},"reach":{"delegation":"0x0909090909090909090909090909090909090909090909090909090909090909"},"target":{"token":"eip155:1/erc1155:0x0808080808080808080808080808080808080808/7"},"finding":{"unknown":{"cause":"contract","finality":"latest"}},"via":[{"vault":"0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}]}}"#;
const RENTED: &str = r#"{"number":1,"token":"eip155:1/erc721:0x0808080808080808080808080808080808080808/7","wallet":"0x0707070707070707070707070707070707070707","first_seen":"2026-11-22T10:00:00Z","last_proven":"2026-11-22T10:00:00Z","evidence":{"rule":"user","reach":{"token_bound":true},"via":[{"account":"0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}],"anchor":{"chain":"eip155:1","number":100,"hash":"0x0909090909090909090909090909090909090909090909090909090909090909","time":"2026-11-22T09:59:48Z","finality":"safe","trust":"consensus"},"transaction":null},"closed":null,"suspended":null}"#;
const SUSPENSION: &str = r#"{"reason":"refunded","by":"admin uid:0","at":"2026-11-22T10:00:00Z"}"#;
const SCAN: &str = r#"{"look":3,"scan":{"read_to":[100,"0x0909090909090909090909090909090909090909090909090909090909090909"],"ids":["0x7"]}}"#;
const AUDIT: &str = r#"{"number":1,"at":"2026-11-22T10:00:00Z","by":"entitled","action":"customer_created","subject":"machine","detail":"","previous":"0x0000000000000000000000000000000000000000000000000000000000000000","hash":"0x0909090909090909090909090909090909090909090909090909090909090909"}"#;

fn same<T: Serialize + DeserializeOwned>(text: &str) {
    let stored = [&[FORM_JSON], text.as_bytes()].concat();
    let value: T = decode("test", &stored).unwrap();
    let again = encode("test", &value).unwrap();
    assert_eq!(String::from_utf8_lossy(&again[1..]), text);
}

/// Since schema 5.
const CONFIRMED: &str = r#"{"rule":"owner","target":{"token":"eip155:1/erc721:0x0808080808080808080808080808080808080808/7"},"finality":"latest","word":{"held":{"until":null}}}"#;
const CONFIRMED_REST: &str = r#"{"rule":{"balance":{"min":"0x2"}},"reach":{"token_bound":true},"target":{"rest":{"collection":"eip155:1/erc1155:0x0808080808080808080808080808080808080808","ids":[]}},"finality":"finalized","word":"not_held","via":[{"vault":"0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}],"except":["0x7"]}"#;
const CONFIRMATIONS: &str = r#"{"looks":[{"rule":"owner","look":3,"seen_at":"2026-11-22T10:00:00Z","anchor":{"chain":"eip155:1","number":100,"hash":"0x0909090909090909090909090909090909090909090909090909090909090909","time":"2026-11-22T09:59:48Z","finality":"latest","trust":"quorum"},"said":"0x0707070707070707070707070707070707070707070707070707070707070707"}],"unanimous":true}"#;

/// With the amount of an ERC-1155 id, which rows of before lack.
const COUNTED: &str = r#"{"sighting":{"look":3,"seen_at":"2026-11-22T10:00:00Z","wallet":"0x0707070707070707070707070707070707070707","rule":{"balance":{"min":"0x2"}},"target":{"token":"eip155:1/erc1155:0x0808080808080808080808080808080808080808/7"},"finding":{"not_held":{"anchor":{"chain":"eip155:1","number":100,"hash":"0x0909090909090909090909090909090909090909090909090909090909090909","time":"2026-11-22T09:59:48Z","finality":"finalized","trust":"quorum"}}},"amount":"0x1"}}"#;
const CONFIRMED_COUNTED: &str = r#"{"rule":{"balance":{"min":"0x2"}},"target":{"token":"eip155:1/erc1155:0x0808080808080808080808080808080808080808/7"},"finality":"latest","word":{"held":{"until":null}},"amount":"0x3"}"#;

#[test]
fn rows_with_amounts_read_and_are_written_the_same() {
    for (form, text) in [(FORM_JSON, COUNTED), (FORM_CONFIRMED, CONFIRMED_COUNTED)] {
        let stored = [&[form], text.as_bytes()].concat();
        assert_eq!(encode_row(&decode_row(&stored).unwrap()).unwrap(), stored);
    }
}

#[test]
fn rows_of_schema_5_read_and_are_written_the_same() {
    same::<Confirmations>(CONFIRMATIONS);
    for text in [CONFIRMED, CONFIRMED_REST] {
        let stored = [&[FORM_CONFIRMED], text.as_bytes()].concat();
        let row = decode_row(&stored).unwrap();
        assert!(matches!(row, Row::Confirmed(_)));
        assert_eq!(encode_row(&row).unwrap(), stored);
    }
    let stored = [&[FORM_JSON], HELD.as_bytes()].concat();
    let row = decode_row(&stored).unwrap();
    assert!(matches!(row, Row::Whole(_)));
    assert_eq!(encode_row(&row).unwrap(), stored);
    assert!(decode_row(&[3]).is_err());
}

#[test]
fn records_of_schema_1_read_and_are_written_the_same() {
    same::<Customer>(CUSTOMER);
    same::<Wallet>(WALLET);
    same::<Wallet>(CONTRACT);
    same::<Challenge>(CHALLENGE);
    same::<KeptSighting>(HELD);
    same::<KeptSighting>(REST);
    same::<Ownership>(OWNERSHIP);
    same::<Suspension>(SUSPENSION);
    same::<KeptScan>(SCAN);
    same::<AuditEntry>(AUDIT);
}

#[test]
fn records_of_schema_2_read_and_are_written_the_same() {
    same::<KeptSighting>(THROUGH);
    same::<Ownership>(RENTED);
}

#[test]
fn an_unknown_form_is_named_and_not_guessed_at() {
    let error = decode::<Suspension>("suspension", &[9, b'{', b'}']).unwrap_err();
    assert!(matches!(error, StoreError::Form { what: "suspension" }), "{error}");
    assert!(matches!(decode::<Suspension>("x", &[]), Err(StoreError::Form { .. })));
    assert!(matches!(decode::<Suspension>("x", &[1, b'{']), Err(StoreError::Record { .. })));
}

#[test]
fn a_destroyed_key_reads_as_none() {
    let stored = encode_sealed(b"sealed");
    assert_eq!(decode_sealed(&stored).unwrap().as_deref(), Some(b"sealed".as_slice()));
    assert_eq!(decode_sealed(&destroyed(&stored)).unwrap(), None);
    assert!(decode_sealed(&[]).is_err());
}
