//! What went wrong with an endpoint, by kind, and the evidence against one that lied. Pure.
//!
//! Owned by: one `health`. Shown by: `status`. Never: holds more of an endpoint's own words than a few lines.

use std::error::Error;

use tokio::time::Instant;

use super::error::EndpointError;
use entitled_core::domain::ids::clip_to;
use entitled_core::proof::account_proof::ProofError;

/// As much of what a refuted answer held as is worth keeping: enough to recognise the node.
const EXCERPT: usize = 400;

/// What kind of trouble an endpoint made. Each is treated in its own way; see `docs/chains.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) enum FaultKind {
    Down,
    Garbled,
    RateLimited,
    Unsupported,
    Pruned,
    Refused,
    Behind,
    Disagreeing,
    WrongChain,
    Unreadable,
    Lying,
}

impl FaultKind {
    const COUNT: usize = 11;

    pub(in crate::chain) const ALL: [(Self, &str); Self::COUNT] = [
        (Self::Down, "down"),
        (Self::Garbled, "garbled"),
        (Self::RateLimited, "rate_limited"),
        (Self::Unsupported, "unsupported"),
        (Self::Pruned, "pruned"),
        (Self::Refused, "refused"),
        (Self::Behind, "behind"),
        (Self::Disagreeing, "disagreeing"),
        (Self::WrongChain, "wrong_chain"),
        (Self::Unreadable, "unreadable"),
        (Self::Lying, "lying"),
    ];

    pub(in crate::chain) fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// `None`: the endpoint did nothing wrong, we only asked too much or too late.
    pub(in crate::chain) fn of(error: &EndpointError) -> Option<Self> {
        Some(match error {
            EndpointError::Down { .. } => Self::Down,
            EndpointError::Garbled => Self::Garbled,
            EndpointError::RateLimited { .. } => Self::RateLimited,
            EndpointError::Unsupported { .. } => Self::Unsupported,
            EndpointError::Pruned { .. } => Self::Pruned,
            EndpointError::Refused { .. } => Self::Refused,
            EndpointError::Behind { .. } => Self::Behind,
            EndpointError::Disagreement { .. } => Self::Disagreeing,
            EndpointError::WrongChain { .. } => Self::WrongChain,
            EndpointError::Unreadable { .. } => Self::Unreadable,
            EndpointError::Refuted { .. } => Self::Lying,
            EndpointError::TooMuch { .. }
            | EndpointError::NoBatches
            | EndpointError::Quarantined
            | EndpointError::OverBudget
            | EndpointError::Busy
            | EndpointError::JustFailed { .. }
            | EndpointError::Late => return None,
        })
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub(in crate::chain) struct Fault {
    pub(in crate::chain) kind: FaultKind,
    pub(in crate::chain) at: Instant,
    /// The method, or what else we wanted to know.
    pub(in crate::chain) asked: String,
    pub(in crate::chain) message: String,
}

/// What an endpoint claimed and its own proof refuted.
#[derive(Debug, Clone)]
pub(in crate::chain) struct Evidence {
    pub(in crate::chain) at: Instant,
    pub(in crate::chain) asked: String,
    /// How the claim and what it should follow from differ.
    pub(in crate::chain) finding: String,
    /// Where the proof ended, as far as the verifier says.
    pub(in crate::chain) proof: Option<String>,
}

impl Evidence {
    pub(in crate::chain) fn of(error: &ProofError, at: Instant) -> Self {
        let proof = error.source().map(|it| clip_to(&it.to_string(), EXCERPT));
        Self { at, asked: asked(error), finding: error.to_string(), proof }
    }
}

fn asked(error: &ProofError) -> String {
    match error {
        ProofError::OtherAccount { asked: address, .. }
        | ProofError::Account { address, .. }
        | ProofError::AbsentButUsed { address } => format!("eth_getProof of {address}"),
        ProofError::MissingSlot { address, slot } | ProofError::Slot { address, slot, .. } => {
            format!("eth_getProof of {address}, slot {slot}")
        }
        ProofError::Code { address } => format!("eth_getCode of {address}"),
        ProofError::Header { number, .. } | ProofError::HeaderForm { number } => {
            format!("eth_getBlockByNumber of {number}")
        }
    }
}

/// Everything that went wrong so far.
#[derive(Debug, Clone, Default)]
pub(in crate::chain) struct Faults {
    counts: [u64; FaultKind::COUNT],
    pub(in crate::chain) last: Option<Fault>,
    /// Against the endpoint's last lie. Kept after its quarantine is over.
    pub(in crate::chain) evidence: Option<Evidence>,
}

impl Faults {
    pub(in crate::chain) fn count(&self, kind: FaultKind) -> u64 {
        self.counts[kind as usize]
    }

    pub(in crate::chain) fn note(&mut self, error: &EndpointError, asked: &str, now: Instant) {
        let Some(kind) = FaultKind::of(error) else { return };
        self.counts[kind as usize] += 1;
        let (asked, message) = (asked.to_owned(), error.to_string());
        self.last = Some(Fault { kind, at: now, asked, message });
        if let EndpointError::Refuted { source } = error {
            self.evidence = Some(Evidence::of(source, now));
        }
    }
}

#[cfg(test)]
mod tests;
