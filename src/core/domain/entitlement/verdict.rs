//! The answer in words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use alloy_primitives::U256;

use super::Question;
use super::decide::Decision;
use super::position::Doubt;
use crate::domain::consensus::objection;
use crate::domain::ids::{Account, CustomerId, ProductId, TierName, Timestamp, Token};
use crate::domain::ownership::{Anchor, ENDED, Rule, Trust};
use crate::domain::product::{Feature, Product};
use crate::domain::publisher::PublisherKey;

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Proven and fresh, or stale with a refresh under way.
    Valid,
    /// Was proven; the chain cannot be reached; allowed for a while.
    Grace,
    /// No such product is installed.
    NoProduct,
    /// The customer has no wallet yet.
    NoWallet,
    /// Proven: no wallet of the customer holds a granting token.
    NotHeld,
    /// Held, but it has ended.
    Expired,
    /// Entitled, but not to the feature asked for.
    FeatureMissing,
    /// An administrator suspended the ownership or the customer.
    Suspended,
    /// Held, but only at a trust or finality below what the product demands.
    TrustTooLow,
    /// Not proven, and it cannot be proven now.
    Undetermined,
    /// The product's file is not signed by the publisher that the caller named.
    PublisherMismatch,
}

impl Code {
    /// Every code, in the order of the manual.
    pub const ALL: [Self; 11] = [
        Self::Valid,
        Self::Grace,
        Self::NoProduct,
        Self::NoWallet,
        Self::NotHeld,
        Self::Expired,
        Self::FeatureMissing,
        Self::Suspended,
        Self::TrustTooLow,
        Self::Undetermined,
        Self::PublisherMismatch,
    ];

    /// Whether the code is a yes.
    pub fn is_valid(self) -> bool {
        matches!(self, Self::Valid | Self::Grace)
    }

    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Grace => "GRACE",
            Self::NoProduct => "NO_PRODUCT",
            Self::NoWallet => "NO_WALLET",
            Self::NotHeld => "NOT_HELD",
            Self::Expired => "EXPIRED",
            Self::FeatureMissing => "FEATURE_MISSING",
            Self::Suspended => "SUSPENDED",
            Self::TrustTooLow => "TRUST_TOO_LOW",
            Self::Undetermined => "UNDETERMINED",
            Self::PublisherMismatch => "PUBLISHER_MISMATCH",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How young the proof behind an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// Served while a refresh runs.
    Stale,
    /// The chain cannot be reached; allowed until a hard date.
    Grace,
}

impl Freshness {
    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Grace => "grace",
        }
    }
}

/// The answer for (customer, product) at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub product: ProductId,
    pub code: Code,
    /// For people: what decided.
    pub detail: String,
    pub tier: Option<TierName>,
    pub rank: Option<u32>,
    pub features: Arc<BTreeMap<String, Feature>>,
    /// How many may use it at a time, where the tier says so.
    pub seats: Option<u32>,
    /// Who signed the product's file.
    pub publisher: Option<PublisherKey>,
    pub customer: CustomerId,
    pub wallet: Option<Account>,
    pub token: Option<Token>,
    pub provisional: bool,
    pub freshness: Freshness,
    pub trust: Option<Trust>,
    pub anchor: Option<Anchor>,
    pub verified_at: Option<Timestamp>,
    pub stale_after: Option<Timestamp>,
    /// Until when it may be given without the chain.
    pub grace_until: Option<Timestamp>,
    /// When the holding itself ends.
    pub expires_at: Option<Timestamp>,
    /// When the answer changes by time alone, if nothing new is learned before.
    pub changes_at: Option<Timestamp>,
}

impl Verdict {
    /// Whether the customer is entitled.
    pub fn is_valid(&self) -> bool {
        self.code.is_valid()
    }

    /// The same answer to a narrower question: whose word the caller takes, and which feature it is about.
    pub fn narrowed(self, publisher: Option<&PublisherKey>, feature: Option<&str>) -> Self {
        let verdict = match publisher {
            Some(publisher) => self.for_publisher(publisher),
            None => self,
        };
        match feature {
            Some(feature) => verdict.for_feature(feature),
            None => verdict,
        }
    }

    /// The same answer to the narrower question whether `feature` is included: it is when the tier
    /// names it with any value but `false`.
    pub fn for_feature(mut self, feature: &str) -> Self {
        let missing = matches!(self.features.get(feature), None | Some(Feature::Flag(false)));
        if self.is_valid() && missing {
            let tier = self.tier.as_ref().map(TierName::as_str).unwrap_or_default();
            self.detail =
                format!("tier {tier} does not include {}", crate::domain::ids::clip(feature));
            self.code = Code::FeatureMissing;
        }
        self
    }

    /// The same answer to a caller who takes no other publisher's word for what a licence is. What is not installed stays
    /// so; whatever else the file of another says is not told.
    pub fn for_publisher(self, publisher: &PublisherKey) -> Self {
        if self.code == Code::NoProduct || self.publisher.as_ref() == Some(publisher) {
            return self;
        }
        let detail = match &self.publisher {
            Some(other) => {
                format!("the installed product file is signed by {other}, not by {publisher}")
            }
            None => {
                format!("the installed product file is not signed; it should be by {publisher}")
            }
        };
        let bare = empty(self.product, self.customer, Code::PublisherMismatch);
        Self { publisher: self.publisher, detail, ..bare }
    }

    /// Whole seconds from `now` until the answer changes by time alone, rounded up.
    pub fn seconds_until_change(&self, now: Timestamp) -> Option<i64> {
        let left = self.changes_at?.duration_since(now);
        let begun = i64::from(left.subsec_nanos() > 0);
        Some((left.as_secs() + begun).max(0))
    }

    /// Whether `other` is another answer to a program: what a subscriber is told of. How young its proof is, where it
    /// was seen and in which words it is put are none.
    pub fn says_otherwise(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.code, it.token, it.trust, it.provisional, it.expires_at);
        let sold = |it: &Self| (it.tier.clone(), it.seats, it.publisher.clone());
        key(self) != key(other) || sold(self) != sold(other) || self.features != other.features
    }
}

pub(super) fn no_product(question: &Question<'_>) -> Verdict {
    let detail = format!("no product {} is installed", question.product);
    Verdict { detail, ..bare(question, Code::NoProduct) }
}

pub(super) fn deactivated(question: &Question<'_>) -> Verdict {
    let detail = format!("{} is deactivated by an administrator", question.customer);
    Verdict { detail, ..bare(question, Code::Suspended) }
}

pub(super) fn no_wallet(question: &Question<'_>, product: &Product) -> Verdict {
    let detail = format!(
        "{} has no wallet yet; link the one that holds {}",
        question.customer, product.name
    );
    Verdict { detail, ..bare(question, Code::NoWallet) }
}

/// The verdict for `decision`.
pub(super) fn word(
    question: &Question<'_>,
    product: &Product,
    decision: &Decision<'_>,
    changes_at: Option<Timestamp>,
) -> Verdict {
    let mut verdict = bare(question, decision.code);
    verdict.detail = detail(product, decision);
    verdict.freshness = decision.freshness;
    verdict.changes_at = changes_at;
    if let Some(held) = decision.candidate {
        let chain = held.token.collection.chain;
        verdict.customer = held.customer;
        verdict.wallet = Some(Account { chain, address: held.wallet });
        verdict.token = Some(held.token);
        verdict.provisional = held.provisional;
        verdict.expires_at = held.until.filter(|it| *it != ENDED);
        if decision.code.is_valid() {
            verdict.tier = Some(held.tier.name.clone());
            verdict.rank = Some(held.tier.rank);
            verdict.features = Arc::clone(&held.tier.features);
            verdict.seats = held.tier.seats;
        }
    }
    let proof = decision.candidate.map(|it| &it.proof).or(decision.absence).or(decision.lapsed);
    if let Some(proof) = proof {
        verdict.trust = Some(proof.anchor.trust);
        verdict.anchor = Some(proof.anchor.clone());
        verdict.verified_at = Some(proof.verified_at);
        verdict.stale_after = Some(proof.stale_after);
        verdict.grace_until = decision.absence.is_none().then_some(proof.grace_until);
    }
    verdict
}

fn detail(product: &Product, decision: &Decision<'_>) -> String {
    let why = |otherwise: &str| match decision.cause {
        Some(cause) => cause.to_string(),
        None => otherwise.to_owned(),
    };
    let Some(held) = decision.candidate else {
        return match (decision.code, &decision.lapsed) {
            (Code::Undetermined, Some(proof)) => format!(
                "last proven at {}, and its grace is over: {}",
                proof.verified_at,
                why("it was not proven again")
            ),
            (Code::Undetermined, None) => why("not proven yet"),
            _ => not_held(product, decision),
        };
    };
    let (tier, token, wallet) = (&held.tier.name, held.token.id, held.wallet);
    let mut by = format!("tier {tier} by token {token}, held by {wallet}");
    for (between, via) in held.via.iter().enumerate() {
        let joined = if between == 0 { "through" } else { "and" };
        by = format!("{by} {joined} {via}");
    }
    match decision.code {
        Code::Grace => format!("{by}; {}", why("it could not be proven again")),
        Code::Expired => format!("{by}, but it has ended"),
        Code::Suspended => format!("{by}, but suspended by an administrator"),
        Code::TrustTooLow if let Some(doubt) = held.doubt => {
            format!("{by}, but {}", doubted(product, doubt))
        }
        Code::TrustTooLow if held.unvouched => {
            format!("{by}, but {}", unvouched(product, &held.proof.anchor))
        }
        Code::TrustTooLow => format!(
            "{by}, but seen only with trust {} at {}; the product asks for {} at {}",
            held.proof.anchor.trust.as_str(),
            held.proof.anchor.finality.as_str(),
            product.trust.as_str(),
            product.finality.as_str()
        ),
        _ => by,
    }
}

fn not_held(product: &Product, decision: &Decision<'_>) -> String {
    let none = format!("no wallet of this customer holds a token that grants {}", product.name);
    let Some((position, short)) = decision.nearest else { return none };
    let holds = counted(short.amount, &position.grant.rule);
    let (wallet, tier) = (position.wallet, &position.grant.tier);
    format!("{none}; wallet {wallet} holds {holds} of token {} for tier {tier}", short.token.id)
}

/// `1 of 2`: so many, of so many as the rule asks for.
pub(super) fn counted(amount: U256, rule: &Rule) -> String {
    format!("{amount} of {}", rule.least())
}

/// Why a proof that would do is not enough for a product.
pub(super) fn doubted(product: &Product, doubt: Doubt) -> String {
    let less = format!("at less trust than the product asks for ({})", product.trust.as_str());
    match doubt {
        Doubt::Link => format!(
            "that wallet is a contract, which was seen to accept its link {less}; unlink it and link it again"
        ),
        Doubt::Replaced => {
            format!("a newer look {less} has taken the place of what was seen since")
        }
    }
}

/// Why trust `consensus` is not enough for a product that demands it.
pub(super) fn unvouched(product: &Product, anchor: &Anchor) -> String {
    let attestation = anchor.attestation.as_ref();
    let objection = attestation.and_then(|it| objection(&product.checkpoints, anchor.chain, it));
    objection.map_or_else(
        || "nothing shows what its trust consensus rests on".to_owned(),
        |it| it.to_string(),
    )
}

fn bare(question: &Question<'_>, code: Code) -> Verdict {
    let bare = empty(question.product.clone(), question.customer, code);
    Verdict { publisher: question.publisher.cloned(), ..bare }
}

/// A code, and nothing that would be granted or was found.
fn empty(product: ProductId, customer: CustomerId, code: Code) -> Verdict {
    Verdict {
        product,
        code,
        detail: String::new(),
        tier: None,
        rank: None,
        features: Arc::default(),
        seats: None,
        publisher: None,
        customer,
        wallet: None,
        token: None,
        provisional: false,
        freshness: Freshness::Fresh,
        trust: None,
        anchor: None,
        verified_at: None,
        stale_after: None,
        grace_until: None,
        expires_at: None,
        changes_at: None,
    }
}
