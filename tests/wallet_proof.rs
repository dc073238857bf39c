//! Proofs of control of a wallet, against the vectors in `tests/vectors`: EIP-191, EIP-712, EIP-4361.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use alloy_primitives::{Address, B256};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::wallet_proof::{
    Payload, SignInMessage, is_signed_by, parse_signature, recover, write_signature,
};
use serde::Deserialize;
use serde_json::Value;

fn vectors<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|it| panic!("{path}: {it}"));
    serde_json::from_str(&text).unwrap_or_else(|it| panic!("{path}: {it}"))
}

#[derive(Deserialize)]
struct Signed {
    title: String,
    message: Option<String>,
    typed_data: Option<Value>,
    hash: B256,
    address: Address,
    signature: String,
}

impl Signed {
    fn payload(&self) -> Payload {
        match (&self.message, &self.typed_data) {
            (Some(text), None) => Payload::Text(text.clone()),
            (None, Some(json)) => Payload::TypedData(json.clone()),
            _ => panic!("{}: exactly one of message and typed_data", self.title),
        }
    }

    fn check(&self) {
        let hash = self.payload().hash().unwrap_or_else(|it| panic!("{}: {it}", self.title));
        assert_eq!(hash, self.hash, "{}: the hash", self.title);
        let signature = parse_signature(&self.signature).unwrap();
        assert_eq!(recover(hash, &signature), Ok(self.address), "{}: the signer", self.title);
        assert_eq!(write_signature(&signature), self.signature, "{}: written back", self.title);
        let other = is_signed_by(B256::ZERO, &self.signature, self.address);
        assert_eq!(other, Ok(false), "{}: of another hash", self.title);
    }
}

#[derive(Deserialize)]
struct Refused {
    title: String,
    signature: String,
    fault: String,
}

#[derive(Deserialize)]
struct Signatures {
    signed: Vec<Signed>,
    #[serde(default)]
    refused: Vec<Refused>,
}

#[test]
fn texts_are_hashed_and_signers_recovered_as_others_do() {
    let vectors: Signatures = vectors("eip191.json");
    assert!(!vectors.signed.is_empty());
    vectors.signed.iter().for_each(Signed::check);
}

#[test]
fn typed_data_is_hashed_as_others_do() {
    let vectors: Signatures = vectors("eip712.json");
    assert!(!vectors.signed.is_empty());
    vectors.signed.iter().for_each(Signed::check);
}

#[test]
fn texts_that_are_no_signature_are_refused_by_name() {
    let vectors: Signatures = vectors("eip191.json");
    assert!(!vectors.refused.is_empty());
    for Refused { title, signature, fault } in vectors.refused {
        let found = parse_signature(&signature).unwrap_err();
        assert!(format!("{found:?}").starts_with(&fault), "{title}: {found:?}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    scheme: Option<String>,
    domain: String,
    address: Address,
    statement: Option<String>,
    uri: String,
    chain: u64,
    nonce: String,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    request_id: Option<String>,
    resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Message {
    title: String,
    message: String,
    fields: Fields,
}

#[derive(Deserialize)]
struct NoMessage {
    title: String,
    message: String,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
    refused: Vec<NoMessage>,
}

#[test]
fn messages_say_what_they_say_and_are_written_back() {
    let vectors: Messages = vectors("eip4361.json");
    assert!(!vectors.messages.is_empty());
    for Message { title, message, fields } in vectors.messages {
        let read: SignInMessage = message.parse().unwrap_or_else(|it| panic!("{title}: {it}"));
        assert_eq!(read.to_string(), message, "{title}");
        assert_eq!(read.scheme, fields.scheme, "{title}");
        assert_eq!(read.domain, fields.domain, "{title}");
        assert_eq!(read.address, fields.address, "{title}");
        assert_eq!(read.statement, fields.statement, "{title}");
        assert_eq!(read.uri, fields.uri, "{title}");
        assert_eq!(read.chain, fields.chain, "{title}");
        assert_eq!(read.nonce, fields.nonce, "{title}");
        assert_eq!(read.issued_at.instant(), fields.issued_at, "{title}");
        assert_eq!(read.expires_at.map(|it| it.instant()), fields.expires_at, "{title}");
        assert_eq!(read.not_before.map(|it| it.instant()), fields.not_before, "{title}");
        assert_eq!(read.request_id, fields.request_id, "{title}");
        assert_eq!(read.resources, fields.resources, "{title}");
    }
}

#[test]
fn texts_that_are_no_message_are_refused() {
    let vectors: Messages = vectors("eip4361.json");
    assert!(!vectors.refused.is_empty());
    for NoMessage { title, message } in vectors.refused {
        assert!(message.parse::<SignInMessage>().is_err(), "{title}");
    }
}
