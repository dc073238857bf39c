//! Customers and their wallets, as the ledger keeps them.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::ids::{CustomerId, Timestamp};

/// A person, an organisation or the machine itself, to whom wallets belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    /// The customer's name in somebody else's books. Unique where given.
    pub external_id: Option<String>,
    /// The Unix users it stands for. A uid belongs to at most one customer.
    pub uids: Vec<u32>,
    pub metadata: BTreeMap<String, String>,
    /// `false` once deactivated: kept for its history, entitled to nothing.
    pub active: bool,
    pub created_at: Timestamp,
}

/// Where a wallet's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Custody {
    /// Made here and kept sealed.
    Managed,
    /// Elsewhere; control was proven by a signature.
    Linked,
}

/// An EVM account that belongs to a customer. The same address serves every chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub address: Address,
    pub customer: CustomerId,
    pub custody: Custody,
    pub label: Option<String>,
    /// `false` once unlinked: kept for its history, counts for nothing.
    pub active: bool,
    /// When it was made or linked.
    pub added_at: Timestamp,
    pub removed_at: Option<Timestamp>,
}

/// A message waiting to be signed, so that a wallet can be linked. Single use; survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub nonce: String,
    pub address: Address,
    /// The EIP-155 chain id the message names.
    pub chain: u64,
    pub customer: CustomerId,
    /// The exact text that has to be signed.
    pub message: String,
    pub expires_at: Timestamp,
}
