//! Whoever shares a seat, or takes one over, is held to the policy like whoever asks first; and no number of those that
//! wait is too many to be served at once.

use super::*;

const OTHER: PoolId = PoolId(2);

fn keeps_out(uid: u32) -> Policy {
    Policy { exclude: vec![Who::Uid(uid)], ..Policy::default() }
}

/// A request of another user for the one seat of the machine.
fn of_machine(bench: &mut Bench, process: u64, uid: u32) -> Request {
    let mut request = bench.request(process);
    (request.key, request.claimant.uid) = (UnitKey::Machine, uid);
    request
}

#[test]
fn who_is_kept_out_does_not_share_the_seat_that_others_of_the_unit_have() {
    let mut bench = Bench::new(2, SeatTerms::default(), keeps_out(1001));
    let first = of_machine(&mut bench, 1, 1000);
    assert_eq!(granted(&bench.ask(START, first)).len(), 1);
    let kept_out = of_machine(&mut bench, 2, 1001);
    let said = bench.ask(START, kept_out);
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Excluded, .. }]),
        "{said:?}"
    );
    // It is no reason for the seat to last.
    assert_eq!(ended(&bench.exit(START, 1)).len(), 1);
    assert_eq!(bench.used(), 0);
}

/// A request of somebody inside a user namespace of uid 1001's.
fn as_subordinate(bench: &mut Bench, process: u64) -> Request {
    let mut request = bench.request(process);
    let claimant = &mut request.claimant;
    (claimant.uid, claimant.account, claimant.gids) = (165_536, Some(1001), vec![165_536, 50]);
    request
}

#[test]
fn who_is_kept_out_does_not_come_back_as_one_of_their_subordinate_uids() {
    let by_group = Policy { exclude: vec![Who::Gid(50)], ..Policy::default() };
    for policy in [keeps_out(1001), by_group] {
        let mut bench = Bench::new(2, SeatTerms::default(), policy);
        let kept_out = as_subordinate(&mut bench, 1);
        let said = bench.ask(START, kept_out);
        assert!(
            matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Excluded, .. }]),
            "{said:?}"
        );
    }
}

#[test]
fn a_user_and_its_subordinate_uids_have_so_many_seats_between_them() {
    let max = vec![(Who::Uid(1001), 1)];
    let mut bench = Bench::new(3, SeatTerms::default(), Policy { max, ..Policy::default() });
    let mut own = bench.request(1);
    own.claimant.uid = 1001;
    assert_eq!(granted(&bench.ask(START, own)).len(), 1);
    let more = as_subordinate(&mut bench, 2);
    let said = bench.ask(START, more);
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Full, .. }]),
        "{said:?}"
    );
}

#[test]
fn who_was_let_in_before_keeps_the_same_seat_and_brings_nobody_else_in() {
    let mut bench = Bench::of(2);
    let mut request = bench.request(1);
    assert_eq!(granted(&bench.ask(START, request.clone())).len(), 1);
    bench.seats.set_pool(START, POOL, SeatTerms::default(), keeps_out(1000));
    request.id = RequestId(77);
    assert_eq!(granted(&bench.ask(START, request.clone())), [RequestId(77)], "seats stay");
    request.bindings = vec![Binding::Connection(ConnectionId(5))];
    let said = bench.ask(START, request);
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Excluded, .. }]),
        "{said:?}"
    );
}

#[test]
fn who_is_kept_out_takes_no_seat_over() {
    let include = vec![Who::Unit("cad.service".to_owned())];
    let mut bench = Bench::new(1, SeatTerms::default(), Policy { include, ..Policy::default() });
    let mut session = bench.request(1);
    session.adopt = Some(AdoptToken([7; 16]));
    assert_eq!(granted(&bench.ask(START, session)).len(), 1);
    let mut elsewhere = bench.request(2);
    elsewhere.claimant.unit = Some("other.service".to_owned());
    bench.seats.adopt(START, AdoptToken([7; 16]), &elsewhere);
    let said = bench.seats.take_effects();
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Excluded, .. }]),
        "{said:?}"
    );
    // The token serves whoever may have the seat.
    let again = bench.request(3);
    bench.seats.adopt(START, AdoptToken([7; 16]), &again);
    assert_eq!(granted(&bench.seats.take_effects()), [again.id]);
}

/// A user names the units of their own service manager, and whoever runs a container the groups in it.
#[test]
fn nobody_is_let_in_by_a_name_of_their_own_choice() {
    let rule = |text: &str| Who::Unit(text.to_owned());
    let in_path = claimant(1001, Vec::new(), "/docker/1f/render@1.service");
    assert!(!rule("render@*.service").is(&in_path) && !rule("*render@1.service").is(&in_path));
    assert!(rule("/docker/*").is(&in_path));
    let mut own = claimant(1001, Vec::new(), "user@1001.service");
    own.user_unit = Some("render@mine.service".to_owned());
    let of_user = |uid| Who::UserUnit(uid, "render@*.service".to_owned());
    assert!(!rule("render@*.service").is(&own) && rule("user@1001.service").is(&own));
    assert!(of_user(1001).is(&own) && !of_user(1002).is(&own));
    // Neither is a process of theirs in another's units, nor another's in theirs.
    own.uid = 1002;
    assert!(!of_user(1001).is(&own) && !of_user(1002).is(&own));
}

#[test]
fn who_may_have_no_seat_at_most_shares_none_either() {
    let max = vec![(Who::Uid(1001), 0)];
    let mut bench = Bench::new(2, SeatTerms::default(), Policy { max, ..Policy::default() });
    let first = of_machine(&mut bench, 1, 1000);
    assert_eq!(granted(&bench.ask(START, first)).len(), 1);
    let none = of_machine(&mut bench, 2, 1001);
    let said = bench.ask(START, none);
    assert!(matches!(said.as_slice(), [Effect::Refused { .. }]), "{said:?}");
}

/// A request for so many places of the seat of a control group.
fn of_group(bench: &mut Bench, (group, count): (u64, u32), (process, uid): (u64, u32)) -> Request {
    let mut request = bench.request(process);
    (request.key, request.count, request.claimant.uid) = (UnitKey::Cgroup(group), count, uid);
    request
}

fn answer(bench: &mut Bench, request: Request) -> Result<SeatId, Refusal> {
    match bench.ask(START, request).into_iter().last() {
        Some(Effect::Granted { seat, .. }) => Ok(seat),
        Some(Effect::Refused { refusal, .. }) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// A pool of twenty, of which uid 1001 may have so many.
fn bounded(most: u32) -> Bench {
    let max = vec![(Who::Uid(1001), most)];
    Bench::new(20, SeatTerms::default(), Policy { max, ..Policy::default() })
}

/// Whoever had the seat goes, and what is left is theirs who shared it.
#[test]
fn nobody_comes_to_more_seats_than_they_may_have_by_sharing() {
    let mut bench = bounded(1);
    let own = of_group(&mut bench, (9, 1), (9, 1001));
    answer(&mut bench, own).unwrap();
    for group in 1..=3 {
        let other = of_group(&mut bench, (group, 5), (group, 1000));
        answer(&mut bench, other).unwrap();
        let all = of_group(&mut bench, (group, 5), (group + 10, 1001));
        assert_eq!(answer(&mut bench, all), Err(Refusal::TooLarge), "it may never have as many");
        let one = of_group(&mut bench, (group, 1), (group + 10, 1001));
        assert_eq!(answer(&mut bench, one), Err(Refusal::Full), "it has one");
        bench.exit(START, group);
    }
    assert_eq!(bench.used(), 1);
}

/// What somebody has of a shared seat is what that one needs, there and wherever else it is counted.
#[test]
fn what_is_shared_counts_for_each_by_what_it_needs() {
    let mut bench = bounded(3);
    let other = of_group(&mut bench, (1, 5), (1, 1000));
    let seat = answer(&mut bench, other).unwrap();
    let two = of_group(&mut bench, (1, 2), (2, 1001));
    assert_eq!(answer(&mut bench, two.clone()), Ok(seat));
    let beyond = of_group(&mut bench, (2, 2), (3, 1001));
    assert_eq!(answer(&mut bench, beyond), Err(Refusal::Full), "two and two");
    // By what holds it already nobody comes to need more, and whoever asks again for what it has is given it.
    let more = Request { id: RequestId(77), count: 4, ..two.clone() };
    assert_eq!(answer(&mut bench, more), Err(Refusal::TooLarge));
    assert_eq!(answer(&mut bench, Request { id: RequestId(78), ..two.clone() }), Ok(seat));
    let rest = of_group(&mut bench, (2, 1), (3, 1001));
    answer(&mut bench, rest).unwrap();
    let more = Request { id: RequestId(79), count: 3, ..two.clone() };
    assert_eq!(answer(&mut bench, more), Err(Refusal::Full));
    bench.exit(START, 1);
    assert_eq!(bench.used(), 3);
}

/// Several of whom a rule is about take the places of one seat once.
#[test]
fn those_of_one_rule_have_the_places_of_a_seat_between_them() {
    let max = vec![(Who::Gid(100), 3)];
    let mut bench = Bench::new(20, SeatTerms::default(), Policy { max, ..Policy::default() });
    let first = of_group(&mut bench, (1, 3), (1, 1000));
    let seat = answer(&mut bench, first).unwrap();
    let second = of_group(&mut bench, (1, 3), (2, 1001));
    assert_eq!(answer(&mut bench, second), Ok(seat));
    let beyond = of_group(&mut bench, (2, 1), (3, 1001));
    assert_eq!(answer(&mut bench, beyond), Err(Refusal::Full));
}

#[test]
fn who_waits_to_share_is_served_when_a_place_of_its_own_is_free() {
    let mut bench = bounded(1);
    for group in [1, 2] {
        let other = of_group(&mut bench, (group, 5), (group, 1000));
        answer(&mut bench, other).unwrap();
    }
    let first = of_group(&mut bench, (1, 1), (11, 1001));
    answer(&mut bench, first).unwrap();
    let mut second = of_group(&mut bench, (2, 1), (12, 1001));
    second.wait_until = Some(at(30));
    let said = bench.ask(START, second.clone());
    assert!(matches!(said.as_slice(), [Effect::Queued { .. }]), "{said:?}");
    assert_eq!(granted(&bench.exit(START, 11)), [second.id]);
    assert_eq!(bench.used(), 10, "the seats are as large as before");
}

/// Nobody else comes to what is kept for somebody by sharing a seat of theirs.
#[test]
fn what_is_kept_for_some_is_used_by_them_where_nobody_else_needs_it() {
    let reserve = vec![(Who::Uid(1001), 2)];
    let policy = Policy { reserve, ..Policy::default() };
    let mut bench = Bench::new(5, SeatTerms::default(), policy);
    let own = of_group(&mut bench, (1, 2), (1, 1001));
    answer(&mut bench, own).unwrap();
    let shares = of_group(&mut bench, (1, 2), (2, 1000));
    answer(&mut bench, shares).unwrap();
    let rest = of_group(&mut bench, (2, 3), (3, 1002));
    assert_eq!(answer(&mut bench, rest), Err(Refusal::Full));
    let rest = of_group(&mut bench, (2, 1), (3, 1002));
    answer(&mut bench, rest).unwrap();
    bench.exit(START, 1);
    let again = of_group(&mut bench, (3, 2), (4, 1001));
    answer(&mut bench, again).unwrap();
}

#[test]
fn nobody_comes_to_more_seats_than_they_may_have_by_taking_over() {
    let max = vec![(Who::Unit("other.service".to_owned()), 1)];
    let mut bench = Bench::new(3, SeatTerms::default(), Policy { max, ..Policy::default() });
    let elsewhere = |bench: &mut Bench, process| {
        let mut request = bench.request(process);
        request.claimant.unit = Some("other.service".to_owned());
        request
    };
    let own = elsewhere(&mut bench, 1);
    assert_eq!(granted(&bench.ask(START, own)).len(), 1);
    let mut session = bench.request(2);
    session.adopt = Some(AdoptToken([7; 16]));
    assert_eq!(granted(&bench.ask(START, session)).len(), 1);
    let second = elsewhere(&mut bench, 3);
    bench.seats.adopt(START, AdoptToken([7; 16]), &second);
    let said = bench.seats.take_effects();
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::Full, .. }]),
        "{said:?}"
    );
    assert_eq!(bench.used(), 2, "and it stays where it was");
}

/// One that shares a seat, and gives back its part of it, is watched no more.
#[test]
fn what_one_of_many_gives_back_holds_nothing() {
    let mut bench = Bench::of(1);
    for process in [1, 2] {
        let mut request = bench.request(process);
        request.key = UnitKey::Uid(1000);
        assert_eq!(granted(&bench.ask(START, request)).len(), 1);
    }
    let own = Binding::Process(ProcessId(2));
    let seat = bench.seats.seats().next().unwrap().id;
    bench.seats.release(START, seat, Some(Owner::user(1000)), Some(own)).unwrap();
    assert!(!bench.seats.concerns(own));
    assert!(bench.seats.concerns(Binding::Process(ProcessId(1))));
}

/// One has all of two pools, and goes: on a stack such as threads have.
#[test]
fn thousands_that_wait_in_two_pools_are_served_at_once() {
    const MANY: u32 = 4_000;
    let serve = || {
        let mut bench = Bench::of(MANY);
        bench.seats.set_pool(START, OTHER, SeatTerms::default(), Policy::default());
        let supply = Supply::Seats(MANY);
        bench.seats.set_capacity(START, OTHER, Capacity { supply, until: None });
        for pool in [POOL, OTHER] {
            let mut all = bench.request(1);
            (all.pools, all.count) = (vec![pool], MANY);
            assert_eq!(granted(&bench.ask(START, all)).len(), 1);
        }
        for process in 1..=MANY {
            let mut request = bench.request(u64::from(process) + 1);
            request.pools = vec![POOL, OTHER];
            request.claimant.uid = 1_000 + process / 60;
            request.wait_until = Some(START.after(Duration::from_secs(600)));
            let said = bench.ask(START, request);
            assert!(matches!(said.as_slice(), [Effect::Queued { .. }]), "{said:?}");
        }
        granted(&bench.exit(START, 1)).len()
    };
    let served = std::thread::Builder::new().stack_size(1 << 20).spawn(serve).unwrap();
    assert_eq!(served.join().unwrap(), 4_000);
}

#[test]
fn nothing_is_lent_of_what_a_fleet_shares() {
    let policy = Policy { max_borrow: Duration::from_secs(1_000), ..Policy::default() };
    let mut bench = Bench::new(5, SeatTerms::default(), policy);
    bench.seats.share(POOL);
    bench.seats.give(START, POOL, 5);
    let claimant = bench.request(1).claimant;
    bench.seats.borrow(START, RequestId(1), claimant, (&[POOL], Duration::from_secs(100)));
    let refusal = Refusal::TooLong { most: Duration::ZERO };
    let wanted = [Effect::Refused { request: RequestId(1), refusal }];
    assert_eq!(bench.seats.take_effects(), wanted);
}

/// A delegate's uid is that of all its customers: what one of them has is not another's to see the end of.
#[test]
fn what_a_delegate_has_for_one_customer_is_not_anothers() {
    use crate::domain::ids::CustomerId;
    let mut bench = Bench::of(4);
    let mut ask = |process: u64, customer: Option<u32>| {
        let mut request = bench.request(process);
        request.claimant.on_behalf = customer.map(|it| CustomerId::Numbered(it.into()));
        request.adopt = Some(AdoptToken([u8::try_from(process).unwrap(); 16]));
        let owner = request.claimant.owner();
        let Some(Effect::Granted { seat, .. }) = bench.ask(START, request).pop() else { panic!() };
        (seat, owner)
    };
    let (one, two, own) = (ask(1, Some(1)), ask(2, Some(2)), ask(3, None));
    for (seat, owner) in [(one.0, two.1), (one.0, own.1), (own.0, one.1)] {
        assert_eq!(bench.seats.release(START, seat, Some(owner), None), Err(Refusal::NotFound));
    }
    let mut taker = bench.request(4);
    taker.claimant.on_behalf = two.1.on_behalf;
    bench.seats.adopt(START, AdoptToken([1; 16]), &taker);
    let refused = Effect::Refused { request: taker.id, refusal: Refusal::NotFound };
    assert_eq!(bench.seats.take_effects(), [refused], "nor is it taken over");
    // As many as one may wait for of its own are no reason for another's not to wait.
    bench.capacity(START, 0);
    let mut wait = |process: u64, customer: u32| {
        let mut request = bench.request(process);
        request.claimant.on_behalf = Some(CustomerId::Numbered(customer.into()));
        request.wait_until = Some(at(30));
        bench.ask(START, request).pop()
    };
    for process in 100..164 {
        assert!(matches!(wait(process, 1), Some(Effect::Queued { .. })));
    }
    let beyond = wait(164, 1);
    assert!(
        matches!(beyond, Some(Effect::Refused { refusal: Refusal::TooMany, .. })),
        "{beyond:?}"
    );
    assert!(matches!(wait(165, 2), Some(Effect::Queued { .. })));
}
