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
//!       client ── claim ── header, committee ── merkle        → finalized and optimistic heads
//!          │
//!        saved
//! ```

mod claim;
mod client;
mod committee;
mod header;
mod merkle;
mod refused;
mod saved;
mod specification;
mod specification_text;
mod wire;

#[cfg(test)]
pub(in crate::chain) mod tests;

pub use client::Applied;
pub use client::LightClient;
pub use header::Head;
pub use refused::KnownPeriods;
pub use refused::RefusalKind;
pub use refused::Refused;
pub use saved::RestoreError;
pub use specification::Checkpoint;
pub use specification::EvmFork;
pub use specification::PinnedBlock;
pub use specification::Specification;
pub use specification::SpecificationFault;
pub use wire::Bootstrap;
pub use wire::FinalityUpdate;
pub use wire::LONGEST_LIST;
pub use wire::LONGEST_OBJECT;
pub use wire::MOST_UPDATES;
pub use wire::Malformed;
pub use wire::OptimisticUpdate;
pub use wire::Update;
