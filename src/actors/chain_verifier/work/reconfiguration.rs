//! Chains that come, change and go while the daemon runs.
//!
//! Does: [`Reconfigure`]. Owns: what one chain's looks and follower share with the actor. Asked by: `daemon`, when the
//! configuration is read again. A look that is under way on a chain that is taken away ends as unknown, but for what it
//! has proven by then, which is as true as before; those on other chains go on.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::{Mutex, RwLock, watch};

use crate::actors::chain_verifier::messages::{Reconfigure, VerifierError};
use crate::actors::chain_verifier::news::{ChainNews, follow};
use crate::actors::chain_verifier::{ChainVerifier, Parts};
use crate::chain::{Chain, ChainEvent};
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Cause;

/// What a chain is followed for, and whether it still is the one that is configured.
#[derive(Clone)]
pub(in crate::actors::chain_verifier) struct Place {
    pub(in crate::actors::chain_verifier) contracts: watch::Sender<BTreeSet<Address>>,
    retired: watch::Sender<bool>,
    /// Of so many resets of the chain the ledger knows.
    pub(in crate::actors::chain_verifier) resets_told: Arc<Mutex<u64>>,
    /// When a block from the future was told of last, by the monotonic clock.
    future_told: Arc<std::sync::Mutex<Option<Duration>>>,
    /// Held by looks from their number until they are recorded; alone by whoever brings what others have seen.
    pub(in crate::actors::chain_verifier) under_way: Arc<RwLock<()>>,
}

/// The log hears of blocks from the future no more often.
const TOLD_AGAIN: Duration = Duration::from_secs(3_600);

impl Place {
    pub(in crate::actors::chain_verifier) fn new() -> Self {
        Self {
            contracts: watch::channel(BTreeSet::new()).0,
            retired: watch::channel(false).0,
            resets_told: Arc::default(),
            future_told: Arc::default(),
            under_way: Arc::default(),
        }
    }

    /// Once, and not again for an hour.
    pub(in crate::actors::chain_verifier) fn may_tell_of_the_future(&self, now: Duration) -> bool {
        let mut told = self.future_told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|at| now.saturating_sub(at) >= TOLD_AGAIN);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

impl Parts {
    /// Ends when the chain is taken away or replaced; never for one that was not there.
    pub(in crate::actors::chain_verifier) async fn retired(&self, id: ChainId) {
        match self.places.get(&id) {
            // An error cannot come: we hold the other end ourselves.
            Some(place) => drop(place.retired.subscribe().wait_for(|it| *it).await),
            None => std::future::pending().await,
        }
    }

    /// What `work` comes to, unless its chain is taken away meanwhile.
    pub(in crate::actors::chain_verifier) async fn on<T>(
        self,
        id: ChainId,
        work: impl Future<Output = Result<T, VerifierError>>,
    ) -> Result<T, VerifierError> {
        tokio::select! {
            biased;
            () = self.retired(id) => Err(VerifierError::Unknown { cause: Cause::NotConfigured }),
            done = work => done,
        }
    }

    /// Has the chains followed for what was ordered last.
    pub(in crate::actors::chain_verifier) fn watch(&self) {
        for (id, place) in self.places.iter() {
            let own = self.watched.contracts.iter().filter(|(chain, _)| chain == id);
            place.contracts.send_replace(own.map(|(_, contract)| *contract).collect());
        }
        for chain in self.chains.values() {
            chain.offer(&self.watched.checkpoints);
        }
    }
}

impl Handler<Reconfigure> for ChainVerifier {
    type Result = ();

    fn handle(&mut self, order: Reconfigure, _: &mut Self::Context) {
        let (mut chains, mut places) = ((*self.parts.chains).clone(), (*self.parts.places).clone());
        let added: BTreeSet<ChainId> = order.chains.iter().map(Chain::id).collect();
        let changed: BTreeSet<ChainId> = order.removed.union(&added).copied().collect();
        for id in &changed {
            self.followers.remove(id);
            if let Some(place) = places.remove(id) {
                place.retired.send_replace(true);
            }
            // After that: what a look has seen by now is still recorded, and no look at an older block may follow it.
            let new = order.chains.iter().find(|it| it.id() == *id);
            if let (Some(old), Some(new)) = (chains.remove(id), new) {
                new.take_over(&old);
            }
        }
        places.extend(added.iter().map(|id| (*id, Place::new())));
        chains.extend(order.chains.into_iter().map(|it| (it.id(), it)));
        self.parts.chains = Arc::new(chains);
        self.parts.places = Arc::new(places);
        self.parts.watch();
        for id in &added {
            if let Some(chain) = self.parts.chains.get(id) {
                self.followers.insert(*id, follow(&self.parts, chain.clone()));
            }
        }
        // What was answered from the chain as it was is looked at again. A lost notice costs time, never truth.
        for chain in changed {
            let _ = self.parts.news.try_send(ChainNews { chain, what: ChainEvent::Reorg });
        }
    }
}
