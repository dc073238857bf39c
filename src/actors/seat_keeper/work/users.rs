//! Seats of those who have lost their right to them: users who stand for another customer than when they asked, and
//! customers that were deactivated.
//!
//! What a user has of its customer's tokens ends, and so does its waiting; what it has of the machine's it has by whatever
//! customer it stands for. What an administrator or a delegate has for a customer by name is no matter of its user. What
//! cannot be found out ends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::prelude::*;

use crate::actors::ownership_ledger::CustomerOf;
use crate::actors::seat_keeper::messages::{SeatError, UsersChanged};
use crate::actors::seat_keeper::work::watching::Task;
use crate::actors::seat_keeper::{Parts, SeatKeeper};
use crate::actors::tier_cache::{Key, VerdictReader};
use entitled_core::domain::ids::CustomerId;
use entitled_core::seats::{Claimant, PoolId, Refusal, Seat, SeatId, Standing};

/// How long the ledger may take to say whose user one is.
const FIND_TIME: Duration = Duration::from_secs(5);
/// A keeper that is being restarted is told again after this, and the ledger is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// Has the keeper look whenever users may stand for others.
pub(in crate::actors::seat_keeper) fn follow(
    reader: VerdictReader,
    keeper: Addr<SeatKeeper>,
) -> Task {
    Task::spawn(async move {
        let mut changes = reader.changes();
        loop {
            let known = changes.borrow_and_update().now();
            while keeper.send(UsersChanged).await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
            // An error means that the daemon ends.
            if changes.wait_for(|it| !it.same_users(known)).await.is_err() {
                return;
            }
        }
    })
}

/// Whom each user stands for.
async fn find(parts: &Parts, uids: BTreeSet<u32>) -> Result<BTreeMap<u32, CustomerId>, SeatError> {
    let mut found = BTreeMap::new();
    for uid in uids {
        let customer = match parts.reader.customer_of(uid, parts.clock.now()) {
            Some(customer) => customer,
            None => {
                let asked = parts.ledger.send(CustomerOf { uid }).timeout(FIND_TIME).await;
                let told = asked.map_err(|_| SeatError::Busy)?;
                told.map_err(|source| SeatError::Audit { source })?
            }
        };
        found.insert(uid, customer);
    }
    Ok(found)
}

/// For whose entitlement the user has a seat, where that goes by whom it stands for.
fn of_user(claimant: &Claimant) -> Option<CustomerId> {
    match claimant.standing {
        Some(Standing::User(customer)) => Some(customer),
        Some(Standing::Named(_)) | None => None,
    }
}

impl Handler<UsersChanged> for SeatKeeper {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: UsersChanged, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let (since, uids) = (parts.reader.epoch(), self.users());
        let finding = async move { find(&parts, uids).await };
        Box::pin(finding.into_actor(self).map(move |found, keeper, context| match found {
            Ok(found) if keeper.parts.reader.same_users(since) => {
                keeper.take_from_who_left(&found, context);
                keeper.settle(context);
            }
            // More has changed, which is told as well.
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "whom the users of seats stand for was not found out");
                context.notify_later(UsersChanged, AGAIN);
            }
        }))
    }
}

impl SeatKeeper {
    /// Users who have a seat or wait for one by whom they stand for.
    fn users(&self) -> BTreeSet<u32> {
        let seats = &self.house.seats;
        let holders = seats.seats().flat_map(Seat::holders);
        let all = holders.chain(seats.requests().map(|it| &it.claimant));
        all.filter(|it| of_user(it).is_some()).map(|it| it.uid).collect()
    }

    fn take_from_who_left(
        &mut self,
        found: &BTreeMap<u32, CustomerId>,
        context: &mut Context<Self>,
    ) {
        let now = self.now();
        let stands_for = |it: &Claimant| found.get(&it.uid).copied();
        let has_left = |it: &Claimant| {
            of_user(it).zip(stands_for(it)).is_some_and(|(before, now)| before != now)
        };
        let seats = self.house.seats.seats().filter(|it| it.holders().into_iter().any(has_left));
        let seats: Vec<(SeatId, PoolId)> = seats.map(|it| (it.id, it.pool)).collect();
        // Before a place is free that they would be given.
        self.house.seats.decline_all(now, Refusal::Disentitled, |it| has_left(&it.claimant));
        for (seat, pool) in seats {
            let Some(pool) = self.house.pools.get(&pool).map(|it| it.key.clone()) else { continue };
            if pool.customer != CustomerId::Machine {
                self.house.seats.disentitle(now, seat, has_left);
                continue;
            }
            self.house.seats.stand_anew(seat, |it| {
                has_left(it).then(|| stands_for(it)).flatten().map(Standing::User)
            });
            let holders = self.house.seats.seat(seat).map(Seat::holders).unwrap_or_default();
            let customers: BTreeSet<CustomerId> = holders.into_iter().filter_map(of_user).collect();
            for customer in customers {
                // It may be one that is deactivated.
                let key = Key { customer, product: pool.product.clone() };
                self.follow(&key, context);
                self.recount(key, context);
            }
        }
    }

    /// Ends what a deactivated customer has of the pools of others, and its waiting.
    pub(in crate::actors::seat_keeper) fn disentitle(&mut self, key: &Key) {
        let now = self.now();
        let is_theirs = |it: &Claimant| it.standing.map(Standing::customer) == Some(key.customer);
        let of_product =
            |it: &PoolId| self.house.pools.get(it).is_some_and(|it| it.key.product == key.product);
        let seats = self.house.seats.seats().filter(|it| of_product(&it.pool));
        let seats = seats.filter(|it| it.holders().into_iter().any(is_theirs));
        let seats: Vec<SeatId> = seats.map(|it| it.id).collect();
        self.house.seats.decline_all(now, Refusal::Disentitled, |it| {
            is_theirs(&it.claimant) && it.pools.iter().any(of_product)
        });
        for seat in seats {
            self.house.seats.disentitle(now, seat, is_theirs);
        }
    }
}
