//! A request for a seat, and the order in which those that wait are served.

use std::collections::{BTreeSet, VecDeque};

use super::fair_share::HeldUp;
use super::ids::{AdoptToken, BootTime, Claimant, Owner, PoolId, RequestId, UnitKey};
use super::machine::{Alarm, Effect, Seats};
use super::places::TokenKey;
use super::pool::{Room, Wish};
use super::seat::{Binding, Refusal};
use crate::domain::product::SeatUnit;

/// A question for a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    /// Those that serve whoever asks, the best first.
    pub pools: Vec<PoolId>,
    pub claimant: Claimant,
    pub key: UnitKey,
    /// What the seat is bound to; two for a session.
    pub bindings: Vec<Binding>,
    /// For a session: what another process takes it over with.
    pub adopt: Option<AdoptToken>,
    /// How many places it takes; 1 or more.
    pub count: u32,
    /// Until when it waits; `None`, not at all.
    pub wait_until: Option<BootTime>,
}

/// Waiting requests in all, and of one user.
const MOST_WAITING: usize = 4_096;
const MOST_WAITING_OF_ONE: usize = 64;

impl Seats {
    pub(super) fn wait(&mut self, now: BootTime, request: Request, refusal: Refusal) {
        let Some(until) = request.wait_until.filter(|it| *it > now) else {
            return self.refuse(request.id, refusal);
        };
        let owner = request.claimant.owner();
        let own = self.requests.values().filter(|it| it.claimant.owner() == owner).count();
        if self.requests.len() >= MOST_WAITING || own >= MOST_WAITING_OF_ONE {
            return self.refuse(request.id, Refusal::TooMany);
        }
        let mut ahead = usize::MAX;
        for pool in &request.pools {
            if let Some(pool) = self.pools.get_mut(pool) {
                ahead = ahead.min(pool.queue.len());
                pool.queue.push_back(request.id);
            }
        }
        self.alarms.insert((until, Alarm::Request(request.id)));
        self.effects.push(Effect::Queued { request: request.id, ahead });
        self.requests.insert(request.id, request);
    }

    /// The time to wait is over.
    pub(super) fn give_up(&mut self, now: BootTime, id: RequestId) {
        let due = self.requests.get(&id).is_some_and(|it| it.wait_until <= Some(now));
        if let Some(request) = due.then(|| self.leave(id)).flatten() {
            self.refuse(id, Refusal::Full);
            self.serve_all(now, &request.pools);
        }
    }

    pub(super) fn leave(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        for pool in &request.pools {
            if let Some(pool) = self.pools.get_mut(pool) {
                pool.queue.retain(|it| *it != id);
            }
        }
        request.pools.iter().for_each(|it| self.stir(*it));
        Some(request)
    }

    /// Gives what is free to those that wait. Whoever gets a seat may have held up somebody in another pool, which is
    /// served then too: one after the other, since thousands may wait in the same two. So is who lacks a token of which
    /// places have become free in another pool.
    pub(super) fn serve_all<'a>(
        &mut self,
        now: BootTime,
        pools: impl IntoIterator<Item = &'a PoolId>,
    ) {
        let mut open: VecDeque<PoolId> = pools.into_iter().copied().collect();
        loop {
            for other in self.take_stirred() {
                self.mend(now, other);
                if !open.contains(&other) {
                    open.push_back(other);
                }
            }
            let Some(id) = open.pop_front() else { return };
            for other in self.serve(now, id, None) {
                if !open.contains(&other) {
                    open.push_back(other);
                }
            }
        }
    }

    /// Whether somebody waits for a seat of this unit.
    pub(super) fn is_waited_for(&self, id: PoolId, key: UnitKey) -> bool {
        let waiting = self.pools.get(&id).into_iter().flat_map(|it| &it.queue);
        waiting.filter_map(|it| self.requests.get(it)).any(|it| it.key == key)
    }

    /// Who waits for more than is free holds up those behind, up to a [fair share](super::fair_share), unless the policy says
    /// `express`; who is kept waiting by the policy alone holds up nobody, and nobody is held up who takes no more places, of a
    /// seat that the unit has. `newcomer` is counted besides those that have a seat or wait. The pools in which others may be
    /// served now that those were.
    fn serve(&mut self, now: BootTime, id: PoolId, newcomer: Option<Owner>) -> BTreeSet<PoolId> {
        let mut others = BTreeSet::new();
        let Some(pool) = self.pools.get(&id) else { return others };
        let (waiting, unit) = (pool.queue.clone(), pool.terms.unit);
        let mut held_up = HeldUp::default();
        for request in waiting {
            // The seat of a process is nobody else's to share.
            if held_up.is_all() && unit == SeatUnit::Process {
                break;
            }
            let Some(request) = self.requests.get(&request) else { continue };
            if held_up.has(request.claimant.user()) && self.wish(id, request).count > 0 {
                continue;
            }
            let request = request.clone();
            let wish = self.wish(id, &request);
            match self.fit_with_room(now, id, wish) {
                Ok(Room { fit, .. }) => {
                    held_up.note_granted(request.claimant.user(), wish.count);
                    let Some(request) = self.leave(request.id) else { continue };
                    others.extend(request.pools.iter().filter(|it| **it != id));
                    // Whoever was passed over may share it.
                    others.extend(self.is_waited_for(id, request.key).then_some(id));
                    self.grant(now, id, request, fit);
                }
                Err(shortage) if shortage.holds_up && !self.is_express(id) => {
                    held_up.add(self, now, (id, wish), newcomer);
                }
                Err(_) => {}
            }
        }
        others
    }

    /// One user more makes the fair share of a pool smaller, and what is not kept any more is theirs who waited for it before.
    pub(super) fn serve_before(&mut self, now: BootTime, id: PoolId, wish: Wish<'_>) {
        if self.pools.get(&id).is_none_or(|it| it.queue.is_empty()) {
            return;
        }
        let newcomer = wish.claimant.user();
        let Ok(room) = self.fit_with_room(now, id, wish) else { return };
        self.take_back_moves(room.moves);
        if !self.is_held_up(now, id, newcomer) {
            let others = self.serve(now, id, Some(newcomer));
            self.serve_all(now, &others);
        }
    }

    pub(super) fn is_express(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|it| it.policy.express)
    }

    /// Whether somebody waits in the pool whom a newcomer must not overtake.
    pub(super) fn is_held_up(&self, now: BootTime, id: PoolId, newcomer: Owner) -> bool {
        let Some(pool) = self.pools.get(&id).filter(|it| !it.policy.express) else { return false };
        let mut held_up = HeldUp::default();
        for request in pool.queue.iter().filter_map(|it| self.requests.get(it)) {
            let wish = self.wish(id, request);
            if self.fit(now, id, wish).is_err_and(|it| it.holds_up) {
                held_up.add(self, now, (id, wish), Some(newcomer));
            }
            if held_up.has(newcomer) {
                return true;
            }
        }
        false
    }

    /// What the pool lacks may have changed: those who came after its own in other pools may be served, or those in its own.
    pub(super) fn stir(&mut self, id: PoolId) {
        if !self.requests.is_empty()
            && let Some(pool) = self.pools.get(&id)
        {
            self.shares.freed.extend(&pool.common);
        }
    }

    /// The pools in which somebody lacks what has become free, or may have become so by what others move to.
    fn take_stirred(&mut self) -> Vec<PoolId> {
        let mut keys: Vec<TokenKey> = std::mem::take(&mut self.shares.freed).into_iter().collect();
        let mut seen: BTreeSet<TokenKey> = keys.iter().copied().collect();
        let mut pools = BTreeSet::new();
        while let Some(key) = keys.pop() {
            for id in self.shares.pools_on(&key) {
                let is_new = pools.insert(id) && !self.requests.is_empty();
                let others = self.pools.get(&id).filter(|_| is_new).map(|it| &it.common);
                keys.extend(others.into_iter().flatten().filter(|it| seen.insert(**it)));
            }
        }
        let lacks = |it: &PoolId| {
            let pool = self.pools.get(it);
            pool.is_some_and(|it| !it.queue.is_empty() || it.used > it.bound || it.draining > 0)
        };
        pools.into_iter().filter(lacks).collect()
    }
}
