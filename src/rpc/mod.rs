//! The front door: the only user of jsonrpsee and of the sockets people ask at.
//!
//! `listen` accepts, `peer` learns who asks, `framing` finds out how they speak, `call` gets the answer from
//! whoever implements [`answers::Answers`]. Nothing here knows what a method means.

pub mod answers;
mod call;
mod connection;
pub mod doors;
mod envelope;
pub mod figures;
mod framing;
mod http;
pub mod limits;
pub mod listen;
mod outbox;
mod peer;
mod replay;
mod scan;
mod websocket;
mod work;
