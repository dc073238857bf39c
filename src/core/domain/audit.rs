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
    /// What was done: the name of an [`AuditAction`]. A text, so that entries of other versions read as well.
    pub action: String,
    /// To what: a customer, wallet or token, in its written form.
    pub subject: String,
    pub detail: String,
    pub previous: B256,
    pub hash: B256,
}

/// The actions, and how each is called in entries. These names stand in ledgers for ever.
macro_rules! actions {
    ($($action:ident = $name:literal,)*) => {
        /// What an entry can say was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum AuditAction {
            $($action,)*
        }

        impl AuditAction {
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }
    };
}

actions! {
    CustomerCreated = "customer_created",
    CustomerUpdated = "customer_updated",
    CustomerDeactivated = "customer_deactivated",
    CustomerReactivated = "customer_reactivated",
    WalletChallenged = "wallet_challenged",
    WalletCreated = "wallet_created",
    WalletLinked = "wallet_linked",
    WalletImported = "wallet_imported",
    WalletExported = "wallet_exported",
    WalletUnlinked = "wallet_unlinked",
    WalletKeyDestroyed = "wallet_key_destroyed",
    KeysRotated = "keys_rotated",
    OwnershipOpened = "ownership_opened",
    OwnershipClosed = "ownership_closed",
    OwnershipSuspended = "ownership_suspended",
    OwnershipReinstated = "ownership_reinstated",
    ProductInstalled = "product_installed",
    ProductRemoved = "product_removed",
    ProductsReloaded = "products_reloaded",
    PublisherChanged = "publisher_changed",
    ReceiptImported = "receipt_imported",
    SeatBorrowed = "seat_borrowed",
    SeatLent = "seat_lent",
    SeatLoanImported = "seat_loan_imported",
    SeatLoanReturned = "seat_loan_returned",
    SeatGivenBack = "seat_given_back",
    SeatRevoked = "seat_revoked",
    FleetEvicted = "fleet_evicted",
    FleetDrained = "fleet_drained",
    FleetRestored = "fleet_restored",
    StoreBackedUp = "store_backed_up",
    StoreRecovered = "store_recovered",
    StoreRestored = "store_restored",
    StoreRecoveryAcknowledged = "store_recovery_acknowledged",
}

#[cfg(test)]
mod tests;
