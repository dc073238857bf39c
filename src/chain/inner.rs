//! What one chain is made of, for all parts of it that are asked on its behalf.
//!
//! Owns: what one chain remembers: its endpoints, proven state in memory, code and nodes by hash. Asked by: `facade`,
//! `block`, `calls`, `look`, `follow`, `consensus`, each of which answers one kind of question over it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Address, B256};

use super::consensus::sync::ChainSync;
use super::endpoint::pool::Pool;
use super::evm::run_loop::RunLoop;
use super::follow::interest::Interest;
use super::settings::ChainSettings;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;
use entitled_core::evm::pinned::Pinned;
use entitled_core::proof::state::locked;

/// A chain, ready to be asked. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Chain(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: ChainSettings,
    pub(super) pool: Pool,
    pub(super) run_loop: RunLoop,
    pub(super) interest: Interest,
    pub(super) sync: Option<ChainSync>,
    pub(super) recent: Mutex<VecDeque<Arc<Pinned>>>,
}

impl Chain {
    pub fn id(&self) -> ChainId {
        self.0.settings.id
    }

    /// How far the anchors of this chain are trusted.
    pub fn trust(&self) -> Trust {
        self.0.settings.trust
    }

    /// Takes the words of an event of a contract, ids and wallets, as a hint where to look first once the contract
    /// has changed. They need not be true.
    pub fn heard(&self, contract: Address, words: impl IntoIterator<Item = B256>) {
        locked(&self.0.run_loop.event_hints).note(contract, words);
    }

    pub(super) fn interest(&self) -> &Interest {
        &self.0.interest
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(super) fn poll(&self) -> Duration {
        self.0.settings.poll
    }
}
