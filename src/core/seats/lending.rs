//! How a seat is lent: taken out of its pool for a time, for whoever is not there to be watched.

use std::time::Duration;

use super::ids::{BootTime, Claimant, PoolId, RequestId, SeatId, UnitKey};
use super::machine::{Alarm, Effect, Seats};
use super::pool::{Fit, Room, Wish};
use super::seat::{Brought, Hold, Refusal, Seat};

impl Seats {
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

    fn lend(
        &mut self,
        now: BootTime,
        (request, claimant): (RequestId, Claimant),
        (pools, time): (&[PoolId], Duration),
        (id, hold): (SeatId, Hold),
    ) {
        let mut refusal = Refusal::NoPool;
        for pool in pools {
            let (own, turn) = (None, Some(request));
            let wish = Wish { claimant: &claimant, count: 1, whole: 1, own, turn };
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
        self.serve_before(now, id, wish);
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
        let seat = Seat::new((id, pool), (claimant, UnitKey::Borrowed(id)), now, hold);
        self.alarms.extend(seat.ends_by_itself().map(|until| (until, Alarm::Seat(id))));
        self.enter(now, seat);
        self.place(id, Some((now, request, user)));
        let brought = Brought::Seat;
        self.effects.push(Effect::Granted { request, seat: id, again: false, brought });
        self.serve_others(now, &[pool]);
    }
}
