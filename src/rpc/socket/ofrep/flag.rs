//! What a key of a flag means, and what a verdict says about it. Pure.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use entitled_core::domain::ids::ProductId;
use entitled_core::domain::product::FeatureKinds;

/// The tier, among the features of a product.
const TIER: &str = "tier";

/// What is asked about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flag {
    /// `PRODUCT`: whether one is entitled at all.
    Entitled,
    /// `PRODUCT.tier`
    Tier,
    /// `PRODUCT.FEATURE`
    Feature { name: String, is_boolean: bool },
}

/// What a verdict comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Yes,
    No,
    Unknown,
}

impl Flag {
    /// The flag of a key. Names of products and of features may both have dots in them: the longest installed product
    /// that has such a flag counts.
    pub(super) fn named(
        key: &str,
        features: impl Fn(&ProductId) -> Option<Arc<FeatureKinds>>,
    ) -> Option<(ProductId, Self)> {
        let splits = key.rmatch_indices('.').map(|(at, _)| (&key[..at], Some(&key[at + 1..])));
        std::iter::once((key, None)).chain(splits).find_map(|(product, rest)| {
            let product: ProductId = product.parse().ok()?;
            let features = features(&product)?;
            let flag = match rest {
                None => Self::Entitled,
                Some(TIER) => Self::Tier,
                Some(name) => {
                    let is_boolean = *features.get(name)?;
                    Self::Feature { name: name.to_owned(), is_boolean }
                }
            };
            Some((product, flag))
        })
    }

    /// Every flag of a product, by its key.
    pub(super) fn all(product: &ProductId, features: &FeatureKinds) -> Vec<(String, Self)> {
        let key = |name: &str| format!("{}.{name}", product.as_str());
        let mut flags =
            vec![(product.as_str().to_owned(), Self::Entitled), (key(TIER), Self::Tier)];
        let own = features.iter().filter(|(name, _)| *name != TIER);
        flags.extend(own.map(|(name, is_boolean)| {
            (key(name), Self::Feature { name: name.clone(), is_boolean: *is_boolean })
        }));
        flags
    }

    /// A success of the protocol. Where there is no `value`, the default in the program's code holds.
    pub(super) fn evaluation(&self, key: &str, verdict: &Value) -> Value {
        let standing = standing(verdict);
        let given = self.given(verdict).filter(|_| standing == Standing::Yes);
        let reason = match standing {
            Standing::Unknown => "UNKNOWN",
            Standing::Yes if given.is_some() && verdict["freshness"] != "fresh" => "STALE",
            Standing::Yes if given.is_some() => "TARGETING_MATCH",
            Standing::Yes | Standing::No => "DEFAULT",
        };
        // A proven no is a `false`. What is no boolean has no value that means no.
        let is_boolean = matches!(self, Self::Entitled | Self::Feature { is_boolean: true, .. });
        let no = (is_boolean && standing != Standing::Unknown).then_some(Value::Bool(false));
        let tier = verdict["tier"].as_str().filter(|_| standing == Standing::Yes);
        let mut evaluation = json!({
            "key": key,
            "reason": reason,
            "variant": tier.or(verdict["code"].as_str()),
            "metadata": metadata(verdict),
        });
        if let (Some(value), Some(members)) = (given.or(no), evaluation.as_object_mut()) {
            members.insert("value".to_owned(), value);
        }
        evaluation
    }

    /// What a yes gives.
    fn given(&self, verdict: &Value) -> Option<Value> {
        let given = match self {
            Self::Entitled => Some(Value::Bool(true)),
            Self::Tier => verdict.get("tier").cloned(),
            Self::Feature { name, .. } => verdict["features"].get(name).cloned(),
        };
        given.filter(|it| !it.is_null())
    }
}

fn standing(verdict: &Value) -> Standing {
    match (verdict["valid"].as_bool(), verdict["code"].as_str()) {
        (Some(true), _) => Standing::Yes,
        (Some(false), Some(code)) if code != "UNDETERMINED" => Standing::No,
        _ => Standing::Unknown,
    }
}

/// Why it is so, as numbers and texts only: the protocol knows no others.
fn metadata(verdict: &Value) -> Map<String, Value> {
    let is_grace = verdict["code"] == "GRACE";
    let until = match verdict["expires_at"].is_null() && is_grace {
        true => &verdict["grace_until"],
        false => &verdict["expires_at"],
    };
    let stale_since = match verdict["freshness"] != "fresh" {
        true => &verdict["stale_after"],
        false => &Value::Null,
    };
    let all = [
        ("code", &verdict["code"]),
        ("trust", &verdict["trust"]),
        ("block", &verdict["anchor"]["number"]),
        ("until", until),
        ("stale_since", stale_since),
    ];
    let told = all.into_iter().filter(|(_, value)| !value.is_null());
    told.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
