//! A unit that asks for more places than its seat has: the seat grows by all rules of its pool, or the request waits or is
//! refused. Nobody is granted fewer than were asked for.

use super::*;

/// A request of the one unit of a user.
fn of_user(bench: &mut Bench, uid: u32, process: u64, count: u32) -> Request {
    let mut request = bench.request(process);
    (request.key, request.claimant.uid) = (UnitKey::Uid(uid), uid);
    request.count = count;
    request
}

fn asks(bench: &mut Bench, request: Request) -> Effect {
    bench.ask(START, request).into_iter().last().expect("an answer")
}

fn has_places(bench: &mut Bench, request: Request, count: u32) -> SeatId {
    match asks(bench, request) {
        Effect::Granted { seat, .. } => {
            assert_eq!(bench.seats.seat(seat).map(|it| it.count), Some(count));
            seat
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(bench: &mut Bench, request: Request) -> Refusal {
    match asks(bench, request) {
        Effect::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_seat_grows_to_what_its_unit_asks_for_and_never_shrinks() {
    let mut bench = Bench::of(5);
    let first = of_user(&mut bench, 1, 1, 1);
    let seat = has_places(&mut bench, first, 1);
    let more = of_user(&mut bench, 1, 2, 3);
    assert_eq!(has_places(&mut bench, more, 3), seat, "the unit has one");
    assert_eq!(bench.used(), 3);
    let fewer = of_user(&mut bench, 1, 1, 2);
    assert_eq!(has_places(&mut bench, fewer, 3), seat);
    assert!(bench.exit(at(1), 2).is_empty(), "the first holds it");
    assert_eq!(bench.used(), 3);
    bench.exit(at(2), 1);
    assert_eq!(bench.used(), 0);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_seat_as_it_was() {
    let mut bench = Bench::of(5);
    let first = of_user(&mut bench, 1, 1, 1);
    let seat = has_places(&mut bench, first, 1);
    let impossible = of_user(&mut bench, 1, 1, 1_000);
    assert_eq!(refusal(&mut bench, impossible), Refusal::TooLarge);
    let other = of_user(&mut bench, 2, 2, 2);
    has_places(&mut bench, other, 2);
    let too_many = of_user(&mut bench, 1, 1, 4);
    assert_eq!(refusal(&mut bench, too_many), Refusal::Full);
    assert_eq!(bench.seats.seat(seat).map(|it| it.count), Some(1));
    let rest = of_user(&mut bench, 1, 1, 3);
    assert_eq!(has_places(&mut bench, rest, 3), seat, "two more are there");
}

#[test]
fn a_request_for_more_waits_for_what_is_lacking() {
    let mut bench = Bench::of(5);
    let first = of_user(&mut bench, 1, 1, 2);
    let seat = has_places(&mut bench, first, 2);
    let other = of_user(&mut bench, 2, 2, 3);
    has_places(&mut bench, other, 3);
    let mut more = of_user(&mut bench, 1, 3, 5);
    more.wait_until = Some(at(30));
    assert!(matches!(asks(&mut bench, more.clone()), Effect::Queued { .. }));
    assert_eq!(granted(&bench.exit(at(1), 2)), [more.id]);
    assert_eq!(bench.seats.seat(seat).map(|it| it.count), Some(5));
}

#[test]
fn a_seat_grows_by_the_policy_and_by_that_of_whose_it_was() {
    let policy = Policy {
        max: vec![(Who::Uid(1), 2), (Who::Uid(2), 3)],
        reserve: vec![(Who::Uid(9), 1)],
        ..Policy::default()
    };
    let mut bench = Bench::new(6, SeatTerms::default(), policy);
    let of_machine = |bench: &mut Bench, uid, process, count| {
        let mut request = of_user(bench, uid, process, count);
        (request.key, request.wait_until) = (UnitKey::Machine, Some(at(30)));
        request
    };
    let first = of_machine(&mut bench, 1, 1, 1);
    has_places(&mut bench, first, 1);
    let beyond = of_machine(&mut bench, 1, 1, 3);
    assert_eq!(refusal(&mut bench, beyond), Refusal::TooLarge);
    let most = of_machine(&mut bench, 1, 1, 2);
    has_places(&mut bench, most, 2);
    // What is kept for others is not grown into.
    let alone = of_user(&mut bench, 3, 4, 2);
    has_places(&mut bench, alone, 2);
    let kept = of_user(&mut bench, 3, 4, 4);
    assert_eq!(refusal(&mut bench, kept), Refusal::Full);
    let rest = of_user(&mut bench, 3, 4, 3);
    has_places(&mut bench, rest, 3);
}

/// What is had last is lost first: by a seat that was small for long nobody keeps many places longer than others do.
#[test]
fn a_seat_is_as_new_as_its_newest_growth() {
    let mut bench = Bench::of(5);
    let first = of_user(&mut bench, 1, 1, 1);
    let grown = has_places(&mut bench, first, 1);
    let second = of_user(&mut bench, 2, 2, 2);
    let other = has_places(&mut bench, second, 2);
    let again = of_user(&mut bench, 1, 1, 1);
    has_places(&mut bench, again, 1);
    bench.capacity(at(1), 1);
    let warned = |seat| Effect::Warned { seat, ends_at: at(61) };
    assert_eq!(bench.seats.take_effects(), [warned(other)], "who asks again is no newer");
    bench.capacity(at(2), 5);
    bench.seats.take_effects();
    let more = of_user(&mut bench, 1, 1, 2);
    has_places(&mut bench, more, 2);
    bench.capacity(at(100), 3);
    let ends_at = at(160);
    assert_eq!(bench.seats.take_effects(), [Effect::Warned { seat: grown, ends_at }]);
    // And so it is after a restart, whose seats get numbers of their own.
    let seat = Seat { drains_at: None, ..bench.seats.seat(grown).cloned().unwrap() };
    let mut after = Bench::of(5);
    after.seats.restore(START, seat.clone());
    assert!(after.seat(START, 9) > seat.grown.unwrap());
}

#[test]
fn what_a_seat_grows_by_is_claimed_of_the_fleet() {
    let mut bench = Bench::of(5);
    bench.seats.share(POOL);
    bench.seats.give(START, POOL, 1);
    let first = of_user(&mut bench, 1, 1, 1);
    let seat = has_places(&mut bench, first, 1);
    let mut more = of_user(&mut bench, 1, 1, 4);
    more.wait_until = Some(at(30));
    assert!(matches!(asks(&mut bench, more), Effect::Queued { .. }));
    assert_eq!(bench.seats.wants(START, POOL, 5), 3);
    bench.seats.give(START, POOL, 3);
    assert_eq!(granted(&bench.seats.take_effects()).len(), 1);
    assert_eq!(bench.seats.seat(seat).map(|it| it.count), Some(4));
    assert_eq!(bench.seats.take_spare(POOL), 0);
}

#[test]
fn a_seat_that_grows_takes_the_places_of_tokens() {
    let mut bench = Bench::of(0);
    let offer = Offer::from_iter([(TokenKey([1; 16]), 2), (TokenKey([2; 16]), 1)]);
    let capacity = Capacity { supply: Supply::Seats(3), until: None };
    bench.seats.set_supply(START, POOL, capacity, Some(offer));
    let first = of_user(&mut bench, 1, 1, 1);
    let seat = has_places(&mut bench, first, 1);
    let all = of_user(&mut bench, 1, 1, 3);
    has_places(&mut bench, all, 3);
    let placed: u32 = bench.seats.seat(seat).unwrap().places.iter().map(|it| it.1).sum();
    assert_eq!(placed, 3);
}

/// What another pool of the customer's has whole is a seat as well, where the seat that is there cannot grow.
#[test]
fn another_pool_may_give_all_of_it() {
    let other = PoolId(2);
    let mut bench = Bench::of(1);
    bench.seats.set_pool(START, other, SeatTerms::default(), Policy::default());
    let capacity = Capacity { supply: Supply::Seats(9), until: None };
    bench.seats.set_capacity(START, other, capacity);
    let ask = |bench: &mut Bench, count| {
        let mut request = of_user(bench, 1, 1, count);
        request.pools = vec![POOL, other];
        request
    };
    let first = ask(&mut bench, 1);
    has_places(&mut bench, first, 1);
    let many = ask(&mut bench, 5);
    let seat = has_places(&mut bench, many, 5);
    let again = ask(&mut bench, 4);
    assert_eq!(has_places(&mut bench, again, 5), seat, "the one that has as many");
    assert_eq!(bench.used(), 1);
}
