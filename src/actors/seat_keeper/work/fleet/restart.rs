//! What a machine keeps of its fleet over a restart of its daemon.
//!
//! Places stay in the store under the machine's lease, and seats in the file of the daemon. Which place a seat had is not
//! written down: places are counted. A seat goes on while the machine has as many places as it has seats, and until the
//! deadline of before the restart, or a later one.

use actix::prelude::*;

use crate::actors::seat_keeper::SeatKeeper;
use entitled_core::fleet::{Revision, Slot};
use entitled_core::seats::{BootTime, EndReason, PoolId};

impl SeatKeeper {
    /// A pool has seats of before the start, whether or not it is proven yet what it has.
    pub(in crate::actors::seat_keeper) fn note_kept(&mut self, pool: PoolId) {
        if let Some(member) = self.member.as_mut().filter(|_| self.house.seats.is_shared(pool)) {
            member.holdings.entry(pool).or_default();
        }
    }

    /// Gives places that are ours to pools that have more seats than places.
    pub(super) fn place_strays(&mut self) {
        let Some(member) = &mut self.member else { return };
        let seats = &self.house.seats;
        for (slot, created) in std::mem::take(&mut member.strays) {
            let is_held = member.holdings.values().any(|it| it.held.contains_key(&slot));
            if is_held || member.is_under_way(&slot) {
                continue;
            }
            let lacks = member.holdings.iter_mut().find(|(pool, it)| {
                let has_too_few = seats.used(**pool) > it.held.len() as u64;
                has_too_few && seats.is_shared(**pool) && it.offer.has(&slot)
            });
            match lacks {
                Some((_, holding)) => drop(holding.held.insert(slot, created)),
                None => drop(member.strays.insert(slot, created)),
            }
        }
    }

    /// How many places are those of seats of which it is not known yet what their pools have.
    fn awaited(&self) -> u64 {
        let Some(member) = &self.member else { return 0 };
        let seats = &self.house.seats;
        let unproven = member.holdings.iter().filter(|(_, it)| !it.is_proven());
        let used = unproven.map(|(pool, _)| *pool).filter(|it| seats.is_shared(*it));
        self.house.kept.places() + used.map(|it| seats.used(it)).sum::<u64>()
    }

    /// With fewer places than such seats it cannot be said which of them have lost theirs. All end.
    pub(super) fn judge_kept(&mut self) {
        let (now, awaited) = (self.now(), self.awaited());
        let Some(member) = &self.member else { return };
        if member.strays.len() as u64 >= awaited {
            return;
        }
        let unproven = member.holdings.iter().filter(|(_, it)| !it.is_proven());
        let shared = unproven.map(|(pool, _)| *pool).filter(|it| self.house.seats.is_shared(*it));
        for pool in shared.collect::<Vec<PoolId>>() {
            self.house.seats.lose(now, pool, 0, EndReason::Superseded);
        }
        self.house.kept.lose_places(EndReason::Superseded);
    }

    /// Hands back the places that nobody waits for any more.
    pub(super) fn return_strays(&mut self, now: BootTime, context: &mut Context<Self>) {
        let is_awaited = self.awaited() > 0;
        let Some(member) = self.member.as_mut().filter(|it| !is_awaited && it.is_in(now)) else {
            return;
        };
        let strays: Vec<(Slot, Revision)> =
            std::mem::take(&mut member.strays).into_iter().collect();
        self.return_places(strays, context);
    }
}
