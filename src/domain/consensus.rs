//! What trust `consensus` rests on: a checkpoint that somebody vouches for, and what committees signed.
//!
//! Validators sign for the newest blocks; who they are is proven from committee to committee, back to one
//! beacon block taken on somebody's word: the checkpoint. Whose word counts is the vendor's choice, because
//! whoever runs the machine may be the one who would like another answer.

use std::time::Duration;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::ids::{ChainId, Timestamp};

/// A beacon block that a vendor vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    pub chain: ChainId,
    /// Its hash-tree root.
    pub root: B256,
    /// Its slot, where the vendor names it; the block itself proves it in any case.
    pub slot: Option<u64>,
    /// How old it may be when it is first used, and how long a light client that began from it may rest.
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
}

/// Whether `checkpoints`, those of one product, vouch for an attestation of a block of `chain`.
///
/// A product that names checkpoints of the chain accepts those and no others. One that names none accepts
/// what the program brings along.
pub fn vouched(checkpoints: &[Checkpoint], chain: ChainId, attestation: &Attestation) -> bool {
    let mut own = checkpoints.iter().filter(|it| it.chain == chain).peekable();
    if own.peek().is_none() {
        return attestation.built_in && attestation.spec.is_none();
    }
    own.any(|it| it.spec == attestation.spec && it.root == attestation.checkpoint)
}

/// What is kept of a light client between runs. `bytes` are for the chain to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub chain: ChainId,
    /// The newest finalized slot. What is kept never goes below it.
    pub slot: u64,
    /// The time of that slot.
    pub time: Timestamp,
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: ChainId = ChainId(1);

    fn root(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn named(byte: u8) -> Checkpoint {
        let max_age = Duration::from_secs(1);
        Checkpoint { chain: CHAIN, root: root(byte), slot: None, max_age, spec: None }
    }

    fn from(byte: u8) -> Attestation {
        Attestation {
            checkpoint: root(byte),
            spec: None,
            built_in: false,
            slot: 1,
            period: 0,
            participation: 400,
            of: 512,
            signature_slot: 2,
        }
    }

    #[test]
    fn a_product_accepts_the_checkpoints_it_names_and_no_others() {
        assert!(vouched(&[named(1), named(2)], CHAIN, &from(2)));
        assert!(!vouched(&[named(1)], CHAIN, &from(2)));
        let built_in = Attestation { built_in: true, ..from(2) };
        assert!(!vouched(&[named(1)], CHAIN, &built_in));
    }

    #[test]
    fn a_product_that_names_none_of_the_chain_accepts_what_the_program_brings_along() {
        let built_in = Attestation { built_in: true, ..from(2) };
        let elsewhere = Checkpoint { chain: ChainId(5), ..named(2) };
        for checkpoints in [&[][..], &[elsewhere][..]] {
            assert!(vouched(checkpoints, CHAIN, &built_in));
            assert!(!vouched(checkpoints, CHAIN, &from(2)));
        }
        let other_rules = Attestation { spec: Some(root(9)), ..built_in };
        assert!(!vouched(&[], CHAIN, &other_rules));
    }

    #[test]
    fn the_specification_must_be_the_one_the_vendor_means() {
        let own = Attestation { spec: Some(root(9)), ..from(1) };
        assert!(!vouched(&[named(1)], CHAIN, &own));
        let pinned = Checkpoint { spec: Some(root(9)), ..named(1) };
        assert!(vouched(&[pinned], CHAIN, &own));
        assert!(!vouched(&[pinned], CHAIN, &from(1)));
    }
}
