use std::time::Duration;

use super::*;
use crate::domain::product::{Overage, SeatTerms};

mod growing;
mod hostile;
mod lent;
mod queue;
mod restart;
mod shares;
mod simulation;
mod unheard;
mod users;

const POOL: PoolId = PoolId(1);
const START: BootTime = BootTime(1_000_000);

fn at(seconds: u64) -> BootTime {
    START.after(Duration::from_secs(seconds))
}

/// Seats of one pool, and the questions asked for them.
struct Bench {
    seats: Seats,
    asked: u64,
}

impl Bench {
    fn new(capacity: u32, terms: SeatTerms, policy: Policy) -> Self {
        let mut seats = Seats::new(40);
        seats.set_pool(START, POOL, terms, policy);
        let supply = Supply::Seats(capacity);
        seats.set_capacity(START, POOL, Capacity { supply, until: None });
        Self { seats, asked: 0 }
    }

    fn of(capacity: u32) -> Self {
        let drain = Duration::from_secs(60);
        Self::new(capacity, SeatTerms { drain, ..SeatTerms::default() }, Policy::default())
    }

    fn request(&mut self, process: u64) -> Request {
        self.asked += 1;
        let process = ProcessId(process);
        Request {
            id: RequestId(self.asked),
            pools: vec![POOL],
            claimant: claimant(1000, vec![100], "cad.service"),
            key: UnitKey::Process(process),
            bindings: vec![Binding::Process(process)],
            adopt: None,
            count: 1,
            wait_until: None,
        }
    }

    fn ask(&mut self, now: BootTime, request: Request) -> Vec<Effect> {
        self.seats.acquire(now, request);
        self.seats.take_effects()
    }

    /// A seat for the process, which is there.
    fn seat(&mut self, now: BootTime, process: u64) -> SeatId {
        let request = self.request(process);
        match self.ask(now, request).as_slice() {
            [.., Effect::Granted { seat, .. }] => *seat,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self, now: BootTime, process: u64) -> Refusal {
        let request = self.request(process);
        match self.ask(now, request).as_slice() {
            [Effect::Refused { refusal, .. }] => *refusal,
            other => panic!("{other:?}"),
        }
    }

    /// The question waits for so many seconds.
    fn waits(&mut self, now: BootTime, process: u64, count: u32) -> RequestId {
        let mut request = self.request(process);
        (request.wait_until, request.count) = (Some(now.after(Duration::from_secs(30))), count);
        let id = request.id;
        let effects = self.ask(now, request);
        assert!(matches!(effects.as_slice(), [Effect::Queued { .. }]), "{effects:?}");
        id
    }

    fn capacity(&mut self, now: BootTime, seats: u32) {
        let capacity = Capacity { supply: Supply::Seats(seats), until: None };
        self.seats.set_capacity(now, POOL, capacity);
    }

    fn exit(&mut self, now: BootTime, process: u64) -> Vec<Effect> {
        self.seats.exited(now, ProcessId(process));
        self.seats.take_effects()
    }

    fn used(&self) -> u64 {
        self.seats.figures(POOL).unwrap().used
    }
}

fn claimant(uid: u32, gids: Vec<u32>, unit: &str) -> Claimant {
    Claimant {
        uid,
        account: None,
        on_behalf: None,
        gids,
        unit: Some(unit.to_owned()),
        user_unit: None,
        standing: None,
    }
}

fn granted(effects: &[Effect]) -> Vec<RequestId> {
    let granted = effects.iter().filter_map(|it| match it {
        Effect::Granted { request, .. } => Some(*request),
        _ => None,
    });
    granted.collect()
}

fn ended(effects: &[Effect]) -> Vec<(SeatId, EndReason)> {
    let ended = effects.iter().filter_map(|it| match it {
        Effect::Ended { seat, reason } => Some((seat.id, *reason)),
        _ => None,
    });
    ended.collect()
}

#[test]
fn as_many_as_there_are_and_a_dead_process_has_none() {
    let mut bench = Bench::of(2);
    let first = bench.seat(START, 1);
    bench.seat(START, 2);
    assert_eq!(bench.refusal(START, 3), Refusal::Full);
    assert_eq!(ended(&bench.exit(START, 1)), [(first, EndReason::Exited)]);
    assert!(bench.seat(START, 3) > first, "a fence is never given twice");
}

#[test]
fn a_unit_that_asks_again_has_the_same_seat_until_the_last_that_holds_it_goes() {
    let mut bench = Bench::of(1);
    let ask = |bench: &mut Bench, process: u64| {
        let mut request = bench.request(process);
        request.key = UnitKey::Uid(1000);
        match bench.ask(START, request).as_slice() {
            [Effect::Granted { seat, again, .. }] => (*seat, *again),
            other => panic!("{other:?}"),
        }
    };
    let (seat, again) = ask(&mut bench, 1);
    assert!(!again);
    assert_eq!(ask(&mut bench, 2), (seat, true));
    assert!(bench.exit(START, 1).is_empty(), "the other still holds it");
    assert_eq!(ended(&bench.exit(START, 2)), [(seat, EndReason::Exited)]);
}

#[test]
fn who_waits_is_served_in_order_and_a_large_request_is_not_starved() {
    for (express, served) in [(false, [0, 1]), (true, [1, 0])] {
        let policy = Policy { express, ..Policy::default() };
        let mut bench = Bench::new(2, SeatTerms::default(), policy);
        bench.seat(START, 1);
        bench.seat(START, 2);
        let waiting = [bench.waits(START, 3, 2), bench.waits(START, 4, 1)];
        let mut effects = bench.exit(at(1), 1);
        assert_eq!(granted(&effects).len(), usize::from(express));
        effects.extend(bench.exit(at(2), 2));
        effects.extend(bench.exit(at(3), if express { 4 } else { 3 }));
        assert_eq!(granted(&effects), served.map(|it| waiting[it]), "express: {express}");
    }
}

#[test]
fn a_newcomer_does_not_overtake_and_waiting_ends_with_its_time_or_its_process() {
    let mut bench = Bench::of(2);
    bench.seat(START, 1);
    let large = bench.waits(START, 2, 2);
    assert_eq!(bench.refusal(START, 3), Refusal::Full, "one is free, and somebody waits for two");
    bench.seats.wake(at(30));
    let refused = Effect::Refused { request: large, refusal: Refusal::Full };
    assert_eq!(bench.seats.take_effects(), [refused]);
    bench.seat(at(30), 3);
    bench.waits(at(31), 4, 1);
    assert!(bench.exit(at(32), 4).is_empty());
    assert!(granted(&bench.exit(at(33), 1)).is_empty(), "it has gone");
    assert_eq!(bench.seats.next_alarm().map(|it| it > at(33)), Some(true));
}

#[test]
fn what_was_sold_warns_the_newest_then_ends_them_and_what_comes_back_reprieves_them() {
    let mut bench = Bench::of(3);
    let seats = [1, 2, 3].map(|it| bench.seat(START, it));
    bench.capacity(at(10), 1);
    let warned = |seat| Effect::Warned { seat, ends_at: at(70) };
    assert_eq!(bench.seats.take_effects(), [warned(seats[2]), warned(seats[1])]);
    assert_eq!(bench.refusal(at(11), 4), Refusal::Draining);
    bench.capacity(at(20), 2);
    assert_eq!(bench.seats.take_effects(), [Effect::Reprieved { seat: seats[1] }]);
    bench.seats.wake(at(69));
    assert_eq!(bench.used(), 3);
    bench.seats.wake(at(70));
    assert_eq!(ended(&bench.seats.take_effects()), [(seats[2], EndReason::Capacity)]);
    assert_eq!(bench.refusal(at(71), 4), Refusal::Full);
}

#[test]
fn a_seat_given_back_while_others_drain_saves_one_of_them() {
    let mut bench = Bench::of(2);
    let (_, second) = (bench.seat(START, 1), bench.seat(START, 2));
    bench.capacity(at(1), 1);
    bench.seats.take_effects();
    let effects = bench.exit(at(2), 1);
    assert!(effects.contains(&Effect::Reprieved { seat: second }), "{effects:?}");
    bench.seats.wake(at(100));
    assert_eq!(bench.used(), 1);
}

#[test]
fn evidence_that_holds_no_more_ends_all_and_not_a_moment_earlier() {
    let mut bench = Bench::of(1);
    let seat = bench.seat(START, 1);
    let capacity = Capacity { supply: Supply::Seats(1), until: Some(at(50)) };
    bench.seats.set_capacity(at(1), POOL, capacity);
    bench.seats.wake(BootTime(at(50).0 - 1));
    assert_eq!(bench.used(), 1);
    bench.seats.wake(at(50));
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::EvidenceExpired)]);
    assert_eq!(bench.refusal(at(51), 1), Refusal::Full);
    bench.capacity(at(52), 1);
    bench.seat(at(53), 1);
}

#[test]
fn overage_is_marked_and_a_surge_ends_and_rests() {
    let surge = Some(Duration::from_secs(30));
    let overage = Overage::Plus(1);
    let drain = Duration::from_secs(10);
    let terms = SeatTerms { overage, surge, drain, ..SeatTerms::default() };
    let mut bench = Bench::new(1, terms, Policy::default());
    let first = bench.seat(START, 1);
    let second = bench.seat(at(5), 2);
    assert!(!bench.seats.seat(first).unwrap().over && bench.seats.seat(second).unwrap().over);
    assert_eq!(bench.refusal(at(6), 3), Refusal::Full);
    bench.seats.wake(at(35));
    let warned = Effect::Warned { seat: second, ends_at: at(45) };
    assert_eq!(bench.seats.take_effects(), [warned]);
    bench.seats.wake(at(45));
    assert_eq!(ended(&bench.seats.take_effects()), [(second, EndReason::Capacity)]);
    assert_eq!(bench.refusal(at(46), 3), Refusal::Full, "it rests as long as it lasted");
    bench.seats.wake(at(65));
    bench.seat(at(65), 3);
    assert_eq!(bench.seats.figures(POOL).unwrap().over, 1);
}

#[test]
fn a_factor_is_of_the_capacity_and_of_nothing_it_makes_nothing() {
    let overage = Overage::Times { percent: 25 };
    let terms = SeatTerms { overage, ..SeatTerms::default() };
    for (capacity, given) in [(0, 0), (3, 3), (4, 5), (8, 10)] {
        let mut bench = Bench::new(capacity, terms, Policy::default());
        for process in 0..given {
            bench.seat(START, process);
        }
        assert_eq!(bench.refusal(START, 100), Refusal::Full, "{capacity}");
    }
}

#[test]
fn a_seat_lingers_for_its_unit_and_yields_to_whoever_asks() {
    let policy = Policy { linger: Duration::from_secs(900), ..Policy::default() };
    let mut bench = Bench::new(2, SeatTerms::default(), policy);
    let seat = bench.seat(START, 1);
    assert_eq!(ended(&bench.exit(at(1), 1)), [(seat, EndReason::Exited)]);
    assert_eq!(bench.seats.figures(POOL).unwrap().lingering, 1);
    assert_eq!(bench.seat(at(2), 1), seat, "it comes back to its own");
    bench.exit(at(3), 1);
    bench.seat(at(4), 2);
    bench.seat(at(4), 3);
    let figures = bench.seats.figures(POOL).unwrap();
    assert_eq!((figures.used, figures.lingering), (2, 0), "the place was wanted");
    bench.exit(at(5), 2);
    bench.seats.wake(at(5 + 600));
    assert_eq!(bench.seats.figures(POOL).unwrap().lingering, 0, "no longer than the vendor allows");
}

#[test]
fn a_session_outlives_what_held_it_and_is_adopted_once_by_its_own_user() {
    let mut bench = Bench::of(1);
    let (token, connection) = (AdoptToken([7; 16]), Binding::Connection(ConnectionId(9)));
    let mut request = bench.request(1);
    request.bindings.push(connection);
    request.adopt = Some(token);
    let Effect::Granted { seat, .. } = bench.ask(START, request)[0] else { panic!() };
    bench.seats.disconnected(at(1), ConnectionId(9));
    assert!(bench.exit(at(2), 1).is_empty(), "somebody may adopt it");
    let mut stranger = bench.request(3);
    stranger.claimant.uid = 1001;
    bench.seats.adopt(at(3), token, &stranger);
    let child = bench.request(2);
    bench.seats.adopt(at(4), token, &child);
    let late = bench.request(4);
    bench.seats.adopt(at(5), token, &late);
    let effects = bench.seats.take_effects();
    let refused =
        |request: &Request| Effect::Refused { request: request.id, refusal: Refusal::NotFound };
    let brought = Brought::Bindings(Vec::new());
    let given = Effect::Granted { request: child.id, seat, again: true, brought };
    assert_eq!(effects, [refused(&stranger), given, refused(&late)]);
    assert!(bench.exit(at(6), 1).is_empty());
    assert_eq!(ended(&bench.exit(at(7), 2)), [(seat, EndReason::Exited)]);
}

#[test]
fn nobody_adopts_a_session_for_ever() {
    let mut bench = Bench::of(1);
    let mut request = bench.request(1);
    request.adopt = Some(AdoptToken([7; 16]));
    bench.ask(START, request);
    assert!(bench.exit(START, 1).is_empty());
    bench.seats.wake(at(59));
    assert_eq!(bench.refusal(at(59), 2), Refusal::Full);
    bench.seats.wake(at(60));
    assert_eq!(ended(&bench.seats.take_effects())[0].1, EndReason::DetachedTimeout);
}

#[test]
fn the_policy_reserves_limits_and_keeps_out() {
    let user = |uid| Who::Uid(uid);
    let policy = Policy {
        reserve: vec![(user(7), 1)],
        max: vec![(Who::Gid(100), 2)],
        exclude: vec![Who::Unit("game*.service".to_owned())],
        ..Policy::default()
    };
    let mut bench = Bench::new(4, SeatTerms::default(), policy);
    let mut ask = |uid: u32, gid: u32, unit: &str| {
        let mut request = bench.request(u64::from(uid * 1_000 + gid));
        request.claimant = claimant(uid, vec![gid], unit);
        match bench.ask(START, request)[0] {
            Effect::Refused { refusal, .. } => Err(refusal),
            _ => Ok(()),
        }
    };
    assert_eq!(ask(1, 1, "game-7.service"), Err(Refusal::Excluded));
    assert_eq!(ask(1, 100, "a.service"), Ok(()));
    assert_eq!(ask(2, 100, "a.service"), Ok(()));
    assert_eq!(ask(3, 100, "a.service"), Err(Refusal::Full), "two of the group at most");
    assert_eq!(ask(3, 1, "a.service"), Ok(()));
    assert_eq!(ask(4, 1, "a.service"), Err(Refusal::Full), "the last is kept for user 7");
    assert_eq!(ask(7, 1, "a.service"), Ok(()));
}

#[test]
fn who_is_kept_waiting_by_the_policy_alone_holds_up_nobody() {
    let policy = Policy { max: vec![(Who::Uid(1000), 1)], ..Policy::default() };
    let mut bench = Bench::new(2, SeatTerms::default(), policy);
    bench.seat(START, 1);
    bench.waits(START, 2, 1);
    let mut other = bench.request(3);
    other.claimant.uid = 1001;
    assert_eq!(granted(&bench.ask(START, other.clone())), [other.id]);
}

#[test]
fn a_young_seat_is_not_revoked() {
    let policy = Policy { min_remove: Duration::from_secs(120), ..Policy::default() };
    let mut bench = Bench::new(1, SeatTerms::default(), policy);
    let seat = bench.seat(START, 1);
    assert_eq!(bench.seats.revoke(at(119), seat), Err(Refusal::TooYoung { until: at(120) }));
    assert_eq!(bench.seats.revoke(at(120), seat), Ok(()));
    assert_eq!(bench.seats.revoke(at(121), seat), Err(Refusal::NotFound));
    assert_eq!(bench.used(), 0);
}

#[test]
fn a_seat_is_given_back_by_its_user_only() {
    let mut bench = Bench::of(1);
    let seat = bench.seat(START, 1);
    let mut give_back = |uid| bench.seats.release(START, seat, Some(Owner::user(uid)), None);
    assert_eq!(give_back(1001), Err(Refusal::NotFound));
    assert_eq!(give_back(1000), Ok(()));
    assert_eq!(give_back(1000), Err(Refusal::NotFound));
}

#[test]
fn what_is_lent_is_out_of_the_pool_until_its_time_and_some_are_never_lent() {
    let (most, time) = (Duration::from_secs(100), Duration::from_secs(100));
    let policy = Policy { low_water: 1, max_borrow: most, ..Policy::default() };
    let mut bench = Bench::new(2, SeatTerms::default(), policy);
    let claimant = bench.request(1).claimant;
    let too_long = time + Duration::from_millis(1);
    for (number, time) in [(90, too_long), (91, time), (92, time)] {
        bench.seats.borrow(START, RequestId(number), claimant.clone(), (&[POOL], time));
    }
    let effects = bench.seats.take_effects();
    let refused = |number, refusal| Effect::Refused { request: RequestId(number), refusal };
    assert_eq!(effects[0], refused(90, Refusal::TooLong { most }));
    let Effect::Granted { seat, .. } = effects[1] else { panic!("{effects:?}") };
    assert_eq!(effects[2], refused(92, Refusal::LowWater));
    bench.seat(START, 1);
    assert_eq!(bench.refusal(START, 2), Refusal::Full);
    bench.seats.wake(at(100));
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Returned)]);
}

#[test]
fn what_is_lent_is_given_back_early_by_its_user_and_taken_with_its_evidence() {
    let time = Duration::from_secs(100);
    let policy = Policy { max_borrow: time, ..Policy::default() };
    let mut bench = Bench::new(1, SeatTerms::default(), policy);
    let claimant = bench.request(1).claimant;
    let lend = |bench: &mut Bench, now| {
        let pools = [PoolId(77), POOL];
        bench.seats.borrow(now, RequestId(90), claimant.clone(), (&pools, time));
        match bench.seats.take_effects()[..] {
            [Effect::Granted { seat, .. }] => seat,
            ref other => panic!("{other:?}"),
        }
    };
    let seat = lend(&mut bench, START);
    let mut give_back = |uid| bench.seats.release(START, seat, Some(Owner::user(uid)), None);
    assert_eq!((give_back(1001), give_back(1000)), (Err(Refusal::NotFound), Ok(())));
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Returned)]);
    let seat = lend(&mut bench, at(1));
    let capacity = Capacity { supply: Supply::Seats(1), until: Some(at(50)) };
    bench.seats.set_capacity(at(2), POOL, capacity);
    bench.seats.wake(at(50));
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::EvidenceExpired)]);
}

#[test]
fn patterns_of_units() {
    let unit = |it: &str| claimant(0, Vec::new(), it);
    for (pattern, text, is) in [
        ("a.service", "a.service", true),
        ("a.service", "b.service", false),
        ("a.service", "a.service.d", false),
        ("*", "anything", true),
        ("render-*.service", "render-12.service", true),
        ("render-*.service", "render-.service", true),
        ("render-*.service", "render.service", false),
        ("*cad*x", "a-cad-y-x", true),
        ("*cad*x", "a-cad-y", false),
        ("", "", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(Who::Unit(pattern.to_owned()).is(&unit(text)), is, "{pattern} {text}");
    }
}

#[test]
fn a_pool_without_seats_does_not_hide_what_another_says() {
    let mut bench = Bench::of(2);
    let empty = PoolId(2);
    bench.seats.set_pool(START, empty, SeatTerms::default(), Policy::default());
    let none = Capacity { supply: Supply::Seats(0), until: None };
    bench.seats.set_capacity(START, empty, none);
    bench.seat(at(1), 1);
    bench.seat(at(1), 2);
    for (capacity, wanted) in [(2, Refusal::Full), (1, Refusal::Draining)] {
        bench.capacity(at(2), capacity);
        bench.seats.take_effects();
        for pools in [[POOL, empty], [empty, POOL]] {
            let mut request = bench.request(3);
            request.pools = pools.to_vec();
            let effects = bench.ask(at(3), request);
            let refused =
                matches!(effects[..], [Effect::Refused { refusal, .. }] if refusal == wanted);
            assert!(refused, "{wanted:?} of {pools:?}: {effects:?}");
        }
    }
}
