//! All pools, seats and requests of the machine, and what follows from what happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ids::{AdoptToken, BootTime, PoolId, RequestId, SeatId, UnitKey};
use super::places::Offer;
use super::policy::Policy;
use super::pool::{Capacity, Pool, PoolFigures};
use super::queue::Request;
use super::seat::{Binding, Brought, EndReason, Hold, Refusal, Seat};
use super::shares::Shares;
use crate::domain::product::SeatTerms;

/// What SeatKeeper has to do or to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request has its seat; `again`, if the unit had it before.
    Granted {
        request: RequestId,
        seat: SeatId,
        again: bool,
        brought: Brought,
    },
    Refused {
        request: RequestId,
        refusal: Refusal,
    },
    /// The request waits, behind so many.
    Queued {
        request: RequestId,
        ahead: usize,
    },
    /// The pool has lost capacity, and the seat ends then.
    Warned {
        seat: SeatId,
        ends_at: BootTime,
    },
    /// It does not end after all.
    Reprieved {
        seat: SeatId,
    },
    Ended {
        seat: Box<Seat>,
        reason: EndReason,
    },
    /// One of several users has this part of it no more; the others go on.
    Left {
        seat: Box<Seat>,
        reason: EndReason,
    },
}

/// What comes due with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Request(RequestId),
    Seat(SeatId),
    Pool(PoolId),
    /// Of what held a seat before a restart nothing was heard.
    Suspect(Binding),
}

/// The state of all seats.
#[derive(Debug, Default)]
pub struct Seats {
    pub(super) pools: BTreeMap<PoolId, Pool>,
    pub(super) seats: BTreeMap<SeatId, Seat>,
    pub(super) requests: BTreeMap<RequestId, Request>,
    pub(super) by_key: HashMap<(PoolId, UnitKey), SeatId>,
    pub(super) by_binding: HashMap<Binding, BTreeSet<SeatId>>,
    pub(super) by_token: HashMap<AdoptToken, SeatId>,
    /// An alarm that its object has no use for any more is passed over when it comes due.
    pub(super) alarms: BTreeSet<(BootTime, Alarm)>,
    /// What held seats before a restart, and was not heard of since; until when that may last.
    pub(super) suspects: BTreeMap<Binding, BootTime>,
    /// Seats that may be others than when they were kept last.
    pub(super) changed: BTreeSet<SeatId>,
    pub(super) shares: Shares,
    pub(super) last: u64,
    pub(super) effects: Vec<Effect>,
}

impl Seats {
    /// Without pools. Seats are numbered from the one after `last`, the highest number that was ever given.
    pub fn new(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// What followed from all calls since this was asked last, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The seats that have begun, changed or ended since this was asked last.
    pub fn take_changed(&mut self) -> BTreeSet<SeatId> {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn seat_mut(&mut self, id: SeatId) -> Option<&mut Seat> {
        self.changed.insert(id);
        self.seats.get_mut(&id)
    }

    /// When [`Self::wake`] is to be called next.
    pub fn next_alarm(&self) -> Option<BootTime> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// The highest number given so far.
    pub fn last(&self) -> u64 {
        self.last
    }

    pub fn seat(&self, id: SeatId) -> Option<&Seat> {
        self.seats.get(&id)
    }

    /// Whether it holds a seat or waits for one.
    pub fn concerns(&self, binding: Binding) -> bool {
        self.by_binding.contains_key(&binding)
            || self.requests.values().any(|it| it.bindings.contains(&binding))
    }

    /// The oldest first.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values()
    }

    pub fn figures(&self, id: PoolId) -> Option<PoolFigures> {
        let pool = self.pools.get(&id)?;
        let mut figures = PoolFigures {
            known: pool.capacity.is_some(),
            capacity: pool.supply(),
            used: pool.used,
            waiting: pool.queue.len(),
            elsewhere: self.taken_elsewhere(id),
            ..PoolFigures::default()
        };
        figures.over = figures.capacity.map_or(0, |it| pool.used.saturating_sub(it));
        for seat in self.of(pool) {
            let count = u64::from(seat.count);
            match seat.hold {
                Hold::Lingering { .. } => figures.lingering += count,
                Hold::Borrowed { .. } => figures.borrowed += count,
                Hold::Lent { .. } => figures.lent += count,
                _ => {}
            }
            figures.draining += if seat.drains_at.is_some() { count } else { 0 };
        }
        Some(figures)
    }

    /// Begins a pool, without capacity, or changes the rules of one. Seats that were given stay.
    pub fn set_pool(&mut self, now: BootTime, id: PoolId, terms: SeatTerms, policy: Policy) {
        match self.pools.get_mut(&id) {
            None => drop(self.pools.insert(id, Pool::new(terms, policy))),
            Some(pool) => (pool.terms, pool.policy) = (terms, policy),
        }
        self.settle(now, id);
    }

    /// Forgets a pool in which nobody has a seat and nobody waits.
    pub fn remove_pool(&mut self, id: PoolId) {
        if self.pools.get(&id).is_some_and(|it| it.seats.is_empty() && it.queue.is_empty()) {
            self.set_places(id, None);
            self.pools.remove(&id);
        }
    }

    /// Tells what was proven. That something could not be found out is no reason to call this: what was proven before
    /// holds until it says itself.
    pub fn set_capacity(&mut self, now: BootTime, id: PoolId, capacity: Capacity) {
        self.set_supply(now, id, capacity, None);
    }

    /// The same, with the places of each token: what other pools of the machine have of it is not given here.
    pub fn set_supply(
        &mut self,
        now: BootTime,
        id: PoolId,
        capacity: Capacity,
        places: Option<Offer>,
    ) {
        let is_shared = self.is_shared(id);
        self.set_places(id, places.filter(|_| !is_shared));
        let Some(pool) = self.pools.get_mut(&id) else { return };
        pool.capacity = Some(capacity);
        pool.unproven_until = None;
        if let Some(until) = capacity.until {
            self.alarms.insert((until, Alarm::Pool(id)));
        }
        self.settle(now, id);
    }

    /// Does what has come due.
    pub fn wake(&mut self, now: BootTime) {
        while let Some((at, alarm)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, alarm));
            match alarm {
                Alarm::Request(id) => self.give_up(now, id),
                Alarm::Seat(id) => self.run_out(now, id),
                Alarm::Pool(id) => self.settle(now, id),
                Alarm::Suspect(binding) => self.give_up_on(now, binding),
            }
        }
    }

    pub(super) fn refuse(&mut self, request: RequestId, refusal: Refusal) {
        self.effects.push(Effect::Refused { request, refusal });
    }
}
