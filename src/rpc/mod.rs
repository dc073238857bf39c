//! The front door: the only user of jsonrpsee and of the sockets people ask at.
//!
//! `listen` accepts, `peer` learns who asks, `framing` finds out how they speak, `call` gets the answer from
//! whoever implements [`answers::Answers`]: that is `front`, which puts the `methods` behind the socket.
//! `wire` is the public API, `error` the only place that knows error codes. The socket side knows nothing
//! of what a method means, and the methods nothing of sockets.

pub mod answers;
mod batch;
mod call;
mod canonical;
mod census;
mod connection;
pub mod doors;
mod envelope;
pub mod error;
pub mod figures;
mod framing;
pub mod front;
mod http;
pub mod limits;
pub mod listen;
pub mod methods;
mod metrics;
pub mod openrpc;
mod outbox;
mod peer;
mod progress;
mod replay;
mod reply;
mod scan;
mod scrape;
mod subordinate;
mod turn_away;
mod websocket;
pub mod wire;
mod work;
