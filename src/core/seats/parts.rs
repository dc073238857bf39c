//! How the places of one token are divided between the pools that rest on it.
//!
//! A pool may have its own part of a token, and as many places as all of it is good for: of a balance that a vault delegated in
//! parts, those differ. Where pools say differently what all of it is good for, because their grants do, it is as slots are
//! numbered: whoever is good for fewer has the first ones, and the others may have those too.

use std::collections::BTreeMap;

use super::ids::{PoolId, SeatId};
use super::machine::Seats;
use super::places::{Part, TokenKey};
use super::seat::Seat;

/// Places that are too many, by which seats.
pub(super) type Excess = BTreeMap<(PoolId, SeatId), u32>;

impl Seats {
    pub(super) fn part(&self, pool: PoolId, key: &TokenKey) -> Part {
        let offer = self.pools.get(&pool).and_then(|it| it.places.as_ref());
        offer.map_or(Part::default(), |it| it.part(key))
    }

    pub(super) fn offered(&self, pool: PoolId, key: &TokenKey) -> u32 {
        self.part(pool, key).own
    }

    /// How many places of a token a pool may have besides what it has; as if `without`, another one, had one less.
    pub(super) fn free_on(&self, key: &TokenKey, pool: PoolId, without: Option<PoolId>) -> u64 {
        let part = self.part(pool, key);
        let (own, of) = (u64::from(part.own), u64::from(part.of));
        let Some(share) = self.shares.all.get(key) else { return own };
        let mut left = own.saturating_sub(self.shares.taken_by(key, pool));
        if own < of {
            // Whose part it was is not known any more: it may be this one, which has another holder now.
            let lost = share.taken.iter().filter(|(it, _)| !share.pools.contains(it));
            let lost = lost.map(|(it, taken)| taken - u64::from(without == Some(*it)));
            left = left.saturating_sub(lost.sum());
        }
        let less = u64::from(without.is_some());
        if of >= share.most || share.total <= less {
            return left.min(of.saturating_sub(share.total - less.min(share.total)));
        }
        let mut by_number: BTreeMap<u64, u64> = BTreeMap::from([(of, 0)]);
        for (taker, taken) in &share.taken {
            let taken = taken - u64::from(without == Some(*taker));
            *by_number.entry(self.part(*taker, key).of.into()).or_default() += taken;
        }
        let (mut taken, mut free) = (0, left);
        for (number, more) in by_number {
            taken += more;
            if number >= of {
                free = free.min(number.saturating_sub(taken));
            }
        }
        free
    }

    /// Which places are too many, where a token is good for fewer than are taken: those of the newest seats, whichever pools they
    /// are of. They stay taken until their seats have others, or end.
    pub(super) fn note_excess(&mut self, key: &TokenKey) {
        let excess = self.excess_of(key).unwrap_or_default();
        self.set_excess(key, excess);
    }

    /// As if none were too many. True if some were.
    pub(super) fn forget_excess(&mut self, key: &TokenKey) -> bool {
        let was_some = self.shares.all.get(key).is_some_and(|it| !it.excess.is_empty());
        if was_some {
            self.set_excess(key, Excess::new());
        }
        was_some
    }

    fn set_excess(&mut self, key: &TokenKey, excess: Excess) {
        let Some(share) = self.shares.all.get_mut(key).filter(|it| it.excess != excess) else {
            return;
        };
        let before = std::mem::replace(&mut share.excess, excess.clone());
        for ((pool, _), places) in before {
            if let Some(pool) = self.pools.get_mut(&pool) {
                pool.bound += u64::from(places);
            }
        }
        for ((pool, _), places) in excess {
            if let Some(pool) = self.pools.get_mut(&pool) {
                pool.bound = pool.bound.saturating_sub(u64::from(places));
            }
        }
        self.shares.freed.insert(*key);
    }

    /// What a pool offers has its own part, and what is left of all of it by who has the first ones. What one has that offers
    /// nothing of it ends anyway, and what another machine has cannot be called back.
    fn excess_of(&self, key: &TokenKey) -> Option<Excess> {
        let share = self.shares.all.get(key)?;
        let mut rests: Vec<Rest> = share.pools.iter().map(|it| self.rest(key, *it)).collect();
        rests.sort_by_key(|it| it.of);
        let mut excess = Excess::new();
        let mut newest: Vec<(PoolId, SeatId)> = Vec::new();
        if rests.iter().any(|it| it.taken > it.own) || beyond(&rests, 0).is_some() {
            let here = |(_, it): &&(PoolId, SeatId)| {
                self.seats.get(it).is_some_and(|it| it.lent_until().is_none())
            };
            newest = share.seats.keys().filter(here).copied().collect();
            let order = |it: &SeatId| self.seats.get(it).map(Seat::order);
            newest.sort_by_key(|(_, seat)| std::cmp::Reverse(order(seat)));
        }
        for (pool, seat) in newest {
            let Some(index) = rests.iter().position(|it| it.pool == pool) else { continue };
            let places = share.seats.get(&(pool, seat)).copied().unwrap_or(0);
            let own = rests[index].taken.saturating_sub(rests[index].own);
            let too_many = own.max(beyond(&rests, index).unwrap_or(0)).min(places.into());
            if too_many > 0 {
                rests[index].taken -= too_many;
                excess.insert((pool, seat), u32::try_from(too_many).unwrap_or(places));
            }
        }
        Some(excess)
    }

    fn rest(&self, key: &TokenKey, pool: PoolId) -> Rest {
        let Part { own, of } = self.part(pool, key);
        Rest { pool, own: own.into(), of: of.into(), taken: self.shares.taken_by(key, pool) }
    }
}

/// What one pool may have, and has, while it is found out who has too many.
struct Rest {
    pool: PoolId,
    own: u64,
    of: u64,
    taken: u64,
}

/// By how many those that are good for no more than one of these, or than some after it, have too many. The least comes first.
fn beyond(rests: &[Rest], index: usize) -> Option<u64> {
    let (mut taken, mut most) = (0, 0);
    for (at, rest) in rests.iter().enumerate() {
        taken += rest.taken;
        let is_last = rests.get(at + 1).is_none_or(|it| it.of > rest.of);
        if is_last && rest.of >= rests[index].of {
            most = taken.saturating_sub(rest.of).max(most);
        }
    }
    (most > 0).then_some(most)
}
