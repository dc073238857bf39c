//! Whom to ask: each endpoint of a chain, on what terms it is asked, and how it fares.
//!
//! In reading order: `address` (to whom it belongs) → `transport` (with `framing`, `http_client`) →
//! `endpoint` (with `error`, `fault`, `health`, `latency`, `budget`, `backoff`) → `header` (the blocks it
//! names) → `chain_identity`, `probe` (is it of this chain, and what can it do) → `pool` (which of them is asked) and `new_heads` (what it tells unasked).

pub(in crate::chain) mod address;
pub(in crate::chain) mod backoff;
pub(in crate::chain) mod budget;
pub(in crate::chain) mod chain_identity;
#[allow(clippy::module_inception, reason = "the folder is about it")]
mod endpoint;
pub(in crate::chain) mod error;
pub(in crate::chain) mod fault;
pub(in crate::chain) mod framing;
mod header;
pub(in crate::chain) mod health;
pub(in crate::chain) mod http_client;
pub(in crate::chain) mod latency;
pub(in crate::chain) mod new_heads;
pub(in crate::chain) mod peers;
pub(in crate::chain) mod pool;
pub(in crate::chain) mod probe;
pub(in crate::chain) mod transport;

pub(in crate::chain) use endpoint::{Endpoint, is_about_the_batch};
pub(in crate::chain) use header::BlockName;
