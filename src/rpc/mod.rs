//! The front door: the only user of jsonrpsee and of the sockets people ask at.
//!
//! `listen` accepts, `peer` learns who asks, `framing` finds out how they speak, `call` gets the answer from
//! whoever implements [`answers::Answers`]: that is `front`, which puts the `methods` behind the socket.
//! `wire` is the public API, `error` the only place that knows error codes. The socket side knows nothing
//! of what a method means, and the methods nothing of sockets. `fake` is another that stands behind it: it answers what
//! a file says.

pub mod call;
pub mod error;
pub mod fake;
pub mod figures;
pub mod front;
pub mod methods;
mod metrics;
pub mod openrpc;
pub mod socket;
pub mod wire;
