//! The store that the machines of a fleet share.
//!
//! Owns: the connection to etcd, and what this machine remembers of its fleet over a restart. Asked by: SeatKeeper.
//! Never: decides what a machine may give, which is [`entitled_core::fleet`]; is believed about what a customer has:
//! a store counts, and proves nothing.

pub mod engine;
pub mod etcd;
pub mod local;
pub mod settings;
pub mod state;

use std::sync::Arc;

use crate::clock::Clock;
use engine::{Engine, FleetError};
use settings::{FleetSettings, Kind};

/// The engine that the configuration names.
///
/// # Errors
/// When a file that it needs cannot be read, or TLS cannot be set up.
pub fn open(settings: &FleetSettings, clock: &Clock) -> Result<Arc<dyn Engine>, FleetError> {
    match settings.kind {
        Kind::Local => Ok(Arc::new(local::Local::new(clock.clone()))),
        Kind::Etcd => Ok(Arc::new(etcd::Etcd::new(settings)?)),
    }
}
