//! Receipts over state, chains and keys of our own: what they prove, and that nothing in one can be altered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod alteration;
mod mainnet;
mod mixture;
mod rules;
pub(crate) mod scene;
mod state;
mod texts;
