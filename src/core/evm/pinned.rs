//! A block that calls are run at. Pure.
//!
//! Owns: a verified header, and what was proven of the state at it.

use std::sync::{Mutex, MutexGuard};

use alloy_consensus::Header;
use alloy_primitives::B256;

use super::rules::Rules;
use crate::proof::state::{Facts, locked};

/// A verified header and what was proven at it.
#[derive(Debug)]
pub struct Pinned {
    pub hash: B256,
    pub header: Header,
    /// The rules of the EVM at this block.
    pub rules: Rules,
    pub facts: Mutex<Facts>,
}

impl Pinned {
    /// What was proven, locked. For one look at a time: executions wait for it.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        locked(&self.facts)
    }
}
