//! Chains that come, change and go while the daemon runs.
//!
//! Owns: [`Reconfigure`], and what one chain's looks and follower share with the actor. Asked by: `daemon`, when the
//! configuration is read again. A look that is under way on a chain that is taken away ends as unknown; those on other
//! chains go on.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::{Mutex, watch};

use super::{ChainVerifier, Parts, VerifierError, follow};
use crate::actors::tier_cache::{ChainNews, News};
use crate::chain::Chain;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Cause;

/// Put these chains in the places of those of the same ids, and take others away. The rest stay as they are.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Reconfigure {
    pub chains: Vec<Chain>,
    pub removed: BTreeSet<ChainId>,
}

/// What a chain is followed for, and whether it still is the one that is configured.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) contracts: watch::Sender<BTreeSet<Address>>,
    retired: watch::Sender<bool>,
    /// Of so many resets of the chain the ledger knows.
    pub(super) resets_told: Arc<Mutex<u64>>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            contracts: watch::channel(BTreeSet::new()).0,
            retired: watch::channel(false).0,
            resets_told: Arc::default(),
        }
    }
}

impl Parts {
    /// Ends when the chain is taken away or replaced; never for one that was not there.
    pub(super) async fn retired(&self, id: ChainId) {
        match self.places.get(&id) {
            // An error cannot come: we hold the other end ourselves.
            Some(place) => drop(place.retired.subscribe().wait_for(|it| *it).await),
            None => std::future::pending().await,
        }
    }

    /// What `work` comes to, unless its chain is taken away meanwhile.
    pub(super) async fn on<T>(
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
    pub(super) fn watch(&self) {
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
            chains.remove(id);
            if let Some(place) = places.remove(id) {
                place.retired.send_replace(true);
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
            let _ = self.parts.news.try_send(ChainNews { chain, what: News::Reorged });
        }
    }
}
