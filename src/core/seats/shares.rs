//! The places of tokens: each is taken once, whichever of the pools that rest on it has it.
//!
//! A pool **offers** what its holder's tokens are good for. A token may stand behind several holders at once (a vault that
//! delegated to each of them), or behind one after the other. So its places are counted here and not in any pool, under the
//! names that the machines of a fleet give them. Where a pool is shared with other machines, the fleet counts.
//!
//! Invariants:
//! * Of no token more places are taken than the most that any pool offers of it, but for what was lost since.
//! * A place stays taken until its seat ends, or moves to another token of its pool. What another machine has does not move.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::ahead::PASSED_OVER;
use super::ids::{BootTime, Owner, PoolId, RequestId, SeatId};
use super::machine::Seats;
use super::parts::Excess;
use super::places::{Offer, Part, TokenKey};
use super::seat::Seat;

/// Of seats whose pool is not known.
pub(super) const NO_POOL: PoolId = PoolId(u64::MAX);
/// Open tokens that are looked through for one that nobody else rests on.
const LOOKED_THROUGH: usize = 64;

/// In whose turn, and when, and which user's it is: what is waited for in other pools by who asked before is left to them.
pub(super) type Turn = Option<(BootTime, RequestId, Owner)>;

/// What became of the places of one token.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Those that offer it.
    pub(super) pools: BTreeSet<PoolId>,
    /// The most that it is good for, as one of them knows it.
    pub(super) most: u64,
    /// By which seats.
    pub(super) seats: BTreeMap<(PoolId, SeatId), u32>,
    pub(super) taken: BTreeMap<PoolId, u64>,
    pub(super) total: u64,
    /// Of those taken, which are too many.
    pub(super) excess: Excess,
}

/// What a seat takes of each token, and until when.
type Aside = (Vec<(TokenKey, u32)>, Option<BootTime>);

/// All tokens that a pool offers, or a seat rests on.
#[derive(Debug, Default)]
pub(super) struct Shares {
    pub(super) all: BTreeMap<TokenKey, Share>,
    /// Tokens of which places may have become free: whoever waits for them is served.
    pub(super) freed: BTreeSet<TokenKey>,
    /// Seats of before a restart whose pools are not known yet: what they take, and until when.
    pub(super) aside: BTreeMap<SeatId, Aside>,
}

impl Shares {
    fn take(&mut self, key: TokenKey, (pool, seat): (PoolId, SeatId), places: u32) {
        let share = self.all.entry(key).or_default();
        *share.seats.entry((pool, seat)).or_default() += places;
        *share.taken.entry(pool).or_default() += u64::from(places);
        share.total += u64::from(places);
    }

    fn free(&mut self, key: TokenKey, (pool, seat): (PoolId, SeatId), places: u32) {
        let Some(share) = self.all.get_mut(&key) else { return };
        if let Some(own) = share.seats.get_mut(&(pool, seat)) {
            *own = own.saturating_sub(places);
            if *own == 0 {
                share.seats.remove(&(pool, seat));
            }
        }
        if let Some(taken) = share.taken.get_mut(&pool) {
            *taken = taken.saturating_sub(u64::from(places));
            if *taken == 0 {
                share.taken.remove(&pool);
            }
        }
        share.total = share.total.saturating_sub(u64::from(places));
        self.freed.insert(key);
    }

    pub(super) fn taken_by(&self, key: &TokenKey, pool: PoolId) -> u64 {
        self.all.get(key).and_then(|it| it.taken.get(&pool)).copied().unwrap_or(0)
    }

    /// The same, without what is too many.
    fn bound_by(&self, key: &TokenKey, pool: PoolId) -> u64 {
        let excess = self.all.get(key).into_iter().flat_map(|it| it.excess.range(all_of(pool)));
        let excess: u64 = excess.map(|(_, it)| u64::from(*it)).sum();
        self.taken_by(key, pool).saturating_sub(excess)
    }

    /// Whether what a seat has of it is too many.
    pub(super) fn is_excess(&self, key: &TokenKey, (pool, seat): (PoolId, SeatId)) -> bool {
        self.all.get(key).is_some_and(|it| it.excess.contains_key(&(pool, seat)))
    }

    pub(super) fn pools_on(&self, key: &TokenKey) -> Vec<PoolId> {
        self.all.get(key).map(|it| it.pools.iter().copied().collect()).unwrap_or_default()
    }

    /// Those whose seats have some of it.
    pub(super) fn takers(&self, key: &TokenKey) -> impl Iterator<Item = PoolId> + '_ {
        self.all.get(key).into_iter().flat_map(|it| it.taken.keys().copied())
    }

    /// The seats of a pool that have some of it.
    pub(super) fn seats_of(
        &self,
        key: &TokenKey,
        pool: PoolId,
    ) -> impl Iterator<Item = SeatId> + '_ {
        let share = self.all.get(key).into_iter();
        share.flat_map(move |it| it.seats.range(all_of(pool)).map(|((_, it), _)| *it))
    }
}

fn all_of(pool: PoolId) -> RangeInclusive<(PoolId, SeatId)> {
    (pool, SeatId(0))..=(pool, SeatId(u64::MAX))
}

impl Seats {
    /// How many places are free for the pool, as far as `wanted`. With `turn`, those are not counted that somebody who asked
    /// before waits for in another pool.
    pub(super) fn free_places(&self, id: PoolId, wanted: u64, turn: Turn) -> u64 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let ahead = self.ahead(id, turn);
        let (mut free, mut left) = (0, 0);
        for key in &pool.open {
            if free >= wanted || left > PASSED_OVER {
                break;
            }
            match self.is_left(key, pool, &ahead) {
                true => left += 1,
                false => free += self.free_on(key, id, None),
            }
        }
        free.min(wanted)
    }

    /// Whether what the pool lacks is taken by seats that end, of a pool that has lost the token.
    pub(super) fn is_being_drained(&self, id: PoolId) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        let shares = pool.common.iter().filter_map(|it| Some((it, self.shares.all.get(it)?)));
        let mut takers = shares.flat_map(|(key, it)| it.taken.keys().map(move |it| (key, *it)));
        takers.any(|(key, it)| {
            let drains = self.pools.get(&it).is_some_and(|it| it.draining > 0);
            it != id && drains && self.offered(it, key) == 0
        })
    }

    /// Places of the pool's tokens that others on this machine have.
    pub(super) fn taken_elsewhere(&self, id: PoolId) -> u64 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let taken = pool.common.iter().map(|key| {
            let own = self.shares.taken_by(key, id);
            let offered = u64::from(self.offered(id, key));
            offered.saturating_sub(own + self.free_on(key, id, None))
        });
        taken.sum()
    }

    /// What pools that share a token with this one use beyond their capacity.
    pub(super) fn over_elsewhere(&self, id: PoolId) -> u64 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let others: BTreeSet<PoolId> =
            pool.common.iter().flat_map(|it| self.shares.pools_on(it)).collect();
        let others = others.into_iter().filter(|it| *it != id);
        let others = others.filter_map(|it| self.pools.get(&it)).filter(|it| it.places.is_some());
        others.map(|it| it.used.saturating_sub(it.bound)).sum()
    }

    /// Says which places the pool offers. `None`: they are not counted by token.
    pub(super) fn set_places(&mut self, id: PoolId, offer: Option<Offer>) {
        let Some(pool) = self.pools.get_mut(&id).filter(|it| it.places != offer) else { return };
        let before = std::mem::replace(&mut pool.places, offer);
        let after = pool.places.clone();
        let keys: BTreeSet<TokenKey> =
            before.iter().chain(&after).flat_map(Offer::keys).copied().collect();
        for key in keys {
            let part = |it: &Option<Offer>| it.as_ref().map_or(Part::default(), |it| it.part(&key));
            let [was, is] = [part(&before), part(&after)];
            if was != is {
                self.change_offer(id, key, is);
            }
        }
        let offered = after.iter().flat_map(Offer::keys);
        let bound = offered.map(|it| self.shares.bound_by(it, id)).sum();
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.bound = bound;
        }
        if after.is_none() {
            let here = |it: &&Seat| it.lent_until().is_none();
            let pool = self.pools.get(&id);
            let seats: Vec<SeatId> =
                pool.into_iter().flat_map(|it| self.of(it).filter(here)).map(|it| it.id).collect();
            seats.into_iter().for_each(|it| self.unplace(it));
        }
    }

    fn change_offer(&mut self, id: PoolId, key: TokenKey, part: Part) {
        let share = self.shares.all.entry(key).or_default();
        match part.own {
            0 => share.pools.remove(&id),
            _ => share.pools.insert(id),
        };
        let pools: Vec<PoolId> = share.pools.iter().copied().collect();
        let is_common = share.pools.len() > 1 || share.taken.keys().any(|it| *it != id);
        let is_idle = pools.is_empty() && share.total == 0;
        let most = pools.iter().map(|it| u64::from(self.part(*it, &key).of)).max();
        match self.shares.all.get_mut(&key) {
            Some(share) if !is_idle => share.most = most.unwrap_or(0),
            _ => drop(self.shares.all.remove(&key)),
        }
        for other in pools {
            if let Some(pool) = self.pools.get_mut(&other).filter(|_| is_common) {
                pool.common.insert(key);
            }
        }
        if let Some(pool) = self.pools.get_mut(&id).filter(|_| part.own == 0) {
            pool.common.remove(&key);
            pool.open.remove(&key);
        }
        self.shares.freed.insert(key);
        self.note_excess(&key);
        self.note_open(&key);
    }

    /// Which pools may have more places of the token.
    fn note_open(&mut self, key: &TokenKey) {
        for id in self.shares.pools_on(key) {
            let is_open = self.free_on(key, id, None) > 0;
            if let Some(pool) = self.pools.get_mut(&id) {
                match is_open {
                    true => pool.open.insert(*key),
                    false => pool.open.remove(key),
                };
            }
        }
    }

    pub(super) fn take_on(&mut self, seat: SeatId, key: TokenKey, places: u32) {
        let Some(own) = self.seat_mut(seat) else { return };
        match own.places.iter_mut().find(|(it, _)| *it == key) {
            Some((_, taken)) => *taken += places,
            None => own.places.push((key, places)),
        }
        let pool = own.pool;
        self.register(seat, pool, (key, places));
    }

    /// Counts what a seat takes, where it stands in the seat already.
    pub(super) fn register(&mut self, seat: SeatId, id: PoolId, (key, places): (TokenKey, u32)) {
        self.shares.take(key, (id, seat), places);
        let is_offered = self.offered(id, &key) > 0;
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.taken += u64::from(places);
            pool.bound += if is_offered { u64::from(places) } else { 0 };
        }
        for other in self.shares.pools_on(&key).into_iter().filter(|it| *it != id) {
            if let Some(pool) = self.pools.get_mut(&other) {
                pool.common.insert(key);
            }
        }
        self.note_open(&key);
    }

    pub(super) fn free_from(&mut self, seat: SeatId, key: TokenKey, places: u32) {
        let Some(own) = self.seat_mut(seat) else { return };
        if let Some((_, taken)) = own.places.iter_mut().find(|(it, _)| *it == key) {
            *taken = taken.saturating_sub(places);
        }
        own.places.retain(|(_, it)| *it > 0);
        let pool = own.pool;
        self.unregister(seat, pool, (key, places));
    }

    pub(super) fn unregister(&mut self, seat: SeatId, id: PoolId, (key, places): (TokenKey, u32)) {
        let is_offered = self.offered(id, &key) > 0;
        let had_excess = self.forget_excess(&key);
        self.shares.free(key, (id, seat), places);
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.taken = pool.taken.saturating_sub(u64::from(places));
            let lost = if is_offered { u64::from(places) } else { 0 };
            pool.bound = pool.bound.saturating_sub(lost);
        }
        if self.shares.all.get(&key).is_some_and(|it| it.pools.is_empty() && it.total == 0) {
            self.shares.all.remove(&key);
        }
        if had_excess {
            self.note_excess(&key);
        }
        self.note_open(&key);
    }

    /// Does something by which a place of the token becomes free that is of no news to anybody.
    pub(super) fn silently(&mut self, key: &TokenKey, what: impl FnOnce(&mut Self)) {
        let was_freed = self.shares.freed.contains(key);
        what(self);
        if !was_freed {
            self.shares.freed.remove(key);
        }
    }

    /// A seat that has entered its pool takes the places that stand in it.
    pub(super) fn register_all(&mut self, seat: SeatId) {
        self.drop_aside(seat);
        let Some((pool, places)) = self.seats.get(&seat).map(|it| (it.pool, it.places.clone()))
        else {
            return;
        };
        for (key, places) in places {
            self.register(seat, pool, (key, places));
            self.note_excess(&key);
        }
    }

    /// Frees all that a seat that is gone has taken.
    pub(super) fn unregister_all(&mut self, seat: &Seat) {
        seat.places.iter().for_each(|it| self.unregister(seat.id, seat.pool, *it));
    }

    /// Frees all that a seat takes.
    pub(super) fn unplace(&mut self, seat: SeatId) {
        let places = self.seats.get(&seat).map(|it| it.places.clone()).unwrap_or_default();
        places.into_iter().for_each(|(key, places)| self.free_from(seat, key, places));
    }

    /// Frees what a seat takes beyond so many places, what is too many of its tokens first.
    pub(super) fn unplace_beyond(&mut self, seat: SeatId, count: u32) {
        while let Some(own) = self.seats.get(&seat) {
            let placed: u32 = own.places.iter().map(|(_, it)| *it).sum();
            let is_excess = |it: &TokenKey| self.shares.is_excess(it, (own.pool, seat));
            let mut keys = own.places.iter().map(|(it, _)| *it);
            let lost = keys.find(|it| is_excess(it) || self.offered(own.pool, it) == 0);
            let last = own.places.last().map(|(it, _)| *it);
            let Some(key) = lost.or(last).filter(|_| placed > count) else { return };
            self.free_from(seat, key, 1);
        }
    }

    /// Takes what is free for a seat that has fewer places than it counts for. In its turn, it leaves to others what they
    /// wait for.
    pub(super) fn place(&mut self, seat: SeatId, turn: Turn) {
        let Some(own) = self.seats.get(&seat) else { return };
        let placed: u64 = own.places.iter().map(|(_, it)| u64::from(*it)).sum();
        let (pool, mut lacks) = (own.pool, own.weight().saturating_sub(placed));
        for key in self.open_tokens(pool, turn, lacks) {
            let free = self.free_on(&key, pool, None).min(lacks);
            let Some(places) = u32::try_from(free).ok().filter(|it| *it > 0) else { continue };
            self.take_on(seat, key, places);
            lacks -= free;
        }
    }

    /// One that nobody else rests on, if there is any, so that what others might want is left to them.
    pub(super) fn open_token(&self, id: PoolId) -> Option<TokenKey> {
        self.open_tokens(id, None, 1).first().copied()
    }

    /// Tokens with so many free places, those before that nobody else rests on. Some may be named twice.
    fn open_tokens(&self, id: PoolId, turn: Turn, places: u64) -> Vec<TokenKey> {
        let Some(pool) = self.pools.get(&id).filter(|_| places > 0) else { return Vec::new() };
        let ahead = self.ahead(id, turn);
        let first = pool.open.iter().take(LOOKED_THROUGH);
        let own = first.filter(|it| !pool.common.contains(*it));
        let ours = pool.open.iter().filter(|it| !self.is_left(it, pool, &ahead));
        let most = usize::try_from(places).unwrap_or(usize::MAX).saturating_add(LOOKED_THROUGH);
        own.chain(ours).take(most).copied().collect()
    }
}
