//! What is kept free for who waits: in order of the queue, and of several places no more than a fair share of the pool.
//!
//! Who waits for one place lacks it because none is free, and keeps nobody from anything. Who waits for several lacks some
//! while others are free. Those are kept for it as far as its user comes to no more than the pool divided by its users;
//! else a single request would lock everybody out of what nobody uses. Of the same user who came first is first, whatever
//! it waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{BootTime, Owner, PoolId};
use super::machine::Seats;
use super::pool::Wish;

/// A pool divided by those who have or want something of it.
#[derive(Debug)]
pub(super) struct Division {
    used: BTreeMap<Owner, u64>,
    share: u64,
}

/// Those whom a queue holds up, as one goes along it.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    all: bool,
    users: BTreeSet<Owner>,
    division: Option<Division>,
}

impl HeldUp {
    /// Nobody yet, of a pool that may have been divided before, for the same newcomer.
    pub(super) fn dividing(division: Option<Division>) -> Self {
        Self { division, ..Self::default() }
    }

    pub(super) fn into_division(self) -> Option<Division> {
        self.division
    }

    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    pub(super) fn has(&self, user: Owner) -> bool {
        self.all || self.users.contains(&user)
    }

    /// This one waits for places that are lacking. `newcomer` is counted besides those that have a seat or wait.
    pub(super) fn add(
        &mut self,
        seats: &Seats,
        now: BootTime,
        (id, wish): (PoolId, Wish<'_>),
        newcomer: Option<Owner>,
    ) {
        let user = wish.claimant.user();
        let is_kept = match wish.count {
            0 | 1 => true,
            // Of a fleet's places others elsewhere keep none for it.
            _ if seats.is_shared(id) => false,
            count => {
                let divide = || seats.division(now, id, newcomer);
                let division = self.division.get_or_insert_with(divide);
                let own = division.used.get(&user).copied().unwrap_or(0);
                own + u64::from(count) <= division.share
            }
        };
        self.all |= is_kept;
        self.users.insert(user);
    }

    /// One that waited has so many places more.
    pub(super) fn note_granted(&mut self, user: Owner, places: u32) {
        if let Some(division) = &mut self.division {
            *division.used.entry(user).or_default() += u64::from(places);
        }
    }
}

impl Seats {
    fn division(&self, now: BootTime, id: PoolId, newcomer: Option<Owner>) -> Division {
        let mut used: BTreeMap<Owner, u64> = BTreeMap::new();
        let Some(pool) = self.pools.get(&id) else { return Division { used, share: 0 } };
        for seat in self.of(pool).filter(|it| !it.is_lingering()) {
            for (user, places) in seat.needs_of_users() {
                *used.entry(user).or_default() += places;
            }
        }
        let waiting = pool.queue.iter().filter_map(|it| self.requests.get(it));
        for user in waiting.map(|it| it.claimant.user()).chain(newcomer) {
            used.entry(user).or_default();
        }
        let users = u64::try_from(used.len()).unwrap_or(u64::MAX).max(1);
        let share = pool.limit(now).unwrap_or(u64::MAX) / users;
        Division { used, share }
    }
}
