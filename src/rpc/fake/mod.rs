//! A daemon that answers what a file says, for whoever builds a program that asks one.
//!
//! It takes the place of the methods and the actors behind the socket ([`Answers`](super::call::answers::Answers)); the
//! socket, its framings and limits, the table of methods and everything on the wire are the daemon's own. `scenario` is
//! what a file says, `parse` reads it, `play` knows how far it has come, `methods` answers by it, and `front` puts that
//! behind the socket. Never: opens a ledger or a key, asks a chain, or says that anything is proven (`marked`).

mod front;
mod marked;
mod methods;
mod parse;
mod play;
mod scenario;

pub use front::{Fake, FakeFront};
pub use parse::read;
pub use scenario::Scenario;
