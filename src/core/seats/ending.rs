//! How a seat ends, and what comes of its place.

use std::time::Duration;

use super::ids::{BootTime, Claimant, ConnectionId, Owner, PoolId, ProcessId, SeatId};
use super::machine::{Alarm, Effect, Seats};
use super::places::Offer;
use super::pool::{Capacity, Supply};
use super::seat::{Binding, EndReason, Hold, Refusal, Reprieve, Seat};

/// How long a session that nothing holds any more may be adopted.
pub(super) const DETACHED: Duration = Duration::from_secs(60);

impl Seat {
    /// When it ends if nothing happens, but for draining.
    pub(super) fn ends_by_itself(&self) -> Option<BootTime> {
        match self.hold {
            Hold::Bound(_) => None,
            Hold::Detached { until }
            | Hold::Lingering { until }
            | Hold::Borrowed { until }
            | Hold::Lent { until } => Some(until),
        }
    }

    /// When it ends, as its capacity is lost now. One that came back for less than the whole time to drain was no reprieve.
    fn drained_by(&self, now: BootTime, drain: Duration) -> BootTime {
        let lasts = |it: &Reprieve| now < it.since.after(drain);
        let before = self.reprieve.filter(lasts).map(|it| it.ended_at);
        before.map_or(now.after(drain), |it| it.min(now.after(drain)))
    }
}

impl Seats {
    /// A process has ended.
    pub fn exited(&mut self, now: BootTime, process: ProcessId) {
        self.unbind(now, Binding::Process(process), EndReason::Exited);
    }

    /// A connection has closed. Whoever waited on it waits no more.
    pub fn disconnected(&mut self, now: BootTime, connection: ConnectionId) {
        self.unbind(now, Binding::Connection(connection), EndReason::Disconnected);
    }

    pub(super) fn unbind(&mut self, now: BootTime, binding: Binding, reason: EndReason) {
        self.suspects.remove(&binding);
        let left = self.leave_all(|it| it.bindings.contains(&binding));
        for id in self.by_binding.remove(&binding).unwrap_or_default() {
            self.unbind_one(now, id, binding, reason);
        }
        self.serve_all(now, left.iter().flat_map(|it| &it.pools));
    }

    pub(super) fn unbind_one(
        &mut self,
        now: BootTime,
        id: SeatId,
        binding: Binding,
        reason: EndReason,
    ) {
        match self.unshare(now, id, binding, reason) {
            true => self.shrink(now, id),
            false => self.end(now, id, reason),
        }
    }

    /// Nothing holds the session any more, and somebody may take it over.
    pub(super) fn detach(&mut self, now: BootTime, id: SeatId) {
        if let Some(seat) = self.seat_mut(id) {
            let until = seat.session_ends.take().unwrap_or(now.after(DETACHED));
            seat.hold = Hold::Detached { until };
            self.alarms.insert((until, Alarm::Seat(id)));
        }
    }

    /// Gives a seat back. Without `binding` it ends for all of `owner`, else for what holds it by that alone.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if there is no such seat of `owner`; without one, of anybody. [`Refusal::LentAway`]
    pub fn release(
        &mut self,
        now: BootTime,
        id: SeatId,
        owner: Option<Owner>,
        binding: Option<Binding>,
    ) -> Result<(), Refusal> {
        let seat = self.seats.get(&id).filter(|it| !it.is_lingering());
        let seat = seat.ok_or(Refusal::NotFound)?;
        let part = owner.map_or_else(|| Some(seat.clone()), |it| seat.part_of(it));
        let part = part.ok_or(Refusal::NotFound)?;
        if let Some(until) = seat.lent_until() {
            return Err(Refusal::LentAway { until });
        }
        let lasts = seat.bindings().len() > 1 && part.adopt.is_none();
        match binding.filter(|it| lasts && part.bindings().contains(it)) {
            Some(binding) => {
                self.loosen(id, binding);
                self.unbind_one(now, id, binding, EndReason::Released);
            }
            None => {
                let lent = matches!(seat.hold, Hold::Borrowed { .. });
                let reason = if lent { EndReason::Returned } else { EndReason::Released };
                self.take_from(now, id, reason, |it| owner.is_none_or(|owner| it.owner() == owner));
            }
        }
        Ok(())
    }

    /// Whether an administrator may take a seat away.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::TooYoung`], [`Refusal::LentAway`].
    pub fn may_revoke(&self, now: BootTime, id: SeatId) -> Result<(), Refusal> {
        let seat = self.seats.get(&id).ok_or(Refusal::NotFound)?;
        if let Some(until) = seat.lent_until() {
            return Err(Refusal::LentAway { until });
        }
        let least = self.pools.get(&seat.pool).map_or(Duration::ZERO, |it| it.policy.min_remove);
        let until = seat.since.after(least);
        if now < until && !seat.is_lingering() {
            return Err(Refusal::TooYoung { until });
        }
        Ok(())
    }

    /// An administrator takes a seat away.
    ///
    /// # Errors
    /// As [`Seats::may_revoke`].
    pub fn revoke(&mut self, now: BootTime, id: SeatId) -> Result<(), Refusal> {
        self.may_revoke(now, id)?;
        self.end(now, id, EndReason::Revoked);
        Ok(())
    }

    /// The machine that it was lent to has given it back; without effect on any other seat.
    pub fn come_back(&mut self, now: BootTime, id: SeatId) {
        if self.seats.get(&id).is_some_and(|it| it.lent_until().is_some()) {
            self.end(now, id, EndReason::Returned);
        }
    }

    /// Of a seat, something has come due; perhaps not any more.
    pub(super) fn run_out(&mut self, now: BootTime, id: SeatId) {
        let session = self.seats.get(&id).and_then(|it| it.session_ends);
        if session.is_some_and(|it| it <= now) {
            self.end_session(now, id);
        }
        let Some(seat) = self.seats.get(&id) else { return self.end_aside(now, id) };
        if seat.drains_at.is_some_and(|it| it <= now) {
            return self.end_drained(now, id);
        }
        if seat.ends_by_itself().is_none_or(|it| it > now) {
            return;
        }
        let reason = match seat.hold {
            Hold::Detached { .. } => EndReason::DetachedTimeout,
            Hold::Borrowed { .. } | Hold::Lent { .. } => EndReason::Returned,
            Hold::Lingering { .. } | Hold::Bound(_) => EndReason::LingerTaken,
        };
        self.end(now, id, reason);
    }

    pub(super) fn end(&mut self, now: BootTime, id: SeatId, reason: EndReason) {
        let Some(seat) = self.seats.get(&id) else { return };
        let pool = seat.pool;
        let linger = self.linger(pool).filter(|_| reason.may_linger() && seat.drains_at.is_none());
        self.let_go(id);
        match linger {
            Some(linger) => self.begin_to_linger(now, id, linger, reason),
            None => self.remove(id, reason),
        }
        self.settle(now, pool);
    }

    fn linger(&self, pool: PoolId) -> Option<Duration> {
        // Others of the fleet could not take its place when they ask.
        let pool = self.pools.get(&pool).filter(|it| it.quota.is_none())?;
        let linger = pool.policy.linger.min(pool.terms.max_linger);
        (!linger.is_zero()).then_some(linger)
    }

    fn begin_to_linger(&mut self, now: BootTime, id: SeatId, linger: Duration, reason: EndReason) {
        let until = now.after(linger);
        self.changed.insert(id);
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let (pool, weight) = (seat.pool, seat.weight());
        if let Some(token) = seat.adopt.take() {
            self.by_token.remove(&token);
        }
        seat.session_ends = None;
        self.effects.push(Effect::Ended { seat: Box::new(seat.clone()), reason });
        (seat.hold, seat.over) = (Hold::Lingering { until }, false);
        seat.sharers.clear();
        seat.needs.clear();
        self.alarms.insert((until, Alarm::Seat(id)));
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.used -= weight;
        }
        self.unplace(id);
    }

    pub(super) fn remove(&mut self, id: SeatId, reason: EndReason) {
        let Some(seat) = self.take_out(id) else { return };
        // Whoever had a seat that lingers was told of its end before.
        if !seat.is_lingering() {
            self.effects.push(Effect::Ended { seat: Box::new(seat), reason });
        }
    }

    /// Takes a seat out of its pool.
    pub(super) fn take_out(&mut self, id: SeatId) -> Option<Seat> {
        let seat = self.seats.remove(&id)?;
        self.changed.insert(id);
        self.by_key.remove(&(seat.pool, seat.key));
        if let Some(token) = seat.adopt {
            self.by_token.remove(&token);
        }
        if let Some(pool) = self.pools.get_mut(&seat.pool) {
            pool.seats.remove(&id);
            pool.used -= seat.weight();
            pool.draining -= usize::from(seat.drains_at.is_some());
        }
        self.unregister_all(&seat);
        Some(seat)
    }

    /// Nothing it was bound to holds it any more.
    pub(super) fn let_go(&mut self, id: SeatId) {
        let bindings = self.seats.get(&id).map(|it| it.bindings().to_vec()).unwrap_or_default();
        for binding in bindings {
            self.loosen(id, binding);
        }
    }

    /// `binding` holds the seat no more, and is forgotten where it holds no other.
    pub(super) fn loosen(&mut self, id: SeatId, binding: Binding) {
        if let Some(held) = self.by_binding.get_mut(&binding) {
            held.remove(&id);
            if held.is_empty() {
                self.by_binding.remove(&binding);
            }
        }
    }

    /// Lingering seats end, the oldest first, as far as their places are taken.
    pub(super) fn yield_lingering(&mut self, _now: BootTime, id: PoolId) {
        let Some(pool) = self.pools.get(&id) else { return };
        let Some(supply) = pool.supply() else { return };
        let lingering: Vec<(SeatId, u64)> = self
            .of(pool)
            .filter(|it| it.is_lingering())
            .map(|it| (it.id, u64::from(it.count)))
            .collect();
        let mut kept: u64 = lingering.iter().map(|(_, count)| count).sum();
        let room = supply.saturating_sub(pool.used);
        for (seat, count) in lingering {
            if kept <= room {
                break;
            }
            kept -= count;
            self.remove(seat, EndReason::LingerTaken);
        }
    }

    /// Brings a pool in order after its capacity, its rules, its seats or the time have changed.
    pub(super) fn settle(&mut self, now: BootTime, id: PoolId) {
        self.begin_surge(now, id);
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let supply = pool.supply();
        if let (Some(since), Some(surge)) = (pool.surge_since, pool.terms.surge) {
            let calm = supply.is_none_or(|it| pool.used <= it);
            if calm || now >= since.after(surge) {
                pool.surge_since = None;
                pool.calm_until = now.after(surge);
                self.alarms.insert((pool.calm_until, Alarm::Pool(id)));
            }
        }
        if pool.until().is_some_and(|it| it <= now) {
            let here = |it: &SeatId| self.seats.get(it).is_some_and(|it| it.lent_until().is_none());
            let seats: Vec<SeatId> = pool.seats.iter().copied().filter(here).collect();
            // What nothing was ever proven of stays unknown.
            let none = Capacity { supply: Supply::Seats(0), until: None };
            pool.capacity = pool.capacity.map(|_| none);
            pool.unproven_until = None;
            let nothing = pool.places.as_ref().map(|_| Offer::default());
            self.set_places(id, nothing);
            seats.into_iter().for_each(|it| self.expire(it));
        }
        self.mend(now, id);
        self.yield_lingering(now, id);
        self.stir(id);
        self.serve_all(now, [&id]);
    }

    /// Seats that have lost their places get others, as far as there are any; else they will end.
    pub(super) fn mend(&mut self, now: BootTime, id: PoolId) {
        let now_is = |it: &Self| it.pools.get(&id).map(|it| (it.used, it.draining));
        let before = now_is(self);
        self.put_in_place(id);
        self.drain(now, id);
        if now_is(self) != before {
            self.stir(id);
        }
    }

    /// What was used beyond the capacity before a restart goes on from when it began.
    fn begin_surge(&mut self, now: BootTime, id: PoolId) {
        let Some(pool) = self.pools.get(&id) else { return };
        let over = pool.supply().is_some_and(|it| pool.used > it) && now >= pool.calm_until;
        let (true, None, Some(surge)) = (over, pool.surge_since, pool.terms.surge) else { return };
        let since = self.of(pool).filter(|it| it.over).map(|it| it.since).min().unwrap_or(now);
        if since.after(surge) > now {
            self.alarms.insert((since.after(surge), Alarm::Pool(id)));
        }
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.surge_since = Some(since);
        }
    }

    fn expire(&mut self, id: SeatId) {
        self.let_go(id);
        self.remove(id, EndReason::EvidenceExpired);
    }

    /// The time to drain is over. Where several users share the seat, those lose it who need what is too much.
    fn end_drained(&mut self, now: BootTime, id: SeatId) {
        let Some(seat) = self.seats.get(&id).cloned() else { return };
        if seat.needs.is_empty() {
            return self.end(now, id, EndReason::Capacity);
        }
        let all = self.newest_first(now, seat.pool);
        let too_many = all.into_iter().find(|(it, _)| *it == id).map_or(u64::MAX, |(_, it)| it);
        let left = u64::from(seat.count).saturating_sub(too_many);
        let leaves = |it: &Claimant| u64::from(seat.need(it.owner())) > left;
        self.take_from(now, id, EndReason::Capacity, leaves);
        self.settle(now, seat.pool);
    }

    /// What may end, the newest first, and by how many places there are too many from each on.
    fn newest_first(&self, now: BootTime, id: PoolId) -> Vec<(SeatId, u64)> {
        let Some(pool) = self.pools.get(&id) else { return Vec::new() };
        let mut excess = pool.used.saturating_sub(pool.kept(now));
        // What another machine has cannot be called back: others end in its place.
        let is_here = |it: &&Seat| !it.is_lingering() && it.lent_until().is_none();
        let mut newest: Vec<&Seat> = self.of(pool).filter(is_here).collect();
        newest.sort_by_key(|it| std::cmp::Reverse(it.order()));
        let mut all = Vec::new();
        for seat in newest {
            all.push((seat.id, excess));
            excess = excess.saturating_sub(seat.freed_of(excess));
        }
        all
    }

    /// As many seats as there are too many of will end, the newest first. The others stay.
    fn drain(&mut self, now: BootTime, id: PoolId) {
        let Some(pool) = self.pools.get(&id) else { return };
        if pool.used <= pool.kept(now) && pool.draining == 0 {
            return;
        }
        let drain = pool.terms.drain;
        let mut changes: Vec<(SeatId, Option<BootTime>)> = Vec::new();
        for (seat, excess) in self.newest_first(now, id) {
            let Some(seat) = self.seats.get(&seat) else { continue };
            let too_many = excess > 0;
            if too_many != seat.drains_at.is_some() {
                changes.push((seat.id, too_many.then(|| seat.drained_by(now, drain))));
            }
        }
        for (seat, ends_at) in changes {
            if ends_at.is_some_and(|it| it <= now) {
                self.let_go(seat);
                self.remove(seat, EndReason::Capacity);
            } else {
                self.mark(now, seat, ends_at);
            }
        }
    }

    fn mark(&mut self, now: BootTime, id: SeatId, drains_at: Option<BootTime>) {
        self.changed.insert(id);
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let before = std::mem::replace(&mut seat.drains_at, drains_at);
        seat.reprieve = before.map(|ended_at| Reprieve { since: now, ended_at });
        let was = before.is_some();
        if let Some(pool) = self.pools.get_mut(&seat.pool) {
            pool.draining = pool.draining + usize::from(drains_at.is_some()) - usize::from(was);
        }
        match drains_at {
            Some(ends_at) => {
                self.alarms.insert((ends_at, Alarm::Seat(id)));
                self.effects.push(Effect::Warned { seat: id, ends_at });
            }
            None => self.effects.push(Effect::Reprieved { seat: id }),
        }
    }
}
