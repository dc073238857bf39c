//! Lending a seat out of its pool for a time: what is common to all that nobody here holds, and what stays on this machine.

use std::time::Duration;

use actix::prelude::*;

use crate::actors::ownership_ledger::NoteAudit;
use crate::actors::seat_keeper::messages::loans::Borrow;
use crate::actors::seat_keeper::messages::{
    Acquire, Answer, Bind, Pending, Presence, SeatError, SeatView,
};
use crate::actors::seat_keeper::{AUDIT_TIME, SeatKeeper};
use crate::actors::tier_cache::Key;
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::{PoolId, Request, SeatId};

impl Acquire {
    /// One place of the best tier for whoever asks, at once or not at all.
    pub(super) fn at_once(key: &Key, presence: &Presence) -> Self {
        Self {
            key: key.clone(),
            presence: presence.clone(),
            tier: None,
            feature: None,
            count: 1,
            bind: Bind::Process,
            wait: Duration::ZERO,
        }
    }
}

impl Borrow {
    /// What would be asked for to have the seat at once.
    fn as_acquire(&self) -> Acquire {
        let (tier, feature) = (self.tier.clone(), self.feature.clone());
        Acquire { tier, feature, ..Acquire::at_once(&self.key, &self.presence) }
    }
}

impl Handler<Borrow> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<Answer, SeatError>>;

    fn handle(&mut self, order: Borrow, _: &mut Self::Context) -> Self::Result {
        let (acquire, asked) = (order.as_acquire(), order.clone());
        let lending = self.lend_at_once(&acquire, move |keeper, address| {
            let pools = keeper.pools_for(&asked.as_acquire());
            let (request, pending) =
                keeper.ask_for_lent(&asked.key, &asked.presence, pools, address)?;
            let (now, terms) = (keeper.now(), (request.pools.as_slice(), asked.time));
            keeper.house.seats.borrow(now, request.id, request.claimant, terms);
            Ok(pending)
        });
        Box::pin(lending.then(move |answer, keeper, _| match answer {
            Ok(answer) => keeper.note_borrowed(answer, order),
            Err(error) => Box::pin(actix::fut::err(error)),
        }))
    }
}

impl SeatKeeper {
    /// Counts what there is, puts the question, and takes its answer: what is to be lent is there at once or not at all.
    pub(super) fn lend_at_once(
        &self,
        acquire: &Acquire,
        ask: impl FnOnce(&mut Self, &Addr<Self>) -> Result<Pending, SeatError> + 'static,
    ) -> ResponseActFuture<Self, Result<Answer, SeatError>> {
        if self.is_ending {
            return Box::pin(actix::fut::err(SeatError::Busy));
        }
        let counting = self.count_if_wanted(acquire);
        Box::pin(counting.map(move |counted, keeper, context| {
            let pending = counted.and_then(|()| {
                keeper.wake(keeper.now());
                ask(keeper, &context.address())
            });
            keeper.settle(context);
            pending?.try_recv().map_err(|_| SeatError::Busy)
        }))
    }

    /// The question for one seat that nothing here holds, so that it outlives whoever asks.
    pub(super) fn ask_for_lent(
        &mut self,
        key: &Key,
        presence: &Presence,
        pools: Vec<PoolId>,
        keeper: &Addr<Self>,
    ) -> Result<(Request, Pending), SeatError> {
        let claim = self.claim(presence, (&key.product, SeatUnit::Process), keeper)?;
        let request = Request {
            id: self.next_request(),
            pools,
            key: claim.key(SeatUnit::Process).ok_or(SeatError::NoUnit)?,
            bindings: Vec::new(),
            claimant: claim.claimant.clone(),
            adopt: None,
            count: 1,
            wait_until: None,
        };
        let pending = self.expect(&request, presence, Some(key.customer));
        self.let_go(claim.watched().as_slice());
        Ok((request, pending))
    }

    /// Notes in the audit what was lent; what cannot be noted is taken back.
    fn note_borrowed(
        &self,
        answer: Answer,
        borrow: Borrow,
    ) -> ResponseActFuture<Self, Result<Answer, SeatError>> {
        let Answer::Granted(granted) = &answer else {
            return Box::pin(actix::fut::ok(answer));
        };
        let SeatView { id, product, tier, ends_at, .. } = &granted.seat;
        let (id, until) = (*id, ends_at.map(|it| it.to_string()).unwrap_or_default());
        let note = NoteAudit {
            action: AuditAction::SeatBorrowed,
            subject: format!("s-{}", id.0),
            detail: format!("{product} {tier} to {} until {until}", granted.seat.owner()),
            asked: borrow.asked,
        };
        let noted = self.parts.ledger.send(note).timeout(AUDIT_TIME);
        Box::pin(noted.into_actor(self).map(move |noted, keeper, context| {
            let failure = match noted {
                Ok(Ok(_)) => return Ok(answer),
                Ok(Err(source)) => SeatError::Audit { source },
                Err(_) => SeatError::Busy,
            };
            keeper.take_back(id);
            keeper.settle(context);
            Err(failure)
        }))
    }

    fn take_back(&mut self, seat: SeatId) {
        let now = self.now();
        // It may have ended meanwhile.
        let _ = self.house.seats.release(now, seat, None, None);
    }
}
