//! What lasts: pools, seats, and who is watched. A restart of the actor keeps all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::actors::seat_keeper::work::borrowed::AllBorrowed;
use alloy_primitives::B256;

use crate::actors::seat_keeper::messages::loans::{LentTo, LoanOf};
use crate::actors::seat_keeper::work::restart::Kept;
use crate::actors::seat_keeper::work::watching::Watches;
use crate::actors::tier_cache::Key;
use crate::seat_policies::Policies;
use entitled_core::domain::ids::{CustomerId, TierName};
use entitled_core::domain::product::{Feature, Grant, SeatTerms, SeatUnit, Tier};
use entitled_core::seats::{
    BootTime, Capacity, Offer, PoolId, Seat, SeatId, Seats, Standing, Supply,
};

/// One grant of a product, and whose tokens count.
#[derive(Debug, Clone)]
pub(in crate::actors::seat_keeper) struct Pool {
    pub(in crate::actors::seat_keeper) id: PoolId,
    /// The holder and the product.
    pub(in crate::actors::seat_keeper) key: Key,
    pub(in crate::actors::seat_keeper) tier: TierName,
    pub(in crate::actors::seat_keeper) rank: u32,
    pub(in crate::actors::seat_keeper) features: Arc<BTreeMap<String, Feature>>,
    pub(in crate::actors::seat_keeper) terms: SeatTerms,
    /// What was proven last and not taken back.
    pub(in crate::actors::seat_keeper) capacity: Option<Capacity>,
    /// The places of that, by token; `None` of as many as anybody wants.
    places: Option<Offer>,
    pub(in crate::actors::seat_keeper) grant: Grant,
    /// Of a place that another machine has lent to this one: by which loan.
    pub(in crate::actors::seat_keeper) loan: Option<LoanOf>,
}

impl Pool {
    /// Whether it is about the same tokens: how they are found may change.
    fn is_of(&self, grant: &Grant, loan: Option<LoanOf>) -> bool {
        let own = &self.grant;
        if self.loan.map(|it| it.nonce) != loan.map(|it| it.nonce) {
            return false;
        }
        (&own.tier, &own.collection, &own.ids) == (&grant.tier, &grant.collection, &grant.ids)
            && own.terms() == grant.terms()
    }

    pub(in crate::actors::seat_keeper) fn serves(
        &self,
        tier: Option<&TierName>,
        feature: Option<&str>,
    ) -> bool {
        let included =
            |it: &str| !matches!(self.features.get(it), None | Some(Feature::Flag(false)));
        tier.is_none_or(|it| *it == self.tier) && feature.is_none_or(included)
    }
}

/// What was counted of one holder and product.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::actors::seat_keeper) struct Counted {
    /// The monotonic time of what it rests on: older news comes too late.
    pub(in crate::actors::seat_keeper) gathered: Duration,
    /// When time alone may make it another number.
    pub(in crate::actors::seat_keeper) again_at: Option<BootTime>,
}

#[derive(Debug, Default)]
pub(in crate::actors::seat_keeper) struct House {
    pub(in crate::actors::seat_keeper) seats: Seats,
    pub(in crate::actors::seat_keeper) pools: BTreeMap<PoolId, Pool>,
    pub(in crate::actors::seat_keeper) counted: BTreeMap<Key, Counted>,
    pub(in crate::actors::seat_keeper) watches: Watches,
    pub(in crate::actors::seat_keeper) policies: Policies,
    pub(in crate::actors::seat_keeper) behind: BTreeMap<SeatId, Behind>,
    pub(in crate::actors::seat_keeper) last_request: u64,
    pub(in crate::actors::seat_keeper) kept: Kept,
    pub(in crate::actors::seat_keeper) borrowed: AllBorrowed,
    /// To which machines seats were lent.
    pub(in crate::actors::seat_keeper) lent: BTreeMap<SeatId, LentTo>,
    /// Loans that were given back: what was counted before that counts no more.
    pub(in crate::actors::seat_keeper) spent: BTreeSet<B256>,
    /// When it was noted last how late it is.
    pub(in crate::actors::seat_keeper) noted: Option<BootTime>,
    /// Of pools that nothing was proven of since the start: until when what was known before does, by the boot's clock.
    pub(in crate::actors::seat_keeper) proven_before: BTreeMap<PoolId, BootTime>,
    /// Until then the chain may be asked about what was held before the start, and had no proof any more.
    pub(in crate::actors::seat_keeper) proven_by: BootTime,
    /// Seats of before the start are here again: their users may have left their customers meanwhile.
    pub(in crate::actors::seat_keeper) has_put_back: bool,
    last_pool: u64,
    /// Whether pools with a number of seats are shared with other machines.
    pub(in crate::actors::seat_keeper) is_fleet: bool,
}

/// Who stands behind a seat.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::actors::seat_keeper) struct Behind {
    /// Whose limits it uses up.
    pub(in crate::actors::seat_keeper) account: Option<u32>,
    /// In a fleet, that of its place.
    pub(in crate::actors::seat_keeper) fence: Option<u64>,
}

impl House {
    /// Seats are numbered from the one after `last`, and after those that are kept.
    pub(in crate::actors::seat_keeper) fn new(last: u64, policies: Policies, kept: Kept) -> Self {
        let seats = Seats::new(last.max(kept.last));
        let watches = Watches::default().storing(kept.descriptors.clone());
        let lent = kept.lent.clone();
        let mut house = Self { seats, policies, watches, kept, lent, ..Self::default() };
        house.set_kept_aside();
        house
    }

    /// The same, put together anew from its pools and seats, so that nothing half done is left. Those that waited do not.
    pub(in crate::actors::seat_keeper) fn rebuilt(mut self, now: BootTime) -> Self {
        let before = std::mem::take(&mut self.seats);
        self.seats = Seats::new(before.last());
        self.set_kept_aside();
        for pool in self.pools.values() {
            let policy = self.policies.of(&pool.key.product, &pool.tier);
            self.seats.set_pool(now, pool.id, pool.terms, policy);
            if self.shares(pool, pool.capacity) || before.is_shared(pool.id) {
                self.seats.share(pool.id);
            }
        }
        for seat in before.seats() {
            self.seats.restore(now, seat.clone());
        }
        for (binding, until) in before.suspects() {
            self.seats.suspect(binding, until);
        }
        for pool in self.pools.values() {
            if let Some(capacity) = pool.capacity {
                self.seats.set_supply(now, pool.id, capacity, pool.places.clone());
            }
        }
        self
    }

    /// The pools of a holder and a product, the best first.
    pub(in crate::actors::seat_keeper) fn pools_of<'a>(
        &'a self,
        key: &'a Key,
    ) -> impl Iterator<Item = &'a Pool> {
        let mut pools: Vec<&Pool> = self.pools.values().filter(|it| it.key == *key).collect();
        pools.sort_by_key(|it| (std::cmp::Reverse(it.rank), it.id));
        pools.into_iter()
    }

    /// The pool of a grant, as its product has it now.
    pub(in crate::actors::seat_keeper) fn enter_pool(
        &mut self,
        now: BootTime,
        key: &Key,
        (grant, tier, loan): (&Grant, &Tier, Option<LoanOf>),
        terms: SeatTerms,
    ) -> PoolId {
        let known = self.pools.values().find(|it| it.key == *key && it.is_of(grant, loan));
        let known_id = known.map(|it| it.id);
        let capacity = known.and_then(|it| it.capacity);
        let places = known.and_then(|it| it.places.clone());
        let changed = known.is_none_or(|it| it.terms != terms);
        let is_new = known_id.is_none();
        let id = known_id.unwrap_or_else(|| {
            self.last_pool += 1;
            PoolId(self.last_pool)
        });
        let pool = Pool {
            id,
            key: key.clone(),
            tier: tier.name.clone(),
            rank: tier.rank,
            features: Arc::clone(&tier.features),
            terms,
            capacity,
            places,
            grant: grant.clone(),
            loan,
        };
        if changed {
            let policy = self.policies.of(&key.product, &tier.name);
            self.seats.set_pool(now, id, terms, policy);
        }
        self.pools.insert(id, pool);
        if is_new {
            self.put_back(now, id, key, (grant, loan.map(|it| it.nonce)));
        }
        id
    }

    fn shares(&self, pool: &Pool, capacity: Option<Capacity>) -> bool {
        let is_number = |it: Capacity| matches!(it.supply, Supply::Seats(_));
        // What was lent was lent to this machine.
        self.is_fleet && pool.loan.is_none() && capacity.is_some_and(is_number)
    }

    /// Tells a pool what was proven of it.
    pub(in crate::actors::seat_keeper) fn set_capacity(
        &mut self,
        now: BootTime,
        id: PoolId,
        (capacity, places): (Capacity, Option<Offer>),
    ) {
        let shares = self.pools.get(&id).is_some_and(|it| self.shares(it, Some(capacity)));
        if let Some(pool) = self.pools.get_mut(&id) {
            (pool.capacity, pool.places) = (Some(capacity), places.clone());
            if shares {
                // Before there is anything to give.
                self.seats.share(id);
            } else {
                self.seats.share_no_more(now, id);
            }
            self.proven_before.remove(&id);
            self.seats.set_supply(now, id, capacity, places);
        }
    }

    /// The pool has nothing any more: neither this holder nor the product has it. Its seats go on where their tokens are
    /// granted in other words, and so does who waits for one: in these pools.
    pub(in crate::actors::seat_keeper) fn empty(
        &mut self,
        now: BootTime,
        id: PoolId,
        present: &[PoolId],
    ) -> Vec<PoolId> {
        let Some(pool) = self.pools.get(&id) else { return Vec::new() };
        let (tier, unit) = (pool.tier.clone(), pool.terms.unit);
        let others = self.like(&tier, |it| it == unit, present);
        others.iter().for_each(|it| self.seats.hand_over(now, id, *it));
        self.seats.wait_instead(now, id, &others);
        // The store of a fleet counts its places, and they would be handed back.
        if others.iter().any(|it| !self.is_known(*it))
            && !self.seats.is_shared(id)
            && self.seats.used(id) > 0
        {
            self.doubt(now, id);
            return others;
        }
        let none = Capacity { supply: Supply::Seats(0), until: None };
        self.set_capacity(now, id, (none, Some(Offer::default())));
        others
    }

    /// What the pool had may be granted in other words, and it is not known whether it is: until then nothing is given of it,
    /// and its seats last as long as what proved them.
    fn doubt(&mut self, now: BootTime, id: PoolId) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if let Some(until) = pool.capacity.take().and_then(|it| it.until) {
            self.proven_before.insert(id, until);
        }
        self.seats.doubt(now, id);
        if let Some(until) = self.proven_before.get(&id) {
            self.seats.end_unless_proven(now, id, *until);
        }
    }

    /// Those of some pools that are of a tier, and whose seats cover as much.
    pub(super) fn like(
        &self,
        tier: &TierName,
        covers: impl Fn(SeatUnit) -> bool,
        pools: &[PoolId],
    ) -> Vec<PoolId> {
        let pools = pools.iter().filter_map(|it| self.pools.get(it));
        let is_like = |it: &&Pool| it.tier == *tier && covers(it.terms.unit);
        pools.filter(is_like).map(|it| it.id).collect()
    }

    /// Whether anything was proven of the pool.
    pub(super) fn is_known(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|it| it.capacity.is_some())
    }

    /// Those whose tokens somebody has a seat by, or who are entitled to one.
    pub(in crate::actors::seat_keeper) fn in_use(&self) -> BTreeSet<Key> {
        let mut keys = self.kept.keys();
        for seat in self.seats.seats() {
            let Some(pool) = self.pools.get(&seat.pool) else { continue };
            let product = &pool.key.product;
            let key = |customer| Key { customer, product: product.clone() };
            keys.extend(customers(seat).map(key));
            keys.insert(pool.key.clone());
        }
        keys
    }

    /// Forgets what was counted of all others. Their pools have no seats, and nobody waits in them.
    pub(in crate::actors::seat_keeper) fn forget_all_but(&mut self, kept: &BTreeSet<Key>) {
        self.counted.retain(|key, _| kept.contains(key));
        let gone = self.pools.extract_if(.., |_, it| !kept.contains(&it.key));
        for (id, _) in gone {
            self.proven_before.remove(&id);
            self.seats.remove_pool(id);
        }
    }

    /// The policies are others now.
    pub(in crate::actors::seat_keeper) fn adopt_policies(
        &mut self,
        now: BootTime,
        policies: Policies,
    ) {
        self.policies = policies;
        for pool in self.pools.values() {
            let policy = self.policies.of(&pool.key.product, &pool.tier);
            self.seats.set_pool(now, pool.id, pool.terms, policy);
        }
    }
}

/// By whose entitlement those who share a seat have it.
pub(in crate::actors::seat_keeper) fn customers(seat: &Seat) -> impl Iterator<Item = CustomerId> {
    seat.holders().into_iter().filter_map(|it| it.standing).map(Standing::customer)
}

/// Whether one supply is less than another.
pub(in crate::actors::seat_keeper) fn is_less(one: Supply, other: Supply) -> bool {
    match (one, other) {
        (Supply::Seats(one), Supply::Seats(other)) => one < other,
        (Supply::Seats(_), Supply::Unlimited) => true,
        (Supply::Unlimited, _) => false,
    }
}

#[cfg(test)]
mod tests;
