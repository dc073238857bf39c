//! The audit: one entry for each change, each bound to the one before it by a hash.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::ids::Timestamp;

/// One change to the ledger.
///
/// Invariant: `hash` covers every other field, `previous` included; `number` grows by one, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub number: u64,
    pub at: Timestamp,
    /// Who asked: `uid:1000`, `admin uid:0`, or `chain` for what the chain itself changed.
    pub by: String,
    /// What was done, such as `wallet_linked`.
    pub action: String,
    /// To what: a customer, wallet or token, in its written form.
    pub subject: String,
    pub detail: String,
    pub previous: B256,
    pub hash: B256,
}
