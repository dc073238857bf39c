//! The store of a fleet of one machine, in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::ready;
use tokio::sync::{broadcast, mpsc};

use super::engine::{Answer, Change, Engine, Places};
use crate::clock::Clock;
use entitled_core::fleet::{
    BeatFault, Found, Joined, LeaseId, Listing, MachineId, Meta, Record, Revision, Slot, Table,
    judge,
};
use entitled_core::seats::BootTime;

/// Changes that a watcher has not read yet.
const KEPT: usize = 4_096;

pub struct Local {
    table: Arc<Mutex<Table>>,
    clock: Clock,
    changes: broadcast::Sender<Change>,
}

impl Local {
    pub fn new(clock: Clock) -> Self {
        Self { table: Arc::default(), clock, changes: broadcast::channel(KEPT).0 }
    }

    fn now(&self) -> BootTime {
        BootTime(u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX))
    }

    /// Does something, and tells what has become another.
    fn with<T>(&self, act: impl FnOnce(&mut Table, BootTime) -> T) -> T {
        let now = self.now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let before = table.list(now);
        let done = act(&mut table, now);
        let after = table.list(now);
        let gone = before.slots.keys().filter(|it| !after.slots.contains_key(it));
        let gone = gone.map(|it| Change::Slot(*it, None, after.revision));
        let new = after.slots.iter().filter(|(slot, it)| before.slots.get(slot) != Some(it));
        let new = new.map(|(slot, it)| Change::Slot(*slot, Some(*it), it.created));
        let evicted = after.evicted.difference(&before.evicted).map(|it| Change::Evicted(*it));
        for change in gone.chain(new).chain(evicted) {
            // Nobody may be watching.
            let _ = self.changes.send(change);
        }
        done
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        act: impl FnOnce(&mut Table, BootTime) -> T,
    ) -> Answer<'a, T> {
        ready(Ok(self.with(act))).boxed()
    }
}

impl Engine for Local {
    fn open(&self, or: Option<Meta>) -> Answer<'_, (Option<Found>, Revision)> {
        self.answer(|table, _| table.open(or))
    }

    fn raise(&self, seen: Option<Revision>, to: Meta) -> Answer<'_, Option<Revision>> {
        self.answer(move |table, _| table.raise(seen, to))
    }

    fn rename(&self, seen: Found) -> Answer<'_, Option<Revision>> {
        self.answer(move |table, now| table.rename(now, seen))
    }

    fn join(
        &self,
        machine: MachineId,
        record: Record,
        ttl: Duration,
    ) -> Answer<'_, Option<Joined>> {
        self.answer(|table, now| table.join(now, machine, record, ttl))
    }

    fn renew(
        &self,
        joined: Joined,
        last: Record,
        next: Record,
    ) -> Answer<'_, Result<Option<Found>, BeatFault>> {
        self.answer(move |table, now| {
            if table.is_evicted(joined.machine) {
                return Err(BeatFault::Evicted);
            }
            if !table.keep_alive(now, joined.lease) {
                return Err(BeatFault::Gone);
            }
            let beaten = table.beat(now, &joined, &last, next.clone());
            let judged = beaten.or_else(|found| judge(&last, &next, found.as_ref()));
            judged.map(|()| table.open(None).0)
        })
    }

    fn claim(&self, joined: Joined, slots: Vec<Slot>, claim: u64) -> Answer<'_, Option<Places>> {
        self.answer(move |table, now| table.claim(now, &joined, &slots, claim))
    }

    fn release(&self, slots: Places) -> Answer<'_, ()> {
        self.answer(|table, now| {
            slots.iter().for_each(|(slot, created)| table.release(now, slot, *created));
        })
    }

    fn list(&self) -> Answer<'_, Listing> {
        self.answer(Table::list)
    }

    fn watch(&self, _: Revision, told: mpsc::Sender<Change>) -> Answer<'_, ()> {
        let mut changes = self.changes.subscribe();
        async move {
            while let Ok(change) = changes.recv().await {
                if told.send(change).await.is_err() {
                    break;
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn evict(&self, machine: MachineId) -> Answer<'_, ()> {
        self.answer(|table, _| table.evict(machine))
    }

    fn revoke(&self, lease: LeaseId) -> Answer<'_, ()> {
        self.answer(|table, _| table.revoke(lease))
    }

    fn seen(&self) -> Revision {
        self.with(Table::list).revision
    }

    fn begin_from(&self, _: Revision) {}
}
