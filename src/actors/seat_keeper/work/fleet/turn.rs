//! What follows from what has happened, for the places of this machine: which are claimed, given, handed back and lost.

use actix::prelude::*;
use tokio::sync::mpsc;

use super::claims::{Claimed, random};
use super::{Holding, Standing};
use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::seat_keeper::work::watching::Task;
use crate::fleet::engine::{Change, FleetError, PART, Places};
use entitled_core::fleet::{Listing, MOST_PLACES, Revision, Slot, choose, count_free};
use entitled_core::seats::{BootTime, EndReason, PoolId, Refusal, RequestId};

/// Claims in a row that find somebody else there, before it counts as full.
const MOST_ATTEMPTS: u32 = 16;
const CHANGES_AT_ONCE: usize = 256;

/// Another machine, or this one, has done something.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(in crate::actors::seat_keeper) struct FleetChanged(Change);

impl SeatKeeper {
    /// Does what has come due. What cannot be certain any more ends before anything is answered.
    pub(in crate::actors::seat_keeper) fn wake(&mut self, now: BootTime) {
        if self.member.as_ref().is_some_and(|it| now >= it.deadline) {
            for pool in self.shared_pools() {
                if self.house.seats.used(pool) > 0 {
                    tracing::warn!(
                        event = "fleet_lost",
                        "the deadline of the fleet is past: its seats end"
                    );
                }
                self.house.seats.take_spare(pool);
                self.house.seats.lose(now, pool, 0, EndReason::FleetLost);
            }
            self.house.kept.lose_places(EndReason::FleetLost);
        }
        self.end_borrowed(now);
        self.house.seats.wake(now);
    }

    /// When something comes due by itself.
    pub(in crate::actors::seat_keeper) fn fleet_alarm(&self) -> Option<BootTime> {
        let member = self.member.as_ref()?;
        let upkeep = (!member.is_kept_up).then_some(member.next_upkeep);
        let holds = self.house.kept.places() > 0
            || self.shared_pools().into_iter().any(|it| self.house.seats.used(it) > 0);
        let deadline = holds.then_some(member.deadline);
        upkeep.into_iter().chain(deadline).min()
    }

    /// One turn of the fleet, after everything else.
    pub(in crate::actors::seat_keeper) fn turn_fleet(
        &mut self,
        now: BootTime,
        context: &mut Context<Self>,
    ) {
        let Some(member) = &mut self.member else { return };
        let house = &self.house;
        member
            .holdings
            .retain(|pool, it| house.pools.contains_key(pool) || it.is_busy || !it.held.is_empty());
        let is_due = !member.is_kept_up && now >= member.next_upkeep;
        let pools: Vec<PoolId> = member.holdings.keys().copied().collect();
        if is_due {
            self.keep_up(context);
        }
        for pool in pools {
            self.move_places(now, pool, context);
            self.weigh(now, pool);
            self.claim_places(now, pool, context);
            self.hand_back(now, pool, context);
        }
        self.return_strays(now, context);
        self.tell();
    }

    /// Seats whose places the pool does not have any more are drained.
    fn weigh(&mut self, now: BootTime, pool: PoolId) {
        let Some(member) = &self.member else { return };
        let Some(holding) = member.holdings.get(&pool) else { return };
        // Of those that have no place it is found out by the next look.
        let has_places = holding.held.len() as u64 >= self.house.seats.used(pool);
        let is_settled = member.is_in(now) && !holding.is_busy && holding.is_proven() && has_places;
        let kept = holding.kept();
        self.house.seats.keep(now, pool, is_settled.then_some(kept));
    }

    /// Claims places for whoever is next.
    fn claim_places(&mut self, now: BootTime, pool: PoolId, context: &mut Context<Self>) {
        let wanted = self.house.seats.wants(now, pool, u32::MAX);
        let Some(member) = &mut self.member else { return };
        if member.holdings.get(&pool).is_some_and(|it| !it.is_proven()) {
            return;
        }
        let may_give = member.may_give(now);
        if wanted == 0 || !may_give {
            let why = if may_give { Refusal::Full } else { Refusal::FleetUnreachable };
            return self.decline(now, pool, why);
        }
        let Some(holding) = member.holdings.get(&pool).filter(|it| !it.is_busy) else { return };
        let Some(joined) = member.joined else { return };
        let is_taken = |it: &Slot| member.is_taken(it);
        let room = u32::try_from(MOST_PLACES.saturating_sub(member.taken.len())).unwrap_or(0);
        let slots = |count| {
            let fits = Some(count).filter(|it| *it <= room)?;
            choose(joined.machine, holding.attempt, &holding.offer, fits, is_taken)
        };
        let chosen = (holding.attempt < MOST_ATTEMPTS).then(|| {
            // Who is next may want more than there are, and somebody behind it no more than that.
            let for_others = || {
                let free = count_free(&holding.offer, wanted.min(room), is_taken);
                slots(self.house.seats.wants(now, pool, free))
            };
            slots(wanted).or_else(for_others)
        });
        let chosen = chosen.flatten();
        let own = holding.held.len() as u64 > self.house.seats.used(pool);
        if chosen.is_none() && (own || member.releasing.iter().any(|it| holding.offer.has(it))) {
            // What ended here is on its way back, and then it is free.
            return;
        }
        let (Some(slots), Some(claim)) = (chosen, random()) else {
            if let Some(holding) = member.holdings.get_mut(&pool) {
                holding.attempt = 0;
            }
            return self.decline(now, pool, Refusal::Full);
        };
        self.claim_slots(pool, (joined, slots, claim), context, Self::places_claimed);
    }

    /// That nothing could be heard beside is found out by the next look.
    fn places_claimed(&mut self, pool: PoolId, claimed: Claimed, _: Option<&FleetError>) {
        let now = self.now();
        let Some(member) = &mut self.member else { return };
        let is_in = member.is_in(now);
        let Some(holding) = member.holdings.get_mut(&pool) else { return };
        match claimed {
            Ok(Some(got)) => {
                let places = got.len() as u64;
                holding.take(got);
                holding.attempt = 0;
                if is_in {
                    self.house.seats.keep(now, pool, None);
                    self.house.seats.give(now, pool, places);
                    self.tell();
                }
                // Whoever wanted them may be gone; then they are handed back.
                self.house.seats.take_spare(pool);
            }
            Ok(None) => holding.attempt += 1,
            Err(error) => {
                // Whether they are ours now is found out by the next look.
                tracing::warn!(%error, "a place of the fleet could not be claimed");
                member.cut_off(now, &error);
                self.decline(now, pool, Refusal::FleetUnreachable);
            }
        }
    }

    /// Refuses those who wait only to learn whether there is a place.
    fn decline(&mut self, now: BootTime, pool: PoolId, refusal: Refusal) {
        let mut over: Vec<RequestId> = Vec::new();
        for (id, asked) in &mut self.asked {
            asked.patience.trying.retain(|it| *it != pool);
            let is_patient = asked.patience.until.is_some_and(|it| it > now);
            let concerns = asked.pools.contains(&pool);
            if concerns && asked.patience.trying.is_empty() && !is_patient {
                over.push(*id);
            }
        }
        over.into_iter().for_each(|it| self.house.seats.decline(now, it, refusal));
    }

    /// Hands back the places that no seat has, first those that the pool does not have any more.
    fn hand_back(&mut self, now: BootTime, pool: PoolId, context: &mut Context<Self>) {
        let used = self.house.seats.used(pool);
        let Some(member) = &mut self.member else { return };
        if !member.is_in(now) {
            return;
        }
        let Some(holding) = member.holdings.get_mut(&pool).filter(|it| !it.is_busy) else { return };
        let surplus = (holding.held.len() as u64).saturating_sub(used);
        let Some(surplus) = usize::try_from(surplus).ok().filter(|it| *it > 0) else { return };
        let Holding { offer, held, .. } = holding;
        let mut slots: Vec<Slot> = held.keys().copied().collect();
        slots.sort_by_key(|it| (offer.has(it), std::cmp::Reverse(it.number)));
        let given: Vec<(Slot, Revision)> =
            slots.iter().take(surplus).filter_map(|it| held.remove_entry(it)).collect();
        self.return_places(given, context);
    }

    pub(super) fn return_places(&mut self, slots: Places, context: &mut Context<Self>) {
        let Some(member) = self.member.as_mut().filter(|_| !slots.is_empty()) else { return };
        member.releasing.extend(slots.iter().map(|(slot, _)| *slot));
        let engine = member.engine.clone();
        let releasing = async move { (engine.release(slots.clone()).await, slots) };
        context.spawn(releasing.into_actor(self).map(|(done, slots), keeper, context| {
            let now = keeper.now();
            let Some(member) = &mut keeper.member else { return };
            for (slot, created) in slots {
                member.releasing.remove(&slot);
                if done.is_ok() && member.taken.get(&slot).is_some_and(|it| it.created <= created) {
                    member.taken.remove(&slot);
                }
            }
            if let Err(error) = done {
                tracing::warn!(%error, "places of the fleet could not be handed back yet");
                member.cut_off(now, &error);
            }
            keeper.settle(context);
        }));
    }

    /// Takes up how everything is: what is ours and not known, and what was ours and is gone.
    pub(super) fn hear(&mut self, listing: Listing, context: &mut Context<Self>) {
        let Some(member) = &mut self.member else { return };
        let at = listing.revision;
        member.taken = listing.slots;
        (member.machines, member.evicted) = (listing.machines, listing.evicted);
        member.note_unreadable(listing.unreadable);
        let own = member.taken.iter().filter(|(_, it)| member.is_own(it));
        member.strays = own.map(|(slot, it)| (*slot, it.created)).collect();
        self.place_strays();
        self.judge_kept();
        let Some(member) = &mut self.member else { return };
        let (taken, joined) = (&member.taken, member.joined);
        let mut lost = Vec::new();
        for (pool, holding) in &mut member.holdings {
            let is_gone = |slot: &Slot, created: &Revision| {
                let is_there = taken.get(slot).is_some_and(|it| {
                    it.created == *created && joined.is_some_and(|me| it.is(me.machine))
                });
                *created <= at && !is_there
            };
            let gone: Vec<Slot> =
                holding.held.extract_if(.., |slot, it| is_gone(slot, it)).map(|it| it.0).collect();
            let seats = &self.house.seats;
            let lacks = holding.is_proven()
                && seats.is_shared(*pool)
                && seats.used(*pool) > holding.held.len() as u64;
            if !gone.is_empty() || lacks {
                lost.push((*pool, gone));
            }
        }
        for (pool, slots) in lost {
            self.regain(pool, slots, context);
        }
        self.follow_fleet(at, context);
    }

    /// Claims places anew that were ours, for the seats that had them. Those that another machine has meanwhile are lost.
    pub(super) fn regain(&mut self, pool: PoolId, slots: Vec<Slot>, context: &mut Context<Self>) {
        let used = self.house.seats.used(pool);
        let Some(member) = &mut self.member else { return };
        let Some(joined) = member.joined else { return };
        let Some(holding) = member.holdings.get_mut(&pool).filter(|it| !it.is_busy) else { return };
        let missing = used.saturating_sub(holding.held.len() as u64);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let taken = &member.taken;
        let others =
            choose(joined.machine, 0, &holding.offer, u32::try_from(missing).unwrap_or(0), |it| {
                taken.contains_key(it) || slots.contains(it)
            });
        let mut tried: Vec<Slot> = slots.into_iter().filter(|it| holding.offer.has(it)).collect();
        tried.extend(others.unwrap_or_default());
        let Some(claim) = random().filter(|_| missing > 0) else { return };
        tracing::warn!(
            event = "fleet_places_lost",
            places = missing,
            "places of the fleet are gone, and claimed anew"
        );
        member.begin_claim(pool, claim, &tried);
        let engine = member.engine.clone();
        let regaining = async move {
            let mut got = Places::new();
            // As a rule they are all there; of a part that is not, each is for itself. No part gives another's back.
            let (lost, more) = tried.split_at(missing.min(tried.len()));
            let mut alone = Vec::new();
            for part in lost.chunks(PART) {
                match engine.claim(joined, part.to_vec(), claim).await {
                    Ok(Some(found)) => got.extend(found),
                    Ok(None) => alone.extend(part),
                    Err(error) => return (got, Some(error)),
                }
            }
            for slot in alone.into_iter().chain(more) {
                if got.len() >= missing {
                    break;
                }
                match engine.claim(joined, vec![*slot], claim).await {
                    Ok(found) => got.extend(found.unwrap_or_default()),
                    Err(error) => return (got, Some(error)),
                }
            }
            (got, None)
        };
        context.spawn(regaining.into_actor(self).map(move |(got, error), keeper, context| {
            keeper.regained((pool, claim), got, error);
            keeper.settle(context);
        }));
    }

    fn regained(&mut self, (pool, claim): (PoolId, u64), got: Places, error: Option<FleetError>) {
        let now = self.now();
        self.wake(now);
        let Some(member) = &mut self.member else { return };
        member.end_claim(pool, claim);
        let Some(holding) = member.holdings.get_mut(&pool) else { return };
        holding.take(got);
        let kept = holding.held.len() as u64;
        match error {
            // Until the deadline it is tried again with each look.
            Some(error) => member.cut_off(now, &error),
            None => self.house.seats.lose(now, pool, kept, EndReason::Superseded),
        }
    }

    /// Has itself told what happens after `at`, unless it is.
    fn follow_fleet(&mut self, at: Revision, context: &Context<Self>) {
        let Some(member) = &mut self.member else { return };
        if member.watch.as_ref().is_some_and(|it| !it.is_over()) {
            return;
        }
        let (engine, keeper) = (member.engine.clone(), context.address());
        member.watch = Some(Task::spawn(async move {
            let (tell, mut told) = mpsc::channel(CHANGES_AT_ONCE);
            let watching = engine.watch(at, tell);
            let forwarding = async {
                while let Some(change) = told.recv().await {
                    if keeper.send(FleetChanged(change)).await.is_err() {
                        break;
                    }
                }
            };
            // The next look begins it again.
            let (_, ()) = futures_util::future::join(watching, forwarding).await;
        }));
    }
}

impl Handler<FleetChanged> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, told: FleetChanged, context: &mut Self::Context) {
        let now = self.now();
        let Some(member) = &mut self.member else { return };
        match told.0 {
            Change::Evicted(id) => {
                if member.joined.is_some_and(|it| it.machine == id) {
                    member.next_upkeep = now;
                }
                member.evicted.insert(id);
            }
            Change::Slot(slot, holder, at) => {
                match holder {
                    Some(holder) => drop(member.taken.insert(slot, holder)),
                    None => drop(member.taken.remove(&slot)),
                }
                let holdings = member.holdings.values();
                let was_ours =
                    holdings.filter_map(|it| it.held.get(&slot)).any(|created| *created < at);
                // Nobody but ourselves should have taken it away.
                if was_ours && member.standing == Standing::In {
                    member.next_upkeep = now;
                }
            }
        }
        self.settle(context);
    }
}
