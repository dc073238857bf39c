//! What changes, and who owns it: five actors and the supervisor that restarts them.
//!
//! Asks go down, await a reply, and have a timeout: `rpc` asks all five; TierCache asks ChainVerifier and
//! OwnershipLedger; SeatKeeper asks TierCache and OwnershipLedger; ChainVerifier and WalletKeeper ask OwnershipLedger; OwnershipLedger asks nobody, but takes what
//! a change makes untrue out of the cache before it acknowledges the change. Notices
//! go up by `try_send` and may be lost: ChainVerifier tells TierCache what happened on a chain. So there is
//! no cycle of waiting.
//!
//! They are started in the order ledger, cache, verifier, wallets, seats. One that panics is restarted with those
//! after it; what is lost is the message at hand and everything but the store, all of which is remade.
//!
//! Each has the same rooms: `messages` (what it can be asked and ordered), `news` (what it tells others, where it does)
//! and `work` (what it does). Imports among them go down as asks do: ledger, verifier, cache and keeper.
//!
//! They share one thread. Work whose cost depends on what a caller sent leaves it for the `cpu_pool`.

pub mod chain_verifier;
pub mod cpu_pool;
pub mod ownership_ledger;
pub mod seat_keeper;
pub mod supervisor;
pub mod tier_cache;
mod use_log;
pub mod wallet_keeper;
