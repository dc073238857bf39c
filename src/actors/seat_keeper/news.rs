//! What SeatKeeper tells: whoever asked, the log, and those who subscribed.

use std::sync::Arc;

use super::SeatKeeper;
use super::messages::{PoolView, SeatView};
use entitled_core::domain::ids::Timestamp;
use entitled_core::seats::{Binding, Brought, Effect, EndReason, Owner, RequestId, Seat, SeatId};

/// One thing that happened to a seat.
#[derive(Debug, Clone)]
pub struct SeatNews {
    pub event: SeatEvent,
    pub at: Timestamp,
    pub seat: SeatView,
    /// The parts of other users, where several share it.
    pub sharers: Vec<SeatView>,
    /// The seat goes on for others.
    pub is_part: bool,
    /// As it is now.
    pub pool: PoolView,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatEvent {
    Granted,
    /// Its pool has lost capacity; `ends_at` of the seat says until when it goes on.
    Warned,
    /// It does not end after all.
    Reprieved,
    Ended(EndReason),
}

impl SeatNews {
    /// The seat as it concerns this user, or everybody.
    pub fn seat_of(&self, owner: Option<Owner>) -> Option<&SeatView> {
        let Some(owner) = owner else { return Some(&self.seat).filter(|_| !self.is_part) };
        std::iter::once(&self.seat).chain(&self.sharers).find(|it| it.owner() == owner)
    }
}

impl SeatEvent {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Warned => "warned",
            Self::Reprieved => "reprieved",
            Self::Ended(_) => "ended",
        }
    }

    pub const fn reason(self) -> Option<EndReason> {
        match self {
            Self::Ended(reason) => Some(reason),
            _ => None,
        }
    }
}

impl SeatKeeper {
    /// Tells all that has followed from what was done, once it is kept.
    pub(super) fn tell(&mut self) {
        loop {
            let effects = self.house.seats.take_effects();
            if effects.is_empty() {
                break;
            }
            self.tell_effects(effects);
        }
        // What was kept already may have changed without anything to tell.
        self.house.keep(self.now());
    }

    fn tell_effects(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            let Effect::Granted { request, seat, again, .. } = effect else { continue };
            if let Some(asked) = self.asked.get(request) {
                let behind = self.house.behind.entry(*seat).or_default();
                behind.account = Some(asked.account);
            }
            if !again {
                self.note_fence(*seat);
                self.note_terms(*seat);
            }
        }
        self.house.keep(self.now());
        for effect in effects {
            match effect {
                Effect::Granted { request, seat, again, brought } => {
                    self.tell_granted(request, (seat, again), &brought);
                }
                Effect::Refused { request, refusal } => {
                    let Some(asked) = self.asked.remove(&request) else { continue };
                    self.tally.denied.one_more();
                    let refusal = self.in_fleet(&asked, refusal);
                    if let Some(untold) = self.told.note(asked.account, self.parts.clock.now()) {
                        let uid = asked.owner.uid;
                        tracing::info!(event = "seat_denied", uid, why = ?refusal, untold, "no seat");
                    }
                    let answer = self.refused(&asked, refusal);
                    self.let_go(&asked.bindings);
                    // Who has gone meanwhile need not know.
                    let _ = asked.answer.send(answer);
                }
                Effect::Queued { request, ahead } => {
                    tracing::debug!(?request, ahead, "a request for a seat waits");
                }
                Effect::Warned { seat, .. } => self.tell_of(seat, SeatEvent::Warned),
                Effect::Reprieved { seat } => self.tell_of(seat, SeatEvent::Reprieved),
                Effect::Ended { seat, reason } => {
                    self.publish(SeatEvent::Ended(reason), (&seat, false));
                    *self.tally.ended.entry(reason.name()).or_default() += 1;
                    self.house.behind.remove(&seat.id);
                    self.house.borrowed.forget(seat.id);
                    self.house.lent.remove(&seat.id);
                    self.let_go(seat.bindings());
                }
                Effect::Left { seat, reason } => {
                    self.publish(SeatEvent::Ended(reason), (&seat, true));
                    self.let_go(seat.bindings());
                }
            }
        }
    }

    fn tell_granted(
        &mut self,
        request: RequestId,
        (seat, again): (SeatId, bool),
        brought: &Brought,
    ) {
        let asked = self.asked.remove(&request);
        let Some(seat) = self.house.seats.seat(seat).cloned() else { return };
        if !again {
            self.publish(SeatEvent::Granted, (&seat, false));
            self.tally.granted.one_more();
        }
        let Some(asked) = asked else { return };
        let waited = self.now().since(asked.since);
        self.tally.waits.observe(waited.as_secs_f64());
        let answer = self.granted((&seat, again), asked.owner);
        let is_heard = answer.is_none_or(|it| asked.answer.send(it).is_ok());
        if !is_heard {
            self.house.seats.unheard(self.now(), seat.id, asked.owner, brought);
            self.let_go(&asked.bindings);
        }
    }

    fn tell_of(&self, seat: SeatId, event: SeatEvent) {
        if let Some(seat) = self.house.seats.seat(seat) {
            self.publish(event, (seat, false));
        }
    }

    fn publish(&self, event: SeatEvent, (seat, is_part): (&Seat, bool)) {
        let first = seat.part_of(seat.claimant.owner());
        let views = (first.and_then(|it| self.seat_view(&it)), self.pool_view(seat.pool));
        let others = seat.holders().into_iter().skip(1).filter_map(|it| seat.part_of(it.owner()));
        let sharers = others.filter_map(|it| self.seat_view(&it)).collect();
        let (Some(view), Some(pool)) = views else { return };
        let SeatView { product, tier, holder, uid, pid, .. } = &view;
        let reason = event.reason().map(EndReason::name);
        let held_s = self.now().since(seat.since).as_secs();
        let account = self.house.behind.get(&seat.id).and_then(|it| it.account).unwrap_or(*uid);
        if let Some(untold) = self.told.note(account, self.parts.clock.now()) {
            tracing::info!(
                event = format!("seat_{}", event.name()),
                seat = seat.id.0, %product, %tier, customer = %holder, uid, pid, reason, held_s,
                used = pool.figures.used, capacity = pool.figures.capacity, untold,
                "seat {}", event.name()
            );
        }
        // Nobody may have subscribed.
        let _ = self.news.send(Arc::new(SeatNews {
            event,
            at: self.parts.clock.now(),
            seat: view,
            sharers,
            is_part,
            pool,
        }));
    }

    /// A process that holds no seat and waits for none is watched no more.
    pub(super) fn let_go(&mut self, bindings: &[Binding]) {
        for binding in bindings {
            if let Binding::Process(process) = binding
                && !self.house.seats.concerns(*binding)
            {
                self.house.watches.forget_process(*process);
            }
        }
    }
}
