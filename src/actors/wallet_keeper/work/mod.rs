//! What WalletKeeper does: makes, links and uses wallets, judges signatures, moves keys in and out, signs loans of seats, and
//! keeps the key-encryption key.

pub(super) mod key_custody;
pub(super) mod ledger;
mod loans;
mod orders;
mod receipts;
mod rotation;
mod signatures;
pub(super) mod tools;
mod transfer;
