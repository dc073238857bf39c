//! How seats outlive the daemon: what held them is found again, or is *suspect* until it is heard of.
//!
//! A seat is put back before its pool has any capacity, so that nobody else can have been given its place.

use std::time::Duration;

use super::ids::{BootTime, PoolId, ProcessId, SeatId, UnitKey};
use super::machine::{Alarm, Seats};
use super::queue::Request;
use super::seat::{Binding, EndReason, Hold, Seat};
use super::shares::NO_POOL;

/// How long what held a seat before a restart may be silent.
const SUSPECT: Duration = Duration::from_secs(30);

/// What is known of a process after the daemon was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is watched again.
    Alive,
    Ended,
    /// It may be there or not.
    NotKnown,
}

impl Seats {
    /// Puts a seat back as it was. It counts at once, so that it is given to nobody else. What it is bound to is watched.
    pub fn restore(&mut self, now: BootTime, mut seat: Seat) {
        self.last = self.last.max(seat.id.0).max(seat.order().0);
        if self.seats.contains_key(&seat.id) || self.by_key.contains_key(&(seat.pool, seat.key)) {
            return;
        }
        let bindings = seat.bindings().to_vec();
        if let Hold::Bound(_) = seat.hold {
            seat.hold = Hold::Bound(Vec::new());
        }
        let (id, pool) = (seat.id, seat.pool);
        let ends = [seat.drains_at, seat.ends_by_itself(), seat.session_ends];
        for at in ends.into_iter().flatten() {
            self.alarms.insert((at, Alarm::Seat(id)));
        }
        let drains = seat.drains_at.is_some();
        self.enter(now, seat);
        if let Some(pool) = self.pools.get_mut(&pool).filter(|_| drains) {
            pool.draining += 1;
        }
        if !bindings.is_empty() {
            self.bind(id, &bindings);
            self.limit_session(now, id);
        }
    }

    /// Puts back a seat of an earlier run of the daemon, whose connections are gone. `fate` is asked of each of its
    /// processes. Who held it by a connection may come again, as may a process of which nothing is known.
    pub fn take_back(&mut self, now: BootTime, seat: Seat, fate: impl Fn(ProcessId) -> Fate) {
        let bindings = seat.bindings().to_vec();
        let known = self.seats.contains_key(&seat.id);
        self.restore(now, seat);
        for binding in bindings.into_iter().filter(|_| !known) {
            match binding {
                Binding::Connection(_) => self.suspect(binding, now.after(SUSPECT)),
                Binding::Process(process) => match fate(process) {
                    Fate::Alive => {}
                    Fate::NotKnown => self.suspect(binding, now.after(SUSPECT)),
                    Fate::Ended => self.exited(now, process),
                },
            }
        }
    }

    /// What was known of a pool before a restart has an end, and nothing was proven of it since. Unless something is, its
    /// seats end then, as they do where the evidence runs out meanwhile. Of a pool that is known this says nothing.
    pub fn end_unless_proven(&mut self, now: BootTime, id: PoolId, until: BootTime) {
        let Some(pool) = self.pools.get_mut(&id).filter(|it| it.capacity.is_none()) else { return };
        pool.unproven_until = Some(until);
        self.alarms.insert((until, Alarm::Pool(id)));
        self.settle(now, id);
    }

    /// What was proven of a pool is not known any more: nothing is given of it, and nothing of it ends.
    pub fn doubt(&mut self, now: BootTime, id: PoolId) {
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.capacity = None;
            self.settle(now, id);
        }
    }

    /// What held a seat has to be heard of until then.
    pub fn suspect(&mut self, binding: Binding, until: BootTime) {
        self.suspects.insert(binding, until);
        self.alarms.insert((until, Alarm::Suspect(binding)));
    }

    /// What held seats before a restart and was not heard of since, and until when that may last.
    pub fn suspects(&self) -> impl Iterator<Item = (Binding, BootTime)> {
        self.suspects.iter().map(|(binding, until)| (*binding, *until))
    }

    /// Until when the seat waits to hear of what held it; `None` if anything that holds it is known.
    pub fn suspect_until(&self, seat: &Seat) -> Option<BootTime> {
        let times = seat.bindings().iter().map(|it| self.suspects.get(it).copied());
        times.collect::<Option<Vec<BootTime>>>()?.into_iter().max()
    }

    /// The process has come again by itself: by the connections of before the restart it does not.
    pub(super) fn forget_old_connections(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get(&id) else { return };
        let is_one = matches!(seat.key, UnitKey::Process(_) | UnitKey::Connection(_));
        let is_old =
            |it: &Binding| matches!(it, Binding::Connection(_)) && self.suspects.contains_key(it);
        let (old, left): (Vec<Binding>, Vec<Binding>) =
            seat.bindings().iter().copied().partition(|it| is_one && is_old(it));
        if old.is_empty() {
            return;
        }
        for binding in old {
            self.suspects.remove(&binding);
            if let Some(held) = self.by_binding.get_mut(&binding) {
                held.remove(&id);
            }
        }
        if let Some(seat) = self.seat_mut(id) {
            seat.hold_by(left);
        }
    }

    /// Its time is over, unless it was heard of.
    pub(super) fn give_up_on(&mut self, now: BootTime, binding: Binding) {
        if self.suspects.get(&binding).is_some_and(|it| *it <= now) {
            self.unbind(now, binding, EndReason::DaemonLost);
        }
    }

    /// Where a process is known by its id alone, whoever has the id now and is of another user is another process.
    pub(super) fn dismiss_strangers(&mut self, now: BootTime, request: &Request) {
        for binding in &request.bindings {
            let seats = self.by_binding.get(binding).into_iter().flatten();
            let mut seats = seats.filter_map(|it| self.seats.get(it));
            let is_strange = seats.any(|it| it.holder(*binding).uid != request.claimant.uid);
            if is_strange && self.suspects.contains_key(binding) {
                self.unbind(now, *binding, EndReason::DaemonLost);
            }
        }
    }

    /// Counts what a seat of before a restart takes until its pool is known.
    pub fn set_aside(&mut self, seat: &Seat) {
        if seat.places.is_empty() || self.seats.contains_key(&seat.id) {
            return;
        }
        let until = seat.lent_until();
        self.shares.aside.insert(seat.id, (seat.places.clone(), until));
        self.alarms.extend(until.map(|it| (it, Alarm::Seat(seat.id))));
        seat.places.iter().for_each(|it| self.register(seat.id, NO_POOL, *it));
    }

    /// It has come back or ended, or its pool is known.
    pub fn forget_aside(&mut self, now: BootTime, seat: SeatId) {
        self.drop_aside(seat);
        self.serve_all(now, []);
    }

    pub(super) fn drop_aside(&mut self, seat: SeatId) {
        let Some((places, _)) = self.shares.aside.remove(&seat) else { return };
        places.into_iter().for_each(|it| self.unregister(seat, NO_POOL, it));
    }

    /// What was set aside, its time is over.
    pub(super) fn end_aside(&mut self, now: BootTime, seat: SeatId) {
        let until = self.shares.aside.get(&seat).and_then(|(_, it)| *it);
        if until.is_some_and(|it| it <= now) {
            self.forget_aside(now, seat);
        }
    }
}
