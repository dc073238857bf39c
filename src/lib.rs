//! `entitled`: a request comes in on the socket; we learn who asks; we look in the cache; otherwise we
//! evaluate what the ledger and the chain tell us; we reply.

pub mod actors;
pub mod chain;
pub mod client;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod keys;
pub mod logging;
pub mod products;
pub mod rpc;
pub mod store;
