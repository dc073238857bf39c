//! What a store of a fleet has to do, as a model: the engine of a machine alone, and what simulations run against.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::beat::Record;
use super::ids::{FleetId, LeaseId, MachineId, Revision, Slot};
use crate::seats::{BootTime, Naming};

/// What tells one fleet, and one life of its store, from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub fleet: FleetId,
    /// How often an administrator has said that the store was restored.
    pub epoch: u32,
    pub naming: Naming,
}

/// What a store says of itself, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub meta: Meta,
    pub written: Revision,
}

/// A machine's place in a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    pub machine: MachineId,
    pub lease: LeaseId,
    /// When its record was made: one that is made again after it was gone is another.
    pub created: Revision,
}

/// Who has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Which machine, and what was drawn for its attempt. `None` where what stands there cannot be read: then the slot is
    /// somebody's, and nobody else's to take.
    pub by: Option<(MachineId, u64)>,
    pub created: Revision,
}

impl Holder {
    pub fn is(&self, machine: MachineId) -> bool {
        self.by.is_some_and(|(it, _)| it == machine)
    }
}

/// Everything in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub revision: Revision,
    pub slots: BTreeMap<Slot, Holder>,
    pub machines: BTreeMap<MachineId, Record>,
    pub evicted: BTreeSet<MachineId>,
    /// How many records cannot be read: written by a newer daemon, or by somebody who is none.
    pub unreadable: usize,
}

#[derive(Debug, Clone)]
struct Lease {
    ttl: Duration,
    until: BootTime,
}

/// The state of a store. A copy is what a backup has of it.
#[derive(Debug, Clone, Default)]
pub struct Table {
    meta: Option<Found>,
    revision: u64,
    last_lease: i64,
    leases: BTreeMap<LeaseId, Lease>,
    machines: BTreeMap<MachineId, (Record, LeaseId, Revision)>,
    slots: BTreeMap<Slot, (Holder, LeaseId)>,
    evicted: BTreeSet<MachineId>,
}

impl Table {
    /// Which fleet it is of, `or` if it is of none yet; and how far it has come.
    pub fn open(&mut self, or: Option<Meta>) -> (Option<Found>, Revision) {
        if let (None, Some(meta)) = (self.meta, or) {
            self.write(meta);
        }
        (self.meta, Revision(self.revision))
    }

    fn write(&mut self, meta: Meta) -> Revision {
        let written = self.next();
        self.meta = Some(Found { meta, written });
        written
    }

    /// It was restored, an administrator says; when that was written. `None` if what they have seen is not what stands there.
    pub fn raise(&mut self, seen: Option<Revision>, to: Meta) -> Option<Revision> {
        let is_as_seen = self.meta.map(|it| it.written) == seen;
        is_as_seen.then(|| self.write(to))
    }

    /// From now on slots are named by share, if it is as was seen and nobody is there who names them otherwise.
    pub fn rename(&mut self, now: BootTime, seen: Found) -> Option<Revision> {
        self.expire(now);
        let is_free = self.machines.is_empty() && self.slots.is_empty();
        let may = is_free && self.meta == Some(seen);
        may.then(|| self.write(Meta { naming: Naming::ByShare, ..seen.meta }))
    }

    fn next(&mut self) -> Revision {
        self.revision += 1;
        Revision(self.revision)
    }

    /// What was kept by a lease that has run out is gone.
    fn expire(&mut self, now: BootTime) {
        let over: Vec<LeaseId> =
            self.leases.iter().filter(|(_, it)| it.until <= now).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|it| self.revoke(it));
    }

    /// Takes a lease back, and all that it keeps.
    pub fn revoke(&mut self, lease: LeaseId) {
        if self.leases.remove(&lease).is_some() {
            self.machines.retain(|_, (_, of, _)| *of != lease);
            self.slots.retain(|_, (_, of)| *of != lease);
            self.next();
        }
    }

    /// A machine joins, for `ttl` after each time it is heard of. `None`: there is one of this name.
    pub fn join(
        &mut self,
        now: BootTime,
        machine: MachineId,
        record: Record,
        ttl: Duration,
    ) -> Option<Joined> {
        self.expire(now);
        if self.machines.contains_key(&machine) || self.evicted.contains(&machine) {
            return None;
        }
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        self.leases.insert(lease, Lease { ttl, until: now.after(ttl) });
        let created = self.next();
        self.machines.insert(machine, (record, lease, created));
        Some(Joined { machine, lease, created })
    }

    /// `false`: there is no such lease any more.
    pub fn keep_alive(&mut self, now: BootTime, lease: LeaseId) -> bool {
        self.expire(now);
        let found = self.leases.get_mut(&lease);
        found.map(|it| it.until = now.after(it.ttl)).is_some()
    }

    /// Writes the record of a machine anew, if it is `last`.
    ///
    /// # Errors
    /// The record that is there, if there is one.
    pub fn beat(
        &mut self,
        now: BootTime,
        joined: &Joined,
        last: &Record,
        next: Record,
    ) -> Result<(), Option<Record>> {
        self.expire(now);
        match self.machines.get_mut(&joined.machine) {
            Some((record, ..)) if record == last => {
                *record = next;
                self.next();
                Ok(())
            }
            found => Err(found.map(|(record, ..)| record.clone())),
        }
    }

    pub fn is_evicted(&self, machine: MachineId) -> bool {
        self.evicted.contains(&machine)
    }

    /// Takes all of `slots`, or none: each must be nobody's, or have been taken by this claim before, whose answer was lost; and
    /// the machine must be in the fleet. When each was made.
    pub fn claim(
        &mut self,
        now: BootTime,
        joined: &Joined,
        slots: &[Slot],
        claim: u64,
    ) -> Option<Vec<(Slot, Revision)>> {
        self.expire(now);
        let machine = joined.machine;
        let is_in = self.machines.get(&machine).is_some_and(|(_, _, it)| *it == joined.created)
            && self.leases.contains_key(&joined.lease);
        let by = Some((machine, claim));
        let is_anothers = |it: &Slot| self.slots.get(it).is_some_and(|(it, _)| it.by != by);
        if !is_in || slots.iter().any(is_anothers) {
            return None;
        }
        let created = match slots.iter().all(|it| self.slots.contains_key(it)) {
            true => Revision(self.revision),
            false => self.next(),
        };
        let new = (Holder { by, created }, joined.lease);
        let made = slots.iter().map(|it| (*it, self.slots.entry(*it).or_insert(new).0.created));
        Some(made.collect())
    }

    /// Gives a slot back that was made then.
    pub fn release(&mut self, now: BootTime, slot: &Slot, created: Revision) {
        self.expire(now);
        if self.slots.get(slot).is_some_and(|(it, _)| it.created == created) {
            self.slots.remove(slot);
            self.next();
        }
    }

    pub fn list(&mut self, now: BootTime) -> Listing {
        self.expire(now);
        Listing {
            revision: Revision(self.revision),
            slots: self.slots.iter().map(|(slot, (it, _))| (*slot, *it)).collect(),
            machines: self.machines.iter().map(|(id, (it, ..))| (*id, it.clone())).collect(),
            evicted: self.evicted.clone(),
            unreadable: 0,
        }
    }

    /// No renewal of this machine succeeds any more.
    pub fn evict(&mut self, machine: MachineId) {
        self.evicted.insert(machine);
        self.next();
    }
}
