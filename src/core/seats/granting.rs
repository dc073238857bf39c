//! How a seat is given, given again, taken over and lent.

use std::time::Duration;

use super::ids::{AdoptToken, BootTime, Claimant, PoolId, RequestId, SeatId, UnitKey};
use super::machine::{Alarm, Effect, Seats};
use super::pool::{Fit, Room, Wish};
use super::queue::Request;
use super::seat::{Binding, Hold, Refusal, Seat};

/// Seats of one user at once.
const MOST_OF_ONE: usize = 16_384;

impl Seats {
    /// Asks for a seat. The answer is an effect: at once, or when one is free, or when the time to wait is over.
    pub fn acquire(&mut self, now: BootTime, request: Request) {
        self.dismiss_strangers(now, &request);
        if let Some(seat) = self.held(&request) {
            return self.take_again(seat, &request);
        }
        let (mut refusal, mut is_weak) = (Refusal::NoPool, true);
        for pool in request.pools.clone() {
            let wish = self.wish(pool, &request);
            match self.fit_with_room(now, pool, wish) {
                Ok(room) if self.is_held_up(now, pool, request.claimant.user()) => {
                    self.take_back_moves(room.moves);
                    (refusal, is_weak) = (Refusal::Full, false);
                }
                Ok(room) if wish.own.is_none() && self.has_too_many(&request.claimant) => {
                    self.take_back_moves(room.moves);
                    (refusal, is_weak) = (Refusal::TooMany, false);
                }
                Ok(Room { fit, .. }) => {
                    self.grant(now, pool, request, fit);
                    // Whoever waits here by the policy alone now holds up nobody elsewhere any more.
                    return self.serve_others(now, &[pool]);
                }
                // What can pass by waiting is the better answer of two, and a pool without any seats has the least to say.
                Err(shortage) => {
                    let is_empty = self.is_empty(pool);
                    let is_better = shortage.refusal.can_pass() || !refusal.can_pass();
                    if is_weak || (refusal != Refusal::Full && is_better && !is_empty) {
                        (refusal, is_weak) = (shortage.refusal, is_empty);
                    }
                }
            }
        }
        let pools = request.pools.clone();
        self.wait_or_refuse(now, request, refusal);
        self.serve_others(now, &pools);
    }

    /// Of these pools something may have changed for others that rest on the same tokens.
    fn serve_others(&mut self, now: BootTime, pools: &[PoolId]) {
        pools.iter().for_each(|it| self.stir(*it));
        self.serve_all(now, []);
    }

    /// Whether nobody has, or can be given, a seat of it.
    fn is_empty(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|it| it.supply() == Some(0) && it.seats.is_empty())
    }

    /// The seat that the unit has, with as many places as are asked for. One that lingers has to be free as any other; and
    /// whoever comes to share one has to be somebody whom the policy lets have one.
    fn held(&self, request: &Request) -> Option<SeatId> {
        let own = request.pools.iter().filter_map(|it| self.by_key.get(&(*it, request.key)));
        let shares = |it: &Seat| {
            let holds = it.bindings().iter().any(|it| request.bindings.contains(it));
            let is_enough = !it.is_lingering() && it.count >= request.count;
            is_enough && (holds || self.admits(it.pool, &request.claimant))
        };
        own.copied().find(|it| self.seats.get(it).is_some_and(shares))
    }

    fn admits(&self, pool: PoolId, claimant: &Claimant) -> bool {
        self.pools.get(&pool).is_some_and(|it| it.policy.admits(claimant))
    }

    fn has_too_many(&self, claimant: &Claimant) -> bool {
        self.seats.len() >= MOST_OF_ONE
            && self.seats.values().filter(|it| it.claimant.owner() == claimant.owner()).count()
                >= MOST_OF_ONE
    }

    /// The unit has a seat here. It gets the same one, and what it is bound to besides holds it too.
    fn take_again(&mut self, id: SeatId, request: &Request) {
        self.forget_old_connections(id);
        self.share_with(id, request);
        self.bind(id, &request.bindings);
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true });
    }

    fn wait_or_refuse(&mut self, now: BootTime, request: Request, refusal: Refusal) {
        match refusal.can_pass() {
            true => self.wait(now, request, refusal),
            false => self.refuse(request.id, refusal),
        }
    }

    /// A seat that lingered is held again.
    fn revive(&mut self, now: BootTime, id: SeatId, request: &Request, fit: Fit) {
        let Some(seat) = self.seat_mut(id) else { return };
        (seat.hold, seat.over) = (Hold::Bound(Vec::new()), fit.over);
        seat.count = request.count;
        (seat.claimant, seat.since) = (request.claimant.clone(), now);
        let (pool, weight) = (seat.pool, seat.weight());
        self.bind(id, &request.bindings);
        self.take_places(now, pool, weight);
        self.place(id, Some((now, request.id, request.claimant.user())));
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true });
    }

    /// The unit has a seat here, which takes as many places as are asked for from now on.
    fn grow(&mut self, now: BootTime, id: SeatId, request: &Request, fit: Fit) {
        let Some(seat) = self.seat_mut(id) else { return };
        let more = request.count.saturating_sub(seat.count);
        if more > 0 {
            seat.count += more;
            seat.over |= fit.over;
            let pool = seat.pool;
            self.take_places(now, pool, more.into());
            self.place(id, Some((now, request.id, request.claimant.user())));
        }
        self.take_again(id, request);
    }

    /// A unit that waited while its own seat lingered takes that one; and one that has a seat has more places with it.
    pub(super) fn grant(&mut self, now: BootTime, pool: PoolId, request: Request, fit: Fit) {
        if let Some(own) = self.by_key.get(&(pool, request.key)).copied() {
            let lingers = self.seats.get(&own).is_some_and(Seat::is_lingering);
            return match lingers {
                true => self.revive(now, own, &request, fit),
                false => self.grow(now, own, &request, fit),
            };
        }
        let user = request.claimant.user();
        let seat = Seat {
            id: self.next(),
            pool,
            claimant: request.claimant,
            key: request.key,
            count: request.count,
            since: now,
            hold: Hold::Bound(Vec::new()),
            over: fit.over,
            drains_at: None,
            reprieve: None,
            places: Vec::new(),
            adopt: request.adopt,
            sharers: Vec::new(),
        };
        let id = seat.id;
        self.enter(now, seat);
        self.place(id, Some((now, request.id, user)));
        self.bind(id, &request.bindings);
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: false });
    }

    fn next(&mut self) -> SeatId {
        self.last += 1;
        SeatId(self.last)
    }

    pub(super) fn enter(&mut self, now: BootTime, seat: Seat) {
        let (id, pool, weight) = (seat.id, seat.pool, seat.weight());
        self.by_key.insert((pool, seat.key), id);
        if let Some(token) = seat.adopt {
            self.by_token.insert(token, id);
        }
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.seats.insert(id);
        }
        self.changed.insert(id);
        self.seats.insert(id, seat);
        self.register_all(id);
        self.take_places(now, pool, weight);
    }

    fn take_places(&mut self, now: BootTime, id: PoolId, weight: u64) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        pool.used += weight;
        if let Some(quota) = &mut pool.quota {
            quota.spare = quota.spare.saturating_sub(weight);
        }
        let over = pool.supply().is_some_and(|it| pool.used > it);
        if let (true, None, Some(surge)) = (over, pool.surge_since, pool.terms.surge) {
            pool.surge_since = Some(now);
            self.alarms.insert((now.after(surge), Alarm::Pool(id)));
        }
        self.yield_lingering(now, id);
    }

    pub(super) fn bind(&mut self, id: SeatId, bindings: &[Binding]) {
        let Some(seat) = self.seats.get(&id) else { return };
        let mut held = seat.bindings().to_vec();
        for binding in bindings {
            self.suspects.remove(binding);
            if !held.contains(binding) {
                held.push(*binding);
                self.by_binding.entry(*binding).or_default().insert(id);
            }
        }
        if let Some(seat) = self.seat_mut(id) {
            seat.hold_by(held);
        }
    }

    /// Another process of the same user takes a seat over. The token serves once.
    pub fn adopt(&mut self, now: BootTime, token: AdoptToken, request: &Request) {
        let found = self.by_token.get(&token).and_then(|it| self.seats.get(it));
        let Some(seat) = found.filter(|it| it.claimant.owner() == request.claimant.owner()) else {
            return self.refuse(request.id, Refusal::NotFound);
        };
        let (id, pool, old) = (seat.id, seat.pool, seat.key);
        let (weight, before) = (seat.weight(), seat.claimant.clone());
        if !self.admits(pool, &request.claimant) {
            return self.refuse(request.id, Refusal::Excluded);
        }
        if self.is_beyond(pool, (&before, &request.claimant), weight) {
            return self.refuse(request.id, Refusal::Full);
        }
        // A seat of a user or a machine stays theirs; one of a process is the other's now.
        let key = match old {
            UnitKey::Process(_) | UnitKey::Connection(_) => request.key,
            whole => whole,
        };
        if key != old && self.by_key.contains_key(&(pool, key)) {
            return self.refuse(request.id, Refusal::Held);
        }
        self.by_token.remove(&token);
        self.by_key.remove(&(pool, old));
        self.by_key.insert((pool, key), id);
        self.leave_to_sharers(id);
        if let Some(seat) = self.seat_mut(id) {
            (seat.key, seat.adopt, seat.claimant) = (key, None, request.claimant.clone());
        }
        self.bind(id, &request.bindings);
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true });
        self.settle(now, pool);
    }

    /// Whether so many places more would be too many for some that the one who takes them over is of, and the one before
    /// is not.
    fn is_beyond(&self, id: PoolId, (before, after): (&Claimant, &Claimant), weight: u64) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        pool.policy.max.iter().any(|(who, most)| {
            let comes = who.is(after) && !who.is(before);
            comes && self.used_by(pool, who) + weight > u64::from(*most)
        })
    }

    /// Takes a seat out of the first of the pools that has one to lend, for a machine or a program that is not there to be
    /// watched. It ends after that time, and before if what proves the capacity holds no longer.
    pub fn borrow(
        &mut self,
        now: BootTime,
        request: RequestId,
        claimant: Claimant,
        (pools, time): (&[PoolId], Duration),
    ) {
        let hold = Hold::Borrowed { until: now.after(time) };
        let id = self.next();
        self.lend(now, (request, claimant), (pools, time), (id, hold));
    }

    /// The same for another machine, which has it until the end of that time and no shorter, unless it gives it back.
    /// `id` was [reserved](Self::reserve).
    pub fn lend_away(
        &mut self,
        now: BootTime,
        request: RequestId,
        claimant: Claimant,
        (pool, id, time): (PoolId, SeatId, Duration),
    ) {
        let hold = Hold::Lent { until: now.after(time) };
        self.lend(now, (request, claimant), (&[pool], time), (id, hold));
    }

    /// Refuses what was asked for, for a reason that is known without asking a pool.
    pub fn turn_down(&mut self, request: RequestId, refusal: Refusal) {
        self.refuse(request, refusal);
    }

    /// A number for a seat that is to come. No other seat gets it.
    pub fn reserve(&mut self) -> SeatId {
        self.next()
    }

    fn lend(
        &mut self,
        now: BootTime,
        (request, claimant): (RequestId, Claimant),
        (pools, time): (&[PoolId], Duration),
        (id, hold): (SeatId, Hold),
    ) {
        let mut refusal = Refusal::NoPool;
        for pool in pools {
            let wish = Wish { claimant: &claimant, count: 1, own: None, turn: Some(request) };
            match self.may_lend(now, *pool, wish, time) {
                Ok(()) => return self.put_aside(now, request, claimant, (*pool, id, hold)),
                // Of two reasons the better pool's, unless that has nothing at all.
                Err(it) if refusal == Refusal::NoPool || self.is_empty_before(pools, *pool) => {
                    refusal = it;
                }
                Err(_) => {}
            }
        }
        self.refuse(request, refusal);
        self.serve_others(now, pools);
    }

    /// Whether all pools before this one have nothing.
    fn is_empty_before(&self, pools: &[PoolId], pool: PoolId) -> bool {
        pools.iter().take_while(|it| **it != pool).all(|it| self.is_empty(*it))
    }

    fn may_lend(
        &mut self,
        now: BootTime,
        id: PoolId,
        wish: Wish<'_>,
        time: Duration,
    ) -> Result<(), Refusal> {
        // A place of a fleet ends with the machine's lease, and a loan does not.
        if self.is_shared(id) {
            return Err(Refusal::TooLong { most: Duration::ZERO });
        }
        let Room { fit, moves } = self.fit_with_room(now, id, wish).map_err(|it| it.refusal)?;
        let allowed = self.is_lent(now, id, (wish, fit), time);
        if allowed.is_err() {
            self.take_back_moves(moves);
        }
        allowed
    }

    /// Whether what fits may be lent, and for so long.
    fn is_lent(
        &self,
        now: BootTime,
        id: PoolId,
        (wish, fit): (Wish<'_>, Fit),
        time: Duration,
    ) -> Result<(), Refusal> {
        let pool = self.pools.get(&id).ok_or(Refusal::NoPool)?;
        if time > pool.policy.max_borrow {
            return Err(Refusal::TooLong { most: pool.policy.max_borrow });
        }
        let left = pool.supply().map(|supply| supply.saturating_sub(pool.used + 1));
        let kept = u64::from(pool.policy.low_water);
        let free = pool.places.is_some().then(|| self.free_places(id, kept + 1, wish.turn(now)));
        let left = left.map(|it| it.min(free.map_or(it, |it| it.saturating_sub(1))));
        // What goes beyond the capacity is for work at hand, and not to be lent.
        if fit.over || left.is_some_and(|it| it < kept) {
            return Err(Refusal::LowWater);
        }
        if self.has_too_many(wish.claimant) {
            return Err(Refusal::TooMany);
        }
        if self.is_held_up(now, id, wish.claimant.user()) { Err(Refusal::Full) } else { Ok(()) }
    }

    fn put_aside(
        &mut self,
        now: BootTime,
        request: RequestId,
        claimant: Claimant,
        (pool, id, hold): (PoolId, SeatId, Hold),
    ) {
        let user = claimant.user();
        let seat = Seat {
            id,
            pool,
            claimant,
            key: UnitKey::Borrowed(id),
            count: 1,
            since: now,
            hold,
            over: false,
            drains_at: None,
            reprieve: None,
            places: Vec::new(),
            adopt: None,
            sharers: Vec::new(),
        };
        self.alarms.extend(seat.ends_by_itself().map(|until| (until, Alarm::Seat(id))));
        self.enter(now, seat);
        self.place(id, Some((now, request, user)));
        self.effects.push(Effect::Granted { request, seat: id, again: false });
        self.serve_others(now, &[pool]);
    }
}
