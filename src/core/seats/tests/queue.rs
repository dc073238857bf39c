//! Who waits for several places keeps free ones from others up to a fair share of the pool, and no further.

use super::*;

const OTHER: PoolId = PoolId(2);

/// A request of a user's for so many places.
fn of(bench: &mut Bench, uid: u32, process: u64, count: u32) -> Request {
    let mut request = bench.request(process);
    (request.claimant.uid, request.count) = (uid, count);
    request
}

fn asks(bench: &mut Bench, uid: u32, process: u64, count: u32) -> Effect {
    let request = of(bench, uid, process, count);
    bench.ask(START, request).into_iter().last().expect("an answer")
}

fn has_seat(bench: &mut Bench, uid: u32, process: u64, count: u32) {
    let said = asks(bench, uid, process, count);
    assert!(matches!(said, Effect::Granted { .. }), "{said:?}");
}

fn is_refused(bench: &mut Bench, uid: u32, process: u64, count: u32) -> Refusal {
    match asks(bench, uid, process, count) {
        Effect::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

fn waits(bench: &mut Bench, pools: &[PoolId], uid: u32, (process, count): (u64, u32)) -> RequestId {
    let mut request = of(bench, uid, process, count);
    (request.pools, request.wait_until) = (pools.to_vec(), Some(at(3_600)));
    let id = request.id;
    let said = bench.ask(START, request);
    assert!(matches!(said.as_slice(), [Effect::Queued { .. }]), "{said:?}");
    id
}

/// Asks for what it could wait for without end, and is told so at once.
fn is_too_large(bench: &mut Bench, uid: u32, count: u32) {
    let mut request = of(bench, uid, 90, count);
    request.wait_until = Some(at(3_600));
    let said = bench.ask(START, request);
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::TooLarge, .. }]),
        "{said:?}"
    );
}

#[test]
fn what_could_never_be_given_is_refused_at_once_and_holds_up_nobody() {
    let terms = SeatTerms { overage: Overage::Plus(1), ..SeatTerms::default() };
    let mut bench = Bench::new(5, terms, Policy::default());
    has_seat(&mut bench, 1, 1, 1);
    is_too_large(&mut bench, 65_534, 1_000);
    is_too_large(&mut bench, 65_534, 7);
    waits(&mut bench, &[POOL], 65_534, (2, 6));
    has_seat(&mut bench, 2, 3, 1);
}

#[test]
fn what_the_policy_could_never_give_is_refused_at_once() {
    let policy = Policy {
        max: vec![(Who::Uid(1), 2)],
        reserve: vec![(Who::Uid(2), 2), (Who::Gid(100), 1)],
        ..Policy::default()
    };
    let mut bench = Bench::new(5, SeatTerms::default(), policy);
    is_too_large(&mut bench, 1, 3);
    let mut stranger = of(&mut bench, 3, 4, 4);
    (stranger.claimant.gids, stranger.wait_until) = (Vec::new(), Some(at(60)));
    let said = bench.ask(START, stranger);
    assert!(
        matches!(said.as_slice(), [Effect::Refused { refusal: Refusal::TooLarge, .. }]),
        "{said:?}"
    );
    has_seat(&mut bench, 1, 5, 2);
}

#[test]
fn what_has_become_too_much_while_it_waits_holds_up_nobody() {
    let mut bench = Bench::of(2);
    has_seat(&mut bench, 1, 1, 2);
    waits(&mut bench, &[POOL], 65_534, (2, 2));
    bench.capacity(START, 1);
    bench.exit(START, 1);
    has_seat(&mut bench, 2, 3, 1);
}

/// Nothing is known of how many there will be: a token may come any time.
#[test]
fn who_asks_for_many_of_a_pool_without_any_may_wait() {
    let mut bench = Bench::of(0);
    let large = waits(&mut bench, &[POOL], 1, (1, 3));
    let behind = waits(&mut bench, &[POOL], 2, (2, 1));
    bench.capacity(START, 2);
    assert_eq!(granted(&bench.seats.take_effects()), [behind]);
    bench.capacity(START, 4);
    assert_eq!(granted(&bench.seats.take_effects()), [large]);
}

#[test]
fn what_ones_own_seats_prevent_holds_up_nobody_else() {
    let mut bench = Bench::of(5);
    has_seat(&mut bench, 65_534, 1, 1);
    let large = waits(&mut bench, &[POOL], 65_534, (2, 5));
    has_seat(&mut bench, 2, 3, 1);
    // Among one user's own, who came first is first.
    assert_eq!(is_refused(&mut bench, 65_534, 4, 1), Refusal::Full);
    bench.exit(at(1), 3);
    assert_eq!(granted(&bench.exit(at(2), 1)), [large]);
}

#[test]
fn a_share_is_kept_for_who_waits_and_no_more() {
    let mut bench = Bench::of(9);
    has_seat(&mut bench, 1, 1, 7);
    // With whoever asks they are three: three places each.
    let fair = waits(&mut bench, &[POOL], 2, (2, 3));
    assert_eq!(is_refused(&mut bench, 3, 3, 1), Refusal::Full, "two are free, and kept");
    bench.seats.withdraw_all(START, |it| it.id == fair);
    waits(&mut bench, &[POOL], 2, (2, 4));
    has_seat(&mut bench, 3, 3, 1);
}

#[test]
fn what_a_user_has_is_a_part_of_its_share_whichever_of_its_uids_has_it() {
    let mut bench = Bench::of(12);
    has_seat(&mut bench, 1, 1, 8);
    let mut own = of(&mut bench, 165_536, 2, 2);
    own.claimant.account = Some(2);
    assert_eq!(granted(&bench.ask(START, own)).len(), 1);
    waits(&mut bench, &[POOL], 2, (3, 3));
    has_seat(&mut bench, 3, 4, 1);
}

/// One seat that these share, each of whom needs so many places.
fn share_seat(bench: &mut Bench, users: &[(u32, u32)]) {
    for (uid, count) in users {
        let mut request = of(bench, *uid, 100 + u64::from(*uid), *count);
        request.key = UnitKey::Cgroup(1);
        assert_eq!(granted(&bench.ask(START, request)).len(), 1);
    }
}

/// Each of them has what it needs of it, and is one of those by whom the pool is divided.
#[test]
fn a_shared_seat_is_a_part_of_the_share_of_each_of_its_users() {
    let mut bench = Bench::of(12);
    share_seat(&mut bench, &[(1, 9), (2, 9)]);
    waits(&mut bench, &[POOL], 2, (2, 4));
    has_seat(&mut bench, 3, 3, 1);
    let mut bench = Bench::of(12);
    share_seat(&mut bench, &[(1, 9), (2, 1), (4, 1), (5, 1)]);
    waits(&mut bench, &[POOL], 6, (2, 4));
    has_seat(&mut bench, 3, 3, 1);
    // One who needs little of it has more to come: a third of fifteen, with the one place there is.
    let mut bench = Bench::of(15);
    share_seat(&mut bench, &[(1, 12), (2, 1)]);
    waits(&mut bench, &[POOL], 2, (2, 4));
    assert_eq!(is_refused(&mut bench, 3, 3, 1), Refusal::Full);
}

#[test]
fn many_who_wait_together_keep_no_more_from_others() {
    let mut bench = Bench::of(5);
    has_seat(&mut bench, 1, 1, 1);
    for (uid, count) in [(65_534, 5), (65_533, 5), (65_532, 5), (65_531, 5)] {
        waits(&mut bench, &[POOL], uid, (u64::from(uid), count));
    }
    for process in 2..6 {
        has_seat(&mut bench, 2, process, 1);
    }
    assert_eq!(is_refused(&mut bench, 3, 9, 1), Refusal::Full, "none is free");
}

#[test]
fn who_is_behind_a_request_for_many_is_served_when_something_is_free() {
    let mut bench = Bench::of(5);
    has_seat(&mut bench, 1, 1, 4);
    has_seat(&mut bench, 1, 2, 1);
    let large = waits(&mut bench, &[POOL], 65_534, (3, 5));
    let behind = waits(&mut bench, &[POOL], 2, (4, 1));
    let own = waits(&mut bench, &[POOL], 65_534, (5, 1));
    assert_eq!(granted(&bench.exit(at(1), 2)), [behind]);
    bench.exit(at(2), 4);
    assert_eq!(granted(&bench.exit(at(3), 1)), [large]);
    assert_eq!(granted(&bench.exit(at(4), 3)), [own]);
}

/// One user more makes the fair share smaller, and so what is kept of it: those who asked before have that first.
#[test]
fn what_one_more_user_makes_free_is_theirs_who_waited() {
    for (free, comes_too) in [(2, true), (1, false)] {
        let mut bench = Bench::of(6);
        has_seat(&mut bench, 2, 1, 6 - free);
        waits(&mut bench, &[POOL], 1, (2, 3));
        let behind = waits(&mut bench, &[POOL], 2, (3, 1));
        let newcomer = of(&mut bench, 3, 4, 1);
        let served = granted(&bench.ask(START, newcomer.clone()));
        let expected = [behind, newcomer.id];
        assert_eq!(served, expected[..1 + usize::from(comes_too)], "{free} free");
    }
}

#[test]
fn who_comes_to_wait_makes_the_share_smaller_too() {
    let mut bench = Bench::of(6);
    has_seat(&mut bench, 2, 1, 5);
    waits(&mut bench, &[POOL], 1, (2, 3));
    let behind = waits(&mut bench, &[POOL], 2, (3, 1));
    let mut newcomer = of(&mut bench, 3, 4, 2);
    newcomer.wait_until = Some(at(3_600));
    assert_eq!(granted(&bench.ask(START, newcomer)), [behind]);
}

#[test]
fn who_borrows_comes_after_those_that_waited() {
    let policy = Policy { max_borrow: Duration::from_secs(100), ..Policy::default() };
    let mut bench = Bench::new(6, SeatTerms::default(), policy);
    has_seat(&mut bench, 2, 1, 5);
    waits(&mut bench, &[POOL], 1, (2, 3));
    let behind = waits(&mut bench, &[POOL], 2, (3, 1));
    let newcomer = of(&mut bench, 3, 4, 1);
    let time = Duration::from_secs(50);
    bench.seats.borrow(START, newcomer.id, newcomer.claimant, (&[POOL], time));
    assert_eq!(granted(&bench.seats.take_effects()), [behind]);
}

/// Other machines of the fleet do not wait for it either.
#[test]
fn in_a_fleet_nothing_is_kept_for_who_waits_for_many() {
    let mut bench = Bench::of(5);
    bench.seats.share(POOL);
    let large = waits(&mut bench, &[POOL], 65_534, (1, 5));
    let behind = waits(&mut bench, &[POOL], 2, (2, 1));
    assert_eq!(bench.seats.wants(START, POOL, 5), 5);
    assert_eq!(bench.seats.wants(START, POOL, 4), 1, "for who comes next");
    bench.seats.give(START, POOL, 1);
    assert_eq!(granted(&bench.seats.take_effects()), [behind]);
    assert_eq!(bench.seats.wants(START, POOL, 4), 0);
    bench.exit(START, 2);
    bench.seats.give(START, POOL, 5);
    assert_eq!(granted(&bench.seats.take_effects()), [large]);
}

/// Of tokens that another customer's pool rests on too.
#[test]
fn who_waits_for_many_in_another_pool_keeps_no_more_of_its_tokens() {
    let mut bench = Bench::of(0);
    bench.seats.set_pool(START, OTHER, SeatTerms::default(), Policy::default());
    let offer = Offer::from_iter([(TokenKey([1; 16]), 5)]);
    let capacity = Capacity { supply: Supply::Seats(5), until: None };
    for pool in [POOL, OTHER] {
        bench.seats.set_supply(START, pool, capacity, Some(offer.clone()));
    }
    has_seat(&mut bench, 1, 1, 1);
    let large = waits(&mut bench, &[OTHER], 65_534, (2, 5));
    has_seat(&mut bench, 2, 3, 1);
    bench.seats.withdraw_all(START, |it| it.id == large);
    has_seat(&mut bench, 2, 4, 2);
    waits(&mut bench, &[OTHER], 65_534, (2, 2));
    assert_eq!(is_refused(&mut bench, 2, 5, 1), Refusal::Full, "half of it may be kept");
}
