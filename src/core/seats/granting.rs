//! How a seat is given, given again and taken over.

use super::ids::{AdoptToken, BootTime, Claimant, PoolId, RequestId, SeatId, UnitKey};
use super::machine::{Alarm, Effect, Seats};
use super::pool::{Fit, Room};
use super::queue::Request;
use super::seat::{Binding, Brought, Hold, Refusal, Seat};

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
            self.serve_before(now, pool, self.wish(pool, &request));
            let wish = self.wish(pool, &request);
            match self.fit_with_room(now, pool, wish) {
                Ok(room)
                    if wish.count > 0 && self.is_held_up(now, pool, request.claimant.user()) =>
                {
                    self.take_back_moves(room.moves);
                    (refusal, is_weak) = (Refusal::Full, false);
                }
                Ok(room) if wish.own.is_none() && self.has_too_many(&request.claimant) => {
                    self.take_back_moves(room.moves);
                    (refusal, is_weak) = (Refusal::TooMany, false);
                }
                Ok(Room { fit, .. }) => {
                    let shares = self.is_waited_for(pool, request.key).then_some(pool);
                    self.grant(now, pool, request, fit);
                    // Whoever waits here by the policy alone now holds up nobody elsewhere any more.
                    self.stir(pool);
                    return self.serve_all(now, &shares);
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
        pools.iter().for_each(|it| self.stir(*it));
        // Who has come to wait is one user more.
        self.serve_all(now, &pools);
    }

    /// Of these pools something may have changed for others that rest on the same tokens.
    pub(super) fn serve_others(&mut self, now: BootTime, pools: &[PoolId]) {
        pools.iter().for_each(|it| self.stir(*it));
        self.serve_all(now, []);
    }

    /// Whether nobody has, or can be given, a seat of it.
    pub(super) fn is_empty(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|it| it.supply() == Some(0) && it.seats.is_empty())
    }

    /// The seat that the unit has, with as many places as are asked for. One that lingers has to be free as any other; and
    /// whoever comes to share one, or to need more of it, has to be somebody whom the policy lets have as many.
    fn held(&self, request: &Request) -> Option<SeatId> {
        let own = request.pools.iter().filter_map(|it| self.by_key.get(&(*it, request.key)));
        let shares = |it: &Seat| {
            let holds = it.bindings().iter().find(|it| request.bindings.contains(it));
            let has_all = holds.is_some_and(|by| it.need(it.holder(*by).owner()) >= request.count);
            let is_enough = !it.is_lingering() && it.count >= request.count;
            is_enough && (has_all || self.may_share(it, request))
        };
        own.copied().find(|it| self.seats.get(it).is_some_and(shares))
    }

    fn may_share(&self, seat: &Seat, Request { claimant, count, .. }: &Request) -> bool {
        self.pools.get(&seat.pool).is_some_and(|pool| {
            let is_let_in = pool.policy.admits(claimant);
            is_let_in && !self.shares_too_much(pool, seat, (claimant, *count))
        })
    }

    pub(super) fn has_too_many(&self, claimant: &Claimant) -> bool {
        self.seats.len() >= MOST_OF_ONE
            && self.seats.values().filter(|it| it.is_of(claimant.owner())).count() >= MOST_OF_ONE
    }

    /// The unit has a seat here. It gets the same one, and what it is bound to besides holds it too.
    fn take_again(&mut self, id: SeatId, request: &Request) {
        self.forget_old_connections(id);
        self.share_with(id, request);
        let brought = Brought::Bindings(self.bind(id, &request.bindings));
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true, brought });
    }

    fn wait_or_refuse(&mut self, now: BootTime, request: Request, refusal: Refusal) {
        match refusal.can_pass() {
            true => self.wait(now, request, refusal),
            false => self.refuse(request.id, refusal),
        }
    }

    /// A seat that lingered is held again.
    fn revive(&mut self, now: BootTime, id: SeatId, request: &Request, fit: Fit) {
        let number = self.next();
        let Some(seat) = self.seat_mut(id) else { return };
        (seat.hold, seat.over) = (Hold::Bound(Vec::new()), fit.over);
        (seat.count, seat.adopt, seat.grown) = (request.count, request.adopt, Some(number));
        (seat.claimant, seat.since) = (request.claimant.clone(), now);
        let (pool, weight) = (seat.pool, seat.weight());
        self.by_token.extend(request.adopt.map(|it| (it, id)));
        self.bind(id, &request.bindings);
        self.take_places(now, pool, weight);
        self.place(id, Some((now, request.id, request.claimant.user())));
        let brought = Brought::Seat;
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true, brought });
    }

    /// The unit has a seat here, which takes as many places as are asked for from now on.
    fn grow(&mut self, now: BootTime, id: SeatId, request: &Request, fit: Fit) {
        let number = self.next();
        let Some(seat) = self.seat_mut(id) else { return };
        let more = request.count.saturating_sub(seat.count);
        if more > 0 {
            seat.grown = Some(number);
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
        let own = (request.claimant, request.key);
        let seat = Seat {
            count: request.count,
            over: fit.over,
            adopt: request.adopt,
            ..Seat::new((self.next(), pool), own, now, Hold::Bound(Vec::new()))
        };
        let id = seat.id;
        self.enter(now, seat);
        self.place(id, Some((now, request.id, user)));
        self.bind(id, &request.bindings);
        let (request, brought) = (request.id, Brought::Seat);
        self.effects.push(Effect::Granted { request, seat: id, again: false, brought });
    }

    pub(super) fn next(&mut self) -> SeatId {
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

    /// These hold the seat too. Those of them that did not before.
    pub(super) fn bind(&mut self, id: SeatId, bindings: &[Binding]) -> Vec<Binding> {
        let Some(seat) = self.seats.get(&id) else { return Vec::new() };
        let (mut held, mut added) = (seat.bindings().to_vec(), Vec::new());
        for binding in bindings {
            self.suspects.remove(binding);
            if !held.contains(binding) {
                held.push(*binding);
                added.push(*binding);
                self.by_binding.entry(*binding).or_default().insert(id);
            }
        }
        if let Some(seat) = self.seat_mut(id) {
            seat.hold_by(held);
        }
        added
    }

    /// Another process of the same user takes a seat over. The token serves once.
    pub fn adopt(&mut self, now: BootTime, token: AdoptToken, request: &Request) {
        let found = self.by_token.get(&token).and_then(|it| self.seats.get(it));
        let Some(seat) = found.filter(|it| it.claimant.owner() == request.claimant.owner()) else {
            return self.refuse(request.id, Refusal::NotFound);
        };
        let (id, pool, old) = (seat.id, seat.pool, seat.key);
        let policy = self.pools.get(&pool).map(|it| &it.policy);
        if !policy.is_some_and(|it| it.admits(&request.claimant)) {
            return self.refuse(request.id, Refusal::Excluded);
        }
        let places = seat.need(request.claimant.owner());
        let too_much = |it| self.shares_too_much(it, seat, (&request.claimant, places));
        if self.pools.get(&pool).is_some_and(too_much) {
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
        // The session was not theirs to leave.
        let brought = Brought::Bindings(Vec::new());
        self.effects.push(Effect::Granted { request: request.id, seat: id, again: true, brought });
        self.settle(now, pool);
    }

    /// Refuses what was asked for, for a reason that is known without asking a pool.
    pub fn turn_down(&mut self, request: RequestId, refusal: Refusal) {
        self.refuse(request, refusal);
    }

    /// A number for a seat that is to come. No other seat gets it.
    pub fn reserve(&mut self) -> SeatId {
        self.next()
    }
}
