//! By what a play of seats is judged. Of the machine it looks at what is there, and not at how that came.

use super::*;
use crate::seats::machine::Alarm;

impl World {
    /// Every question is answered once.
    pub(super) fn hear(&mut self) {
        for effect in self.seats.take_effects() {
            match effect {
                Effect::Granted { request, seat, again, .. } => {
                    assert!(self.open.remove(&request), "{request:?} was answered twice");
                    self.grants += 1;
                    if !again {
                        self.judge_number(seat);
                    }
                    self.judge_count(request, seat, again);
                    self.judge_need(request, seat);
                }
                Effect::Refused { request, .. } => {
                    assert!(self.open.remove(&request), "{request:?} was answered twice");
                }
                Effect::Ended { seat, reason } => {
                    let is_over = self.proven_until(seat.pool).is_some_and(|it| it <= self.now);
                    assert!(is_over || reason != EndReason::EvidenceExpired, "{seat:?} was proven");
                    assert!(!matches!(seat.hold, Hold::Lingering { .. }), "{seat:?} ended twice");
                    self.judge_end_of_lent(&seat, reason);
                    self.needs.retain(|(it, _), _| *it != seat.id);
                    *self.ends.entry(reason.name()).or_default() += 1;
                }
                Effect::Left { seat, reason } => {
                    self.needs.remove(&(seat.id, seat.claimant.uid));
                    self.timeouts += u64::from(reason == EndReason::DetachedTimeout);
                }
                Effect::Queued { .. } | Effect::Warned { .. } | Effect::Reprieved { .. } => {}
            }
        }
    }

    /// Nobody is given fewer places than were asked for; and what a seat grows by is given by the same rules.
    fn judge_count(&mut self, request: RequestId, id: SeatId, again: bool) {
        let asked = self.asked.get(&request).map_or(1, |(_, places)| *places);
        let Some(count) = self.seats.seat(id).map(|it| it.count) else { return };
        assert!(count >= asked, "{count} places of {id:?} for {asked}");
        let before = self.counts.insert(id, count);
        if !again || before.is_some_and(|it| it < count) {
            self.grown += u64::from(again);
            self.judge_grant(id);
        }
    }

    /// By no part in any seat somebody comes to more than a rule leaves to them.
    fn judge_need(&mut self, request: RequestId, id: SeatId) {
        let seat = self.seats.seat(id);
        let first = seat.map(|it| (it.claimant.uid, 1));
        let Some((uid, places)) = self.asked.remove(&request).or(first) else { return };
        self.shared += u64::from(self.needs.keys().any(|it| it.0 == id && it.1 != uid));
        let before = self.needs.get(&(id, uid)).copied().unwrap_or(0);
        self.needs.insert((id, uid), places.max(before));
        let Some(pool) = seat.map(|it| it.pool).filter(|_| places > before) else { return };
        let of_pool = |it: &SeatId| self.seats.seat(*it).is_some_and(|it| it.pool == pool);
        let all = self.needs.iter().filter(|((it, user), _)| *user == uid && of_pool(it));
        let all: u32 = all.map(|(_, places)| places).sum();
        let mut max = self.policies[&pool].max.iter().filter(|(who, _)| *who == Who::Uid(uid));
        assert!(max.all(|(_, most)| all <= *most), "{uid} has {all}: {seat:?}");
    }

    /// Nobody but its user has a session when nothing of that one has held it for a minute.
    pub(super) fn judge_sessions(&mut self) {
        let holds =
            |it: &Seat| it.bindings().iter().any(|by| self.users.get(by) == Some(&it.claimant.uid));
        let sessions = self.seats.seats().filter(|it| it.adopt.is_some());
        let left: Vec<SeatId> = sessions.filter(|it| !holds(it)).map(|it| it.id).collect();
        self.left_sessions.retain(|it, _| left.contains(it));
        for id in left {
            let since = *self.left_sessions.entry(id).or_insert(self.now);
            let lasts = self.now < since.after(Duration::from_secs(60));
            assert!(lasts, "a session is there for too long: {:?}", self.seats.seat(id));
        }
    }

    /// Those who have a part in a seat, by what holds it.
    pub(super) fn users_of(&self, id: SeatId) -> Vec<u32> {
        let Some(seat) = self.seats.seat(id) else { return Vec::new() };
        let bound = seat.bindings().iter().filter_map(|it| self.users.get(it).copied());
        // Whoever has a session, or what nobody here holds.
        let own = seat.bindings().is_empty() || seat.adopt.is_some();
        let all: BTreeSet<u32> =
            own.then_some(seat.claimant.uid).into_iter().chain(bound).collect();
        all.into_iter().collect()
    }

    /// A seat takes what those need who have it, and each of them is known by what it has.
    fn judge_parts(&self, seat: &Seat) {
        if matches!(seat.hold, Hold::Lingering { .. }) {
            return;
        }
        let users = self.users_of(seat.id);
        let need = |uid: &u32| self.needs.get(&(seat.id, *uid)).copied().unwrap_or(0);
        assert_eq!(users.iter().map(need).max(), Some(seat.count), "{seat:?}");
        let told: BTreeSet<u32> = seat.holders().iter().map(|it| it.uid).collect();
        assert!(told.into_iter().eq(users), "{seat:?}");
        for binding in seat.bindings() {
            assert_eq!(Some(&seat.holder(*binding).uid), self.users.get(binding), "{seat:?}");
        }
    }

    /// No number is given twice. One that was reserved is used by a seat that is lent, and by no other.
    fn judge_number(&mut self, id: SeatId) {
        let hold = self.seats.seat(id).map(|it| &it.hold);
        if let Some(Hold::Lent { until }) = hold {
            let reserved = self.reserved.iter().position(|it| *it == id);
            self.reserved.swap_remove(reserved.expect("its number was reserved"));
            self.lent.insert(id, *until);
            self.lends += 1;
            return;
        }
        // Who borrows has a number before those are served that came first.
        let is_new = id.0 > self.newest || matches!(hold, Some(Hold::Borrowed { .. }));
        assert!(is_new && self.given.insert(id), "{id:?} was given twice");
        self.newest = id.0.max(self.newest);
    }

    /// What another machine has ends by its time and by nothing else that happens here.
    fn judge_end_of_lent(&mut self, seat: &Seat, reason: EndReason) {
        let Some(until) = self.lent.remove(&seat.id) else { return };
        let ends = (reason, until <= self.now);
        assert_eq!(ends, (EndReason::Returned, true), "{seat:?} is another machine's");
    }

    /// What nobody here holds is no overage, leaves what the policy never lends, and lasts no longer than that allows.
    fn judge_put_aside(&self, seat: &Seat, used: u64, capacity: u64) {
        let (Hold::Borrowed { until } | Hold::Lent { until }) = seat.hold else { return };
        let policy = &self.policies[&seat.pool];
        let left = capacity.checked_sub(used);
        assert!(left >= Some(u64::from(policy.low_water)), "{used} of {capacity}: {seat:?}");
        assert!(self.wanted <= policy.max_borrow, "{seat:?} is lent for too long");
        assert_eq!(until, self.now.after(self.wanted), "{seat:?}");
    }

    /// Never more than the capacity and what the vendor allows beyond it.
    fn judge_grant(&self, seat: SeatId) {
        // It may have ended again within the same step.
        let Some(seat) = self.seats.seat(seat) else { return };
        let known = self.capacity.get(&seat.pool).expect("given before anything was proven");
        let Supply::Seats(capacity) = known.supply else { return };
        let capacity = u64::from(capacity);
        let extra = match self.terms[&seat.pool].overage {
            Overage::None => 0,
            Overage::Plus(more) => u64::from(more),
            Overage::Times { percent } => capacity * u64::from(percent) / 100,
        };
        let used = self.places(seat.pool, |it| !matches!(it.hold, Hold::Lingering { .. }));
        assert!(used <= capacity + extra, "{used} of {capacity} + {extra}: {seat:?}");
        self.judge_put_aside(seat, used, capacity);
    }

    /// When nobody has a seat of it any more.
    fn proven_until(&self, pool: PoolId) -> Option<BootTime> {
        let known = self.capacity.get(&pool).and_then(|it| it.until);
        known.or_else(|| self.unproven.get(&pool).copied())
    }

    fn places(&self, pool: PoolId, which: impl Fn(&Seat) -> bool) -> u64 {
        let seats = self.seats.seats().filter(|it| it.pool == pool && which(it));
        seats.map(|it| u64::from(it.count)).sum()
    }

    pub(super) fn judge(&self) {
        self.judge_tokens();
        for (id, pool) in &self.seats.pools {
            let lingering = self.places(*id, |it| matches!(it.hold, Hold::Lingering { .. }));
            let used = self.places(*id, |_| true) - lingering;
            assert_eq!(used, pool.used, "the places of {id:?} are counted wrong");
            let draining = self.places(*id, |it| it.drains_at.is_some());
            let limit = pool.limit(self.now).unwrap_or(u64::MAX);
            // Others end in the place of what another machine has, as many as there are.
            let lent = self.places(*id, |it| self.lent.contains_key(&it.id));
            let stay = used.saturating_sub(draining + lent);
            assert!(
                stay <= limit.saturating_sub(lent),
                "{used} - {draining}, {lent} lent, of {limit}: {pool:?}"
            );
            if pool.queue.iter().any(|it| !self.seats.requests.contains_key(it)) {
                panic!("somebody who has left is still in the queue: {pool:?}");
            }
            self.judge_queue(*id);
            let is_over = self.proven_until(*id).is_some_and(|it| it <= self.now);
            assert!(
                !is_over || used == lent,
                "nothing proves the seats of {id:?} any more: {pool:?}"
            );
        }
        for (id, until) in &self.lent {
            let hold = self.seats.seat(*id).map(|it| &it.hold);
            assert_eq!(hold, Some(&Hold::Lent { until: *until }), "{id:?} is another machine's");
            assert!(*until > self.now, "{id:?} is over");
        }
        for seat in self.seats.seats() {
            self.judge_parts(seat);
            if let Hold::Lent { .. } = seat.hold {
                assert!(self.lent.contains_key(&seat.id), "{seat:?} has come back");
                assert_eq!(seat.drains_at, None, "{seat:?} cannot be drained");
            }
            if let Hold::Bound(bindings) = &seat.hold {
                assert!(!bindings.is_empty(), "nothing holds {seat:?}");
            }
            for binding in seat.bindings() {
                let lives = match binding {
                    Binding::Process(it) => self.processes.contains_key(it),
                    Binding::Connection(it) => self.connections.contains_key(it),
                };
                let lives = lives || self.seats.suspects.contains_key(binding);
                assert!(lives, "{binding:?} is gone and holds {seat:?}");
            }
            assert!(seat.drains_at.is_none_or(|it| it > self.now), "{seat:?} should have ended");
            let alarm = (seat.drains_at.unwrap_or_default(), Alarm::Seat(seat.id));
            assert!(seat.drains_at.is_none() || self.seats.alarms.contains(&alarm), "{seat:?}");
        }
        assert!(self.seats.next_alarm().is_none_or(|it| it > self.now), "something is overdue");
    }

    /// Nobody waits who could be served, but behind somebody of the same user, or behind what comes to a fair share.
    fn judge_queue(&self, id: PoolId) {
        let pool = &self.seats.pools[&id];
        let waiting: Vec<&Request> = pool.queue.iter().map(|it| &self.seats.requests[it]).collect();
        let of_pool = |it: &SeatId| self.seats.seat(*it).is_some_and(|it| it.pool == id);
        let has = |user: u32| {
            let own = self.needs.iter().filter(|((it, uid), _)| *uid == user && of_pool(it));
            own.map(|(_, places)| u64::from(*places)).sum::<u64>()
        };
        let is_user = |it: &u32| {
            let waits = waiting.iter().any(|request| request.claimant.uid == *it);
            waits || has(*it) > 0
        };
        let users = (0..u32::try_from(USERS).unwrap()).filter(is_user).count() as u64;
        let share = pool.limit(self.now).unwrap_or(u64::MAX) / users.max(1);
        let (mut behind, mut is_all) = (BTreeSet::new(), false);
        for request in &waiting {
            let (user, wish) = (request.claimant.uid, self.seats.wish(id, request));
            // What the unit has already is not kept for anybody; but a process waits for itself.
            if is_all && self.terms[&id].unit == SeatUnit::Process {
                return;
            }
            if (is_all || behind.contains(&user)) && wish.count > 0 {
                continue;
            }
            match self.seats.fit(self.now, id, wish) {
                Ok(_) => panic!("{request:?} waits for what is free: {pool:?}"),
                Err(shortage) if shortage.holds_up && !pool.policy.express => {
                    is_all |= wish.count <= 1 || has(user) + u64::from(wish.count) <= share;
                    behind.insert(user);
                }
                Err(_) => {}
            }
        }
    }
}
