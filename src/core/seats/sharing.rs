//! A seat of a whole unit, which several users may be: each has a part in it, by what it holds it by, and disposes of that
//! part alone.

use std::collections::BTreeSet;

use super::ending::DETACHED;
use super::ids::{BootTime, Claimant, Owner, SeatId, Standing};
use super::machine::{Alarm, Effect, Seats};
use super::queue::Request;
use super::seat::{Binding, Brought, EndReason, Hold, Refusal, Seat};

impl Seat {
    /// Whose `binding` is.
    pub fn holder(&self, binding: Binding) -> &Claimant {
        let sharer = self.sharers.iter().find(|(it, _)| *it == binding);
        sharer.map_or(&self.claimant, |(_, it)| it)
    }

    /// Whether a user has a part in it.
    pub(super) fn is_of(&self, owner: Owner) -> bool {
        self.parts().any(|it| it.owner() == owner)
    }

    /// All who have a part in it, each user once.
    pub fn holders(&self) -> Vec<&Claimant> {
        let mut holders = vec![&self.claimant];
        for (_, sharer) in &self.sharers {
            if holders.iter().all(|it| it.owner() != sharer.owner()) {
                holders.push(sharer);
            }
        }
        holders
    }

    /// The part that a user has in it, as if there were no other.
    pub fn part_of(&self, owner: Owner) -> Option<Self> {
        let claimant = self.holders().into_iter().find(|it| it.owner() == owner)?.clone();
        if self.sharers.is_empty() {
            return Some(self.clone());
        }
        let is_first = self.claimant.owner() == owner;
        let own = |it: &Binding| self.holder(*it).owner() == owner;
        let hold = match (&self.hold, self.session_ends.filter(|_| is_first)) {
            (_, Some(until)) => Hold::Detached { until },
            (Hold::Bound(all), None) => Hold::Bound(all.iter().copied().filter(own).collect()),
            (other, None) => other.clone(),
        };
        let adopt = self.adopt.filter(|_| is_first);
        let (session_ends, sharers) = (None, Vec::new());
        Some(Self { claimant, hold, adopt, session_ends, sharers, ..self.clone() })
    }

    /// How many places a user has asked for.
    pub(super) fn need(&self, owner: Owner) -> u32 {
        let named = self.needs.iter().find(|(it, _)| *it == owner);
        named.map_or(self.count, |(_, places)| *places)
    }

    /// How many places become free where so many are too many: those that nobody needs who needs no more than the rest.
    pub(super) fn freed_of(&self, excess: u64) -> u64 {
        let left = u64::from(self.count).saturating_sub(excess);
        let needs = self.needs.iter().map(|(_, it)| u64::from(*it)).filter(|it| *it <= left);
        self.weight() - needs.max().unwrap_or(0)
    }

    /// These alone hold it from now on, and what of them others had before is still theirs. A session that could be taken
    /// over for some time has no longer because others hold it.
    pub(super) fn hold_by(&mut self, bindings: Vec<Binding>) {
        self.sharers.retain(|(it, _)| bindings.contains(it));
        self.session_ends = match self.hold {
            _ if bindings.iter().any(|it| self.is_first(*it)) => None,
            Hold::Detached { until } => Some(until),
            _ => self.session_ends,
        };
        self.hold = Hold::Bound(bindings);
    }

    /// Whether `binding` is of whoever has asked first.
    fn is_first(&self, binding: Binding) -> bool {
        self.sharers.iter().all(|(it, _)| *it != binding)
    }

    /// Whether others hold it, and whoever has asked first does not.
    fn is_left_by_first(&self) -> bool {
        !self.bindings().is_empty() && !self.bindings().iter().any(|it| self.is_first(*it))
    }

    /// Whoever has asked first and holds it no more leaves it to the next, unless a session of theirs may be taken over.
    fn pass_on(&mut self) {
        if self.adopt.is_some() || !self.is_left_by_first() {
            return;
        }
        let Some((_, next)) = self.sharers.first().cloned() else { return };
        self.sharers.retain(|(_, it)| it.owner() != next.owner());
        (self.claimant, self.session_ends) = (next, None);
    }
}

impl Seats {
    /// What the request binds the seat to besides is its user's, and what that user's right to it rests on is as it says.
    pub(super) fn share_with(&mut self, id: SeatId, request: &Request) {
        let Some(seat) = self.seat_mut(id) else { return };
        let (newcomer, owner) = (&request.claimant, request.claimant.owner());
        let (first, all) = (seat.claimant.owner(), seat.count);
        if first != owner && seat.needs.is_empty() {
            seat.needs.push((first, all));
        }
        if !seat.needs.is_empty() {
            match seat.needs.iter_mut().find(|(it, _)| *it == owner) {
                Some((_, places)) => *places = request.count.max(*places),
                None => seat.needs.push((owner, request.count)),
            }
        }
        if first != owner {
            let held = seat.bindings().to_vec();
            let added = request.bindings.iter().filter(|it| !held.contains(it));
            seat.sharers.extend(added.map(|it| (*it, newcomer.clone())));
        }
        self.stand_anew(id, |it| newcomer.standing.filter(|_| it.owner() == owner));
    }

    /// The seat takes as many places as those need who have a part in it.
    pub(super) fn shrink(&mut self, now: BootTime, id: SeatId) {
        let Some(seat) = self.seats.get(&id).filter(|it| !it.needs.is_empty()) else { return };
        let owners: BTreeSet<Owner> = seat.holders().iter().map(|it| it.owner()).collect();
        let needed = owners.iter().map(|it| seat.need(*it)).max().unwrap_or(seat.count);
        let (pool, less) = (seat.pool, seat.count.saturating_sub(needed));
        let Some(seat) = self.seat_mut(id) else { return };
        seat.needs.retain(|(it, _)| owners.contains(it));
        if owners.len() == 1 {
            seat.needs.clear();
        }
        if less > 0 {
            seat.count = needed;
            if let Some(pool) = self.pools.get_mut(&pool) {
                pool.used -= u64::from(less);
            }
            self.unplace_beyond(id, needed);
        }
        // Also where it is as large as before, those who have left have less.
        self.settle(now, pool);
    }

    /// Where others alone hold the seat, the session of whoever has asked first lasts for a time.
    pub(super) fn limit_session(&mut self, now: BootTime, id: SeatId) {
        let is_left = |it: &&mut Seat| {
            it.adopt.is_some() && it.session_ends.is_none() && it.is_left_by_first()
        };
        let until = now.after(DETACHED);
        if let Some(seat) = self.seats.get_mut(&id).filter(is_left) {
            seat.session_ends = Some(until);
            self.changed.insert(id);
            self.alarms.insert((until, Alarm::Seat(id)));
        }
    }

    /// Nobody has taken the session over in time, and the others go on without whose it was.
    pub(super) fn end_session(&mut self, now: BootTime, id: SeatId) {
        let Some(owner) = self.seats.get(&id).map(|it| it.claimant.owner()) else { return };
        self.take_from(now, id, EndReason::DetachedTimeout, |it| it.owner() == owner);
    }

    /// Says by whose entitlement those have a seat whom `standing` knows.
    pub fn stand_anew(&mut self, id: SeatId, standing: impl Fn(&Claimant) -> Option<Standing>) {
        let Some(seat) = self.seat_mut(id) else { return };
        let sharers = seat.sharers.iter_mut().map(|(_, it)| it);
        for holder in std::iter::once(&mut seat.claimant).chain(sharers) {
            holder.standing = standing(holder).or(holder.standing);
        }
    }

    /// What the user holds it by who asked first holds it no more.
    pub(super) fn leave_to_sharers(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get(&id) else { return };
        let others: Vec<Binding> = seat.sharers.iter().map(|(it, _)| *it).collect();
        for binding in seat.bindings().to_vec() {
            if !others.contains(&binding) {
                self.loosen(id, binding);
            }
        }
        if let Some(seat) = self.seat_mut(id) {
            seat.hold_by(others);
        }
    }

    /// `binding` holds the seat no more. `false` if that is its end.
    pub(super) fn unshare(
        &mut self,
        now: BootTime,
        id: SeatId,
        binding: Binding,
        reason: EndReason,
    ) -> bool {
        let Some(seat) = self.seat_mut(id) else { return true };
        let owner = seat.holder(binding).owner();
        let part = seat.part_of(owner);
        let left: Vec<Binding> =
            seat.bindings().iter().copied().filter(|it| *it != binding).collect();
        let is_held = !left.is_empty();
        if !is_held && seat.adopt.is_none() {
            return false;
        }
        seat.hold_by(left);
        seat.pass_on();
        if let Some(part) = part.filter(|_| seat.part_of(owner).is_none()) {
            self.effects.push(Effect::Left { seat: Box::new(part), reason });
        }
        match is_held {
            true => self.limit_session(now, id),
            false => self.detach(now, id),
        }
        true
    }

    /// Nobody hears that a request was granted: what it has brought to the seat goes, as if that was given back.
    pub fn unheard(&mut self, now: BootTime, id: SeatId, owner: Owner, brought: &Brought) {
        match brought {
            Brought::Seat => {
                let reason = match self.seats.get(&id).map(|it| &it.hold) {
                    Some(Hold::Borrowed { .. } | Hold::Lent { .. }) => EndReason::Returned,
                    _ => EndReason::Released,
                };
                self.take_from(now, id, reason, |it| it.owner() == owner);
            }
            Brought::Bindings(bindings) => {
                for binding in bindings {
                    if self.seats.get(&id).is_some_and(|it| it.bindings().contains(binding)) {
                        self.loosen(id, *binding);
                        self.unbind_one(now, id, *binding, EndReason::Released);
                    }
                }
            }
        }
    }

    /// Takes a seat from those of its users that `leaves` says. With the last of them it ends. One that another machine has
    /// cannot be called back.
    pub(super) fn take_from(
        &mut self,
        now: BootTime,
        id: SeatId,
        reason: EndReason,
        leaves: impl Fn(&Claimant) -> bool,
    ) {
        let Some(seat) = self.seats.get(&id).filter(|it| it.lent_until().is_none()) else { return };
        let holders = seat.holders();
        let leaving: Vec<Owner> =
            holders.iter().filter(|it| leaves(it)).map(|it| it.owner()).collect();
        if leaving.len() == holders.len() {
            return self.end(now, id, reason);
        }
        for owner in leaving {
            self.take_part(now, id, owner, reason);
        }
        self.shrink(now, id);
    }

    fn take_part(&mut self, now: BootTime, id: SeatId, owner: Owner, reason: EndReason) {
        let Some(part) = self.seats.get(&id).and_then(|it| it.part_of(owner)) else { return };
        let own = part.bindings().to_vec();
        own.iter().for_each(|it| self.loosen(id, *it));
        let Some(seat) = self.seat_mut(id) else { return };
        let session = seat.adopt.take_if(|_| seat.claimant.owner() == owner);
        let left = seat.bindings().iter().copied().filter(|it| !own.contains(it)).collect();
        seat.hold_by(left);
        seat.pass_on();
        if seat.bindings().is_empty() {
            self.detach(now, id);
        }
        if let Some(token) = session {
            self.by_token.remove(&token);
        }
        self.effects.push(Effect::Left { seat: Box::new(part), reason });
    }

    /// Those of whom `leaves` says so have no right to the seat any more, whatever its pool has.
    pub fn disentitle(&mut self, now: BootTime, id: SeatId, leaves: impl Fn(&Claimant) -> bool) {
        self.take_from(now, id, EndReason::Capacity, leaves);
    }

    /// Those that wait, in the order in which they asked.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// Refuses all requests that wait and of which `which` says so.
    pub fn decline_all(
        &mut self,
        now: BootTime,
        refusal: Refusal,
        which: impl Fn(&Request) -> bool,
    ) {
        let left = self.leave_all(which);
        left.iter().for_each(|it| self.refuse(it.id, refusal));
        self.serve_all(now, left.iter().flat_map(|it| &it.pools));
    }

    /// Takes them out of every queue, without a word.
    pub fn withdraw_all(&mut self, now: BootTime, which: impl Fn(&Request) -> bool) {
        let left = self.leave_all(which);
        self.serve_all(now, left.iter().flat_map(|it| &it.pools));
    }

    /// All of them leave before anybody is served: else one of them might be.
    pub(super) fn leave_all(&mut self, which: impl Fn(&Request) -> bool) -> Vec<Request> {
        let ids: Vec<_> = self.requests.values().filter(|it| which(it)).map(|it| it.id).collect();
        ids.into_iter().filter_map(|it| self.leave(it)).collect()
    }
}
