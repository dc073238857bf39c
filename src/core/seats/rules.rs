//! What the policy's rules count: how many places those have whom a rule is about. Of a seat that several users share, each
//! has as many as it needs, and those of one rule have the same ones between them.

use std::collections::BTreeMap;

use super::ids::{Claimant, Owner};
use super::machine::Seats;
use super::policy::Who;
use super::pool::{Passed, Pool, Shortage, Wish};
use super::seat::{Refusal, Seat};

impl Seat {
    /// Who has a part in it, a user perhaps more than once.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Claimant> {
        std::iter::once(&self.claimant).chain(self.sharers.iter().map(|(_, it)| it))
    }

    /// How many of the places it takes are needed by some.
    fn needed_by(&self, which: impl Fn(&Claimant) -> bool) -> u64 {
        // As many as thousands of processes may share it.
        let named: BTreeMap<Owner, u32> = self.needs.iter().copied().collect();
        let need = |it: &Claimant| named.get(&it.owner()).copied().unwrap_or(self.count);
        let needs = self.parts().filter(|it| which(it)).map(need);
        needs.max().map_or(0, u64::from).min(self.weight())
    }

    /// How many of them each user needs.
    pub(super) fn needs_of_users(&self) -> BTreeMap<Owner, u64> {
        let named: BTreeMap<Owner, u32> = self.needs.iter().copied().collect();
        let mut users = BTreeMap::new();
        for part in self.parts() {
            let places: &mut u64 = users.entry(part.user()).or_default();
            let need = named.get(&part.owner()).copied().unwrap_or(self.count);
            *places = u64::from(need).max(*places);
        }
        users
    }
}

impl Seats {
    /// How many places those have whom a rule is about.
    pub(super) fn used_by(&self, pool: &Pool, who: &Who) -> u64 {
        self.of(pool).map(|seat| seat.needed_by(|it| who.is(it))).sum()
    }

    /// Places kept for others, and not in use by them alone: what somebody else needs as well is that one's when they go.
    pub(super) fn reserved_for_others(&self, pool: &Pool, claimant: &Claimant) -> u64 {
        let unused = |(who, kept): &(Who, u32)| {
            let alone = |seat: &Seat| seat.weight() - seat.needed_by(|it| !who.is(it));
            u64::from(*kept).saturating_sub(self.of(pool).map(alone).sum())
        };
        pool.policy.reserve.iter().filter(|(who, _)| !who.is(claimant)).map(unused).sum()
    }

    /// Whether it is more than could be had if nobody else had any. Of a pool that has nothing it is not known what it will
    /// have.
    pub(super) fn is_too_large(&self, pool: &Pool, wish: Wish<'_>) -> bool {
        let own = wish.own.and_then(|it| self.seats.get(&it));
        let whole = u64::from(wish.count) + own.map_or(0, Seat::weight);
        let is = |who: &Who| who.is(wish.claimant) || own.is_some_and(|it| who.is(&it.claimant));
        let beyond = |(who, most): &(Who, u32)| is(who) && whole > u64::from(*most);
        // Of two rules that are about the same the larger counts.
        let others = pool.policy.reserve.iter().filter(|(who, _)| !is(who));
        let kept = others.map(|(_, kept)| u64::from(*kept)).max().unwrap_or(0);
        let most = pool.most().filter(|it| *it > 0);
        pool.policy.max.iter().any(beyond) || most.is_some_and(|it| whole + kept > it)
    }

    /// Whether who asks for a seat would have so many places more than a rule leaves to them.
    pub(super) fn is_beyond_max(&self, pool: &Pool, wish: Wish<'_>) -> bool {
        let own = wish.own.and_then(|it| self.seats.get(&it));
        // A seat that grows is all of who asks for it, and counts for whose it was.
        let beyond = |(who, most): &(Who, u32)| {
            let is_counted = own.is_some_and(|it| who.is(&it.claimant));
            let held = own.filter(|_| !is_counted).map_or(0, Seat::weight);
            let used = self.used_by(pool, who) + held + u64::from(wish.count);
            (is_counted || who.is(wish.claimant)) && used > u64::from(*most)
        };
        pool.policy.max.iter().any(beyond)
    }

    /// Whether the policy lets somebody share the seat of the unit, which has as many places as are asked for.
    pub(super) fn pass_to_share(&self, pool: &Pool, wish: Wish<'_>) -> Result<Passed, Shortage> {
        let own = wish.own.and_then(|it| self.seats.get(&it));
        if own.is_some_and(|it| self.shares_too_much(pool, it, (wish.claimant, wish.whole))) {
            let is_never = |(who, most): &(Who, u32)| who.is(wish.claimant) && wish.whole > *most;
            let is_never = pool.policy.max.iter().any(is_never);
            let refusal = if is_never { Refusal::TooLarge } else { Refusal::Full };
            return Err(Shortage::of_policy(refusal));
        }
        Ok(Passed::unbounded())
    }

    /// Whether somebody who comes to need so many places of a seat, or more than before, would have too many with them.
    pub(super) fn shares_too_much(
        &self,
        pool: &Pool,
        seat: &Seat,
        (claimant, places): (&Claimant, u32),
    ) -> bool {
        let owner = claimant.owner();
        pool.policy.max.iter().filter(|(who, _)| who.is(claimant)).any(|(who, most)| {
            let before = seat.needed_by(|it| who.is(it));
            let after = before.max(places.into());
            let has_part = seat.parts().any(|it| it.owner() == owner && who.is(it));
            let comes = !has_part || after > before;
            comes && self.used_by(pool, who) - before + after > u64::from(*most)
        })
    }
}
