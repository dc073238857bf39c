//! The public API: every request and reply as it is written on the socket.
//!
//! What stands here is a contract with other people's programs; `docs/rpc.md` and the OpenRPC document
//! are made from it. Add freely; change a name only with an alias for the old one. Times are RFC 3339 in
//! UTC, addresses EIP-55, chains CAIP-2, accounts CAIP-10, tokens CAIP-19, large numbers decimal strings.

mod chains;
mod convert;
mod customers;
mod document;
mod fleet;
mod keys;
mod loans;
mod ownerships;
mod pages;
mod params;
mod replies;
mod seats;
mod sets;

pub use chains::*;
pub use customers::*;
pub use document::Document;
pub use fleet::*;
pub use keys::*;
pub use loans::*;
pub use ownerships::*;
pub use pages::*;
pub use params::*;
pub use replies::*;
pub use seats::*;
pub use sets::FAKE;
