//! Claims of places: one of a pool at a time, and what was heard beside its answer.

use actix::prelude::*;

use super::Member;
use crate::actors::seat_keeper::SeatKeeper;
use crate::fleet::engine::{FleetError, Places};
use crate::keys::fill_random;
use entitled_core::fleet::{Joined, Listing, Slot};
use entitled_core::seats::PoolId;

/// How a claim of places went; `None` if somebody else was there.
pub(super) type Claimed = Result<Option<Places>, FleetError>;

impl Member {
    /// These places are under way to us. Until that is over the pool claims no others.
    pub(super) fn begin_claim(&mut self, pool: PoolId, claim: u64, slots: &[Slot]) {
        if let Some(holding) = self.holdings.get_mut(&pool) {
            holding.is_busy = true;
        }
        self.claims.insert(claim, slots.to_vec());
    }

    /// It is over, whatever came of it.
    pub(super) fn end_claim(&mut self, pool: PoolId, claim: u64) {
        self.claims.remove(&claim);
        if let Some(holding) = self.holdings.get_mut(&pool) {
            holding.is_busy = false;
        }
    }
}

impl SeatKeeper {
    /// Claims these places. `done` is told how that went, and, where somebody else was there, how everything is: what was
    /// heard of them is behind.
    pub(super) fn claim_slots(
        &mut self,
        pool: PoolId,
        (joined, slots, claim): (Joined, Vec<Slot>, u64),
        context: &mut Context<Self>,
        done: fn(&mut Self, PoolId, Claimed, Option<&FleetError>),
    ) {
        let Some(member) = &mut self.member else { return };
        member.begin_claim(pool, claim, &slots);
        let engine = member.engine.clone();
        let claiming = async move {
            let claimed: Claimed = engine.claim(joined, slots, claim).await;
            let listing = match &claimed {
                Ok(None) => Some(engine.list().await),
                _ => None,
            };
            (claimed, listing)
        };
        context.spawn(claiming.into_actor(self).map(move |(claimed, listing), keeper, context| {
            let (listing, unheard): (Option<Listing>, Option<FleetError>) = match listing {
                Some(Ok(listing)) => (Some(listing), None),
                Some(Err(error)) => (None, Some(error)),
                None => (None, None),
            };
            let now = keeper.now();
            keeper.wake(now);
            if let Some(member) = &mut keeper.member {
                member.end_claim(pool, claim);
            }
            done(keeper, pool, claimed, unheard.as_ref());
            if let Some(listing) = listing {
                keeper.hear(listing, context);
            }
            keeper.settle(context);
        }));
    }
}

/// By which a claim is known. `None`: the operating system gave no randomness.
pub(super) fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes))
}
