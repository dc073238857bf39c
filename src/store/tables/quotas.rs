//! How much one customer can have the ledger keep. Unlinked wallets and closed ownerships count as well: they are
//! kept for their history.
//!
//! Never: refuses what the daemon records by itself; that is as much as products name.

use alloy_primitives::Address;

use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{View, prefixed};
use entitled_core::domain::ids::CustomerId;

const MOST_WALLETS: usize = 4_096;
/// Above so many ownerships, a customer claims no more.
const MOST_CLAIMED: usize = 4_096;

/// Whether a customer may have one more wallet.
pub(in crate::store) fn check_wallets(view: &impl View, id: CustomerId) -> Result<(), StoreError> {
    let rows = prefixed(view, Table::CustomerWallets, &schema::customer(id))?;
    below(rows.take(MOST_WALLETS).count(), MOST_WALLETS, "wallets, those taken away among them")
}

/// Whether a customer with these wallets may claim one more ownership.
///
/// # Errors
/// [`StoreError::Full`] when not; and when the store fails.
pub(in crate::store) fn check_claims(
    view: &impl View,
    wallets: &[Address],
) -> Result<(), StoreError> {
    claims_below(view, wallets, MOST_CLAIMED)
}

fn claims_below(view: &impl View, wallets: &[Address], most: usize) -> Result<(), StoreError> {
    let mut found = 0;
    for wallet in wallets {
        let rows = prefixed(view, Table::WalletOwnerships, wallet.as_slice())?;
        found += rows.take(most.saturating_sub(found)).count();
    }
    below(found, most, "ownerships by claiming them, those that ended among them")
}

pub(in crate::store) fn below(found: usize, most: usize, of: &str) -> Result<(), StoreError> {
    if found < most {
        return Ok(());
    }
    Err(StoreError::Full { why: format!("a customer has at most {most} {of}") })
}

#[cfg(test)]
mod tests;
