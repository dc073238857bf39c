//! Seats that were held before the daemon was started again.

use super::*;

#[test]
fn after_a_restart_nothing_is_given_twice_and_holders_keep_theirs() {
    let mut before = Bench::of(2);
    let known = before.seat(START, 1);
    let unknown = before.seat(START, 2);
    let mut after = Bench::of(2);
    after.seats = Seats::new(0);
    after.seats.set_pool(at(1), POOL, SeatTerms::default(), Policy::default());
    for seat in before.seats.seats() {
        let fate = |it: ProcessId| if it.0 == 2 { Fate::NotKnown } else { Fate::Alive };
        after.seats.take_back(at(1), seat.clone(), fate);
    }
    assert_eq!(after.seats.suspect_until(after.seats.seat(unknown).unwrap()), Some(at(31)));
    assert_eq!(after.seats.suspect_until(after.seats.seat(known).unwrap()), None);
    assert_eq!(after.refusal(at(1), 3), Refusal::NotKnown, "nothing was proven yet");
    assert_eq!(after.used(), 2, "and nothing ends for that");
    after.capacity(at(1), 2);
    assert_eq!(after.refusal(at(2), 3), Refusal::Full);
    assert_eq!(after.seat(at(3), 2), unknown, "its holder has come back");
    assert_eq!(ended(&after.exit(at(4), 1)), [(known, EndReason::Exited)]);
    after.seats.wake(at(40));
    assert_eq!(after.used(), 1);
    assert!(after.seat(at(41), 4) > unknown);
}

#[test]
fn a_holder_that_does_not_come_back_is_lost() {
    let mut before = Bench::of(1);
    let seat = before.seat(START, 1);
    let row = before.seats.seat(seat).unwrap().clone();
    let mut after = Bench::of(1);
    after.seats.take_back(at(1), row.clone(), |_| Fate::NotKnown);
    after.seats.wake(at(31));
    assert_eq!(ended(&after.seats.take_effects()), [(seat, EndReason::DaemonLost)]);
    after.seats.take_back(at(32), row, |_| Fate::Ended);
    assert_eq!(ended(&after.seats.take_effects()), [(seat, EndReason::Exited)], "it is known to");
}

#[test]
fn the_rest_of_a_unit_holds_its_seat_while_one_of_it_is_silent() {
    let mut before = Bench::of(1);
    let seat = before.seat(START, 1);
    let mut row = before.seats.seat(seat).unwrap().clone();
    row.hold = Hold::Bound([1, 2].map(|it| Binding::Process(ProcessId(it))).to_vec());
    let mut after = Bench::of(1);
    let fate = |it: ProcessId| if it.0 == 1 { Fate::Alive } else { Fate::NotKnown };
    after.seats.take_back(at(1), row, fate);
    after.exit(at(2), 1);
    assert_eq!(after.used(), 1, "the silent one may be there");
    after.seats.wake(at(31));
    assert_eq!(ended(&after.seats.take_effects()), [(seat, EndReason::DaemonLost)]);
}

#[test]
fn what_is_used_beyond_the_capacity_for_a_time_is_not_so_for_longer_by_a_restart() {
    let mut before = Bench::of(1);
    let overage = Overage::Plus(1);
    let terms = SeatTerms {
        overage,
        surge: Some(Duration::from_secs(30)),
        drain: Duration::ZERO,
        ..SeatTerms::default()
    };
    before.seats.set_pool(START, POOL, terms, Policy::default());
    let rows = [1, 2].map(|it| before.seat(START, it));
    let rows = rows.map(|it| before.seats.seat(it).unwrap().clone());
    let mut after = Bench::of(1);
    after.seats = Seats::new(0);
    after.seats.set_pool(at(20), POOL, terms, Policy::default());
    let over = rows[1].id;
    rows.into_iter().for_each(|it| after.seats.take_back(at(20), it, |_| Fate::Alive));
    after.capacity(at(20), 1);
    assert_eq!(after.used(), 2, "its time is not over");
    after.seats.wake(at(31));
    assert_eq!(ended(&after.seats.take_effects()), [(over, EndReason::Capacity)]);
}

#[test]
fn what_is_lent_comes_back_once_and_for_no_longer_than_it_was() {
    let mut before = Bench::of(2);
    let policy = Policy { max_borrow: Duration::from_secs(200), ..Policy::default() };
    before.seats.set_pool(START, POOL, SeatTerms::default(), policy);
    let claimant = before.request(1).claimant;
    let time = Duration::from_secs(100);
    before.seats.borrow(START, RequestId(90), claimant, (&[POOL], time));
    let row = before.seats.seats().next().unwrap().clone();
    let Hold::Borrowed { until } = row.hold else { panic!("{row:?}") };
    let mut after = Bench::of(2);
    for _ in 0..2 {
        after.seats.take_back(at(1), row.clone(), |_| Fate::Ended);
    }
    assert_eq!(after.used(), 1, "it is one, however often it is read");
    after.seats.wake(at(60));
    assert_eq!(after.used(), 1, "nobody has to be heard of");
    after.seat(at(60), 2);
    assert_eq!(after.refusal(at(60), 3), Refusal::Full);
    after.seats.take_effects();
    after.seats.wake(until);
    assert_eq!(ended(&after.seats.take_effects()), [(row.id, EndReason::Returned)]);
    let mut late = Bench::of(2);
    late.seats.take_back(until, row.clone(), |_| Fate::Ended);
    late.seats.wake(until);
    assert_eq!(ended(&late.seats.take_effects()), [(row.id, EndReason::Returned)], "at once");
}

#[test]
fn a_pool_of_a_fleet_gives_no_place_for_what_it_takes_back() {
    let mut before = Bench::of(2);
    let seat = before.seat(START, 1);
    let row = before.seats.seat(seat).unwrap().clone();
    let mut after = Bench::of(2);
    after.seats.share(POOL);
    after.seats.take_back(at(1), row, |_| Fate::Alive);
    assert_eq!((after.used(), after.refusal(at(2), 2)), (1, Refusal::Full), "nothing was claimed");
    after.seats.give(at(3), POOL, 1);
    after.seat(at(3), 2);
    assert_eq!(after.used(), 2);
    after.seats.lose(at(4), POOL, 0, EndReason::FleetLost);
    assert_eq!(after.used(), 0);
}

#[test]
fn what_nothing_proves_since_the_restart_ends_when_what_was_known_before_does() {
    let mut before = Bench::of(3);
    let policy = Policy { max_borrow: Duration::from_secs(500), ..Policy::default() };
    before.seats.set_pool(START, POOL, SeatTerms::default(), policy);
    let held = before.seat(START, 1);
    let claimant = before.request(1).claimant;
    let (id, time) = (before.seats.reserve(), Duration::from_secs(400));
    before.seats.lend_away(START, RequestId(90), claimant, (POOL, id, time));
    let rows: Vec<Seat> = before.seats.seats().cloned().collect();
    let after = || {
        let mut after = Bench::of(3);
        after.seats = Seats::new(0);
        after.seats.set_pool(at(1), POOL, SeatTerms::default(), Policy::default());
        rows.iter().for_each(|it| after.seats.take_back(at(1), it.clone(), |_| Fate::Alive));
        after
    };
    let mut silent = after();
    silent.seats.end_unless_proven(at(1), POOL, at(60));
    silent.seats.wake(at(59));
    assert_eq!(ended(&silent.seats.take_effects()), [], "it is not known to be over");
    assert_eq!(silent.seats.next_alarm(), Some(at(60)));
    silent.seats.wake(at(60));
    assert_eq!(ended(&silent.seats.take_effects()), [(held, EndReason::EvidenceExpired)]);
    assert_eq!(silent.used(), 1, "what another machine has it has");
    assert_eq!(silent.refusal(at(61), 2), Refusal::NotKnown, "that there are none is not known");
    let mut heard = after();
    heard.seats.end_unless_proven(at(1), POOL, at(60));
    heard.capacity(at(30), 3);
    heard.seats.end_unless_proven(at(31), POOL, at(32));
    heard.seats.wake(at(90));
    assert_eq!((ended(&heard.seats.take_effects()), heard.used()), (Vec::new(), 2), "it is proven");
    let mut never = after();
    never.seats.wake(at(399));
    assert_eq!(never.used(), 2, "nothing is known, and nothing ends");
}
