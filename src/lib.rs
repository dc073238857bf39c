//! `entitled`: a request comes in on the socket; we learn who asks; we look in the cache; otherwise we
//! evaluate what the ledger and the chain tell us; we reply.
//!
//! ```text
//!   program ── socket ─▶ rpc ── hit ──▶ reply
//!                         │ miss
//!                         ▼
//!                      TierCache ──▶ OwnershipLedger ──▶ store        what we know
//!                         │  ▲
//!                 survey  │  │ news
//!                         ▼  │
//!                    ChainVerifier ──▶ chain ──▶ endpoints           what is proven
//!                         │
//!                         └──▶ domain::entitlement::evaluate         what it comes to
//! ```
//!
//! Imports go one way, and `tests/tidy.rs` holds them to it:
//! `main → daemon → rpc → actors → {store, chain, keys, fleet} → domain`. `rpc` sees none of those four, they do
//! not see each other, `domain` sees nobody, only `clock` reads the time, and every file that others could have
//! put something else in the place of is opened by `regular_file`. Beside the daemon stands
//! `client`, which programs and `entitlectl` use, and which needs none of the rest.
//!
//! To read it in the order of a request: [`daemon`] puts the house together, [`rpc`] is the front door,
//! [`actors`] own what changes, [`domain`] decides, [`store`], [`chain`] and [`keys`] touch the world.

pub mod daemon;

pub mod gateway;

pub mod config;
pub mod logging;
pub mod products;
pub mod seat_journal;
pub mod seat_policies;

pub mod rpc;

pub mod actors;

pub mod chain;
pub mod fleet;
pub mod keys;
pub mod store;

pub mod clock;
pub mod counter;
pub mod descriptor_store;
pub mod directories;
pub mod endpoint;
pub mod hardening;
mod json_values;
pub mod key_source;
pub mod regular_file;
mod sent_descriptors;
