//! etcd, by its JSON gateway (`/v3/…`, the same since 3.4).
//!
//! What it is trusted for is counting: a key that is there exactly once, and a lease that lasts at least as long as it
//! says. Its locks are not used.

mod client;
mod keys;
mod places;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::engine::{Answer, Change, Engine, FleetError, Places};
use super::settings::FleetSettings;
use client::Client;
use entitled_core::fleet::{
    BeatFault, Found, Joined, LeaseId, Listing, MachineId, Meta, Naming, Record, Revision, Slot,
    judge,
};
use keys::{Key, Keys};
use wire::{LeaseGrant, LeaseKept, Range, Transaction, absent, has_value, put};

pub struct Etcd {
    client: Client,
    keys: Keys,
    seen: AtomicU64,
    /// When this machine has written its record last, if it has since the start.
    beaten: AtomicU64,
}

impl Etcd {
    /// # Errors
    /// When a file cannot be read, or TLS cannot be set up.
    pub fn new(settings: &FleetSettings) -> Result<Self, FleetError> {
        let client = Client::new(settings)?;
        Ok(Self {
            client,
            keys: Keys::new(&settings.name),
            seen: AtomicU64::default(),
            beaten: AtomicU64::default(),
        })
    }

    async fn transact(&self, body: Value) -> Result<Transaction, FleetError> {
        let before = self.seen.load(Ordering::SeqCst);
        let done: Transaction = self.client.ask("kv/txn", &body).await?;
        self.note(done.header.revision, before)?;
        Ok(done)
    }

    /// Compares with what was seen before the question was sent: two that are under way may be answered in any order.
    fn note(&self, revision: u64, before: u64) -> Result<(), FleetError> {
        if revision < before {
            return Err(FleetError::WentBack);
        }
        self.seen.fetch_max(revision, Ordering::SeqCst);
        Ok(())
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, FleetError> {
        let seconds = ttl.as_millis().div_ceil(1_000).to_string();
        let granted: LeaseGrant = self.client.ask("lease/grant", &json!({"TTL": seconds})).await?;
        Ok(LeaseId(granted.id))
    }

    /// Whether the lease is there still.
    async fn keep_alive(&self, lease: LeaseId) -> Result<bool, FleetError> {
        let body = json!({"ID": lease.0.to_string()});
        let kept: LeaseKept = self.client.ask("lease/keepalive", &body).await?;
        Ok(kept.result.ttl > 0)
    }
}

impl Engine for Etcd {
    fn open(&self, or: Option<Meta>) -> Answer<'_, (Option<Found>, Revision)> {
        async move {
            let key = self.keys.meta();
            let success: Vec<Value> =
                or.map(|it| put(&key, &keys::of_meta(it), None)).into_iter().collect();
            let failure = [wire::range(&key)];
            let body = json!({"compare": [absent(&key)], "success": success, "failure": failure});
            // Whether it has gone back is judged by whoever knows what it was.
            let done: Transaction = self.client.ask("kv/txn", &body).await?;
            let revision = Revision(done.header.revision);
            if done.succeeded {
                return Ok((or.map(|meta| Found { meta, written: revision }), revision));
            }
            let found = done.first().ok_or_else(|| strange("there is no answer"))?;
            Ok((Some(keys::meta(found)?), revision))
        }
        .boxed()
    }

    fn raise(&self, seen: Option<Revision>, to: Meta) -> Answer<'_, Option<Revision>> {
        async move {
            let key = self.keys.meta();
            let compare = seen.map_or_else(|| absent(&key), |it| wire::written_at(&key, it));
            let body =
                json!({"compare": [compare], "success": [put(&key, &keys::of_meta(to), None)]});
            let done: Transaction = self.client.ask("kv/txn", &body).await?;
            Ok(done.succeeded.then_some(Revision(done.header.revision)))
        }
        .boxed()
    }

    fn rename(&self, seen: Found) -> Answer<'_, Option<Revision>> {
        async move {
            let key = self.keys.meta();
            let (machines, slots) = (self.keys.machines(), self.keys.slots());
            let to = Meta { naming: Naming::ByShare, ..seen.meta };
            let body = json!({
                "compare": [
                    wire::written_at(&key, seen.written),
                    wire::all_absent(&machines),
                    wire::all_absent(&slots),
                ],
                "success": [put(&key, &keys::of_meta(to), None)],
            });
            let done = self.transact(body).await?;
            Ok(done.succeeded.then_some(Revision(done.header.revision)))
        }
        .boxed()
    }

    fn join(
        &self,
        machine: MachineId,
        record: Record,
        ttl: Duration,
    ) -> Answer<'_, Option<Joined>> {
        async move {
            let lease = self.grant(ttl).await?;
            let (key, gone) = (self.keys.machine(machine), self.keys.evicted(machine));
            let body = json!({
                "compare": [absent(&key), absent(&gone)],
                "success": [put(&key, &keys::of_record(&record), Some(lease))],
            });
            let done = self.transact(body).await?;
            let created = Revision(done.header.revision);
            self.beaten.store(created.0, Ordering::SeqCst);
            Ok(done.succeeded.then_some(Joined { machine, lease, created }))
        }
        .boxed()
    }

    fn renew(
        &self,
        joined: Joined,
        last: Record,
        next: Record,
    ) -> Answer<'_, Result<Option<Found>, BeatFault>> {
        async move {
            if !self.keep_alive(joined.lease).await? {
                return Ok(Err(BeatFault::Gone));
            }
            let key = self.keys.machine(joined.machine);
            let (gone, meta) = (self.keys.evicted(joined.machine), self.keys.meta());
            let body = json!({
                "compare": [has_value(&key, &keys::of_record(&last)), absent(&gone)],
                "success": [put(&key, &keys::of_record(&next), Some(joined.lease)), wire::range(&meta)],
                "failure": [wire::range(&meta), wire::range(&key), wire::range(&gone)],
            });
            let done = self.transact(body).await?;
            if done.succeeded {
                self.beaten.store(done.header.revision, Ordering::SeqCst);
            }
            let beaten = self.beaten.load(Ordering::SeqCst);
            let (mut record, mut evicted, mut found) = (Ok(None), false, None);
            let mut written = 0;
            for it in done.found() {
                match self.keys.read(&it.key) {
                    Some(Key::Meta) => found = Some(keys::meta(it)),
                    Some(Key::Machine(_)) => {
                        record = keys::record(&it.value).map(Some);
                        written = it.mod_revision;
                    }
                    Some(Key::Evicted(_)) => evicted = true,
                    _ => {}
                }
            }
            if evicted {
                return Ok(Err(BeatFault::Evicted));
            }
            // What cannot be read is not what was written here last.
            let judged = record.map_or(Err(BeatFault::Cloned), |it| judge(&last, &next, it.as_ref()));
            if !done.succeeded
                && let Err(fault) = judged
            {
                // An older one that was written after ours is of no backup.
                let is_since = fault == BeatFault::Restored && beaten > 0 && written > beaten;
                return Ok(Err(if is_since { BeatFault::Cloned } else { fault }));
            }
            // Only now: what cannot be read there hides no fault.
            found.transpose().map(Ok)
        }
        .boxed()
    }

    fn claim(&self, joined: Joined, slots: Vec<Slot>, claim: u64) -> Answer<'_, Option<Places>> {
        self.claim_in_parts(joined, slots, claim).boxed()
    }

    fn release(&self, slots: Places) -> Answer<'_, ()> {
        async move { self.release_in_parts(&slots).await }.boxed()
    }

    fn list(&self) -> Answer<'_, Listing> {
        async move {
            let before = self.seen.load(Ordering::SeqCst);
            let range: Range = self.client.ask("kv/range", &self.keys.everything()).await?;
            self.note(range.header.revision, before)?;
            let mut listing =
                Listing { revision: Revision(range.header.revision), ..Listing::default() };
            for it in &range.kvs {
                match self.keys.read(&it.key) {
                    // One record that nobody can read must not keep all machines from what they can.
                    Some(Key::Slot(slot)) => {
                        let holder = keys::holder(it);
                        listing.unreadable += usize::from(holder.by.is_none());
                        listing.slots.insert(slot, holder);
                    }
                    Some(Key::Machine(id)) => match keys::record(&it.value) {
                        Ok(record) => drop(listing.machines.insert(id, record)),
                        Err(_) => listing.unreadable += 1,
                    },
                    Some(Key::Evicted(id)) => drop(listing.evicted.insert(id)),
                    Some(Key::Meta) | None => {}
                }
            }
            Ok(listing)
        }
        .boxed()
    }

    fn watch(&self, after: Revision, told: mpsc::Sender<Change>) -> Answer<'_, ()> {
        async move {
            let mut body = self.keys.everything();
            body["start_revision"] = json!(after.0.saturating_add(1).to_string());
            let mut stream = self.client.stream("watch", &json!({"create_request": body})).await?;
            while let Some(events) = stream.next().await? {
                for event in events {
                    let at = Revision(event.kv.mod_revision);
                    let change = match self.keys.read(&event.kv.key) {
                        Some(Key::Slot(slot)) => {
                            let holder = match event.is_delete() {
                                true => None,
                                false => Some(keys::holder(&event.kv)),
                            };
                            Change::Slot(slot, holder, at)
                        }
                        Some(Key::Evicted(id)) => Change::Evicted(id),
                        _ => continue,
                    };
                    if told.send(change).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn evict(&self, machine: MachineId) -> Answer<'_, ()> {
        async move {
            let put = put(&self.keys.evicted(machine), "{}", None);
            self.transact(json!({"success": [put]})).await.map(drop)
        }
        .boxed()
    }

    fn revoke(&self, lease: LeaseId) -> Answer<'_, ()> {
        async move {
            let body = json!({"ID": lease.0.to_string()});
            match self.client.ask::<IgnoredAny>("lease/revoke", &body).await {
                Err(FleetError::Refused { why }) if why.contains("lease not found") => Ok(()),
                done => done.map(drop),
            }
        }
        .boxed()
    }

    fn seen(&self) -> Revision {
        Revision(self.seen.load(Ordering::SeqCst))
    }

    fn begin_from(&self, revision: Revision) {
        self.seen.store(revision.0, Ordering::SeqCst);
    }
}

fn strange(why: &str) -> FleetError {
    FleetError::Refused { why: format!("its answer is not understood: {why}") }
}
