//! What a pool allows: its capacity, what the vendor allows beyond it, and what the policy keeps from whom.

use std::collections::{BTreeSet, VecDeque};

use super::PoolId;
use super::fleet::Quota;
use super::ids::{BootTime, Claimant, RequestId, SeatId};
use super::machine::Seats;
use super::moving::Moved;
use super::places::{Offer, TokenKey};
use super::policy::Policy;
use super::queue::Request;
use super::seat::{Refusal, Seat};
use super::shares::Turn;
use crate::domain::product::{Overage, SeatTerms};

/// Of a request for more places than this no others are made free by moves.
const MOST_MOVED: u32 = 8;

/// How many seats there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    Seats(u32),
    /// The tier names no number.
    Unlimited,
}

/// What was proven of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub supply: Supply,
    /// When that holds no more: the end of the evidence's grace, or of the licence.
    pub until: Option<BootTime>,
}

/// A pool's numbers, for people and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Whether anything was proven yet.
    pub known: bool,
    /// `None`: unlimited, or not known.
    pub capacity: Option<u64>,
    pub used: u64,
    /// Of those used, how many go beyond the capacity.
    pub over: u64,
    pub lingering: u64,
    pub borrowed: u64,
    /// To other machines.
    pub lent: u64,
    pub draining: u64,
    pub waiting: usize,
    /// Of the places of its tokens, those that other holders of this machine use.
    pub elsewhere: u64,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) terms: SeatTerms,
    pub(super) policy: Policy,
    /// `None`: not known yet. Nothing is given then, and nothing ends.
    pub(super) capacity: Option<Capacity>,
    /// While it is not known: when the seats of before a restart end.
    pub(super) unproven_until: Option<BootTime>,
    pub(super) seats: BTreeSet<SeatId>,
    pub(super) queue: VecDeque<RequestId>,
    /// The places taken: the sum of the seats' weights.
    pub(super) used: u64,
    pub(super) draining: usize,
    /// When more than the capacity came into use, where that is allowed for a time only.
    pub(super) surge_since: Option<BootTime>,
    /// Nothing beyond the capacity before then.
    pub(super) calm_until: BootTime,
    /// What the machine has of it, where a fleet of machines shares it.
    pub(super) quota: Option<Quota>,
    /// Of each token so many. `None`: they are not counted by token here.
    pub(super) places: Option<Offer>,
    /// Tokens of it that have free places.
    pub(super) open: BTreeSet<TokenKey>,
    /// Tokens of it that other pools rest on too, or did.
    pub(super) common: BTreeSet<TokenKey>,
    /// The places that its seats take of tokens, of those it has lost among them.
    pub(super) taken: u64,
    /// The same without those.
    pub(super) bound: u64,
}

impl Pool {
    pub(super) fn new(terms: SeatTerms, policy: Policy) -> Self {
        Self {
            terms,
            policy,
            capacity: None,
            unproven_until: None,
            seats: BTreeSet::new(),
            queue: VecDeque::new(),
            used: 0,
            draining: 0,
            surge_since: None,
            calm_until: BootTime(0),
            quota: None,
            places: None,
            open: BTreeSet::new(),
            common: BTreeSet::new(),
            taken: 0,
            bound: 0,
        }
    }

    /// When no seat of it is proven any more.
    pub(super) fn until(&self) -> Option<BootTime> {
        self.capacity.map_or(self.unproven_until, |it| it.until)
    }

    /// `None`: as many as anybody wants, or not known.
    pub(super) fn supply(&self) -> Option<u64> {
        match self.capacity?.supply {
            Supply::Seats(seats) => Some(u64::from(seats)),
            Supply::Unlimited => None,
        }
    }

    /// The capacity, and what may be used beyond it now.
    pub(super) fn limit(&self, now: BootTime) -> Option<u64> {
        let in_time = match self.terms.surge {
            None => true,
            Some(surge) => match self.surge_since {
                Some(since) => now < since.after(surge),
                None => now >= self.calm_until,
            },
        };
        if in_time { self.most() } else { self.supply() }
    }

    /// The same, whenever that may be.
    pub(super) fn most(&self) -> Option<u64> {
        let supply = self.supply()?;
        let extra = match self.terms.overage {
            // How much goes beyond is for all machines together, and none of them knows.
            _ if self.quota.is_some() || supply == 0 => 0,
            Overage::None => 0,
            Overage::Plus(more) => u64::from(more),
            Overage::Times { percent } => supply.saturating_mul(u64::from(percent)) / 100,
        };
        Some(supply.saturating_add(extra))
    }

    /// What may be used beyond the capacity now.
    fn extra(&self, now: BootTime) -> u64 {
        let limit = self.limit(now).unwrap_or(u64::MAX);
        limit.saturating_sub(self.supply().unwrap_or(u64::MAX))
    }

    /// Seats beyond so many end, whatever they lack.
    pub(super) fn kept(&self, now: BootTime) -> u64 {
        let kept = self.quota.and_then(|it| it.keeps).unwrap_or(u64::MAX);
        self.limit(now).unwrap_or(u64::MAX).min(kept).min(self.in_place(now))
    }

    /// Seats beyond so many lack a place, or have one of a token that the pool has lost.
    pub(super) fn in_place(&self, now: BootTime) -> u64 {
        match self.places {
            Some(_) => self.bound.saturating_add(self.extra(now)),
            None => u64::MAX,
        }
    }
}

/// What is asked of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) claimant: &'a Claimant,
    /// How many places more.
    pub(super) count: u32,
    /// With those that the seat has.
    pub(super) whole: u32,
    /// The seat that the unit has, and that is to grow.
    pub(super) own: Option<SeatId>,
    /// By which request; without one, nobody else's turn is minded.
    pub(super) turn: Option<RequestId>,
}

impl<'a> Wish<'a> {
    pub(super) fn turn(&self, now: BootTime) -> Turn {
        self.turn.map(|it| (now, it, self.claimant.user()))
    }
}

/// A request that policy and capacity let pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    over: bool,
    /// Places kept for others.
    pub(super) reserved: u64,
    /// Whether places are counted by token.
    pub(super) by_token: bool,
}

impl Passed {
    /// No place is taken that could be lacking.
    pub(super) fn unbounded() -> Self {
        Self { over: false, reserved: 0, by_token: false }
    }
}

/// A request fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    /// Beyond the capacity.
    pub(super) over: bool,
}

/// A request fits, by what other pools have taken instead of what they had.
pub(super) struct Room {
    pub(super) fit: Fit,
    /// To be taken back where nothing is given all the same.
    pub(super) moves: Vec<Moved>,
}

/// A request does not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortage {
    pub(super) refusal: Refusal,
    /// Places are lacking, so that those behind it in the queue have to wait too.
    pub(super) holds_up: bool,
}

impl Shortage {
    pub(super) fn of_policy(refusal: Refusal) -> Self {
        Self { refusal, holds_up: false }
    }
}

impl Seats {
    /// What a request lacks in a pool.
    pub(super) fn wish<'a>(&self, id: PoolId, request: &'a Request) -> Wish<'a> {
        let own = self.by_key.get(&(id, request.key)).and_then(|it| self.seats.get(it));
        let own = own.filter(|it| !it.is_lingering());
        Wish {
            claimant: &request.claimant,
            count: request.count.saturating_sub(own.map_or(0, |it| it.count)),
            whole: request.count,
            own: own.map(|it| it.id),
            turn: Some(request.id),
        }
    }

    /// Whether the pool has so many places for this one now.
    pub(super) fn fit(&self, now: BootTime, id: PoolId, wish: Wish<'_>) -> Result<Fit, Shortage> {
        let fit = self.fit_by_rules(now, id, wish)?;
        let quota = self.pools.get(&id).and_then(|it| it.quota);
        match quota.is_none_or(|it| u64::from(wish.count) <= it.spare) {
            true => Ok(fit),
            false => Err(Shortage { refusal: Refusal::Full, holds_up: true }),
        }
    }

    /// The same, once other pools have taken what they can have as well.
    pub(super) fn fit_with_room(
        &mut self,
        now: BootTime,
        id: PoolId,
        wish: Wish<'_>,
    ) -> Result<Room, Shortage> {
        let fit = self.fit(now, id, wish);
        let as_it_is = fit.map(|fit| Room { fit, moves: Vec::new() });
        // Only where places alone are lacking, and few: each takes a look at all that others have.
        let helps =
            wish.count <= MOST_MOVED && self.pass(now, id, wish).is_ok_and(|it| it.by_token);
        if !helps || !fit.is_err_and(|it| it.holds_up) {
            return as_it_is;
        }
        let Some(moves) = self.make_room(id, wish.count.into(), wish.turn(now)) else {
            return as_it_is;
        };
        match self.fit(now, id, wish) {
            Ok(fit) => Ok(Room { fit, moves }),
            Err(shortage) => {
                self.take_back_moves(moves);
                Err(shortage)
            }
        }
    }

    /// As [`Self::fit`], as if the machine had every place of a pool that it shares with others.
    pub(super) fn fit_by_rules(
        &self,
        now: BootTime,
        id: PoolId,
        wish: Wish<'_>,
    ) -> Result<Fit, Shortage> {
        let Passed { over, reserved, by_token } = self.pass(now, id, wish)?;
        let Some(pool) = self.pools.get(&id).filter(|_| by_token) else { return Ok(Fit { over }) };
        let count = u64::from(wish.count);
        let free = self.free_places(id, count + reserved, wish.turn(now));
        let extra = match pool.extra(now) {
            0 => 0,
            extra => {
                let own = pool.used.saturating_sub(pool.bound);
                extra.saturating_sub(own + self.over_elsewhere(id))
            }
        };
        if count > free + extra {
            let drains = self.is_being_drained(id);
            let refusal = if drains { Refusal::Draining } else { Refusal::Full };
            return Err(Shortage { refusal, holds_up: true });
        }
        if count + reserved > free + extra {
            return Err(Shortage::of_policy(Refusal::Full));
        }
        Ok(Fit { over: over || count > free })
    }

    /// Whether the policy and the capacity let a request pass. What is left to find out are places of tokens.
    pub(super) fn pass(
        &self,
        now: BootTime,
        id: PoolId,
        wish: Wish<'_>,
    ) -> Result<Passed, Shortage> {
        let Wish { claimant, count, .. } = wish;
        let pool = self.pools.get(&id).ok_or(Shortage::of_policy(Refusal::NoPool))?;
        if !pool.policy.admits(claimant) {
            return Err(Shortage::of_policy(Refusal::Excluded));
        }
        if pool.capacity.is_none() {
            return Err(Shortage { refusal: Refusal::NotKnown, holds_up: true });
        }
        if count == 0 {
            return self.pass_to_share(pool, wish);
        }
        if self.is_too_large(pool, wish) || self.grows_for_one_of_several(wish) {
            return Err(Shortage::of_policy(Refusal::TooLarge));
        }
        if pool.draining > 0 {
            return Err(Shortage { refusal: Refusal::Draining, holds_up: true });
        }
        if self.is_beyond_max(pool, wish) {
            return Err(Shortage::of_policy(Refusal::Full));
        }
        let by_token = pool.places.is_some();
        let Some(limit) = pool.limit(now) else { return Ok(Passed::unbounded()) };
        let wanted = pool.used + u64::from(count);
        if wanted > limit {
            return Err(Shortage { refusal: Refusal::Full, holds_up: true });
        }
        let reserved = self.reserved_for_others(pool, claimant);
        if wanted + reserved > limit {
            return Err(Shortage::of_policy(Refusal::Full));
        }
        let over = pool.supply().is_some_and(|it| wanted > it);
        Ok(Passed { over, reserved, by_token })
    }

    /// Whether a seat that several users share is to grow: what one of them wanted would end it for all, and stay when that
    /// one has gone.
    fn grows_for_one_of_several(&self, wish: Wish<'_>) -> bool {
        let own = wish.own.and_then(|it| self.seats.get(&it));
        let is_other = |it: &Claimant| it.owner() != wish.claimant.owner();
        own.is_some_and(|it| it.holders().into_iter().any(is_other))
    }

    pub(super) fn of<'a>(&'a self, pool: &'a Pool) -> impl DoubleEndedIterator<Item = &'a Seat> {
        pool.seats.iter().filter_map(|it| self.seats.get(it))
    }
}
