//! Lending a seat out of its pool for a time.

use actix::prelude::*;

use crate::actors::ownership_ledger::NoteAudit;
use crate::actors::seat_keeper::messages::loans::Borrow;
use crate::actors::seat_keeper::messages::{Acquire, Answer, Bind, Pending, SeatError, SeatView};
use crate::actors::seat_keeper::{AUDIT_TIME, SeatKeeper};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::{Request, SeatId};

impl Borrow {
    /// What would be asked for to have the seat at once.
    pub(in crate::actors::seat_keeper) fn as_acquire(&self) -> Acquire {
        Acquire {
            key: self.key.clone(),
            presence: self.presence.clone(),
            tier: self.tier.clone(),
            feature: self.feature.clone(),
            count: 1,
            bind: Bind::Process,
            wait: std::time::Duration::ZERO,
        }
    }
}

impl Handler<Borrow> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<Answer, SeatError>>;

    fn handle(&mut self, order: Borrow, _: &mut Self::Context) -> Self::Result {
        let counting = self.count_if_wanted(&order.as_acquire());
        Box::pin(counting.then(move |counted, keeper, context| {
            let lent = counted.and_then(|()| keeper.borrow(&order, &context.address()));
            keeper.settle(context);
            let answer = lent.and_then(|mut it| it.try_recv().map_err(|_| SeatError::Busy));
            match answer {
                Ok(answer) => keeper.note_borrowed(answer, order),
                Err(error) => Box::pin(actix::fut::err(error)),
            }
        }))
    }
}

impl SeatKeeper {
    /// It is answered before this returns to whoever settles.
    pub(in crate::actors::seat_keeper) fn borrow(
        &mut self,
        borrow: &Borrow,
        keeper: &Addr<Self>,
    ) -> Result<Pending, SeatError> {
        let now = self.now();
        self.house.seats.wake(now);
        let pools = self.pools_for(&borrow.as_acquire());
        let unit = (&borrow.key.product, SeatUnit::Process);
        let claim = self.claim(&borrow.presence, unit, keeper)?;
        let request = Request {
            id: self.next_request(),
            pools,
            key: claim.key(SeatUnit::Process).ok_or(SeatError::NoUnit)?,
            // It outlives whoever asks.
            bindings: Vec::new(),
            claimant: claim.claimant.clone(),
            adopt: None,
            count: 1,
            wait_until: None,
        };
        let pending = self.expect(&request, &borrow.presence, Some(borrow.key.customer));
        let terms = (request.pools.as_slice(), borrow.time);
        self.house.seats.borrow(now, request.id, request.claimant.clone(), terms);
        self.let_go(&claim.bindings(Bind::Process));
        Ok(pending)
    }

    /// Notes in the audit what was lent; what cannot be noted is taken back.
    pub(in crate::actors::seat_keeper) fn note_borrowed(
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
