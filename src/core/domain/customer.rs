//! Customers and their wallets, as the ledger keeps them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};

use super::ids::{ChainId, CustomerId, Timestamp};
use super::label::Label;
use super::ownership::{Anchor, Ownership};
use super::precedence::is_refuted;

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

/// An EVM account that belongs to a customer. Held by a key, it is the same on every chain; a contract is
/// one on its own chain only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub address: Address,
    pub customer: CustomerId,
    pub custody: Custody,
    pub label: Option<Label>,
    /// `false` once unlinked: kept for its history, counts for nothing.
    pub active: bool,
    /// When it was made or linked.
    pub added_at: Timestamp,
    pub removed_at: Option<Timestamp>,
    /// Where the contract lives that stood for this wallet when it was linked. Elsewhere the same address
    /// may be somebody else's, so that the wallet counts on no other chain. None: its key stood for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// The block at which that contract said so, and how far that is trusted. None also for a contract of which nobody
    /// recorded it: then no more is known than that one endpoint once named such a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Anchor>,
    /// When that block was met: at the last time it was linked, which may be long after it was added. None also where nobody
    /// recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
}

impl Wallet {
    /// Whether what this address holds on `chain` is this wallet's.
    pub fn counts_on(&self, chain: ChainId) -> bool {
        self.chain.is_none_or(|it| it == chain)
    }

    /// Whether it goes over to another `customer`, for whom its key signed, or its contract spoke at a block: a contract is
    /// whoever's it obeys now, as a key is whoever's has it. A key comes before a contract, which may stand at its address
    /// for a while (EIP-7702). A contract does not by less trust than that by which it was linked, nor by an older block, but
    /// where it shows that the other was of no chain. With the block goes when it was met.
    pub fn gives_way(&self, customer: CustomerId, spoke_at: Option<(&Anchor, Timestamp)>) -> bool {
        let by_contract = self.custody == Custody::Linked && self.chain.is_some();
        let is_later = |it: &Anchor, at| match &self.accepted {
            Some(before) => {
                let is_newer = it.number >= before.number;
                // Of a block that was met nobody knows when, it is not known that it was of the future.
                let met_at = self.accepted_at.unwrap_or(before.time);
                it.trust >= before.trust && (is_newer || is_refuted((before, met_at), (it, at)))
            }
            None => true,
        };
        self.customer != customer
            && by_contract
            && spoke_at.is_none_or(|(it, at)| self.chain == Some(it.chain) && is_later(it, at))
    }

    /// Whether this is an ownership of this wallet's customer: of this address, and begun before the wallet was
    /// taken away. What the address holds since is its next customer's, or nobody's here.
    pub fn had(&self, ownership: &Ownership) -> bool {
        let begun = ownership.first_seen;
        ownership.wallet == self.address && self.removed_at.is_none_or(|it| begun < it)
    }
}

/// The text and the signature by which a wallet was linked: they show control of it to others, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProof {
    pub message: String,
    pub signature: Bytes,
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

#[cfg(test)]
mod tests;
