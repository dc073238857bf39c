//! One EVM chain: blocks to pin a verification to, and proven answers about them. The only user of the network.
//!
//! | folder | answers |
//! |---|---|
//! | `facade` | what the actors ask of a chain: [`Chain`], which is made of what `inner` holds |
//! | `calls` | what a contract answers at a block, and which code an account has |
//! | `anchor`, `block`, `head_order` | which block a verification is pinned to, and which block may be named after which |
//! | `endpoint` | whom to ask, on what terms, and how each endpoint fares |
//! | `evidence` | the proof of one holding in one piece, for a receipt |
//! | `evm` | how a contract's call ends, over state that was fetched and proven |
//! | `look` | which tokens a wallet holds, by which rule |
//! | `follow` | what happens on the chain from now on |
//! | `consensus` | which blocks the chain's validators signed |
//!
//! Imports fall downwards: `facade`, `follow` and `look` ask `evm`; all ask `endpoint`, which asks nobody. Execution, proofs,
//! standards and the light client are pure and stand in `entitled-core`.
//!
//! Never: believes an endpoint, reads the time of day, or touches the store.

mod anchor;
mod block;
mod calls;
mod consensus;
mod endpoint;
mod evidence;
mod evm;
mod facade;
mod follow;
pub mod head_order;
mod inner;
mod look;
mod now;
mod settings;
mod status;

pub use block::Block;
pub use consensus::beacon::{BeaconSource, SourceState};
pub use consensus::digest;
pub use consensus::sync::{
    Brought, ConsensusSettings, FeedError, SyncEvent, SyncState, SyncStatus,
};
pub use endpoint::health::Abilities;
pub use entitled_core::evm::execute::Outcome;
pub use evidence::{Foundation, Holding, Proof, ProofFault};
pub use facade::EndpointProofs;
pub use follow::{ChainEvent, Concerned};
pub use inner::Chain;
pub use look::{Known, Look, Looked};
pub use now::Now;
pub use settings::{ChainError, ChainSettings};
pub use status::{ChainStatus, EndpointCost, EndpointStatus, Evidence, FaultStatus, Latency};

#[cfg(test)]
mod recorded_tests;
