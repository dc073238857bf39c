//! How seats outlive the daemon: they stand in a file, and the descriptors of who holds them with the service manager.
//!
//! A process of an earlier run is found again by the descriptor that the service manager kept; else by its process id, if
//! what has it now has the same inode, which no other process has within a boot. Of what is not found, the state
//! machine decides when it is given up ([`entitled_core::seats::Fate`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::B256;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::seat_keeper::messages::Process;
use crate::actors::seat_keeper::messages::loans::LentTo;
use crate::actors::seat_keeper::work::borrowed::carried_over;
use crate::actors::seat_keeper::work::house::{Behind, House, customers};
use crate::actors::seat_keeper::work::loans::put_aside;
use crate::actors::seat_keeper::work::watching::{has_exited, process_of};
use crate::actors::tier_cache::Key;
use crate::clock::Clock;
use crate::descriptor_store::DescriptorStore;
use crate::seat_journal::{Boot, Entry, KeptProcess, KeptSeat, SeatJournal};
use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::product::{Grant, GrantName};
use entitled_core::loan::{GivenLoan, TakenLoan};
use entitled_core::seats::{
    Binding, BootTime, EndReason, Fate, Hold, PoolId, ProcessId, Seat, SeatId, Standing,
};

/// What an earlier run has left, and where this one leaves it.
#[derive(Debug, Default)]
pub struct Kept {
    /// `None` in tests without a folder.
    journal: Option<SeatJournal>,
    /// Seats whose pools are not known yet.
    waiting: Vec<KeptSeat>,
    stored: HashMap<ProcessId, Arc<OwnedFd>>,
    same_namespace: bool,
    /// Of those that are not watched: whether that is because they have ended.
    fates: HashMap<ProcessId, Fate>,
    /// Seats that ended before their pools were known, and that the file still has.
    ended: Vec<SeatId>,
    pub(in crate::actors::seat_keeper) descriptors: DescriptorStore,
    /// The highest number of a seat that was given.
    pub(in crate::actors::seat_keeper) last: u64,
    /// To which machines seats were lent.
    pub(in crate::actors::seat_keeper) lent: BTreeMap<SeatId, LentTo>,
    /// Products of which other machines have lent places to this one, until they are counted.
    borrowed: BTreeSet<ProductId>,
}

impl Kept {
    /// Reads the file, and takes what the service manager has handed back. To be called within the actors' runtime.
    pub fn open(path: PathBuf, stored: Vec<(String, OwnedFd)>, clock: &Clock) -> Self {
        let descriptors = DescriptorStore::start(stored.iter().map(|(name, _)| name.clone()));
        // The service manager forgets them when the machine goes down.
        let (journal, left) = SeatJournal::open(path, Boot::current(), !stored.is_empty());
        let mut by_process = HashMap::new();
        for (name, fd) in stored {
            match process_of(&name) {
                Some(process) => drop(by_process.insert(process, Arc::new(fd))),
                None => descriptors.forget(name),
            }
        }
        let mut waiting = left.seats;
        waiting.extend(left.borrowed.into_iter().filter_map(|it| carried_over(it, clock)));
        Self {
            journal: Some(journal),
            waiting,
            stored: by_process,
            same_namespace: left.same_namespace,
            fates: HashMap::new(),
            ended: Vec::new(),
            descriptors,
            last: left.last,
            lent: BTreeMap::new(),
            borrowed: BTreeSet::new(),
        }
    }

    /// Whether a daemon that is started again would know all seats.
    pub(in crate::actors::seat_keeper) fn are_kept(&self) -> bool {
        self.journal.as_ref().is_some_and(SeatJournal::is_written)
    }

    /// With what machines have lent each other, which outlives a boot.
    #[must_use]
    pub fn with_loans(
        mut self,
        (given, taken): (&[GivenLoan], &[TakenLoan]),
        clock: &Clock,
    ) -> Self {
        for loan in given {
            let Some(seat) = put_aside(loan, clock) else { continue };
            self.last = self.last.max(loan.seat.0);
            self.lent.insert(loan.seat, LentTo::from(&loan.terms));
            self.waiting.push(seat);
        }
        self.borrowed.extend(taken.iter().map(|it| it.product.clone()));
        self
    }

    /// What was taken out of pools that are not known, or are no more.
    pub(super) fn taken_out(&self) -> impl Iterator<Item = &KeptSeat> {
        let is_out =
            |it: &&KeptSeat| matches!(it.seat.hold, Hold::Borrowed { .. } | Hold::Lent { .. });
        self.waiting.iter().filter(is_out)
    }

    /// A seat that was lent has come back before its pool was known.
    pub(in crate::actors::seat_keeper) fn drop_seat(&mut self, seat: SeatId) {
        self.waiting.retain(|it| it.seat.id != seat);
    }

    /// What outlives the daemon.
    pub fn descriptors(&self) -> DescriptorStore {
        self.descriptors.clone()
    }

    /// Whose seats wait for their pools, and who is entitled to them.
    pub(in crate::actors::seat_keeper) fn keys(&self) -> BTreeSet<Key> {
        let customers = self.waiting.iter().flat_map(|kept| {
            let all = [Some(kept.holder), kept.entitled].into_iter().flatten();
            all.chain(customers(&kept.seat)).map(|customer| (customer, kept.product.clone()))
        });
        let borrowed = self.borrowed.iter().map(|it| (CustomerId::Machine, it.clone()));
        let all = customers.chain(borrowed);
        all.map(|(customer, product)| Key { customer, product }).collect()
    }

    pub(in crate::actors::seat_keeper) fn has_ended(&mut self, process: ProcessId) {
        if self.waiting.iter().any(|it| !it.processes.is_empty()) {
            self.fates.insert(process, Fate::Ended);
        }
    }

    /// Places in the fleet that seats have whose pools are not known yet, but for those of whose end is known.
    pub(in crate::actors::seat_keeper) fn places(&self) -> u64 {
        let has_ended = |it: &Binding| match it {
            Binding::Process(process) => self.fates.get(process) == Some(&Fate::Ended),
            Binding::Connection(_) => false,
        };
        let seats = self.waiting.iter().filter(|it| it.fence.is_some()).map(|it| &it.seat);
        let seats =
            seats.filter(|it| it.bindings().is_empty() || !it.bindings().iter().all(has_ended));
        seats.map(|it| u64::from(it.count)).sum()
    }

    /// These seats have lost their places in the fleet.
    pub(in crate::actors::seat_keeper) fn lose_places(&mut self, reason: EndReason) {
        self.end(|it| it.fence.is_some(), reason);
    }

    fn end(&mut self, which: impl Fn(&KeptSeat) -> bool, reason: EndReason) {
        for kept in self.waiting.extract_if(.., |it| which(it)) {
            let (id, uid, reason) = (kept.seat.id, kept.seat.claimant.uid, reason.name());
            tracing::info!(event = "seat_ended", seat = id.0, product = %kept.product, customer = %kept.holder, uid,
                reason, "a seat of before the start has ended");
            self.ended.push(id);
        }
    }

    /// The process that a kept seat names, if it lives; else what is known of it.
    fn find(&mut self, kept: KeptProcess) -> Result<Process, Fate> {
        let KeptProcess { id, pid } = kept;
        let stored = self.stored.remove(&id).and_then(|it| Arc::try_unwrap(it).ok());
        if let Some(process) = stored.and_then(|it| Process::again(it, id, pid)) {
            return if has_exited(&process.fd) { Err(Fate::Ended) } else { Ok(process) };
        }
        let raw = pid.filter(|_| self.same_namespace).and_then(Pid::from_raw);
        let Some(raw) = raw else { return Err(Fate::NotKnown) };
        let opened = match pidfd_open(raw, PidfdFlags::NONBLOCK) {
            Ok(opened) => opened,
            // Nobody has its id: it has ended, and was reaped.
            Err(rustix::io::Errno::SRCH) => return Err(Fate::Ended),
            Err(_) => return Err(Fate::NotKnown),
        };
        match Process::new(opened, pid) {
            // Before Linux 6.9 nothing shows that it is the same.
            Some(process) if !process.has_inode() => Err(Fate::NotKnown),
            Some(process) if process.id(0) == id && !has_exited(&process.fd) => Ok(process),
            Some(_) => Err(Fate::Ended),
            None => Err(Fate::NotKnown),
        }
    }
}

fn key_of(kept: &KeptSeat) -> Key {
    Key { customer: kept.holder, product: kept.product.clone() }
}

fn account_of(kept: &KeptSeat) -> u32 {
    kept.account.unwrap_or(kept.seat.claimant.uid)
}

impl House {
    /// Watches the processes of an earlier run that still live.
    pub(in crate::actors::seat_keeper) fn watch_again(&mut self, keeper: &Addr<SeatKeeper>) {
        let processes: Vec<(KeptProcess, u32)> = self
            .kept
            .waiting
            .iter()
            .flat_map(|kept| kept.processes.iter().map(|it| (*it, account_of(kept))))
            .collect();
        for (kept, account) in processes {
            if self.watches.is_watched(kept.id) || self.kept.fates.contains_key(&kept.id) {
                continue;
            }
            let watched = self.kept.find(kept).and_then(|process| {
                let begun = self.watches.process(kept.id, &process, account, keeper);
                begun.map_err(|_| Fate::NotKnown)
            });
            match watched {
                Ok(_) => self.watches.store(kept.id),
                Err(fate) => {
                    self.kept.fates.insert(kept.id, fate);
                    self.watches.forget_stored(kept.id);
                }
            }
        }
        for process in std::mem::take(&mut self.kept.stored).into_keys() {
            self.watches.forget_stored(process);
        }
    }

    /// The pool of these seats has just begun.
    pub(in crate::actors::seat_keeper) fn put_back(
        &mut self,
        now: BootTime,
        pool: PoolId,
        key: &Key,
        (grant, loan): (&Grant, Option<B256>),
    ) {
        let name = GrantName::from(grant);
        let of_pool = |it: &mut KeptSeat| key_of(it) == *key && it.grant == name && it.loan == loan;
        let found: Vec<KeptSeat> = self.kept.waiting.extract_if(.., of_pool).collect();
        self.put_into(now, pool, found);
    }

    fn put_into(&mut self, now: BootTime, pool: PoolId, found: Vec<KeptSeat>) {
        if self.is_fleet && found.iter().any(|it| it.fence.is_some()) {
            // Whatever is known of how many there are.
            self.seats.share(pool);
        }
        self.has_put_back |= !found.is_empty();
        for mut kept in found {
            let claimant = &mut kept.seat.claimant;
            claimant.standing = claimant.standing.or(kept.entitled.map(Standing::User));
            let KeptSeat { account, fence, proven_until, .. } = kept;
            if let Some(until) = proven_until {
                let known = self.proven_before.entry(pool).or_default();
                *known = until.max(*known);
            }
            let behind = Behind { account, fence };
            self.behind.insert(kept.seat.id, behind);
            if let Some(terms) = kept.borrowed {
                self.borrowed.enter(kept.seat.id, terms);
            }
            let (watches, fates) = (&self.watches, &self.kept.fates);
            let fate = |process| match watches.is_watched(process) {
                true => Fate::Alive,
                false => fates.get(&process).copied().unwrap_or(Fate::NotKnown),
            };
            let id = kept.seat.id;
            self.seats.take_back(now, Seat { pool, ..kept.seat }, fate);
            self.seats.forget_aside(now, id);
        }
    }

    /// What these seats take is taken, before anything is known of their pools.
    pub(super) fn set_kept_aside(&mut self) {
        self.kept.waiting.iter().for_each(|it| self.seats.set_aside(&it.seat));
    }

    /// What the product does not grant any more is no more, but for what another machine has. What it grants in other words, in
    /// one of the present pools, goes on there, as it does while the daemon runs ([`House::empty`]).
    pub(in crate::actors::seat_keeper) fn drop_kept(
        &mut self,
        now: BootTime,
        key: &Key,
        present: &[PoolId],
    ) {
        if key.customer == CustomerId::Machine {
            self.kept.borrowed.remove(&key.product);
        }
        let mut open: BTreeSet<SeatId> = BTreeSet::new();
        let reworded = self.kept.waiting.extract_if(.., |it| key_of(it) == *key);
        for kept in reworded.collect::<Vec<KeptSeat>>() {
            let unit = |it| kept.seat.key.is_of(it);
            let others = self.like(kept.grant.tier(), unit, present);
            if let Some(pool) = others.iter().find(|it| self.seats.has_places_for(**it, &kept.seat))
            {
                self.put_into(now, *pool, vec![kept]);
                continue;
            }
            // As long as it is not known whether one of them has its tokens, nobody else gets them.
            let is_open = others.iter().any(|it| !self.is_known(*it));
            if is_open || kept.seat.lent_until().is_some() {
                open.insert(kept.seat.id);
            }
            self.kept.waiting.push(kept);
        }
        self.kept.end(|it| key_of(it) == *key && !open.contains(&it.seat.id), EndReason::Capacity);
        for seat in &self.kept.ended {
            self.seats.forget_aside(now, *seat);
        }
    }

    /// Writes what has changed, before anybody is told of it.
    pub(in crate::actors::seat_keeper) fn keep(&mut self, now: BootTime) {
        let mut changed = self.seats.take_changed();
        changed.extend(self.borrowed.take_unwritten(now));
        let lasts = changed.iter().any(|it| self.borrowed.has(*it));
        let ended = |it: SeatId| Entry::Ended(it);
        let mut entries: Vec<Entry> = self.kept.ended.drain(..).map(ended).collect();
        for id in changed {
            let kept = self.seats.seat(id).and_then(|it| self.kept_seat(now, it));
            entries.push(kept.map_or_else(|| ended(id), |it| Entry::Held(Box::new(it))));
        }
        for entry in &entries {
            if let Entry::Held(kept) = entry {
                kept.processes.iter().for_each(|it| self.watches.store(it.id));
            }
        }
        let Some(mut journal) = self.kept.journal.take() else { return };
        if !entries.is_empty() {
            journal.append(&entries, lasts);
            if journal.wants_rewrite() {
                let held = self.seats.seats().filter_map(|it| self.kept_seat(now, it));
                let here = self.kept.waiting.iter().filter(|it| it.seat.lent_until().is_none());
                journal.rewrite(held.chain(here.cloned()));
            }
        }
        self.kept.journal = Some(journal);
    }

    /// `None` of one that only lingers: who comes back gets another. Nor of one that another machine has, which the ledger
    /// keeps, with its loan or not at all.
    fn kept_seat(&self, now: BootTime, seat: &Seat) -> Option<KeptSeat> {
        let is_kept = !seat.is_lingering() && seat.lent_until().is_none();
        let pool = self.pools.get(&seat.pool).filter(|_| is_kept)?;
        let processes = seat.bindings().iter().filter_map(|it| match it {
            Binding::Process(id) => Some(KeptProcess { id: *id, pid: self.watches.pid(*id) }),
            Binding::Connection(_) => None,
        });
        let behind = self.behind.get(&seat.id).copied().unwrap_or_default();
        Some(KeptSeat {
            seat: seat.clone(),
            product: pool.key.product.clone(),
            holder: pool.key.customer,
            grant: GrantName::from(&pool.grant),
            entitled: seat.claimant.standing.map(Standing::customer),
            account: behind.account,
            fence: behind.fence,
            borrowed: self.borrowed.as_kept(now, seat),
            loan: pool.loan.map(|it| it.nonce),
            proven_until: match pool.capacity {
                Some(capacity) => capacity.until,
                None => self.proven_before.get(&pool.id).copied(),
            },
            processes: processes.collect(),
        })
    }
}
