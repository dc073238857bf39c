//! From what the house knows to what is written on the socket.

use std::collections::BTreeMap;

use entitled_core::domain::publisher::PublisherKey;

use super::ownerships::{Ownership, Suspension};
use super::replies::{
    Anchor, AuditEntry, Customer, Feature, Grant, Price, Product, Step, Tier, Verdict, Verified,
    Wallet,
};
use crate::actors::wallet_keeper;
use entitled_core::domain::{
    customer as customers, entitlement as entitlements, ids, ownership as ownerships,
    product as products,
};

#[expect(clippy::needless_pass_by_value, reason = "serves `Option::map`, which gives values")]
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
            seats: it.seats,
            publisher: it.publisher.as_ref().map(text),
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
            held: it.count.map(|it| text(it.held)),
            min: it.count.map(|it| text(it.least)),
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
            label: it.label.map(text),
            active: it.active,
            added_at: text(it.added_at),
            removed_at: it.removed_at.map(text),
            chain: it.chain.map(text),
        }
    }
}

impl From<wallet_keeper::Verified> for Verified {
    fn from(it: wallet_keeper::Verified) -> Self {
        Self {
            valid: it.valid,
            method: it.method,
            trust: it.anchor.as_ref().map(|it| it.trust.as_str()),
            anchor: it.anchor.as_ref().map(Into::into),
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
    pub fn of(
        it: &products::Product,
        publisher: Option<&PublisherKey>,
        source: &std::path::Path,
    ) -> Self {
        Self {
            id: text(&it.id),
            name: it.name.clone(),
            version: it.version,
            publisher: publisher.map(text),
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
            rule: it.rule.as_str(),
            min: match it.rule {
                ownerships::Rule::Balance { min } => Some(text(min)),
                _ => None,
            },
            delegation: it.reach.delegation.map(text),
            token_bound: it.reach.token_bound,
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
            rule: it.evidence.rule.as_str(),
            via: it.evidence.via.iter().map(text).collect(),
            held: it.evidence.amount.map(text),
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

impl From<entitled_core::domain::audit::AuditEntry> for AuditEntry {
    fn from(it: entitled_core::domain::audit::AuditEntry) -> Self {
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
