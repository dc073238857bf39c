//! What replies carry. Clients must ignore fields they do not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::customer as customers;
use crate::domain::entitlement as entitlements;
use crate::domain::ids;
use crate::domain::ownership as ownerships;
use crate::domain::product as products;

macro_rules! replies {
    ($($(#[$note:meta])* $name:ident { $($(#[$field_note:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$note])*
        #[derive(Debug, Clone, Serialize, JsonSchema)]
        pub struct $name { $($(#[$field_note])* pub $field: $kind),* }
    )*};
}

/// A boolean, a number or a text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Feature {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// A page of a list, and where the next begins; `null` at the end.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

replies! {
    /// The answer for a customer and a product.
    Verdict {
        product: String,
        valid: bool,
        /// `VALID`, `GRACE`, `NO_PRODUCT`, `NO_WALLET`, `NOT_HELD`, `EXPIRED`, `FEATURE_MISSING`, `SUSPENDED`, `TRUST_TOO_LOW` or `UNDETERMINED`.
        code: &'static str,
        /// For people.
        detail: String,
        tier: Option<String>,
        rank: Option<u32>,
        features: BTreeMap<String, Feature>,
        customer: String,
        wallet: Option<String>,
        token: Option<String>,
        /// Seen before the finality the product asks for.
        provisional: bool,
        /// `fresh`, `stale` or `grace`.
        freshness: &'static str,
        /// `single`, `quorum` or `consensus`.
        trust: Option<&'static str>,
        anchor: Option<Anchor>,
        verified_at: Option<String>,
        stale_after: Option<String>,
        grace_until: Option<String>,
        expires_at: Option<String>,
        /// When the answer changes by time alone, if nothing new is learned before; rounded up.
        seconds_until_change: Option<i64>,
    }
    /// The block a verification is pinned to.
    Anchor {
        chain: String,
        number: u64,
        hash: String,
        time: String,
        /// `latest`, `safe` or `finalized`.
        finality: &'static str,
    }
    Explanation {
        #[serde(flatten)]
        verdict: Verdict,
        steps: Vec<Step>,
    }
    Step {
        /// `grant`, `token`, `wallet`, `ownership`, `block` or `anchor`.
        step: &'static str,
        subject: String,
        /// `yes`, `no` or `unknown`.
        outcome: &'static str,
        reason: String,
    }
    Wallet {
        address: String,
        customer: String,
        /// `managed` or `linked`.
        custody: &'static str,
        label: Option<String>,
        active: bool,
        added_at: String,
        removed_at: Option<String>,
    }
    Challenge {
        /// The text to sign, by EIP-4361.
        message: String,
        nonce: String,
        expires_at: String,
    }
    Signature { signature: String }
    Verified {
        valid: bool,
        /// `eip191` or `eip712`.
        #[schemars(with = "String")]
        method: crate::domain::wallet_proof::Method,
    }
    /// What was seen of one token.
    Sighting {
        token: String,
        /// The wallet asked about, or the holder.
        wallet: Option<String>,
        /// `held`, `not_held` or `unknown`.
        holding: &'static str,
        /// Why it is unknown.
        cause: Option<String>,
        until: Option<String>,
        trust: Option<&'static str>,
        anchor: Option<Anchor>,
        seen_at: String,
    }
    HeldToken {
        token: String,
        product: Option<String>,
        tier: Option<String>,
        wallet: String,
        customer: Option<String>,
        active: bool,
    }
    Tier {
        product: String,
        name: String,
        rank: u32,
        price: Option<Price>,
        features: BTreeMap<String, Feature>,
        seats: Option<u32>,
        expires_at: Option<String>,
    }
    Price {
        amount: String,
        currency: String,
        per: Option<String>,
    }
    Product {
        id: String,
        name: String,
        version: u32,
        /// The file it comes from.
        source: String,
        trust: &'static str,
        finality: &'static str,
        provisional: bool,
        refresh_s: f64,
        grace_s: f64,
        tiers: Vec<Tier>,
        grants: Vec<Grant>,
    }
    Grant {
        tier: String,
        /// The collection.
        token: String,
        /// `1-999`; empty for every id.
        ids: Vec<String>,
        rule: &'static str,
        tokens_of: &'static str,
    }
    Ownership {
        number: u64,
        token: String,
        wallet: String,
        customer: Option<String>,
        active: bool,
        first_seen: String,
        last_proven: String,
        block: Anchor,
        trust: &'static str,
        finality: &'static str,
        transaction: Option<String>,
        closed_at: Option<String>,
        closed_block: Option<Anchor>,
        suspended: Option<Suspension>,
    }
    Suspension { reason: String, by: String, at: String }
    Customer {
        id: String,
        name: String,
        external_id: Option<String>,
        uids: Vec<u32>,
        metadata: BTreeMap<String, String>,
        active: bool,
        created_at: String,
    }
    CustomerTier {
        tier: String,
        rank: u32,
        features: BTreeMap<String, Feature>,
        token: String,
        wallet: String,
    }
    AuditEntry {
        number: u64,
        at: String,
        by: String,
        action: String,
        subject: String,
        detail: String,
        previous: String,
        hash: String,
    }
    AuditState {
        entries: u64,
        ok: bool,
        broken_at: Option<u64>,
        head: String,
    }
    StoreFigures {
        schema: u32,
        file_bytes: u64,
        customers: u64,
        wallets: u64,
        ownerships: u64,
        sightings: u64,
        audit_entries: u64,
        commits: u64,
        changes: u64,
    }
    Version {
        version: &'static str,
        /// The version of this API; grows when something is added.
        api: u32,
        git: &'static str,
        built: &'static str,
    }
    Health {
        /// `ok` or `degraded`.
        status: &'static str,
        actors: Vec<ActorHealth>,
        chains: Vec<serde_json::Value>,
        store: StoreHealth,
        uptime_s: u64,
        version: &'static str,
    }
    ActorHealth { name: &'static str, state: &'static str, restarts: u32 }
    StoreHealth {
        /// `ok` or `unavailable`.
        status: &'static str,
        /// What was set aside or restored when the store was opened.
        recovered: Option<String>,
    }
    Reload {
        products: usize,
        /// Product files with mistakes: `FILE: line N: …`.
        faults: Vec<String>,
        /// Settings that took effect.
        applied: Vec<String>,
        /// Settings that changed and need a restart.
        needs_restart: Vec<String>,
    }
    Installed { product: String }
    Removed { removed: bool }
}

fn text(it: impl ToString) -> String {
    it.to_string()
}

impl From<&products::Feature> for Feature {
    fn from(feature: &products::Feature) -> Self {
        match feature {
            products::Feature::Flag(it) => Self::Flag(*it),
            products::Feature::Whole(it) => Self::Whole(*it),
            products::Feature::Number(it) => Self::Number(*it),
            products::Feature::Text(it) => Self::Text(it.clone()),
        }
    }
}

fn features(from: &BTreeMap<String, products::Feature>) -> BTreeMap<String, Feature> {
    from.iter().map(|(name, feature)| (name.clone(), feature.into())).collect()
}

impl Verdict {
    /// The verdict as it reads at `now`.
    pub fn at(verdict: &entitlements::Verdict, now: ids::Timestamp) -> Self {
        Self { seconds_until_change: verdict.seconds_until_change(now), ..verdict.into() }
    }

    /// The verdict as JSON up to the value of its last member, which changes with every second.
    pub fn render_open(verdict: &entitlements::Verdict) -> Vec<u8> {
        // Serialising strings and numbers into a vector cannot fail.
        let mut json = serde_json::to_vec(&Self::from(verdict)).unwrap_or_default();
        json.truncate(json.len().saturating_sub("null}".len()));
        json
    }
}

impl From<&entitlements::Verdict> for Verdict {
    fn from(it: &entitlements::Verdict) -> Self {
        Self {
            product: text(&it.product),
            valid: it.is_valid(),
            code: it.code.as_str(),
            detail: it.detail.clone(),
            tier: it.tier.as_ref().map(text),
            rank: it.rank,
            features: features(&it.features),
            customer: text(it.customer),
            wallet: it.wallet.map(text),
            token: it.token.map(text),
            provisional: it.provisional,
            freshness: it.freshness.as_str(),
            trust: it.trust.map(ownerships::Trust::as_str),
            anchor: it.anchor.as_ref().map(Into::into),
            verified_at: it.verified_at.map(text),
            stale_after: it.stale_after.map(text),
            grace_until: it.grace_until.map(text),
            expires_at: it.expires_at.map(text),
            seconds_until_change: None,
        }
    }
}

impl From<&ownerships::Anchor> for Anchor {
    fn from(it: &ownerships::Anchor) -> Self {
        Self {
            chain: text(it.chain),
            number: it.number,
            hash: text(it.hash),
            time: text(it.time),
            finality: it.finality.as_str(),
        }
    }
}

impl From<&entitlements::Step> for Step {
    fn from(it: &entitlements::Step) -> Self {
        Self {
            step: it.kind.as_str(),
            subject: it.subject.clone(),
            outcome: it.outcome.as_str(),
            reason: it.reason.clone(),
        }
    }
}

impl From<customers::Wallet> for Wallet {
    fn from(it: customers::Wallet) -> Self {
        Self {
            address: text(it.address),
            customer: text(it.customer),
            custody: match it.custody {
                customers::Custody::Managed => "managed",
                customers::Custody::Linked => "linked",
            },
            label: it.label,
            active: it.active,
            added_at: text(it.added_at),
            removed_at: it.removed_at.map(text),
        }
    }
}

impl From<customers::Customer> for Customer {
    fn from(it: customers::Customer) -> Self {
        Self {
            id: text(it.id),
            name: it.name,
            external_id: it.external_id,
            uids: it.uids,
            metadata: it.metadata,
            active: it.active,
            created_at: text(it.created_at),
        }
    }
}

impl Tier {
    pub fn of(product: &ids::ProductId, it: &products::Tier) -> Self {
        Self {
            product: text(product),
            name: text(&it.name),
            rank: it.rank,
            price: it.price.clone().map(|it| Price {
                amount: it.amount,
                currency: it.currency,
                per: it.per,
            }),
            features: features(&it.features),
            seats: it.seats,
            expires_at: it.expires_at.map(text),
        }
    }
}

impl Product {
    pub fn of(it: &products::Product, source: &std::path::Path) -> Self {
        Self {
            id: text(&it.id),
            name: it.name.clone(),
            version: it.version,
            source: source.display().to_string(),
            trust: it.trust.as_str(),
            finality: it.finality.as_str(),
            provisional: it.provisional,
            refresh_s: it.refresh.as_secs_f64(),
            grace_s: it.grace.as_secs_f64(),
            tiers: it.tiers.iter().map(|tier| Tier::of(&it.id, tier)).collect(),
            grants: it.grants.iter().map(Into::into).collect(),
        }
    }
}

impl From<&products::Grant> for Grant {
    fn from(it: &products::Grant) -> Self {
        let range = |(from, to): &(_, _)| {
            if from == to { text(from) } else { format!("{from}-{to}") }
        };
        Self {
            tier: text(&it.tier),
            token: text(it.collection),
            ids: it.ids.ranges().iter().map(range).collect(),
            rule: match it.rule {
                ownerships::Rule::Owner => "owner",
            },
            tokens_of: match it.tokens_of {
                products::TokensOf::Enumerable => "enumerable",
                products::TokensOf::Logs => "logs",
                products::TokensOf::Ids => "ids",
            },
        }
    }
}

impl Ownership {
    pub fn of(it: &ownerships::Ownership, customer: Option<ids::CustomerId>) -> Self {
        let anchor = &it.evidence.anchor;
        Self {
            number: it.number,
            token: text(it.token),
            wallet: text(it.wallet),
            customer: customer.map(text),
            active: it.is_active(),
            first_seen: text(it.first_seen),
            last_proven: text(it.last_proven),
            block: anchor.into(),
            trust: anchor.trust.as_str(),
            finality: anchor.finality.as_str(),
            transaction: it.evidence.transaction.map(text),
            closed_at: it.closed.as_ref().map(|(at, _)| text(at)),
            closed_block: it.closed.as_ref().map(|(_, anchor)| anchor.into()),
            suspended: it.suspended.clone().map(|it| Suspension {
                reason: it.reason,
                by: it.by,
                at: text(it.at),
            }),
        }
    }
}

impl From<crate::domain::audit::AuditEntry> for AuditEntry {
    fn from(it: crate::domain::audit::AuditEntry) -> Self {
        Self {
            number: it.number,
            at: text(it.at),
            by: it.by,
            action: it.action,
            subject: it.subject,
            detail: it.detail,
            previous: text(it.previous),
            hash: text(it.hash),
        }
    }
}
