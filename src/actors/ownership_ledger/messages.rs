//! What OwnershipLedger can be ordered and asked. A change names who wants it and carries the store's own input.

pub(super) mod loans;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::Address;

use crate::store::tables::audit::AuditState;
use crate::store::tables::customers::{CustomerEdit, NewCustomer};
use crate::store::tables::facts::{Facts, Progress};
use crate::store::tables::notices::Notice;
use crate::store::tables::receipts::{KeptEvidence, ReceiptParts};
use crate::store::tables::sealed_keys::{Replacement, SealedKey};
use crate::store::tables::wallets::NewWallet;
use crate::store::{Asked, BackedUp};
use entitled_core::domain::audit::{AuditAction, AuditEntry};
use entitled_core::domain::consensus::Synced;
use entitled_core::domain::customer::{Challenge, Customer, Wallet};
use entitled_core::domain::ids::{ChainId, Collection, CustomerId, ProductId, Timestamp, Token};
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{Ownership, Suspension};
use entitled_core::domain::publisher::Pin;

#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    #[error("no such {what}")]
    NotFound { what: &'static str },
    #[error("{why}")]
    Conflict { why: String },
    /// A quota is used up.
    #[error("{why}")]
    Full { why: String },
    #[error("the challenge is unknown, used or expired")]
    ChallengeSpent,
    #[error("{why}")]
    Busy { why: String },
    #[error("cannot {doing} in the store")]
    Store { doing: &'static str, source: Arc<dyn std::error::Error + Send + Sync> },
}

pub(super) type Reply<T> = Result<T, LedgerError>;

// ---- orders: each is one durable change ----

/// Make a customer with the next free number.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Customer>")]
pub struct CreateCustomer {
    pub new: NewCustomer,
    pub asked: Asked,
}

/// Change what is given; leave the rest. `active: Some(false)` deactivates.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Customer>")]
pub struct UpdateCustomer {
    pub id: CustomerId,
    pub edit: CustomerEdit,
    pub asked: Asked,
}

/// Add a wallet, or take an unlinked one of the same customer up again. Makes the customer if it is
/// `uid:N` or `machine` and not there yet. An address active for another customer is a conflict.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct AddWallet {
    pub new: NewWallet,
    pub asked: Asked,
}

/// Keep what a receipt is made of, in the place of what was kept of the same customer and product.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<()>")]
pub struct KeepEvidence {
    pub customer: CustomerId,
    pub product: ProductId,
    pub evidence: KeptEvidence,
}

/// What is kept for the receipt of a product that a wallet of this customer leads to.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<ReceiptParts>")]
pub struct FindReceiptParts {
    pub wallet: Address,
    pub customer: CustomerId,
    pub product: ProductId,
}

/// Unlink a wallet; with `destroy_key` its sealed key is overwritten and removed as well.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct RemoveWallet {
    pub address: Address,
    pub customer: CustomerId,
    pub destroy_key: bool,
    pub asked: Asked,
}

/// Remember a challenge until it is used or has expired.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<()>")]
pub struct KeepChallenge {
    pub challenge: Challenge,
    pub asked: Asked,
}

/// Record one look at the chain: sightings, and how far events were read. Opens, extends and closes
/// ownerships. Returns the ownerships that opened or closed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Ownership>>")]
pub struct RecordSightings {
    pub look: Look,
    pub asked: Asked,
}

/// Record the look that proves a customer's claim, unless it is recorded already. Refused when the quota of all its
/// `wallets` together is used up. Returns the holding; `None` where something newer says that there is none.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<Ownership>>")]
pub struct RecordClaim {
    pub customer: CustomerId,
    pub wallets: Vec<Address>,
    pub look: Look,
    pub asked: Asked,
}

/// Take every active ownership of a token out of force, or back into it (`suspension: None`).
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Ownership>>")]
pub struct SetSuspension {
    pub token: Token,
    pub suspension: Option<Suspension>,
    pub asked: Asked,
}

/// Raise the floor under the time of a chain. A lower time changes nothing. Leaves no audit entry.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<()>")]
pub struct RaiseFloor {
    pub chain: ChainId,
    pub time: Timestamp,
}

/// Forget everything that was seen on a chain, because it began anew: it is of a chain that is gone. Ownerships stay, as
/// history. Returns how many sightings there were. Leaves no audit entry.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<u64>")]
pub struct ForgetChain {
    pub chain: ChainId,
}

/// Keep what a light client knows. Never goes back: `false` when more is kept already, by the same calendar. Leaves no
/// audit entry.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<bool>")]
pub struct KeepSynced {
    pub synced: Synced,
    pub seconds_per_slot: u64,
}

/// Keep whose files these products take from now on; `None`: anybody's again. Leaves an audit entry for each that goes
/// over to another.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<()>")]
pub struct KeepPins {
    pub pins: BTreeMap<ProductId, Option<Pin>>,
    pub asked: Asked,
}

/// Note something that changed outside the store, such as an installed product file.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<AuditEntry>")]
pub struct NoteAudit {
    pub action: AuditAction,
    pub subject: String,
    pub detail: String,
    pub asked: Asked,
}

/// Put other sealed keys in the places of these, all or none; those that are not as they were read stay.
/// Says how many were replaced.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<u64>")]
pub struct ReplaceSealedKeys {
    pub replacements: Vec<Replacement>,
    /// For the audit: from which key to which.
    pub detail: String,
    pub asked: Asked,
}

// ---- questions ----

/// Every sealed key there is, of unlinked wallets too.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<SealedKey>>")]
pub struct FindSealedKeys;

/// Which customer stands for this Unix user: one that claims it, else `uid:N` (perhaps not made yet).
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<CustomerId>")]
pub struct CustomerOf {
    pub uid: u32,
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<Customer>>")]
pub struct FindCustomer {
    pub id: CustomerId,
}

/// Customers in the order of their ids, after `after`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Customer>>")]
pub struct ListCustomers {
    pub after: Option<CustomerId>,
    pub limit: usize,
}

/// All wallets of a customer, unlinked ones too, oldest first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Wallet>>")]
pub struct WalletsOf {
    pub customer: CustomerId,
}

/// A wallet by its address, with its sealed key if it is managed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<(Wallet, Option<Vec<u8>>)>>")]
pub struct FindWallet {
    pub address: Address,
}

/// Whose these wallets are, or were last; those nobody ever had are left out.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<(Address, CustomerId)>>")]
pub struct CustomersOf {
    pub wallets: BTreeSet<Address>,
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<Challenge>>")]
pub struct FindChallenge {
    pub nonce: String,
}

/// Everything an evaluation needs to know of some customers and collections.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Facts>")]
pub struct FindFacts {
    pub customers: Vec<CustomerId>,
    pub collections: Vec<Collection>,
}

/// How many looks were recorded since the start, as [`Facts::looks`] counts them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "u64")]
pub struct LooksRecorded;

/// Ownerships of some wallets in the time they were their customer's, newest first. `after` is the number of
/// the last one seen.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Ownership>>")]
pub struct ListOwnerships {
    /// `None` for everybody's.
    pub wallets: Option<Vec<Wallet>>,
    pub active: Option<bool>,
    pub after: Option<u64>,
    pub limit: usize,
}

/// Every interval in which one of some wallets held a token in the time it was its customer's, newest first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Ownership>>")]
pub struct HistoryOf {
    pub token: Token,
    /// `None` for everybody's.
    pub wallets: Option<Vec<Wallet>>,
    pub after: Option<u64>,
    pub limit: usize,
}

/// Audit entries after number `after`, not before `since`, of the `last` so many, oldest first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<AuditEntry>>")]
pub struct ListAudit {
    pub since: Option<Timestamp>,
    pub after: Option<u64>,
    pub last: Option<u64>,
    pub limit: usize,
}

/// Recompute every hash of the audit.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<AuditState>")]
pub struct VerifyAudit;

/// Write a backup of the store beside it: of this name, or as one of those that are kept.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<BackedUp>")]
pub struct BackUp {
    pub name: Option<String>,
    pub asked: Asked,
}

/// Forget what was to be told of the store's file. Says which notices they were.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<Notice>>")]
pub struct AcknowledgeNotices {
    pub asked: Asked,
}

/// The first customers that have an active wallet.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Vec<CustomerId>>")]
pub struct CustomersWithWallets {
    pub limit: usize,
}

/// What the evaluator and the verifier need when the daemon starts.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Progress>")]
pub struct FindProgress;

/// Figures about the store, for `store_stats` and health.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<StoreFigures>")]
pub struct FindFigures;

#[derive(Debug, Clone)]
pub struct StoreFigures {
    pub schema: u32,
    pub file_bytes: u64,
    pub customers: u64,
    pub wallets: u64,
    pub ownerships: u64,
    pub sightings: u64,
    pub audit_entries: u64,
    /// Since start.
    pub commits: u64,
    pub changes: u64,
    /// What became of the store's file, and nobody has acknowledged.
    pub notices: Vec<Notice>,
}
