//! Looks that the store could not take. What was proven is true though the disk be full: a sale that was seen must not
//! be unseen by the next question.
//!
//! Owns: those looks, until they are written or the daemon ends. Asked by: `work`, for facts and after each look
//! that could be written. Never: says of two looks which counts; that is [`entitled_core::domain::precedence`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::actors::ownership_ledger::messages::RecordSightings;
use crate::store::tables::ownerships;
use crate::store::{Store, StoreError};
use entitled_core::domain::ids::{ChainId, Collection};
use entitled_core::domain::kept::RowKey;
use entitled_core::domain::ownership::{Ownership, Sighting};

/// So many sightings are kept; of more, the oldest looks are given up.
const MOST_SIGHTINGS: usize = 65_536;

impl RecordSightings {
    /// Orders that it be written.
    pub(in crate::actors::ownership_ledger) fn write(
        self: &Arc<Self>,
        store: &Store,
    ) -> impl Future<Output = Result<Vec<Ownership>, StoreError>> + Send + 'static {
        let order = Arc::clone(self);
        store.write(move |changes| ownerships::record_look(changes, &order.look, &order.asked))
    }

    fn chain(&self) -> Option<ChainId> {
        self.look.sightings.first().map(|it| it.target.collection().chain)
    }

    /// Whether it says nothing that a look with these proofs does not say anew.
    fn is_said_by(&self, proofs: &BTreeSet<RowKey>) -> bool {
        let mut keys = self.look.sightings.iter().map(RowKey::of);
        let said = keys.all(|key| proofs.contains(&RowKey { proven: true, ..key }));
        // How far events were read is only ever read again.
        said && self.look.transaction.is_none()
    }
}

/// In the order in which they failed.
#[derive(Debug, Default)]
pub(in crate::actors::ownership_ledger) struct Unwritten(Mutex<VecDeque<Arc<RecordSightings>>>);

impl Unwritten {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Arc<RecordSightings>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `order` if it could not be written.
    pub(in crate::actors::ownership_ledger) fn settle<T>(
        &self,
        order: Arc<RecordSightings>,
        written: &Result<T, StoreError>,
    ) {
        if let Err(failed) = written
            && !failed.is_refusal()
        {
            self.keep(order);
        }
    }

    fn keep(&self, order: Arc<RecordSightings>) {
        let proven = order.look.sightings.iter().map(RowKey::of).filter(|it| it.proven).collect();
        let mut orders = self.orders();
        orders.retain(|it| !it.is_said_by(&proven));
        orders.push_back(order);
        let count = |it: &VecDeque<Arc<RecordSightings>>| -> usize {
            it.iter().map(|it| it.look.sightings.len()).sum()
        };
        while orders.len() > 1 && count(&orders) > MOST_SIGHTINGS {
            orders.pop_front();
            tracing::error!("a look that could not be written is given up: there are too many");
        }
    }

    /// Has all of them written, now that it works. Each is given up only once it can be read from the store.
    pub(in crate::actors::ownership_ledger) async fn write_all(&self, store: &Store) {
        loop {
            let Some(oldest) = self.orders().front().map(Arc::clone) else { return };
            match oldest.write(store).await {
                Err(failed) if !failed.is_refusal() => return,
                _ => self.orders().retain(|it| !Arc::ptr_eq(it, &oldest)),
            }
        }
    }

    /// What they saw of these collections.
    pub(in crate::actors::ownership_ledger) fn about(&self, asked: &[Collection]) -> Vec<Sighting> {
        let orders = self.orders();
        let sightings = orders.iter().flat_map(|it| &it.look.sightings);
        sightings.filter(|it| asked.contains(&it.target.collection())).cloned().collect()
    }

    pub(in crate::actors::ownership_ledger) fn forget(&self, chain: ChainId) {
        self.orders().retain(|it| it.chain() != Some(chain));
    }
}

#[cfg(test)]
mod tests;
