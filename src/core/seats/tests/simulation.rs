//! A seeded play of all that can happen to seats, judged after every step by rules that know nothing of how it is done.
//!
//! What happens stands here, and by what it is judged in `rules`. `ENTITLED_SEED` plays one seed, `ENTITLED_STEPS` so many steps; a failure names both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::product::{Overage, SeatTerms, SeatUnit};
use crate::seats::tests::claimant;
use crate::seats::*;

mod rules;
mod tokens;

/// xorshift64*, so that a seed says everything.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// One of so many.
    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len.max(1)).unwrap())).unwrap()
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

const POOLS: u64 = 4;
/// Control groups that processes of several users are in.
const GROUPS: u64 = 2;
const USERS: u64 = 4;

/// The world around the seats, and what was said to it.
struct World {
    dice: Dice,
    now: BootTime,
    seats: Seats,
    terms: BTreeMap<PoolId, SeatTerms>,
    capacity: BTreeMap<PoolId, Capacity>,
    /// In half of all plays: what the pools rest on.
    licences: Option<tokens::Licences>,
    /// Of pools that nothing was proven of since a restart: until when what was known before holds.
    unproven: BTreeMap<PoolId, BootTime>,
    policies: BTreeMap<PoolId, Policy>,
    /// By what they were begun with: the user.
    processes: BTreeMap<ProcessId, u32>,
    connections: BTreeMap<ConnectionId, u32>,
    /// Whose each of them is, or was.
    users: BTreeMap<Binding, u32>,
    tokens: Vec<(AdoptToken, u32)>,
    /// Numbers that no seat has yet.
    reserved: Vec<SeatId>,
    /// What other machines have, and until when: whatever happens here.
    lent: BTreeMap<SeatId, BootTime>,
    /// For how long the newest question wants a seat that nobody here holds.
    wanted: Duration,
    /// Asked and not answered.
    open: BTreeSet<RequestId>,
    /// By whom, and for how many places; and how many each seat had last.
    asked: BTreeMap<RequestId, (u32, u32)>,
    counts: BTreeMap<SeatId, u32>,
    /// How many places each user has asked for of a seat that it has a part in.
    needs: BTreeMap<(SeatId, u32), u32>,
    /// Since when nothing of their users holds these sessions.
    left_sessions: BTreeMap<SeatId, BootTime>,
    numbers: u64,
    newest: u64,
    given: BTreeSet<SeatId>,
    grants: u64,
    grown: u64,
    shared: u64,
    timeouts: u64,
    lends: u64,
    ends: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            dice: Dice(seed | 1),
            now: BootTime(1_000),
            seats: Seats::new(0),
            terms: BTreeMap::new(),
            capacity: BTreeMap::new(),
            licences: None,
            unproven: BTreeMap::new(),
            policies: BTreeMap::new(),
            processes: BTreeMap::new(),
            connections: BTreeMap::new(),
            users: BTreeMap::new(),
            tokens: Vec::new(),
            reserved: Vec::new(),
            lent: BTreeMap::new(),
            wanted: Duration::ZERO,
            open: BTreeSet::new(),
            asked: BTreeMap::new(),
            counts: BTreeMap::new(),
            needs: BTreeMap::new(),
            left_sessions: BTreeMap::new(),
            numbers: 0,
            newest: 0,
            given: BTreeSet::new(),
            grants: 0,
            grown: 0,
            shared: 0,
            timeouts: 0,
            lends: 0,
            ends: BTreeMap::new(),
        };
        world.licences = tokens::Licences::of(seed);
        (0..POOLS).for_each(|pool| world.change_pool(PoolId(pool)));
        (0..POOLS).for_each(|pool| world.change_capacity(PoolId(pool)));
        world
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn seconds(&mut self, end: u64) -> Duration {
        Duration::from_secs(self.dice.below(end))
    }

    fn change_pool(&mut self, id: PoolId) {
        let overage = match self.dice.below(3) {
            0 => Overage::None,
            1 => Overage::Plus(1 + u32::try_from(self.dice.below(3)).unwrap()),
            _ => Overage::Times { percent: 50 },
        };
        let overage = match &self.licences {
            Some(licences) if !licences.has_overage => Overage::None,
            _ => overage,
        };
        let surge = self.dice.one_in(3).then(|| Duration::from_secs(30));
        let units = [SeatUnit::Process, SeatUnit::Uid, SeatUnit::Process, SeatUnit::Cgroup];
        let unit = units[usize::try_from(id.0).unwrap()];
        let drain = self.seconds(3) * 10;
        let max_linger = self.seconds(2) * 20;
        let terms = SeatTerms { unit, overage, surge, max_linger, drain };
        let who = |dice: &mut Dice| Who::Uid(u32::try_from(dice.below(USERS)).unwrap());
        let mut policy = Policy { linger: Duration::from_secs(15), ..Policy::default() };
        policy.express = self.dice.one_in(2);
        policy.low_water = u32::try_from(self.dice.below(2)).unwrap();
        policy.max_borrow = Duration::from_secs(100);
        policy.min_remove = self.seconds(5);
        if self.dice.one_in(3) {
            policy.reserve.push((who(&mut self.dice), 2));
        }
        if self.dice.one_in(3) {
            policy.max.push((who(&mut self.dice), 2));
        }
        if self.dice.one_in(6) {
            policy.exclude.push(who(&mut self.dice));
        }
        self.terms.insert(id, terms);
        self.policies.insert(id, policy.clone());
        self.seats.set_pool(self.now, id, terms, policy);
    }

    fn change_capacity(&mut self, id: PoolId) {
        if self.licences.is_some() {
            return self.move_tokens(id);
        }
        let supply = match self.dice.below(12) {
            0 => Supply::Unlimited,
            1 => Supply::Seats(0),
            more => Supply::Seats(u32::try_from(more).unwrap()),
        };
        let until = self.dice.one_in(2).then(|| self.now.after(Duration::from_secs(200)));
        let capacity = Capacity { supply, until };
        self.capacity.insert(id, capacity);
        self.unproven.remove(&id);
        self.seats.set_capacity(self.now, id, capacity);
    }

    /// Somebody who is there: a process and a connection of a user.
    fn somebody(&mut self) -> (u32, ProcessId, ConnectionId) {
        let uid = u32::try_from(self.dice.below(USERS)).unwrap();
        let old = self.processes.iter().filter(|(_, it)| **it == uid).map(|(id, _)| *id);
        let old: Vec<ProcessId> = old.collect();
        let process = match old.get(self.dice.index(4)) {
            Some(process) => *process,
            None => ProcessId(self.number()),
        };
        self.processes.insert(process, uid);
        let connection = ConnectionId(self.number());
        self.connections.insert(connection, uid);
        let both = [Binding::Process(process), Binding::Connection(connection)];
        self.users.extend(both.map(|it| (it, uid)));
        (uid, process, connection)
    }

    fn request(&mut self) -> Request {
        let (uid, process, connection) = self.somebody();
        let pool = PoolId(self.dice.below(POOLS));
        let mut pools = vec![pool];
        if self.dice.one_in(4) {
            let other = PoolId((pool.0 + 2) % POOLS);
            // A request is for one unit in all its pools.
            if self.terms[&other].unit == self.terms[&pool].unit && other != pool {
                pools.push(other);
            }
        }
        let (mut bindings, mut adopt) = (vec![Binding::Process(process)], None);
        let mut key = UnitKey::Process(process);
        match self.dice.below(4) {
            0 => {
                (bindings, key) =
                    (vec![Binding::Connection(connection)], UnitKey::Connection(connection))
            }
            1 => {
                bindings.push(Binding::Connection(connection));
                let mut token = [0; 16];
                token[..8].copy_from_slice(&self.number().to_be_bytes());
                adopt = Some(AdoptToken(token));
                self.tokens.push((AdoptToken(token), uid));
            }
            _ => {}
        }
        match self.terms[&pool].unit {
            SeatUnit::Uid => key = UnitKey::Uid(uid),
            SeatUnit::Cgroup => key = UnitKey::Cgroup(self.dice.below(GROUPS)),
            SeatUnit::Process | SeatUnit::Machine => {}
        }
        let id = RequestId(self.number());
        let wait_until = self.dice.one_in(2).then(|| self.now.after(Duration::from_secs(40)));
        let count = if self.dice.one_in(5) { 3 } else { 1 };
        let claimant = claimant(uid, Vec::new(), "cad.service");
        Request { id, pools, claimant, key, bindings, adopt, count, wait_until }
    }

    fn any_seat(&mut self) -> Option<SeatId> {
        let all: Vec<SeatId> = self.seats.seats().map(|it| it.id).collect();
        let which = self.dice.index(all.len());
        all.get(which).copied()
    }

    fn step(&mut self) {
        match self.dice.below(23) {
            0..=6 => {
                let request = self.request();
                self.open.insert(request.id);
                self.asked.insert(request.id, (request.claimant.uid, request.count));
                self.seats.acquire(self.now, request);
            }
            7..=8 => self.end_process(),
            9..=10 => self.end_connection(),
            11 => self.adopt(),
            12 => self.borrow(),
            13 => self.revoke(),
            14 => self.release(),
            15 => {
                let pool = PoolId(self.dice.below(POOLS));
                if self.dice.one_in(4) {
                    self.change_pool(pool)
                } else {
                    self.change_capacity(pool)
                }
            }
            17 => self.lend(),
            18 => self.come_back(),
            19 => self.disentitle(),
            16 if self.dice.one_in(20) => self.restart(),
            16 if self.dice.one_in(3) => self.hand_over(),
            16 => {
                let waiting = self.seats.requests.keys().next().copied();
                if let Some(id) = waiting {
                    self.seats.withdraw_all(self.now, |it| it.id == id);
                    self.open.remove(&id);
                }
            }
            _ => {
                self.now = self.now.after(Duration::from_millis(1 + self.dice.below(9_000)));
                self.seats.wake(self.now);
            }
        }
        self.hear();
        self.judge_sessions();
        self.judge();
        self.counts = self.seats.seats().map(|it| (it.id, it.count)).collect();
    }

    /// The daemon is killed and started again. Connections are gone; of some processes it has kept hold.
    fn restart(&mut self) {
        let before = std::mem::take(&mut self.seats);
        self.seats = Seats::new(before.last());
        self.connections.clear();
        self.open.clear();
        let pools: Vec<PoolId> = self.terms.keys().copied().collect();
        for pool in pools {
            self.seats.set_pool(self.now, pool, self.terms[&pool], self.policies[&pool].clone());
        }
        // What is lent stands in the ledger, and may have come back meanwhile.
        self.lent.retain(|_, _| !self.dice.one_in(4));
        let kept = before.seats().filter(|it| match it.hold {
            Hold::Lingering { .. } => false,
            Hold::Lent { .. } => self.lent.contains_key(&it.id),
            _ => true,
        });
        let kept: Vec<Seat> = kept.cloned().collect();
        let lost: BTreeSet<ProcessId> =
            self.processes.keys().copied().filter(|_| self.dice.one_in(3)).collect();
        kept.iter().for_each(|it| self.seats.set_aside(it));
        for seat in kept.clone() {
            let fate = |it| if lost.contains(&it) { Fate::NotKnown } else { Fate::Alive };
            self.seats.take_back(self.now, seat, fate);
        }
        let known: Vec<(PoolId, Capacity)> =
            std::mem::take(&mut self.capacity).into_iter().collect();
        assert_eq!(self.seats.seats().cloned().collect::<Vec<_>>(), kept);
        self.unproven.clear();
        for (pool, capacity) in known {
            // Some chains take longer to be reached; until then nothing is given, and what is held ends with what was known.
            if !self.dice.one_in(4) && capacity.until.is_none_or(|it| it > self.now) {
                self.capacity.insert(pool, capacity);
                let offer = self.licences.as_ref().map(|it| it.offered[&pool].clone());
                self.seats.set_supply(self.now, pool, capacity, offer);
            } else if let Some(until) = capacity.until {
                let until = until.max(self.now.after(Duration::from_secs(20)));
                self.unproven.insert(pool, until);
                self.seats.end_unless_proven(self.now, pool, until);
            }
        }
    }

    fn end_process(&mut self) {
        let all: Vec<ProcessId> = self.processes.keys().copied().collect();
        let which = self.dice.index(all.len());
        let Some(process) = all.get(which) else { return };
        self.processes.remove(process);
        self.leave_open(Binding::Process(*process));
        self.seats.exited(self.now, *process);
    }

    fn end_connection(&mut self) {
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let which = self.dice.index(all.len());
        let Some(connection) = all.get(which) else { return };
        self.connections.remove(connection);
        self.leave_open(Binding::Connection(*connection));
        self.seats.disconnected(self.now, *connection);
    }

    /// Who has gone waits no more, and hears of nothing.
    fn leave_open(&mut self, binding: Binding) {
        let gone = self.seats.requests.values().filter(|it| it.bindings.contains(&binding));
        gone.for_each(|it| assert!(self.open.remove(&it.id)));
    }

    fn adopt(&mut self) {
        let Some((token, owner)) = self.tokens.pop() else { return };
        let mut request = self.request();
        request.adopt = None;
        self.open.insert(request.id);
        let before = self.seats.by_token.get(&token).copied();
        self.seats.adopt(self.now, token, &request);
        if request.claimant.uid != owner {
            assert_eq!(
                self.seats.by_token.get(&token).copied(),
                before,
                "a token served a stranger"
            );
            self.tokens.push((token, owner));
        }
    }

    fn borrow(&mut self) {
        let (uid, _, _) = self.somebody();
        let (id, pool) = (RequestId(self.number()), PoolId(self.dice.below(POOLS)));
        self.open.insert(id);
        self.wanted = Duration::from_secs(60 + 60 * self.dice.below(2));
        let claimant = claimant(uid, Vec::new(), "cad.service");
        self.seats.borrow(self.now, id, claimant, (&[pool], self.wanted));
    }

    /// To another machine. Its number may have been reserved long before.
    fn lend(&mut self) {
        let (uid, _, _) = self.somebody();
        let reserved = self.seats.reserve();
        assert!(reserved.0 > self.newest, "{reserved:?} was given before");
        self.newest = reserved.0;
        self.reserved.push(reserved);
        if self.dice.one_in(4) {
            return;
        }
        let which = self.dice.index(self.reserved.len());
        let seat = self.reserved[which];
        let (id, pool) = (RequestId(self.number()), PoolId(self.dice.below(POOLS)));
        self.open.insert(id);
        self.wanted = Duration::from_secs(60 + 60 * self.dice.below(2));
        let claimant = claimant(uid, Vec::new(), "cad.service");
        self.seats.lend_away(self.now, id, claimant, (pool, seat, self.wanted));
    }

    /// Another machine says that it has given back what may be its own, or anybody's.
    fn come_back(&mut self) {
        let lent: Vec<SeatId> = self.lent.keys().copied().collect();
        let which = self.dice.index(lent.len() + 1);
        let Some(id) = lent.get(which).copied().or_else(|| self.any_seat()) else { return };
        let before = self.seats.seat(id).cloned();
        let was_lent = self.lent.remove(&id).is_some();
        self.seats.come_back(self.now, id);
        let after = self.seats.seat(id).cloned();
        assert!(if was_lent { after.is_none() } else { after == before }, "{before:?}");
    }

    fn disentitle(&mut self) {
        let Some(id) = self.any_seat() else { return };
        let uid = self.dice.one_in(2).then(|| self.users_of(id)[0]);
        let stays = |it: &Self| it.users_of(id).iter().any(|it| uid.is_some_and(|uid| *it != uid));
        let lasts = self.lent.contains_key(&id) || stays(self);
        self.seats.disentitle(self.now, id, |it| uid.is_none_or(|uid| it.uid == uid));
        assert_eq!(self.seats.seat(id).is_some(), lasts, "{id:?}");
    }

    fn revoke(&mut self) {
        let Some(id) = self.any_seat() else { return };
        let revoked = self.seats.revoke(self.now, id);
        if revoked.is_ok() {
            assert!(self.seats.seat(id).is_none(), "{id:?} was taken away and is held");
        }
        let away = self.lent.get(&id).map(|it| Err(Refusal::LentAway { until: *it }));
        assert!(away.is_none_or(|it| it == revoked), "{id:?} was called back: {revoked:?}");
    }

    fn release(&mut self) {
        let Some(id) = self.any_seat() else { return };
        let uid = u32::try_from(self.dice.below(USERS)).unwrap();
        let is_theirs = self.users_of(id).contains(&uid);
        let lingers = matches!(self.seats.seats[&id].hold, Hold::Lingering { .. });
        let done = self.seats.release(self.now, id, Some(Owner::user(uid)), None);
        assert_eq!(
            done.is_ok(),
            is_theirs && !lingers && !self.lent.contains_key(&id),
            "a seat was given back by somebody else"
        );
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_no_more_seats_are_held_than_there_are() {
    let seeds = match setting("ENTITLED_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=40,
    };
    let steps = setting("ENTITLED_STEPS").unwrap_or(10_000);
    let mut ends: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut grown, mut shared, mut timeouts) = (0, 0, 0);
    for seed in seeds {
        let played = std::panic::catch_unwind(|| {
            let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            (0..steps).for_each(|_| world.step());
            world
        });
        let world =
            played.unwrap_or_else(|_| panic!("ENTITLED_SEED={seed} ENTITLED_STEPS={steps}"));
        assert!(world.lends > steps / 1_000, "hardly any seat was lent: {}", world.lends);
        assert!(world.grants > steps / 50, "hardly anybody got a seat: {}", world.grants);
        grown += world.grown;
        shared += world.shared;
        timeouts += world.timeouts;
        world.ends.into_iter().for_each(|(name, many)| *ends.entry(name).or_default() += many);
    }
    // Every way a seat can end was played. That of a lingering one is not told to anybody.
    if setting("ENTITLED_SEED").is_none() {
        assert_eq!(ends.len(), 9, "{ends:?}");
        assert!(grown > 100, "hardly any seat grew: {grown}");
        assert!(shared > 1_000, "hardly any seat was shared: {shared}");
        assert!(timeouts > 5, "hardly any session ended while others held it: {timeouts}");
    }
}
