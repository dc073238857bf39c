//! A fleet: machines that share the seats of one token.
//!
//! Owns: what a place in a fleet is called, how long a machine may count on its places, which free one it tries, whether
//! another machine uses its identity, and a model of what a store of a fleet has to do. Pure. Asked by: SeatKeeper, and the
//! engines of `fleet`. Never: counts. A **slot** is a key that one machine has or nobody has; n seats are n slots. So more
//! cannot be given than there are, whatever goes wrong between machines.
//!
//! Invariants:
//! * A machine gives a seat only for slots that it has, and only before its deadline.
//! * The deadline is counted from when the last successful renewal was *sent*. The store keeps the slots for at least as long
//!   from when it *received* it, which was later.
//! * A slot is given back by the revision it was made at, so that a late word cannot hit whoever has it next.

mod beat;
mod belief;
mod choice;
mod ids;
mod table;
mod term;

pub use crate::seats::{Naming, Offer, TokenKey};
pub use beat::{BeatFault, Record, judge};
pub use belief::{Belief, Credit, Doubt, Known, MOST_RESTORED, believe};
pub use choice::{MOST_PLACES, choose, count_free};
pub use ids::{Fence, FleetId, LeaseId, MachineId, Revision, Slot};
pub use table::{Found, Holder, Joined, Listing, Meta, Table};
pub use term::Term;

#[cfg(test)]
mod tests;
