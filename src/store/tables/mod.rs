//! What is kept: one file for each noun.

pub mod audit;
pub mod challenges;
pub mod claims;
pub mod customers;
pub mod facts;
pub(in crate::store) mod kept_rows;
pub mod light_clients;
pub mod loans;
pub mod notices;
pub mod ownerships;
pub mod publishers;
pub mod quotas;
pub mod receipts;
pub(in crate::store) mod records;
pub mod sealed_keys;
pub mod sightings;
pub mod wallets;
