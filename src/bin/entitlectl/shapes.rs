//! What each reply has to have, and of which kind, before anything of it is believed: asked by `session` of every reply.
//!
//! A daemon of another version may leave fields out or add some, so that nothing is asked for here but what a reply is for.
//! What lacks that is no answer, as is a reply that says a thing twice: whoever reads it would choose which of the two counts.

use std::collections::hash_map::{Entry, HashMap};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::exit::Failure;

/// The members a thing has at the least.
type Members = &'static [(&'static str, Kind)];

/// What a value is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Flag,
    Number,
    Text,
    /// A list of texts.
    Texts,
    Object(Members),
    ObjectOrNull(Members),
    /// A list of objects.
    Each(Members),
}

use Kind::{Each, Flag, Number, Object, ObjectOrNull, Text, Texts};

const VERDICT: Members = &[("product", Text), ("valid", Flag), ("code", Text)];
const ANY: Members = &[];

/// A page of a list of such things.
macro_rules! page {
    ($($name:literal $kind:expr),*) => { Object(&[("items", Each(&[$(($name, $kind)),*]))]) };
}

macro_rules! object {
    ($($name:literal $kind:expr),*) => { Object(&[$(($name, $kind)),*]) };
}

/// What answers a method; nothing for one that is not asked here.
fn reply_of(method: &str) -> Option<Kind> {
    Some(match method {
        "entitlement_check" => Object(VERDICT),
        "entitlement_list" => Object(&[("items", Each(VERDICT))]),
        "entitlement_explain" => {
            object!("product" Text, "valid" Flag, "code" Text, "steps" Each(&[("step", Text), ("outcome", Text)]))
        }
        "entitlement_receipt" => object!("receipt" Text, "verdict" Object(VERDICT)),
        "receipt_import" => object!("verdict" Object(VERDICT)),
        "wallet_create" | "wallet_import" | "wallet_link" | "wallet_unlink" => {
            object!("address" Text)
        }
        "wallet_list" => page!("address" Text),
        "wallet_challenge" => object!("message" Text),
        "wallet_export" => object!("crypto" Object(ANY)),
        "wallet_sign" => object!("signature" Text),
        "wallet_verify" => object!("valid" Flag),
        "token_verify" => object!("holding" Text),
        "token_list" => page!("token" Text),
        "tier_list" => page!("product" Text, "name" Text),
        "product_list" => page!("id" Text),
        "product_install" => object!("product" Text, "warnings" Texts),
        "product_check" => object!(
            "products" Texts,
            "warnings" Texts,
            "chains" Each(&[("chain", Text), ("proven", Flag)]),
            "grants" Each(&[("product", Text), ("answers", Flag)])
        ),
        "product_trust" => object!("product" Text),
        "product_remove" => object!("removed" Flag),
        "ownership_list" | "ownership_history" | "ownership_suspend" | "ownership_reinstate" => {
            page!("token" Text, "wallet" Text)
        }
        "ownership_record" => object!("token" Text, "wallet" Text),
        "customer_get" | "customer_create" | "customer_update" | "customer_deactivate" => {
            object!("id" Text)
        }
        "customer_list" => page!("id" Text),
        "customer_tier" => ObjectOrNull(&[("tier", Text)]),
        "seat_acquire" | "seat_borrow" | "seat_lend" => object!("granted" Flag, "code" Text),
        "seat_list" => object!(
            "items" Each(&[("seat", Text)]),
            "pools" Each(&[("product", Text), ("tier", Text)])
        ),
        "seat_request" => object!("request" Text),
        "seat_import" => object!("kind" Text),
        "seat_return" => object!("returned" Text),
        "seat_release" => object!("released" Flag),
        "seat_revoke" => object!("revoked" Object(&[("seat", Text)])),
        "keys_status" | "keys_unlock" | "keys_rotate" => object!("state" Text),
        "audit_list" => page!("number" Number, "action" Text),
        "audit_verify" => object!("ok" Flag),
        "fleet_status" | "fleet_drain" => object!("standing" Text),
        "fleet_evict" => object!("certain_at" Text),
        "fleet_restored" => object!("epoch" Number),
        "store_stats" => object!("file_bytes" Number),
        "store_backup" => object!("path" Text),
        "store_acknowledge" => object!("acknowledged" Texts),
        "chain_status" => Each(&[("id", Text), ("status", Text), ("endpoints", Each(ANY))]),
        "chain_sync" => object!("learned" Flag),
        "system_health" => object!("status" Text, "version" Text),
        "system_version" => object!("version" Text),
        "system_reload" => object!("products" Number, "faults" Texts, "warnings" Texts),
        _ => return None,
    })
}

/// Whether this can be the reply to a method.
///
/// # Errors
/// [`Failure::Shape`]: it is not.
pub(crate) fn check(method: &'static str, reply: &RawValue) -> Result<(), Failure> {
    let read = serde_json::from_str::<Told>(reply.get());
    let fault = match (read, reply_of(method)) {
        (Err(source), _) => source,
        (Ok(_), None) => serde_json::Error::custom("nobody here knows what answers this"),
        (Ok(told), Some(kind)) => match told.flaw(kind, "the result") {
            None => return Ok(()),
            Some(flaw) => serde_json::Error::custom(flaw),
        },
    };
    Err(Failure::Shape { method, source: fault })
}

/// A value, as far as it matters what it is.
#[derive(Debug)]
enum Told {
    Null,
    Flag,
    Number,
    Text,
    List(Vec<Told>),
    Object(HashMap<String, Told>),
}

impl Told {
    /// What keeps it from being of a kind.
    fn flaw(&self, kind: Kind, name: &str) -> Option<String> {
        match (self, kind) {
            (Self::Flag, Flag)
            | (Self::Number, Number)
            | (Self::Text, Text)
            | (Self::Null, ObjectOrNull(_)) => None,
            (Self::List(items), Texts) => items.iter().find_map(|it| it.flaw(Text, name)),
            (Self::List(items), Each(members)) => {
                items.iter().find_map(|it| it.flaw(Object(members), name))
            }
            (Self::Object(told), Object(members) | ObjectOrNull(members)) => {
                members.iter().find_map(|(name, kind)| match told.get(*name) {
                    None => Some(format!("`{name}` is missing")),
                    Some(it) => it.flaw(*kind, name),
                })
            }
            _ => Some(format!("`{name}` is of another kind")),
        }
    }
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Told, E> {
        Ok(Told::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Told, E> {
        Ok(Told::Flag)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Told, E> {
        Ok(Told::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Told, E> {
        Ok(Told::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Told, E> {
        Ok(Told::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Told, E> {
        Ok(Told::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Told, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Told::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Told, A::Error> {
        let mut told = HashMap::new();
        while let Some((name, value)) = members.next_entry::<String, Told>()? {
            match told.entry(name) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(it) => {
                    return Err(A::Error::custom(format!("`{}` is said twice", it.key())));
                }
            }
        }
        Ok(Told::Object(told))
    }
}

#[cfg(test)]
mod tests;
