//! A pool that several machines share: this one gives what it has claimed, and no more.
//!
//! A **place** is claimed from the fleet, serves for one seat and is handed back, so that its fence is the seat's own.
//! Whoever claims is SeatKeeper: here it is only counted.

use super::fair_share::HeldUp;
use super::ids::{BootTime, PoolId, RequestId, SeatId};
use super::machine::Seats;
use super::seat::{EndReason, Refusal, Seat};

/// What the machine has of a shared pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quota {
    /// Places that were claimed, and that no seat has yet.
    pub(super) spare: u64,
    /// Seats beyond so many have lost their place by a loss of capacity, and are drained. `None`: it cannot be said.
    pub(super) keeps: Option<u64>,
}

impl Seats {
    /// From now on the pool gives only what [`Self::give`] brings.
    pub fn share(&mut self, id: PoolId) {
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.quota.get_or_insert_default();
        }
        // The store counts them by token.
        self.set_places(id, None);
    }

    /// Whether other machines give seats of the pool too.
    pub fn is_shared(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|it| it.quota.is_some())
    }

    /// The pool is the machine's own: as many as anybody wants.
    pub fn share_no_more(&mut self, now: BootTime, id: PoolId) {
        if self.pools.get_mut(&id).and_then(|it| it.quota.take()).is_some() {
            self.settle(now, id);
        }
    }

    /// So many places were claimed. Whoever waits for them gets them.
    pub fn give(&mut self, now: BootTime, id: PoolId, places: u64) {
        let Some(quota) = self.pools.get_mut(&id).and_then(|it| it.quota.as_mut()) else { return };
        quota.spare += places;
        self.settle(now, id);
    }

    /// Takes back the places that no seat has.
    pub fn take_spare(&mut self, id: PoolId) -> u64 {
        let quota = self.pools.get_mut(&id).and_then(|it| it.quota.as_mut());
        quota.map_or(0, |it| std::mem::take(&mut it.spare))
    }

    /// Says how many seats have a place that their pool still has. `None`: that is not known, and takes none away.
    pub fn keep(&mut self, now: BootTime, id: PoolId, seats: Option<u64>) {
        let Some(quota) = self.pools.get_mut(&id).and_then(|it| it.quota.as_mut()) else { return };
        if quota.keeps != seats {
            quota.keeps = seats;
            self.settle(now, id);
        }
    }

    /// The machine has lost places of the fleet: seats end at once, the newest first, until no more than `keep` are left.
    pub fn lose(&mut self, now: BootTime, id: PoolId, keep: u64, reason: EndReason) {
        while let Some(seat) = self.newest_beyond(id, keep) {
            self.let_go(seat);
            self.remove(seat, reason);
        }
        self.settle(now, id);
    }

    fn newest_beyond(&self, id: PoolId, keep: u64) -> Option<SeatId> {
        let pool = self.pools.get(&id).filter(|it| it.used > keep)?;
        let is_here = |it: &&Seat| !it.is_lingering() && it.lent_until().is_none();
        self.of(pool).filter(is_here).max_by_key(|it| it.order()).map(|it| it.id)
    }

    /// How many places are to be claimed for whoever is next, those that are spare among them; none if nobody would
    /// get them. No more than `free` are to be had.
    pub fn wants(&self, now: BootTime, id: PoolId, free: u32) -> u32 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let mut held_up = HeldUp::default();
        for request in pool.queue.iter().filter_map(|it| self.requests.get(it)) {
            if held_up.has(request.claimant.user()) {
                continue;
            }
            let wish = self.wish(id, request);
            let holds_up = match self.fit_by_rules(now, id, wish) {
                Ok(_) if wish.count <= free => return wish.count,
                Ok(_) => true,
                Err(shortage) => shortage.holds_up,
            };
            if holds_up && !self.is_express(id) {
                held_up.add(self, now, (id, wish), None);
            }
        }
        0
    }

    /// Places in use.
    pub fn used(&self, id: PoolId) -> u64 {
        self.pools.get(&id).map_or(0, |it| it.used)
    }

    /// Refuses a request that waits; without effect if it waits no more.
    pub fn decline(&mut self, now: BootTime, request: RequestId, refusal: Refusal) {
        if let Some(left) = self.leave(request) {
            self.refuse(request, refusal);
            self.serve_all(now, &left.pools);
        }
    }
}
