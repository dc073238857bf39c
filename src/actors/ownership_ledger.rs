//! OwnershipLedger: the one writer of everything that lasts.
//!
//! Owns: the store. Asked by: TierCache, ChainVerifier, WalletKeeper and `rpc`. Asks: nobody.
//! Never: decides an entitlement, reads the clock, touches the network.
//!
//! Every change names who asked (`by`) and when (`at`), is acknowledged after its durable commit, and
//! leaves one audit entry. Reads go to a snapshot and never wait for a writer.
//!
//! Invariant: a change that entitlements rest on is told ([`OnChange`]) before it is acknowledged, whoever
//! ordered it and whether or not they still wait.

mod messages;
mod news;
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actix::prelude::*;
use tokio::sync::Semaphore;

use crate::store::Store;

pub use crate::store::tables::audit::AuditState;
pub use crate::store::tables::customers::{CustomerEdit, MetadataEdit, NewCustomer, UidsEdit};
pub use crate::store::tables::facts::{Facts, Progress};
pub use crate::store::tables::notices::Notice;
pub use crate::store::tables::receipts::{KeptEvidence, ReceiptParts};
pub use crate::store::tables::sealed_keys::{Replacement, SealedKey};
pub use crate::store::tables::wallets::{NewWallet, Origin};
pub use crate::store::{Asked, BackedUp};
pub use entitled_core::domain::audit::AuditAction;
pub use entitled_core::domain::epoch::Whose;
pub use entitled_core::domain::kept::Look;
pub use messages::loans::{
    FindGivenLoan, FindLoans, FindMachineKey, FindTakenLoan, GiveLoanBack, KeepGivenLoan,
    KeepMachineKey, NoteLoanTime, SpendLoan, TakeLoan,
};
pub use messages::{
    AcknowledgeNotices, AddWallet, BackUp, CreateCustomer, CustomerOf, CustomersOf,
    CustomersWithWallets, FindChallenge, FindCustomer, FindFacts, FindFigures, FindProgress,
    FindReceiptParts, FindSealedKeys, FindWallet, ForgetChain, HistoryOf, KeepChallenge,
    KeepEvidence, KeepPins, KeepSynced, LedgerError, ListAudit, ListCustomers, ListOwnerships,
    LooksRecorded, NoteAudit, RaiseFloor, RecordClaim, RecordSightings, RemoveWallet,
    ReplaceSealedKeys, SetSuspension, StoreFigures, UpdateCustomer, VerifyAudit, WalletsOf,
};
pub use news::OnChange;
use work::unwritten::Unwritten;

/// How many messages may wait; a sender then waits too.
const MAILBOX: usize = 1_024;

/// The actor. All it has outlives it.
pub struct OwnershipLedger {
    store: Store,
    on_change: OnChange,
    /// How many looks were recorded since the start.
    looks: Arc<AtomicU64>,
    /// Looks that the store could not take yet.
    unwritten: Arc<Unwritten>,
    /// Taken while the audit is verified, which takes a thread and a while: one at a time.
    auditing: Arc<Semaphore>,
}

impl OwnershipLedger {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            on_change: Arc::new(|_| {}),
            looks: Arc::default(),
            unwritten: Arc::default(),
            auditing: Arc::new(Semaphore::new(1)),
        }
    }

    pub fn telling(self, on_change: OnChange) -> Self {
        Self { on_change, ..self }
    }
}

impl Actor for OwnershipLedger {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Supervised for OwnershipLedger {
    fn restarting(&mut self, context: &mut Self::Context) {
        let (looks, unwritten) = (Arc::clone(&self.looks), Arc::clone(&self.unwritten));
        let auditing = Arc::clone(&self.auditing);
        let anew = Self::new(self.store.clone()).telling(Arc::clone(&self.on_change));
        *self = Self { looks, unwritten, auditing, ..anew };
        context.set_mailbox_capacity(MAILBOX);
    }
}

#[cfg(test)]
mod tests;
