//! Seats that go on in another place, because the pool has lost theirs and still has a free one.
//!
//! Places of what one account has of a token are numbered. When a part of it is sold the highest numbers are gone, whoever
//! is in them; the count tells who has to end, and not the number.

use actix::prelude::*;

use super::turn::random;
use crate::actors::seat_keeper::SeatKeeper;
use crate::fleet::engine::FleetError;
use entitled_core::fleet::{Revision, Slot, choose};
use entitled_core::seats::{BootTime, PoolId};

impl SeatKeeper {
    /// Claims a place for a seat whose own the pool does not have any more. That one is surplus then, and handed back.
    pub(super) fn move_places(&mut self, now: BootTime, pool: PoolId, context: &mut Context<Self>) {
        let used = self.house.seats.used(pool);
        let Some(member) = &self.member else { return };
        let Some(holding) = member.holdings.get(&pool).filter(|it| !it.is_busy) else { return };
        let Some(joined) = member.joined.filter(|_| holding.is_proven() && member.is_in(now))
        else {
            return;
        };
        let kept = holding.held.keys().filter(|it| holding.offer.has(it)).count() as u64;
        let all = holding.held.len() as u64;
        // Of seats that have no place at all it is found out by the next look.
        if kept >= used || all < used {
            return;
        }
        let is_taken = |it: &Slot| member.is_taken(it);
        let chosen = choose(joined.machine, holding.attempt, &holding.offer, 1, is_taken);
        let (Some(slots), Some(claim)) = (chosen, random()) else { return };
        let engine = member.engine.clone();
        self.begin_move(pool, claim, &slots);
        let claiming = async move {
            match engine.claim(joined, slots.clone(), claim).await {
                // Somebody else was there: what was heard of them is behind.
                Ok(None) => match engine.list().await {
                    Ok(listing) => (Ok(None), slots, Some(listing)),
                    Err(error) => (Err(error), slots, None),
                },
                claimed => (claimed, slots, None),
            }
        };
        context.spawn(claiming.into_actor(self).map(
            move |(claimed, slots, listing), keeper, context| {
                keeper.moved((pool, claim), claimed, slots);
                if let Some(listing) = listing {
                    keeper.hear(listing, context);
                }
                keeper.settle(context);
            },
        ));
    }

    fn begin_move(&mut self, pool: PoolId, claim: u64, slots: &[Slot]) {
        let Some(member) = &mut self.member else { return };
        if let Some(holding) = member.holdings.get_mut(&pool) {
            holding.is_busy = true;
        }
        member.claims.insert(claim, slots.to_vec());
    }

    fn moved(
        &mut self,
        (pool, claim): (PoolId, u64),
        claimed: Result<Option<Revision>, FleetError>,
        slots: Vec<Slot>,
    ) {
        let now = self.now();
        self.wake(now);
        let Some(member) = &mut self.member else { return };
        member.claims.remove(&claim);
        let Some(holding) = member.holdings.get_mut(&pool) else { return };
        holding.is_busy = false;
        match claimed {
            Ok(Some(created)) => {
                holding.held.extend(slots.into_iter().map(|it| (it, created)));
                holding.attempt = 0;
            }
            Ok(None) => holding.attempt = holding.attempt.wrapping_add(1),
            Err(error) => member.cut_off(now, &error),
        }
    }
}
