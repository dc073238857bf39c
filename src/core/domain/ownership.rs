//! What was seen on a chain, and which of two observations counts.
//!
//! A [`Sighting`] is one observation: at this block, this wallet did or did not hold this token. That we
//! could not find out is a third finding, [`Finding::Unknown`], and never reads as either of the others.

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use super::consensus::Attestation;
use super::ids::{ChainId, Collection, Timestamp, Token};

pub use super::rule::{Reach, Rule, Terms, Via};

/// How far the block behind an answer is trusted. Ordered: more trust is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// One endpoint named the block.
    Single,
    /// Several endpoints of different registrable domains named the same block.
    Quorum,
    /// The chain's own validators signed for the block.
    Consensus,
}

/// How settled a block is, by the chain's own rules. Ordered: more settled is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finality {
    Latest,
    Safe,
    Finalized,
}

impl Trust {
    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Quorum => "quorum",
            Self::Consensus => "consensus",
        }
    }
}

impl Finality {
    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Safe => "safe",
            Self::Finalized => "finalized",
        }
    }
}

/// The block everything in one verification is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Anchor {
    pub chain: ChainId,
    pub number: u64,
    pub hash: B256,
    /// The block's own timestamp.
    pub time: Timestamp,
    pub finality: Finality,
    pub trust: Trust,
    /// What validators signed for it; for trust `consensus` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Box<Attestation>>,
}

/// Token ids as ranges, both ends included; sorted, without overlap. Empty means every id.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdRanges(Vec<(U256, U256)>);

impl IdRanges {
    /// Every id there is.
    pub fn every() -> Self {
        Self(Vec::new())
    }

    /// One id.
    pub fn only(id: U256) -> Self {
        Self(vec![(id, id)])
    }

    /// Sorts and joins `ranges`; a range whose ends are the wrong way round counts for nothing.
    pub fn new(ranges: impl IntoIterator<Item = (U256, U256)>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|(from, to)| from <= to).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(U256, U256)> = Vec::with_capacity(sorted.len());
        for (from, to) in sorted {
            match joined.last_mut() {
                Some(last) if from <= last.1.saturating_add(U256::from(1)) => {
                    last.1 = last.1.max(to)
                }
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    pub(crate) fn is_every(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest of them.
    pub fn first(&self) -> Option<U256> {
        self.0.first().map(|(from, _)| *from)
    }

    /// Whether an id is among them.
    pub fn contains(&self, id: U256) -> bool {
        self.is_every() || self.0.iter().any(|(from, to)| *from <= id && id <= *to)
    }

    /// Whether each id of `other` is also in `self`.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_every()
            || (!other.is_every()
                && other
                    .0
                    .iter()
                    .all(|(from, to)| self.0.iter().any(|(a, b)| a <= from && to <= b)))
    }

    /// How many ids there are; `None` for every id, or more than fit.
    pub fn count(&self) -> Option<u64> {
        if self.is_every() {
            return None;
        }
        self.0.iter().try_fold(0_u64, |sum, (from, to)| {
            let size = u64::try_from(to.checked_sub(*from)?).ok()?.checked_add(1)?;
            sum.checked_add(size)
        })
    }

    /// Each id in order. Endless in effect for a wide range: bound it with [`Self::count`] first.
    pub fn iter(&self) -> impl Iterator<Item = U256> + '_ {
        self.0.iter().flat_map(|(from, to)| {
            std::iter::successors(Some(*from), move |id| {
                id.checked_add(U256::from(1)).filter(|next| next <= to)
            })
        })
    }

    /// The ranges, sorted; empty for every id.
    pub fn ranges(&self) -> &[(U256, U256)] {
        &self.0
    }
}

/// What a sighting is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This token.
    Token(Token),
    /// Every token of the collection with an id in `ids` that the same look did not sight by itself.
    Rest { collection: Collection, ids: IdRanges },
}

impl Target {
    /// The collection it is of.
    pub fn collection(&self) -> Collection {
        match self {
            Self::Token(token) => token.collection,
            Self::Rest { collection, .. } => *collection,
        }
    }

    /// Whether an observation of this target says something about `token`.
    pub fn includes(&self, token: &Token) -> bool {
        match self {
            Self::Token(own) => own == token,
            Self::Rest { collection, ids } => {
                *collection == token.collection && ids.contains(token.id)
            }
        }
    }
}

/// Why something could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No chain of this id is configured.
    NotConfigured,
    /// No endpoint answered in time.
    Unreachable,
    /// Endpoints that had to agree named different blocks or values.
    Disagreement,
    /// An endpoint is on another chain, or its genesis block is another.
    WrongChain,
    /// What an endpoint said does not match its proof.
    Refuted,
    /// An endpoint has a header with fields that this version does not know.
    Unreadable,
    /// The endpoint no longer has, or never had, the state of the block.
    Pruned,
    /// The endpoint does not offer what a proof needs.
    Unsupported,
    /// The endpoint's head is behind what was already proven.
    Behind,
    /// The endpoint wants fewer requests.
    RateLimited,
    /// The contract reverted, looped or answered something that is not an answer to the question.
    Contract,
    /// The wallet holds more tokens of the contract than could be found.
    Undiscovered,
    /// So much was delegated to the wallet, by whomever, that one look does not read all of it. `by_token`: whether
    /// a token that is named is found without.
    Delegations { made: u64, by_token: bool },
    /// The contract of the token that the holding account is bound to, which anybody may choose, names no owner for what that may cost.
    AccountOwner,
    /// The light client has not caught up with its chain yet.
    NotSynced,
    /// There is no checkpoint to begin from, or none young enough.
    CheckpointTooOld,
    /// For too long no committee's word on a newer block has come.
    CommitteeSilent,
    /// There is no code at the address that is said to be the contract's.
    NoContract,
    /// The product asks for more trust than its chain is configured for.
    TrustOutOfReach,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delegations { made, by_token } => {
                let otherwise = match by_token {
                    true => "name the token: `entitlectl ownership record TOKEN WALLET`",
                    false => "the next look reads others",
                };
                return write!(
                    f,
                    "{made} delegations to the wallet were made, more than one look reads; {otherwise}"
                );
            }
            Self::NotConfigured => "no such chain is configured",
            Self::Unreachable => "the chain cannot be reached",
            Self::Disagreement => "the endpoints disagree",
            Self::WrongChain => "an endpoint is on another chain",
            Self::Refuted => "an endpoint's answer does not match its proof",
            Self::Unreadable => {
                "a header this version cannot read: perhaps of a newer fork; upgrade"
            }
            Self::Pruned => "the endpoint has no state for the block",
            Self::Unsupported => "the endpoint cannot give proofs",
            Self::Behind => "the endpoint is behind what was already proven",
            Self::RateLimited => "the endpoint wants fewer requests",
            Self::Contract => "the contract gave no usable answer",
            Self::Undiscovered => "not all tokens of the wallet could be found",
            Self::AccountOwner => "who owns the token-bound account that holds it is not told",
            Self::NotSynced => "the light client has not caught up with the chain yet",
            Self::CheckpointTooOld => {
                "there is no checkpoint young enough to follow the chain from"
            }
            Self::CommitteeSilent => "the chain's validators have not been heard of for too long",
            Self::NoContract => "there is no contract at the address that the product names",
            Self::TrustOutOfReach => {
                "the product asks for more trust than its chain is configured for"
            }
        })
    }
}

/// The end of a holding that has ended at a time nobody tells. A cancelled subscription (ERC-5643) says the
/// same of itself.
pub const ENDED: Timestamp = Timestamp::UNIX_EPOCH;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Proven: held at the anchor, until a time if the holding itself ends.
    Held { until: Option<Timestamp>, anchor: Anchor },
    /// Proven: not held at the anchor.
    NotHeld { anchor: Anchor },
    /// Not found out, at the finality that was asked for. Says nothing about the chain.
    Unknown { cause: Cause, finality: Finality },
}

impl Finding {
    /// The block that proves it; none for what is unknown.
    pub fn anchor(&self) -> Option<&Anchor> {
        match self {
            Self::Held { anchor, .. } | Self::NotHeld { anchor } => Some(anchor),
            Self::Unknown { .. } => None,
        }
    }

    /// How settled the block is that was looked at, or would have been.
    pub fn finality(&self) -> Finality {
        match self {
            Self::Held { anchor, .. } | Self::NotHeld { anchor } => anchor.finality,
            Self::Unknown { finality, .. } => *finality,
        }
    }
}

/// One observation of the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sighting {
    /// The look this belongs to. A later look has a greater number; all sightings of one look share it.
    pub look: u64,
    /// When the look began, by the daemon's clock (never earlier than chain time).
    pub seen_at: Timestamp,
    pub wallet: Address,
    pub rule: Rule,
    #[serde(default, skip_serializing_if = "Reach::is_direct")]
    pub reach: Reach,
    pub target: Target,
    pub finding: Finding,
    /// Of one token by rule `balance`: how many were proven to count, enough or not. `None` where nothing was proven, and in
    /// what was written down before amounts were: see [`Sighting::least`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<U256>,
    /// Of those, through a vault that has more of them than it delegated to the wallet: how many it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<U256>,
    /// Through whom it is held, beginning at the wallet; empty where the wallet holds it itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<Via>,
}

impl Sighting {
    /// By which rule and reach it was seen.
    pub fn terms(&self) -> Terms {
        Terms { rule: self.rule, reach: self.reach }
    }

    /// How many of a token that is held are proven: what the rule asks for, where no more than that is known.
    pub fn least(&self) -> U256 {
        self.amount.unwrap_or_else(|| self.rule.least())
    }
}

/// How a proof was come by, so that it can be followed up later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub rule: Rule,
    #[serde(default, skip_serializing_if = "Reach::is_direct")]
    pub reach: Reach,
    /// Through whom it is held, beginning at the wallet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<Via>,
    /// By rule `balance`: how many were proven to count. `None` in what was written down before amounts were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<U256>,
    pub anchor: Anchor,
    /// The transaction a claimant named, if it was found to have moved the token.
    pub transaction: Option<B256>,
}

/// Why an administrator took an ownership out of force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

/// The ledger's record that a wallet held a token for an interval of time. Never deleted, only closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Grows with each interval opened.
    pub number: u64,
    pub token: Token,
    pub wallet: Address,
    /// When it was first proven.
    pub first_seen: Timestamp,
    /// When it was last proven.
    pub last_proven: Timestamp,
    /// The last proof.
    pub evidence: Evidence,
    /// When it was proven to have ended, and at which block; `None` while it lasts.
    pub closed: Option<(Timestamp, Anchor)>,
    pub suspended: Option<Suspension>,
}

impl Ownership {
    /// Whether it has not ended, as far as is known.
    pub fn is_active(&self) -> bool {
        self.closed.is_none()
    }
}

/// How far a collection's events have been read in search of one wallet's tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The last block read, and its hash; `None` before the first.
    pub read_to: Option<(u64, B256)>,
    /// Ids that some event said went to the wallet. Hints, not proofs.
    pub ids: std::collections::BTreeSet<U256>,
}

#[cfg(test)]
mod tests;
