//! What a pool allows: its capacity, what the vendor allows beyond it, and what the policy keeps from whom.

use std::collections::{BTreeSet, VecDeque};

use super::PoolId;
use super::fleet::Quota;
use super::ids::{BootTime, Claimant, RequestId, SeatId};
use super::machine::Seats;
use super::policy::{Policy, Who};
use super::seat::{Refusal, Seat};
use crate::domain::product::{Overage, SeatTerms};

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
        let supply = self.supply()?;
        let SeatTerms { overage, surge, .. } = self.terms;
        let in_time = match surge {
            None => true,
            Some(surge) => match self.surge_since {
                Some(since) => now < since.after(surge),
                None => now >= self.calm_until,
            },
        };
        let extra = match overage {
            // How much goes beyond is for all machines together, and none of them knows.
            _ if self.quota.is_some() || !in_time || supply == 0 => 0,
            Overage::None => 0,
            Overage::Plus(more) => u64::from(more),
            Overage::Times { percent } => supply.saturating_mul(u64::from(percent)) / 100,
        };
        Some(supply.saturating_add(extra))
    }
}

/// A request fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    /// Beyond the capacity.
    pub(super) over: bool,
}

/// A request does not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortage {
    pub(super) refusal: Refusal,
    /// Places are lacking, so that those behind it in the queue have to wait too.
    pub(super) holds_up: bool,
}

impl Shortage {
    fn of_policy(refusal: Refusal) -> Self {
        Self { refusal, holds_up: false }
    }
}

impl Seats {
    /// Whether the pool has so many places for this one now.
    pub(super) fn fit(
        &self,
        now: BootTime,
        id: PoolId,
        claimant: &Claimant,
        count: u32,
    ) -> Result<Fit, Shortage> {
        let fit = self.fit_by_rules(now, id, claimant, count)?;
        let quota = self.pools.get(&id).and_then(|it| it.quota);
        match quota.is_none_or(|it| u64::from(count) <= it.spare) {
            true => Ok(fit),
            false => Err(Shortage { refusal: Refusal::Full, holds_up: true }),
        }
    }

    /// The same, as if the machine had every place of a pool that it shares with others.
    pub(super) fn fit_by_rules(
        &self,
        now: BootTime,
        id: PoolId,
        claimant: &Claimant,
        count: u32,
    ) -> Result<Fit, Shortage> {
        let pool = self.pools.get(&id).ok_or(Shortage::of_policy(Refusal::NoPool))?;
        if !pool.policy.admits(claimant) {
            return Err(Shortage::of_policy(Refusal::Excluded));
        }
        if pool.capacity.is_none() {
            return Err(Shortage { refusal: Refusal::NotKnown, holds_up: true });
        }
        if pool.draining > 0 {
            return Err(Shortage { refusal: Refusal::Draining, holds_up: true });
        }
        let count = u64::from(count);
        let beyond = |(who, most): &(Who, u32)| {
            who.is(claimant) && self.used_by(pool, who) + count > u64::from(*most)
        };
        if pool.policy.max.iter().any(beyond) {
            return Err(Shortage::of_policy(Refusal::Full));
        }
        let Some(limit) = pool.limit(now) else { return Ok(Fit { over: false }) };
        let wanted = pool.used + count;
        if wanted > limit {
            return Err(Shortage { refusal: Refusal::Full, holds_up: true });
        }
        if wanted + self.reserved_for_others(pool, claimant) > limit {
            return Err(Shortage::of_policy(Refusal::Full));
        }
        Ok(Fit { over: pool.supply().is_some_and(|it| wanted > it) })
    }

    pub(super) fn used_by(&self, pool: &Pool, who: &Who) -> u64 {
        self.of(pool).filter(|it| who.is(&it.claimant)).map(Seat::weight).sum()
    }

    /// Places kept for others, and not in use by them.
    fn reserved_for_others(&self, pool: &Pool, claimant: &Claimant) -> u64 {
        let unused =
            |(who, kept): &(Who, u32)| u64::from(*kept).saturating_sub(self.used_by(pool, who));
        pool.policy.reserve.iter().filter(|(who, _)| !who.is(claimant)).map(unused).sum()
    }

    pub(super) fn of<'a>(&'a self, pool: &'a Pool) -> impl DoubleEndedIterator<Item = &'a Seat> {
        pool.seats.iter().filter_map(|it| self.seats.get(it))
    }
}
