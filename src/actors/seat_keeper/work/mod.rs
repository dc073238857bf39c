//! What SeatKeeper does.

pub(super) mod borrowed;
pub(super) mod borrowing;
pub(super) mod claims;
pub(super) mod control_group;
pub(super) mod counting;
pub(super) mod fleet;
pub(super) mod health;
pub(super) mod house;
pub(super) mod loans;
pub(super) mod restart;
pub(super) mod users;
pub(super) mod views;
pub(super) mod watching;
