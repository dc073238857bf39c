//! Floating seats: how many may use a tier at the same time, and who does.
//!
//! Owns: pools, seats and queues, as long as the process lives. Pure: the time since the boot and what happened come in,
//! and [`Effect`]s go out. Asked by: SeatKeeper. Never: reads a clock, watches a process or a socket, or asks what a
//! customer is entitled to.
//!
//! A **pool** is what one customer's proven tokens allow by one grant of a product. A **seat** is held by a *unit* (a
//! process, a user, a control group or the machine) through *bindings*: the kernel tells when a process ends or a
//! connection closes, and a seat without a binding is free again. So there is no heartbeat and no time limit for use.
//!
//! Invariants:
//! * The counts of seats that are not lingering never exceed what is allowed, but for seats that lost their capacity
//!   afterwards: those are told, and end when their time to drain is over.
//! * Of each token so many seats are held as it is good for, whichever pools rest on it: see `shares`.
//! * One unit has one seat of a pool. Who asks again is given the same.
//! * A number (*fence*) is never given twice, so a late word about an old seat cannot concern a new one.
//! * What is not known ends nothing: capacity falls by what was proven, or when the evidence of it holds no more.

mod ahead;
mod ending;
mod fair_share;
mod fleet;
mod granting;
mod ids;
mod lending;
mod machine;
mod moving;
mod options_file;
mod parts;
mod places;
mod policy;
mod policy_file;
mod pool;
mod queue;
mod restart;
mod rules;
mod seat;
mod shares;
mod sharing;

pub use ids::{
    AdoptToken, BootTime, Claimant, ConnectionId, Owner, PoolId, ProcessId, RequestId, SeatId,
    Standing, UnitKey,
};
pub use machine::{Effect, Seats};
pub use options_file::{Imported, LeftOut, OptionsFor, import_options};
pub use places::{Naming, Offer, Part, TokenKey};
pub use policy::{Policy, Who};
pub use policy_file::{PolicyFile, parse_policy, usual_policy};
pub use pool::{Capacity, PoolFigures, Supply};
pub use queue::Request;
pub use restart::Fate;
pub use seat::{Binding, Brought, EndReason, Hold, Refusal, Reprieve, Seat};

#[cfg(test)]
mod tests;
