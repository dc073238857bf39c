//! What trust `consensus` rests on: a checkpoint that somebody vouches for, and what committees signed.
//!
//! Validators sign for the newest blocks; who they are is proven from committee to committee, back to one
//! beacon block taken on somebody's word: the checkpoint. Whose word counts is the vendor's choice, because
//! whoever runs the machine may be the one who would like another answer.

use std::fmt;
use std::time::Duration;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::ids::{ChainId, Timestamp};
use super::product::section::written;

/// How old a checkpoint may be if nobody says otherwise: what a committee once signed counts for less the
/// longer its members may have left.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(14 * 86_400);

/// A beacon block that a vendor vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    pub chain: ChainId,
    /// Its hash-tree root.
    pub root: B256,
    /// Its slot, where the vendor names it; the block itself proves it in any case.
    pub slot: Option<u64>,
    /// How old it may be when a light client begins from it, and how long that may rest.
    pub max_age: Duration,
    /// SHA-256 of the text of the chain's specification, where the program brings none along for the chain,
    /// or the vendor means another.
    pub spec: Option<B256>,
}

/// What validators signed for an anchor, and what that rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attestation {
    /// The root of the beacon block that everything began from.
    pub checkpoint: B256,
    /// SHA-256 of the chain's specification; `None` for one that the program brings along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<B256>,
    /// Whether the program brings the checkpoint along.
    #[serde(default)]
    pub built_in: bool,
    /// The beacon block that holds the anchor's block.
    pub slot: u64,
    /// Of the committee that signed.
    pub period: u64,
    /// How many of its members signed.
    pub participation: u16,
    /// How many members it has: 512 on every public chain.
    pub of: u16,
    pub signature_slot: u64,
    /// The checkpoints it may claim: first the one it began from, then those found by the period of the
    /// signature to lead to the committee that signed. Empty in what was kept before this was recorded, which
    /// claims the first alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineages: Vec<Lineage>,
}

/// A checkpoint from which a signature's committee can be proven, and how well it kept on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lineage {
    pub root: B256,
    /// How old it was when a light client began from it, in seconds.
    pub age_s: u64,
    /// The longest rest since: how old the newest block held to be final was when the light client went on
    /// from it, in seconds.
    pub rest_s: u64,
}

impl Lineage {
    fn keeps(&self, max_age: Duration) -> bool {
        self.age_s.max(self.rest_s) <= max_age.as_secs()
    }
}

impl Attestation {
    /// What it has of this checkpoint: `None` if nothing, `Some(None)` if nobody recorded its age.
    fn lineage(&self, root: B256) -> Option<Option<&Lineage>> {
        if self.lineages.is_empty() {
            return (root == self.checkpoint).then_some(None);
        }
        self.lineages.iter().find(|it| it.root == root).map(Some)
    }
}

/// Why a product does not accept what an attestation rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// It names no checkpoint that the attestation may claim, under the same specification.
    NotNamed { checkpoint: B256 },
    /// It names this one, and allows less.
    Age { lineage: Lineage, max_age: Duration },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed { checkpoint } => write!(
                f,
                "the light client began from checkpoint {checkpoint}, for which the product does not vouch"
            ),
            Self::Age { lineage: Lineage { root, age_s, .. }, max_age }
                if *age_s > max_age.as_secs() =>
            {
                let (age, most) = (rounded(*age_s), written(*max_age));
                write!(
                    f,
                    "checkpoint {root} was {age} old when it was begun from; the product allows {most}"
                )
            }
            Self::Age { lineage: Lineage { root, rest_s, .. }, max_age } => {
                let (rest, most) = (rounded(*rest_s), written(*max_age));
                write!(
                    f,
                    "the light client from checkpoint {root} had rested for {rest}; the product allows {most}"
                )
            }
        }
    }
}

/// Rounded up, in the largest unit of which there are two.
fn rounded(seconds: u64) -> String {
    let unit = [86_400, 3_600, 60].into_iter().find(|it| seconds >= 2 * it).unwrap_or(1);
    written(Duration::from_secs(seconds.div_ceil(unit).saturating_mul(unit)))
}

/// Why `checkpoints`, those of one product, do not vouch for an attestation of a block of `chain`; `None` if
/// they do. Nothing but the attestation and the product's own words counts.
///
/// A product that names checkpoints of the chain accepts those and no others, each as old as it says. One that
/// names none accepts what the program brings along.
pub fn objection(
    checkpoints: &[Checkpoint],
    chain: ChainId,
    attestation: &Attestation,
) -> Option<Objection> {
    let mut own = checkpoints.iter().filter(|it| it.chain == chain).peekable();
    let mut found = Objection::NotNamed { checkpoint: attestation.checkpoint };
    if own.peek().is_none() {
        let brought = attestation.built_in && attestation.spec.is_none();
        let max_age = DEFAULT_MAX_AGE;
        return match attestation.lineage(attestation.checkpoint).filter(|_| brought) {
            None => Some(found),
            Some(Some(lineage)) if !lineage.keeps(max_age) => {
                Some(Objection::Age { lineage: *lineage, max_age })
            }
            Some(_) => None,
        };
    }
    for named in own.filter(|it| it.spec == attestation.spec) {
        match attestation.lineage(named.root) {
            None => {}
            Some(Some(lineage)) if !lineage.keeps(named.max_age) => {
                found = Objection::Age { lineage: *lineage, max_age: named.max_age };
            }
            Some(_) => return None,
        }
    }
    Some(found)
}

/// What is kept of a light client between runs. `bytes` are for the chain to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub chain: ChainId,
    /// The newest finalized slot. What is kept never goes below it, as long as slots are counted by one calendar.
    pub slot: u64,
    /// The time of that slot.
    pub time: Timestamp,
    pub bytes: Vec<u8>,
}

impl Synced {
    /// Whether two count slots from the same genesis, each so long. Where they do not, which slot is the later says
    /// nothing: the chain began anew, or its specification was corrected.
    pub fn has_calendar_of(&self, other: &Self, seconds_per_slot: u64) -> bool {
        let genesis = |it: &Self| {
            let since = i128::from(it.slot) * i128::from(seconds_per_slot) * 1_000_000_000;
            it.time.as_nanosecond() - since
        };
        genesis(self) == genesis(other)
    }
}

#[cfg(test)]
mod tests;
