//! What a vendor sells: products, tiers, features and the grants that lead to them.
//!
//! A product comes from a file ([`parse`]); a mistake in it is named with its line and key.

pub mod availability;
pub mod document;
mod grant_name;
mod parse;
pub mod seats;
pub mod section;

pub use grant_name::GrantName;
pub use parse::{features, parse};
pub use seats::{Overage, SeatTerms, SeatUnit};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::consensus::Checkpoint;
use super::ids::{ChainId, Collection, ProductId, TierName, Timestamp, Token};
use super::ownership::{Finality, IdRanges, Reach, Rule, Terms, Trust};
use super::publisher::PublisherKey;
use super::rule::DELEGATE_REGISTRY;

/// A feature's value: a boolean, a number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Feature {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// What a tier costs, for people to read. `amount` is a decimal number as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub amount: String,
    /// An ISO 4217 code, or a token's symbol.
    pub currency: String,
    /// What one payment lasts: `month`, `year`; once and for all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

/// A level of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    pub name: TierName,
    /// The higher rank wins. Unique within a product.
    pub rank: u32,
    pub price: Option<Price>,
    /// Shared with every verdict that tells of them.
    pub features: Arc<BTreeMap<String, Feature>>,
    pub seats: Option<u32>,
    /// When the tier itself ends, whoever holds its token.
    pub expires_at: Option<Timestamp>,
}

/// The features of some tiers by name, and whether each is a boolean in one of them.
pub type FeatureKinds = BTreeMap<String, bool>;

pub fn feature_kinds<'a>(tiers: impl IntoIterator<Item = &'a Tier>) -> FeatureKinds {
    let mut kinds = FeatureKinds::new();
    for (name, feature) in tiers.into_iter().flat_map(|it| it.features.iter()) {
        *kinds.entry(name.clone()).or_insert(false) |= matches!(feature, Feature::Flag(_));
    }
    kinds
}

/// How the tokens of a wallet are found. Finding only proposes; the proof decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokensOf {
    /// The contract lists them (ERC-721 Enumerable): the wallet's own, or all there are where it has to be
    /// found out of each who has it.
    Enumerable,
    /// Its Transfer events name them.
    Logs,
    /// The grant lists the ids.
    Ids,
}

/// Whoever holds a token of `collection` with an id in `ids`, by `rule`, gets `tier`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub tier: TierName,
    pub collection: Collection,
    pub ids: IdRanges,
    pub rule: Rule,
    pub reach: Reach,
    pub tokens_of: TokensOf,
    /// Where the collection's events begin.
    pub from_block: u64,
}

impl Grant {
    /// By which rule and reach its tokens are looked for.
    pub fn terms(&self) -> Terms {
        Terms { rule: self.rule, reach: self.reach }
    }

    /// Whether an event of this contract may change what the grant comes to.
    pub fn heeds(&self, contract: Address) -> bool {
        contract == self.collection.contract
            || (self.reach.delegation.is_some() && contract == DELEGATE_REGISTRY)
    }

    /// Whether a token is one of those it is about.
    pub fn grants(&self, token: &Token) -> bool {
        self.collection == token.collection && self.ids.contains(token.id)
    }
}

/// A product as its file defines it.
///
/// Invariant: every grant's tier exists, and ranks are unique.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    pub version: u32,
    /// Who says so of itself; whether it signed the file is another question.
    pub publisher: Option<PublisherKey>,
    /// The least trust the vendor accepts.
    pub trust: Trust,
    /// The least finality the vendor accepts.
    pub finality: Finality,
    /// Whether a holding seen before that finality is answered as valid, marked provisional.
    pub provisional: bool,
    /// How long an answer counts as fresh.
    pub refresh: Duration,
    /// How long an answer may be given after the block that proves it.
    pub grace: Duration,
    /// Lowest rank first.
    pub tiers: Vec<Tier>,
    pub grants: Vec<Grant>,
    /// What trust `consensus` may rest on.
    pub checkpoints: Vec<Checkpoint>,
    /// How its seats are counted.
    pub seats: SeatTerms,
}

impl Product {
    /// The tier of a name.
    pub fn tier(&self, name: &TierName) -> Option<&Tier> {
        self.tiers.iter().find(|it| it.name == *name)
    }

    /// The chains its grants name, each once.
    pub fn chains(&self) -> BTreeSet<ChainId> {
        self.grants.iter().map(|it| it.collection.chain).collect()
    }

    /// The contracts its grants name, each once.
    pub fn collections(&self) -> BTreeSet<Collection> {
        self.grants.iter().map(|it| it.collection).collect()
    }

    /// The contracts whose events may change what its grants come to, each by its chain.
    pub fn watched(&self) -> BTreeSet<(ChainId, Address)> {
        let contracts = self.grants.iter().flat_map(|it| {
            let registry = it.reach.delegation.map(|_| DELEGATE_REGISTRY);
            let contracts = std::iter::once(it.collection.contract).chain(registry);
            contracts.map(|contract| (it.collection.chain, contract))
        });
        contracts.collect()
    }

    /// The best tier that holding `token` leads to.
    pub fn tier_of(&self, token: &Token) -> Option<&Tier> {
        self.grants
            .iter()
            .filter(|it| it.grants(token))
            .filter_map(|it| self.tier(&it.tier))
            .max_by_key(|it| it.rank)
    }
}

/// One mistake in a product file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// From 1; 0 when it concerns the whole file, such as a key that is missing from it.
    pub line: usize,
    /// Dotted: `tiers.pro.rank`, `grants[0].token`. Empty when it concerns the whole file.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.key.as_str()) {
            (0, "") => f.write_str(&self.message),
            (0, key) => write!(f, "`{key}`: {}", self.message),
            (line, "") => write!(f, "line {line}: {}", self.message),
            (line, key) => write!(f, "line {line}: `{key}`: {}", self.message),
        }
    }
}
