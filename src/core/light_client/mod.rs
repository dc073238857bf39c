//! The sync-committee light client: which block is a beacon chain's, by its validators' own signatures.
//! Pure: no network, no clock, no log; time is an argument.
//!
//! Owns: chain specifications, and the sync protocol from Capella on (ethereum/consensus-specs,
//! `altair/light-client/sync-protocol.md` and what later forks changed in it). Asked by: the parts of
//! `chain` that fetch what it judges. Never: believes what it is given. It begins from a checkpoint, the
//! root of one header that somebody trustworthy named, and takes only what two thirds of the committee it
//! knows have signed.
//!
//! ```text
//!   specification (text)          wire: JSON of a beacon node
//!          │                               │
//!          ▼                               ▼
//!       client ── update_view ── header, committee ── merkle        → finalized and optimistic heads
//!          │
//!        saved
//! ```
//!
//! `path` is the same in one piece: the way from a checkpoint to one block, with no more than it takes to walk it.

mod client;
mod committee;
mod header;
mod merkle;
mod path;
mod refused;
mod saved;
mod specification;
mod specification_text;
mod update_view;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

pub use client::{Applied, LightClient};
pub use header::Head;
pub(crate) use path::{Absent, Begin, CommitteeSummary, Signed, Step, Tip};
pub use path::{Path, Reached, TipUpdate};
pub use refused::{KnownPeriods, RefusalKind, Refused};
pub use saved::RestoreError;
pub use specification::{Checkpoint, PinnedBlock, Specification, SpecificationFault};
pub(crate) use wire::{BeaconHeader, Branch};
pub use wire::{
    Bootstrap, FinalityUpdate, LONGEST_LIST, LONGEST_OBJECT, MOST_UPDATES, Malformed,
    OptimisticUpdate, Update,
};
