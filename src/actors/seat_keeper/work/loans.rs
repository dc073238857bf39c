//! Seats that machines lend each other: one that leaves its pool for another machine, and the place that it is there.

use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::B256;

use crate::actors::ownership_ledger::{KeepGivenLoan, NoteLoanTime};
use crate::actors::seat_keeper::messages::loans::{
    ComeBack, EndLoan, Lend, Lent, LentTo, LoanArrived, LoanOf, ReserveSeat,
};
use crate::actors::seat_keeper::messages::{Acquire, Answer, Granted, Pending, SeatError};
use crate::actors::seat_keeper::work::counting::count;
use crate::actors::seat_keeper::work::house::{House, Pool};
use crate::actors::seat_keeper::{AUDIT_TIME, SeatKeeper};
use crate::actors::tier_cache::{Key, LoanCount};
use crate::clock::Clock;
use crate::seat_journal::KeptSeat;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::product::GrantName;
use entitled_core::loan::GivenLoan;
use entitled_core::seats::{
    BootTime, Capacity, Hold, Offer, PoolId, Refusal, Seat, Supply, UnitKey,
};

/// So often it is noted how late it is, while a place of another machine is here.
const NOTED_EVERY: Duration = Duration::from_secs(60);

impl Lend {
    fn given(&self, seat: &Seat) -> GivenLoan {
        GivenLoan {
            id: self.loan.id,
            product: self.loan.product.clone(),
            terms: self.loan.terms.clone(),
            seat: self.seat,
            grant: self.grant.clone(),
            claimant: seat.claimant.clone(),
            places: seat.places.clone(),
            entitled: self.key.customer,
            text: self.text.clone(),
            returned_at: None,
        }
    }
}

impl Handler<ReserveSeat> for SeatKeeper {
    type Result = MessageResult<ReserveSeat>;

    fn handle(&mut self, _: ReserveSeat, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.house.seats.reserve())
    }
}

impl Handler<Lend> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<Lent, SeatError>>;

    fn handle(&mut self, order: Lend, _: &mut Self::Context) -> Self::Result {
        let (acquire, asked) = (Acquire::at_once(&order.key, &order.presence), order.clone());
        let lending = self.lend_at_once(&acquire, move |keeper, it| keeper.lend(&asked, it));
        Box::pin(lending.then(move |answer, keeper, _| {
            let answer = match answer {
                Ok(Answer::Granted(granted)) => return keeper.keep_lent(*granted, &order),
                Ok(Answer::Refused(refused)) => Ok(Lent::Refused(refused)),
                Err(error) => Err(error),
            };
            keeper.house.lent.remove(&order.seat);
            Box::pin(actix::fut::ready(answer))
        }))
    }
}

impl SeatKeeper {
    fn lend(&mut self, lend: &Lend, keeper: &Addr<Self>) -> Result<Pending, SeatError> {
        let is_it = |it: &&Pool| {
            let own = (it.key.customer, &it.key.product) == (lend.holder, &lend.key.product);
            own && it.loan.is_none() && GrantName::from(&it.grant) == lend.grant
        };
        let pool = self.house.pools.values().find(is_it);
        let allowed = pool.is_some_and(|it| {
            lend.is_admin || self.house.policies.of(&it.key.product, &it.tier).users_lend
        });
        let pool = pool.map(|it| it.id);
        let pools = pool.into_iter().collect();
        let (request, pending) = self.ask_for_lent(&lend.key, &lend.presence, pools, keeper)?;
        match pool {
            Some(pool) if allowed => {
                self.house.lent.insert(lend.seat, LentTo::from(&lend.loan.terms));
                let (now, terms) = (self.now(), (pool, lend.seat, lend.time));
                self.house.seats.lend_away(now, request.id, request.claimant, terms);
            }
            Some(_) => self.house.seats.turn_down(request.id, Refusal::Excluded),
            None => self.house.seats.turn_down(request.id, Refusal::NoPool),
        }
        Ok(pending)
    }

    /// Keeps the loan before it is handed out; what cannot be kept is taken back, and so is what its request has already.
    fn keep_lent(
        &self,
        granted: Granted,
        lend: &Lend,
    ) -> ResponseActFuture<Self, Result<Lent, SeatError>> {
        let Some(seat) = self.house.seats.seat(lend.seat) else {
            return Box::pin(actix::fut::err(SeatError::Busy));
        };
        let loan = lend.given(seat);
        let (id, number) = (loan.id, lend.seat);
        let order = KeepGivenLoan { loan, asked: lend.asked.clone() };
        let kept = self.parts.ledger.send(order).timeout(AUDIT_TIME);
        Box::pin(kept.into_actor(self).map(move |kept, keeper, context| {
            let failure = match kept {
                Ok(Ok(standing)) if standing.id == id => {
                    return Ok(Lent::Granted((standing, Some(granted)).into()));
                }
                Ok(Ok(standing)) => Ok(Lent::Granted((standing, None).into())),
                Ok(Err(source)) => Err(SeatError::Audit { source }),
                // It is not known whether it is kept. If it is, whoever asks again is given it, and the next start counts it.
                Err(_) => return Err(SeatError::Busy),
            };
            keeper.house.seats.come_back(keeper.now(), number);
            keeper.settle(context);
            failure
        }))
    }

    /// While a place of another machine is here, notes how late it may be until that is noted next, so that restarts with the
    /// clock set back, however many, make it no earlier; and once more when it has ended.
    pub(in crate::actors::seat_keeper) fn note_loan_time(&mut self, now: BootTime) {
        if self.loan_time_due().is_none_or(|it| it > now) {
            return;
        }
        let at = self.parts.clock.loans_now();
        let until = at.checked_add(NOTED_EVERY).unwrap_or(at);
        if self.parts.ledger.try_send(NoteLoanTime { now: until }).is_ok() {
            self.house.noted = Some(now);
        }
    }

    /// When that is to be done next.
    pub(in crate::actors::seat_keeper) fn loan_time_due(&self) -> Option<BootTime> {
        let ends = self.house.pools.values().filter_map(|it| it.loan).map(|it| it.until);
        let Some(noted) = self.house.noted else { return ends.min().map(|_| BootTime(0)) };
        ends.filter(|it| *it > noted).map(|it| it.min(noted.after(NOTED_EVERY))).min()
    }
}

impl Handler<ComeBack> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, order: ComeBack, context: &mut Self::Context) {
        let now = self.now();
        self.house.seats.come_back(now, order.seat);
        self.house.kept.drop_seat(order.seat);
        self.house.seats.forget_aside(now, order.seat);
        self.settle(context);
    }
}

impl Handler<LoanArrived> for SeatKeeper {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, news: LoanArrived, context: &mut Self::Context) -> Self::Result {
        let key = Key { customer: CustomerId::Machine, product: news.product };
        self.follow(&key, context);
        let parts = self.parts.clone();
        let counting = async move { (count(&parts, &key).await, key) };
        Box::pin(counting.into_actor(self).map(|(counts, key), keeper, context| {
            // What cannot be counted now is counted when somebody asks.
            if let Ok(counts) = counts {
                keeper.take_counts(&key, &counts);
            }
            keeper.settle(context);
        }))
    }
}

impl Handler<EndLoan> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, order: EndLoan, context: &mut Self::Context) {
        let now = self.now();
        self.house.end_loan(now, order.nonce);
        self.settle(context);
    }
}

impl House {
    /// Whether a loan that was counted was given back meanwhile.
    pub(in crate::actors::seat_keeper) fn is_spent(&self, loan: &LoanCount) -> bool {
        self.spent.contains(&loan.nonce)
    }

    fn end_loan(&mut self, now: BootTime, nonce: B256) {
        self.spent.insert(nonce);
        let of_loan = |it: &&Pool| it.loan.is_some_and(|it| it.nonce == nonce);
        let pools: Vec<PoolId> = self.pools.values().filter(of_loan).map(|it| it.id).collect();
        for pool in pools {
            // At once, without a time to drain.
            let none = Capacity { supply: Supply::Seats(0), until: Some(now) };
            self.set_capacity(now, pool, (none, Some(Offer::default())));
            self.seats.wake(now);
        }
    }
}

impl LoanCount {
    pub(in crate::actors::seat_keeper) fn of(&self, until: BootTime) -> LoanOf {
        LoanOf { nonce: self.nonce, lender: self.lender, until }
    }
}

/// The seats that other machines have, as they are put back at the start: whatever boot they were lent in.
pub(in crate::actors::seat_keeper) fn put_aside(
    loan: &GivenLoan,
    clock: &Clock,
) -> Option<KeptSeat> {
    let now = clock.now();
    // What was over once and is of the future now is so by a clock that has begun anew.
    let was_over = loan.text.is_empty() && now < loan.terms.from;
    if !loan.is_open(now) || was_over {
        return None;
    }
    let boot = crate::actors::seat_keeper::boot_time(clock);
    let left = Duration::try_from(loan.terms.until.duration_since(now)).unwrap_or_default();
    let own = (loan.claimant.clone(), UnitKey::Borrowed(loan.seat));
    let hold = Hold::Lent { until: boot.after(left) };
    // Its pool is not known yet.
    let seat =
        Seat { places: loan.places.clone(), ..Seat::new((loan.seat, PoolId(0)), own, boot, hold) };
    Some(KeptSeat {
        seat,
        product: loan.product.clone(),
        holder: loan.terms.customer,
        grant: loan.grant.clone(),
        entitled: Some(loan.entitled),
        account: Some(loan.claimant.uid),
        fence: None,
        borrowed: None,
        loan: None,
        proven_until: None,
        processes: Vec::new(),
    })
}
