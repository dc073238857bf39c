//! Every method: who may ask it, what it takes, what it answers.
//!
//! `table` is the whole surface of the daemon, and each noun has a file. A method unpacks its parameters, has the
//! caller's permit made by `api`, asks one or two actors, and converts what they say; it decides nothing.

mod api;
mod chains;
mod control;
mod customers;
mod entitlements;
mod fleet;
mod keys;
mod loans;
mod ownerships;
mod pages;
mod paging;
mod parse;
mod products;
mod receipts;
mod seat_rights;
mod seats;
mod system;
mod table;
mod transfer;
mod wallets;
mod warm;

pub use api::Api;
pub(super) use api::check_write;
pub use control::Control;
pub(crate) use entitlements::wait_of;
pub(super) use entitlements::{may_hold, tier_of, wait};
pub(super) use paging::page;
pub(super) use parse::parse;
pub use table::{ROWS, Row, module};
pub(super) use table::{Request, changes, register_shapes};
pub(super) use warm::WarmChecks;
