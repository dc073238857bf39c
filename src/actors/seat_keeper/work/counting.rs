//! How many seats there are: what TierCache counts, as the capacity of pools.

use std::time::Duration;

use actix::prelude::*;

use crate::actors::seat_keeper::messages::{Acquire, Recount, SeatError};
use crate::actors::seat_keeper::work::house::is_less;
use crate::actors::seat_keeper::work::watching::Task;
use crate::actors::seat_keeper::{Parts, SeatKeeper};
use crate::actors::tier_cache::{CountTokens, Key, LoanCount, Subscribe, TokenCounts};
use entitled_core::domain::entitlement::{Counted, Tokens};
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::domain::product::Product;
use entitled_core::seats::{BootTime, Capacity, Naming, Offer, PoolId, Supply, TokenKey};

/// How long TierCache may take to count.
const COUNT_TIME: Duration = Duration::from_secs(6);
/// A cache that does not answer is asked again after this.
const AGAIN: Duration = Duration::from_millis(200);

/// Counts what `key` holds.
pub(in crate::actors::seat_keeper) async fn count(
    parts: &Parts,
    key: &Key,
) -> Result<TokenCounts, SeatError> {
    let ask = CountTokens { key: key.clone() };
    match parts.cache.send(ask).timeout(COUNT_TIME).await {
        Ok(counted) => counted.map_err(|source| SeatError::Count { source }),
        Err(_) => Err(SeatError::Busy),
    }
}

/// Has the keeper count again whenever the verdict of `key` is made anew.
pub(in crate::actors::seat_keeper) fn follow(
    parts: &Parts,
    key: Key,
    keeper: Addr<SeatKeeper>,
) -> Task {
    let cache = parts.cache.clone();
    Task::spawn(async move {
        loop {
            let told = cache.send(Subscribe { key: key.clone() }).timeout(COUNT_TIME).await;
            if let Ok(mut told) = told {
                loop {
                    while keeper.send(Recount { key: key.clone() }).await.is_err() {
                        tokio::time::sleep(AGAIN).await;
                    }
                    // The cache was restarted when who tells is gone.
                    if told.changed().await.is_err() {
                        break;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
}

impl SeatKeeper {
    /// Counts what the customer and the machine have, where what is known gives nothing; and follows them from now on.
    pub(in crate::actors::seat_keeper) fn count_if_wanted(
        &self,
        order: &Acquire,
    ) -> ResponseActFuture<Self, Result<(), SeatError>> {
        let (key, parts) = (order.key.clone(), self.parts.clone());
        let machine = Key { customer: CustomerId::Machine, product: key.product.clone() };
        let keys = match self.wants_count(order) {
            true => vec![key.clone(), machine],
            false => Vec::new(),
        };
        let counting = async move {
            let mut counted = Vec::new();
            for key in keys {
                counted.push((count(&parts, &key).await?, key));
            }
            Ok(counted)
        };
        let counting = counting.into_actor(self);
        Box::pin(counting.map(move |counted: Result<Vec<_>, SeatError>, keeper, context| {
            // Before the pools are entered, of which it may forget others; it counts again by itself at once.
            keeper.follow(&key, context);
            for (counts, key) in counted? {
                keeper.take_counts(&key, &counts);
            }
            Ok(())
        }))
    }

    /// Takes up what was counted, unless something newer was.
    pub(in crate::actors::seat_keeper) fn take_counts(&mut self, key: &Key, counts: &TokenCounts) {
        let now = self.now();
        let counted = self.house.counted.entry(key.clone()).or_default();
        if counts.gathered < counted.gathered {
            return;
        }
        counted.gathered = counts.gathered;
        let at = |moment: Timestamp| {
            let left = Duration::try_from(moment.duration_since(counts.now)).unwrap_or_default();
            now.after(left)
        };
        let mut again_at: Option<BootTime> = None;
        let mut present: Vec<PoolId> = Vec::new();
        let product = counts.installed.as_deref().map(|it| &it.product);
        let grants = product.map(|it| it.grants.as_slice()).unwrap_or_default();
        for ((grant, tokens), which) in grants.iter().zip(&counts.tokens).zip(&counts.counted) {
            let found = product.and_then(|it| Some((it.tier(&grant.tier)?, it.seats)));
            let Some((tier, terms)) = found else { continue };
            let pool = self.house.enter_pool(now, key, (grant, tier, None), terms);
            present.push(pool);
            self.note_kept(pool);
            if let Tokens::Proven { changes_at, .. } = tokens {
                let change = changes_at.map(at);
                again_at = [again_at, change].into_iter().flatten().min();
            }
            if self.take_count(now, pool, (*tokens, which, tier.seats), at) {
                self.offer(pool, which, tier.seats.unwrap_or(0));
            }
        }
        for loan in &counts.loans {
            present.extend(product.and_then(|it| self.take_loan(now, (key, it), loan, at)));
        }
        if let Some(counted) = self.house.counted.get_mut(key) {
            counted.again_at = again_at;
        }
        if counts.is_deactivated {
            self.disentitle(key);
        }
        if product.is_some() {
            self.house.drop_kept(now, key, &present);
        }
        // What the product does not grant any more is no more: an administrator or the vendor said so.
        let gone: Vec<PoolId> =
            self.house.pools_of(key).map(|it| it.id).filter(|it| !present.contains(it)).collect();
        for pool in gone {
            let others = self.house.empty(now, pool, &present);
            self.wait_instead(pool, &others);
            if self.house.pools.get(&pool).is_some_and(|it| it.loan.is_none()) {
                self.offer(pool, &[], 0);
            }
        }
    }

    /// Whoever asked for a pool that is no more asked for these.
    fn wait_instead(&mut self, gone: PoolId, others: &[PoolId]) {
        for asked in self.asked.values_mut().filter(|it| it.pools.contains(&gone)) {
            let new: Vec<PoolId> =
                others.iter().copied().filter(|it| !asked.pools.contains(it)).collect();
            asked.pools.retain(|it| *it != gone || others.is_empty());
            asked.pools.extend(new);
        }
    }

    /// One place, for as long as the loan lasts.
    fn take_loan(
        &mut self,
        now: BootTime,
        (key, product): (&Key, &Product),
        loan: &LoanCount,
        at: impl Fn(Timestamp) -> BootTime,
    ) -> Option<PoolId> {
        if self.house.is_spent(loan) {
            return None;
        }
        let grant = product.grants.get(loan.grant)?;
        let (tier, until) = (product.tier(&grant.tier)?, at(loan.until));
        let about = (grant, tier, Some(loan.of(until)));
        let pool = self.house.enter_pool(now, key, about, product.seats);
        self.note_kept(pool);
        let capacity = Capacity { supply: Supply::Seats(1), until: Some(until) };
        let place = Offer::from_iter([(TokenKey::of_loan(&loan.nonce), 1)]);
        self.house.set_capacity(now, pool, (capacity, Some(place)));
        Some(pool)
    }

    /// Whether it counts from now on.
    fn take_count(
        &mut self,
        now: BootTime,
        pool: PoolId,
        (tokens, counted, seats): (Tokens, &[Counted], Option<u32>),
        at: impl Fn(Timestamp) -> BootTime,
    ) -> bool {
        let (count, until, complete) = match tokens {
            Tokens::Proven { count, until, complete, .. } => (count, until, complete),
            // What is not known ends nothing: what was proven before holds until it says itself. Of before a start nobody
            // says it any more, and what was known then has its end.
            Tokens::NotKnown { until } => {
                // By the calendar, and by the boot's clock: whoever sets the wall clock ends nothing.
                let before = self.house.proven_before.get(&pool).copied();
                if let Some(ends) = until.map(at).max(before) {
                    let ends = ends.max(self.house.proven_by);
                    self.house.seats.end_unless_proven(now, pool, ends);
                }
                return false;
            }
        };
        let supply = match seats {
            None if count > 0 => Supply::Unlimited,
            seats => Supply::Seats(count.saturating_mul(seats.unwrap_or(0))),
        };
        let capacity = Capacity { supply, until: until.map(at) };
        let standing = self.house.pools.get(&pool).and_then(|it| it.capacity);
        let holds = |it: &Capacity| it.until.is_none_or(|until| until > now);
        let is_loss = standing.filter(holds).is_some_and(|it| is_less(supply, it.supply));
        let counts = !is_loss || complete;
        if counts {
            let product = self.house.pools.get(&pool).map(|it| it.key.product.clone());
            let places = product.zip(seats).map(|(product, seats)| {
                // As the machines of a fleet name them.
                Offer::of(&product, counted, seats, Naming::ByShare)
            });
            self.house.set_capacity(now, pool, (capacity, places));
        }
        counts
    }
}
