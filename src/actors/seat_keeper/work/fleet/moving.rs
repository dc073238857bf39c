//! Seats that go on in another place, because the pool has lost theirs and still has a free one.
//!
//! Places of what one account has of a token are numbered. When a part of it is sold the highest numbers are gone, whoever
//! is in them; the count tells who has to end, and not the number.

use actix::prelude::*;

use super::claims::{Claimed, random};
use crate::actors::seat_keeper::SeatKeeper;
use crate::fleet::engine::FleetError;
use entitled_core::fleet::{Slot, choose};
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
        let kept = holding.kept();
        let all = holding.held.len() as u64;
        // Of seats that have no place at all it is found out by the next look.
        if kept >= used || all < used {
            return;
        }
        let is_taken = |it: &Slot| member.is_taken(it);
        let chosen = choose(joined.machine, holding.attempt, &holding.offer, 1, is_taken);
        let (Some(slots), Some(claim)) = (chosen, random()) else { return };
        self.claim_slots(pool, (joined, slots, claim), context, Self::moved);
    }

    fn moved(&mut self, pool: PoolId, claimed: Claimed, unheard: Option<&FleetError>) {
        let now = self.now();
        let Some(member) = &mut self.member else { return };
        let Some(holding) = member.holdings.get_mut(&pool) else { return };
        match (claimed, unheard) {
            (Ok(Some(got)), _) => {
                holding.held.extend(got);
                holding.attempt = 0;
            }
            (Ok(None), None) => holding.attempt = holding.attempt.wrapping_add(1),
            (Ok(None), Some(error)) => member.cut_off(now, error),
            (Err(error), _) => member.cut_off(now, &error),
        }
    }
}
