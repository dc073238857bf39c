//! Questions to the gateway, and its answers: numbers are text there, and keys and values base64.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use entitled_core::fleet::{LeaseId, Revision};

// ---- what transactions are made of

pub(super) fn absent(key: &str) -> Value {
    created_at(key, Revision(0))
}

pub(super) fn created_at(key: &str, revision: Revision) -> Value {
    json!({
        "key": STANDARD.encode(key),
        "target": "CREATE",
        "result": "EQUAL",
        "create_revision": revision.0.to_string(),
    })
}

/// That nobody has written it since, in whatever form it was written then.
pub(super) fn written_at(key: &str, revision: Revision) -> Value {
    json!({
        "key": STANDARD.encode(key),
        "target": "MOD",
        "result": "EQUAL",
        "mod_revision": revision.0.to_string(),
    })
}

/// That there is no key that begins with `prefix`, which ends with a slash.
pub(super) fn all_absent(prefix: &str) -> Value {
    let mut compare = absent(prefix);
    compare["range_end"] = json!(STANDARD.encode(super::keys::end_of(prefix)));
    compare
}

pub(super) fn has_value(key: &str, value: &str) -> Value {
    json!({
        "key": STANDARD.encode(key),
        "target": "VALUE",
        "result": "EQUAL",
        "value": STANDARD.encode(value),
    })
}

pub(super) fn put(key: &str, value: &str, lease: Option<LeaseId>) -> Value {
    json!({"request_put": {
        "key": STANDARD.encode(key),
        "value": STANDARD.encode(value),
        "lease": lease.map_or(0, |it| it.0).to_string(),
    }})
}

pub(super) fn range(key: &str) -> Value {
    json!({"request_range": {"key": STANDARD.encode(key)}})
}

pub(super) fn delete(key: &str) -> Value {
    json!({"request_delete_range": {"key": STANDARD.encode(key)}})
}

// ---- answers; what is zero, false or empty is left out

#[derive(Debug, Default, Deserialize)]
pub(super) struct Header {
    #[serde(default, deserialize_with = "number")]
    pub(super) revision: u64,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct KeyValue {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) create_revision: u64,
    #[serde(default, deserialize_with = "number")]
    pub(super) mod_revision: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Range {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) succeeded: bool,
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Debug, Deserialize)]
struct Response {
    response_range: Option<Range>,
}

impl Transaction {
    /// What its ranges have found.
    pub(super) fn found(&self) -> impl Iterator<Item = &KeyValue> {
        self.responses.iter().filter_map(|it| it.response_range.as_ref()).flat_map(|it| &it.kvs)
    }

    pub(super) fn first(&self) -> Option<&KeyValue> {
        self.found().next()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LeaseGrant {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct LeaseKept {
    pub(super) result: LeaseLeft,
}

#[derive(Debug, Deserialize)]
pub(super) struct LeaseLeft {
    #[serde(rename = "TTL", default, deserialize_with = "number")]
    pub(super) ttl: i64,
}

#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) token: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) message: String,
    /// Of gRPC.
    #[serde(default)]
    pub(super) code: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Watched {
    pub(super) result: Option<WatchResult>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WatchResult {
    #[serde(default)]
    pub(super) canceled: bool,
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(default, rename = "type")]
    kind: String,
    pub(super) kv: KeyValue,
}

impl Event {
    pub(super) fn is_delete(&self) -> bool {
        self.kind == "DELETE"
    }
}

/// A number, or one written as text. Whatever else there is in its place is passed over unread: a tree of it would take some
/// hundred times as much as it does on the wire.
fn number<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: std::str::FromStr,
{
    from.deserialize_any(Number(PhantomData))
}

struct Number<T>(PhantomData<T>);

impl<T: std::str::FromStr> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::custom("a number is not one"))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests;
