//! Seats that come to rest on other tokens: so that somebody else has a place, because the pool has lost theirs, or because
//! the product says the same in other words.

use std::collections::{BTreeMap, VecDeque};

use super::ahead::PASSED_OVER;
use super::ids::{BootTime, PoolId, SeatId};
use super::machine::Seats;
use super::places::TokenKey;
use super::pool::Supply;
use super::seat::Seat;
use super::shares::Turn;

/// One place of a pool's that moves from one token to another.
#[derive(Clone, Copy)]
struct Move {
    pool: PoolId,
    from: TokenKey,
    to: TokenKey,
}

/// One that was carried out.
pub(super) struct Moved {
    seat: SeatId,
    from: TokenKey,
    to: TokenKey,
    /// Whether the seat was to be kept anew before.
    had_changed: bool,
}

impl Seats {
    /// Makes other pools take other tokens of theirs, until so many places are free for this one, in its turn. Nobody notices.
    /// What it did, if there are more now.
    pub(super) fn make_room(&mut self, id: PoolId, places: u64, turn: Turn) -> Option<Vec<Moved>> {
        let begun = self.free_places(id, places, turn);
        let (mut free, mut done) = (begun, Vec::new());
        while free < places
            && let Some(moves) = self.way_out(id, turn)
        {
            done.extend(moves.into_iter().filter_map(|it| self.carry_out(it)));
            let now_free = self.free_places(id, places, turn);
            if now_free <= free {
                break;
            }
            free = now_free;
        }
        if free > begun {
            return Some(done);
        }
        self.take_back_moves(done);
        None
    }

    /// As if nothing had been moved: it was of no use.
    pub(super) fn take_back_moves(&mut self, done: Vec<Moved>) {
        for Moved { seat, from, to, had_changed } in done.into_iter().rev() {
            self.silently(&to, |it| it.free_from(seat, to, 1));
            self.take_on(seat, from, 1);
            self.silently(&from, |it| it.note_excess(&from));
            if !had_changed {
                self.changed.remove(&seat);
            }
        }
    }

    /// The shortest chain of moves by which a place becomes free for the pool, the last pool's first.
    fn way_out(&self, id: PoolId, turn: Turn) -> Option<Vec<Move>> {
        let ahead = self.ahead(id, turn);
        let (mut seen, mut looked_at) = (BTreeMap::from([(id, None)]), 0);
        let mut next = VecDeque::from([id]);
        while let Some(pool) = next.pop_front() {
            let shared = self.pools.get(&pool)?;
            for key in &shared.common {
                looked_at += 1;
                if looked_at > PASSED_OVER {
                    return None;
                }
                if pool == id && self.is_left(key, shared, &ahead) {
                    continue;
                }
                for taker in self.shares.takers(key) {
                    let may = !seen.contains_key(&taker)
                        && self.movable(key, taker).is_some()
                        && self.free_on(key, pool, Some(taker)) > 0;
                    if !may {
                        continue;
                    }
                    seen.insert(taker, Some((pool, *key)));
                    // Of which this pool may have none anyway: else what it gained by one it would lose by the other.
                    let is_of_use = |it: &&TokenKey| *it != key && !self.is_wanted(it, id);
                    let open = self.pools.get(&taker).and_then(|it| it.open.iter().find(is_of_use));
                    if let Some(open) = open {
                        return Some(chain(&seen, taker, *open));
                    }
                    next.push_back(taker);
                }
            }
        }
        None
    }

    /// Whether a pool has a use for a free place of a token.
    fn is_wanted(&self, key: &TokenKey, id: PoolId) -> bool {
        self.offered(id, key) > 0 && self.free_on(key, id, None) > 0
    }

    /// A seat of the pool that takes some of the token, and may as well take another.
    fn movable(&self, key: &TokenKey, pool: PoolId) -> Option<SeatId> {
        let is_here = |it: &SeatId| self.seats.get(it).is_some_and(|it| it.lent_until().is_none());
        self.shares.seats_of(key, pool).find(is_here)
    }

    fn carry_out(&mut self, step: Move) -> Option<Moved> {
        let Move { pool, from, to } = step;
        let seat = self.movable(&from, pool)?;
        let had_changed = self.changed.contains(&seat);
        // Nothing becomes free that could not have been had before.
        self.silently(&from, |it| it.free_from(seat, from, 1));
        self.take_on(seat, to, 1);
        Some(Moved { seat, from, to, had_changed })
    }

    /// Gives the seats of a pool places that it has, the oldest first, as far as there are any: for those that it has lost,
    /// and for what went beyond the capacity.
    pub(super) fn put_in_place(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get(&id).filter(|it| it.places.is_some()) else { return };
        if pool.used <= pool.bound {
            return;
        }
        let seats: Vec<SeatId> = self.of(pool).map(|it| it.id).collect();
        let before = self.pools.get(&id).map(|it| (it.bound, it.taken));
        for seat in seats {
            self.put_one_in_place(id, seat);
        }
        if self.pools.get(&id).map(|it| (it.bound, it.taken)) != before {
            self.stir(id);
        }
    }

    fn put_one_in_place(&mut self, id: PoolId, seat: SeatId) {
        while let Some(own) = self.seats.get(&seat).filter(|it| !it.is_lingering()) {
            let placed: u64 = own.places.iter().map(|(_, it)| u64::from(*it)).sum();
            let is_lost =
                |it: &TokenKey| self.offered(id, it) == 0 || self.shares.is_excess(it, (id, seat));
            let lost = own.places.iter().map(|(it, _)| *it).find(is_lost);
            let lost = lost.filter(|_| own.lent_until().is_none());
            if lost.is_none() && placed >= own.weight() {
                return;
            }
            if self.free_places(id, 1, None) == 0 && self.make_room(id, 1, None).is_none() {
                return;
            }
            let Some(open) = self.open_token(id) else { return };
            if let Some(lost) = lost {
                self.free_from(seat, lost, 1);
            }
            self.take_on(seat, open, 1);
        }
    }

    /// Seats follow their tokens into another pool of the same holder, which offers those now.
    pub fn hand_over(&mut self, now: BootTime, from: PoolId, to: PoolId) {
        let Some(pool) = self.pools.get(&from).filter(|_| self.pools.contains_key(&to)) else {
            return;
        };
        let follows = |it: &&Seat| self.has_places_for(to, it);
        let seats: Vec<SeatId> = self.of(pool).filter(follows).map(|it| it.id).collect();
        for id in seats {
            let Some(mut seat) = self.take_out(id) else { continue };
            seat.pool = to;
            let drains = usize::from(seat.drains_at.is_some());
            self.enter(now, seat);
            if let Some(pool) = self.pools.get_mut(&to) {
                pool.draining += drains;
            }
        }
        self.settle(now, from);
        self.settle(now, to);
    }

    /// Whether a pool offers the tokens of a seat of another one, and its unit has none there.
    pub fn has_places_for(&self, id: PoolId, seat: &Seat) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        let is_there = |(key, _): &(TokenKey, u32)| self.offered(id, key) > 0;
        let is_counted = !seat.places.is_empty() && seat.places.iter().all(is_there);
        let is_unlimited = pool.capacity.is_some_and(|it| it.supply == Supply::Unlimited);
        !self.by_key.contains_key(&(id, seat.key)) && (is_counted || is_unlimited)
    }

    /// Whoever waits for a pool that is no more waits for these from now on, in the order in which all asked.
    pub fn wait_instead(&mut self, now: BootTime, from: PoolId, to: &[PoolId]) {
        let others: Vec<PoolId> =
            to.iter().copied().filter(|it| self.pools.contains_key(it)).collect();
        let Some(pool) = self.pools.get_mut(&from).filter(|_| !others.is_empty()) else { return };
        for id in std::mem::take(&mut pool.queue) {
            let Some(request) = self.requests.get_mut(&id) else { continue };
            let new: Vec<PoolId> =
                others.iter().copied().filter(|it| !request.pools.contains(it)).collect();
            let Some(at) = request.pools.iter().position(|it| *it == from) else { continue };
            drop(request.pools.splice(at..=at, new.iter().copied()));
            for pool in new {
                let Some(pool) = self.pools.get_mut(&pool) else { continue };
                let place = pool.queue.partition_point(|it| *it < id);
                pool.queue.insert(place, id);
            }
        }
        self.stir(from);
        self.serve_all(now, &others);
    }
}

/// The moves that lead from the pool that has something open back to the one that needs a place.
fn chain(
    seen: &BTreeMap<PoolId, Option<(PoolId, TokenKey)>>,
    last: PoolId,
    open: TokenKey,
) -> Vec<Move> {
    let (mut moves, mut pool, mut to) = (Vec::new(), last, open);
    while let Some(Some((parent, key))) = seen.get(&pool) {
        moves.push(Move { pool, from: *key, to });
        (pool, to) = (*parent, *key);
    }
    moves
}
