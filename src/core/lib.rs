//! What a licence token entitles to, and what it takes to prove who holds one.
//!
//! Everything here is **pure**: no network, no file, no clock, no thread, no log. Bytes, JSON texts and times are
//! arguments, and a function that is given the same answers the same. So the daemon `entitled`, and any program that
//! checks licences by itself, can rest on it and bring its own ways to fetch and to keep.
//!
//! | module | answers | rests on |
//! |---|---|---|
//! | [`domain`] | which verdict follows from what was seen, at a time | – |
//! | [`light_client`] | which block a beacon chain's validators signed | `domain` |
//! | [`proof`] | which state a block's state root commits to (EIP-1186) | `domain` |
//! | [`evm`] | how a contract's call ends over proven state, and who signed (ERC-1271, ERC-6492) | `proof`, `light_client` |
//! | [`seats`] | who may use a tier at the same time, and who does | `domain` |
//! | [`standards`] | which calls a token standard is asked by, and what the answers mean | `evm` |
//! | [`receipt`] | what a receipt proves to somebody who believes nobody | all of them but `seats` |
//! | [`loan`] | what a seat that is lent to an offline machine is worth there | `receipt`, `seats` |
//!
//! Imports follow the last column and nothing else. Three words recur:
//!
//! * *Unknown is no answer.* What could not be found out is an error of its own ([`domain::ownership::Cause`]), never a
//!   "no" and never a "yes".
//! * *A need is named.* Where a proof is missing, execution stops and says which ([`proof::state::Need`]); whoever asked
//!   fetches it and begins again.
//! * *Units.* Times are instants of UTC ([`domain::ids::Timestamp`]), amounts and ids are [`alloy_primitives::U256`], gas is
//!   as the EVM counts it, and sizes are bytes.
//!
//! # Example
//!
//! Nobody has to be believed about a header: it hashes to its name, or it is another.
//!
//! ```
//! use alloy_consensus::Header;
//! use entitled_core::proof::account_proof::verify_header;
//!
//! let header = Header { number: 7, ..Header::default() };
//! let name = header.hash_slow();
//! assert!(verify_header(&header, name).is_ok());
//!
//! let other = Header { number: 8, ..header };
//! assert!(verify_header(&other, name).is_err());
//! ```

pub mod domain;
pub mod evm;
pub mod fleet;
pub mod light_client;
pub mod loan;
pub mod proof;
pub mod receipt;
pub mod seats;
pub mod standards;

#[cfg(test)]
#[allow(dead_code, unreachable_pub, reason = "the simulated chain offers more than is used here")]
#[path = "../../tests/support/sync_committee.rs"]
mod sync_committee;
