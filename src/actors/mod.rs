//! What changes, and who owns it: four actors and the supervisor that restarts them.

pub mod chain_verifier;
pub mod ownership_ledger;
pub mod supervisor;
pub mod tier_cache;
pub mod wallet_keeper;
