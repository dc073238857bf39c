//! Why a claim about the chain was not taken.
//!
//! Owns: one variant for each rule of the sync protocol, with its figures, and whether breaking it shows a
//! lie. Asked by: the light client, and whoever decides what an endpoint deserves. Never: names an endpoint.

use alloy_primitives::B256;

/// A rule of the sync protocol that a claim does not meet. Nothing has changed when one is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the header's root is {found}, and the checkpoint is {expected}")]
    NotTheCheckpoint { expected: B256, found: B256 },
    #[error("the checkpoint is of slot {found}, and was named as one of slot {expected}")]
    CheckpointSlot { expected: u64, found: u64 },
    #[error("the header of slot {slot} is from before Capella and says nothing of execution")]
    NoExecution { slot: u64 },
    #[error("the header of slot {slot} has not the form that headers have in fork {fork}")]
    HeaderFormat { slot: u64, fork: String },
    #[error("{branch} does not lead to the {root} of the header of slot {slot}")]
    Branch { branch: &'static str, root: &'static str, slot: u64 },
    #[error("a committee of {found} keys, where the chain has {expected}")]
    CommitteeSize { found: usize, expected: usize },
    #[error("{found} bytes of participation bits, where the chain has {expected}")]
    Bits { found: usize, expected: usize },
    #[error(
        "slots out of order: signature {signature}, attested {attested}, finalized {finalized}"
    )]
    SlotOrder { signature: u64, attested: u64, finalized: u64 },
    #[error(
        "signed in slot {signature}, and it is slot {now}: the sender, or this clock, is wrong"
    )]
    TooEarly { signature: u64, now: u64 },
    #[error("of slot {slot}, and slot {have} is known")]
    Old { slot: u64, have: u64 },
    #[error("signed in period {period}, and the committees of {known} are known")]
    NoCommittee { period: u64, known: KnownPeriods },
    #[error("it names no finalized header")]
    NotFinalized,
    #[error("{signed} of {size} members signed, and {needed} are needed")]
    Participation { signed: usize, size: usize, needed: usize },
    #[error("key {index} of the committee of period {period} is no valid key")]
    Key { period: u64, index: usize },
    #[error("the signature of slot {slot} is not that of the {signed} members of period {period}")]
    Signature { slot: u64, period: u64, signed: usize },
    #[error("two headers of slot {slot} are signed: {known} and {other}")]
    TwoHeaders { slot: u64, known: B256, other: B256 },
    #[error("two committees of period {period} are signed: {known} and {other}")]
    TwoCommittees { period: u64, known: B256, other: B256 },
}

/// The periods whose committees are known: one, or two in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPeriods {
    pub first: u64,
    pub last: u64,
}

impl std::fmt::Display for KnownPeriods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "period {}", self.first)
        } else {
            write!(f, "periods {} and {}", self.first, self.last)
        }
    }
}

/// What being refused says of whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// An honest beacon node of this chain cannot have sent it: it is false, or the sender is broken. Or
    /// the specification is wrong, or older than the chain's last fork: then every sender seems to lie.
    Invalid,
    /// It may well be true; it is of no use now.
    NotUseful,
    /// Two thirds of a committee signed two histories. No sender can make that up: keep both claims, and
    /// trust neither the sender nor the chain until a person has looked.
    Equivocation,
}

impl Refused {
    /// What it says of whoever gave the update.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::TooEarly { .. }
            | Self::Old { .. }
            | Self::NoCommittee { .. }
            | Self::NotFinalized
            | Self::NoExecution { .. }
            | Self::Participation { .. } => RefusalKind::NotUseful,
            Self::TwoHeaders { .. } | Self::TwoCommittees { .. } => RefusalKind::Equivocation,
            Self::NotTheCheckpoint { .. }
            | Self::CheckpointSlot { .. }
            | Self::HeaderFormat { .. }
            | Self::Branch { .. }
            | Self::CommitteeSize { .. }
            | Self::Bits { .. }
            | Self::SlotOrder { .. }
            | Self::Key { .. }
            | Self::Signature { .. } => RefusalKind::Invalid,
        }
    }
}
