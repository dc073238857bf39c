//! A block that calls are run at. Pure.
//!
//! Owns: a verified header, and what was proven of the state at it.

use std::sync::Mutex;
use std::sync::MutexGuard;

use alloy_consensus::Header;
use alloy_primitives::B256;
use revm::primitives::hardfork::SpecId;

use super::state::Facts;
use super::state::locked;

/// A verified header and what was proven at it.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) hash: B256,
    pub(super) header: Header,
    /// The rules of the EVM at this block.
    pub(super) rules: SpecId,
    pub(super) facts: Mutex<Facts>,
}

impl Pinned {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        locked(&self.facts)
    }
}
