//! A beacon chain of our own: a sync committee of 512 real keys signs the real blocks of a test's EVM node, and
//! a server on loopback hands that out as beacon nodes do. It is as much of a consensus layer as a light client can
//! tell from one. It shares no code with the product, so that a mistake of one is seen by the other.
//!
//! ```text
//! an EVM node ── execution_node ──► chain ── messages ──► api ──► node   HTTP, with faults
//!     or blocks made up               ▲                    └────► files  a mirror; the specification
//!              schedule, committee, execution, ssz
//! ```
//!
//! The slot of a block is that of its execution block's time. A test lets the EVM node begin in the past; its blocks
//! are then a slot apart, so that whole sync committee periods pass in no time and none is in the future.
//!
//! Not there: validators, attestations, fork choice, SSZ on the wire, events.

pub mod api;
pub mod chain;
pub mod committee;
pub mod execution;
pub mod execution_node;
pub mod files;
pub mod messages;
pub mod node;
pub mod schedule;
pub mod ssz;
pub mod tamper;

use super::http;
