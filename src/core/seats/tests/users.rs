//! Several users who share the seat of a unit, each with a part of its own in it.

use super::*;

const FIRST: u32 = 1000;
const SECOND: u32 = 1001;
const CUSTOMER: crate::domain::ids::CustomerId = crate::domain::ids::CustomerId::Numbered(1);

/// A request of a user for the one seat of the machine.
fn of_machine(bench: &mut Bench, process: u64, uid: u32) -> Request {
    let mut request = bench.request(process);
    (request.key, request.claimant.uid) = (UnitKey::Machine, uid);
    request
}

/// One seat that both have, the first by process 1 and the second by process 2.
fn shared(bench: &mut Bench) -> SeatId {
    let first = of_machine(bench, 1, FIRST);
    bench.ask(START, first);
    let second = of_machine(bench, 2, SECOND);
    match bench.ask(START, second).as_slice() {
        [Effect::Granted { seat, again: true, .. }] => *seat,
        other => panic!("{other:?}"),
    }
}

fn users(bench: &Bench, seat: SeatId) -> Vec<u32> {
    let seat = bench.seats.seat(seat);
    seat.map(|it| it.holders().iter().map(|it| it.uid).collect()).unwrap_or_default()
}

/// Whose part has ended.
fn left(effects: &[Effect]) -> Vec<u32> {
    let left = effects.iter().filter_map(|it| match it {
        Effect::Left { seat, .. } => Some(seat.claimant.uid),
        _ => None,
    });
    left.collect()
}

fn release(bench: &mut Bench, seat: SeatId, uid: u32, process: u64) -> Result<(), Refusal> {
    let binding = Some(Binding::Process(ProcessId(process)));
    bench.seats.release(START, seat, Some(Owner::user(uid)), binding)
}

/// What one wants more than the others have would be theirs to bear: when it is too much, and when that one has gone.
#[test]
fn a_seat_that_users_share_grows_for_none_of_them() {
    for (process, uid) in [(1, FIRST), (2, SECOND), (3, 1002)] {
        let mut bench = Bench::of(12);
        let seat = shared(&mut bench);
        let mut more = of_machine(&mut bench, process, uid);
        more.count = 2;
        match bench.ask(START, more).as_slice() {
            [.., Effect::Refused { refusal: Refusal::TooLarge, .. }] => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.seats.seat(seat).map(|it| it.count), Some(1));
        assert_eq!((bench.used(), users(&bench, seat)), (1, vec![FIRST, SECOND]));
    }
}

/// One seat of three places for the first, of which the second has asked for one.
fn shared_large(bench: &mut Bench) -> SeatId {
    let mut first = of_machine(bench, 1, FIRST);
    first.count = 3;
    bench.ask(START, first);
    let second = of_machine(bench, 2, SECOND);
    match bench.ask(START, second).as_slice() {
        [Effect::Granted { seat, again: true, .. }] => *seat,
        other => panic!("{other:?}"),
    }
}

fn places(bench: &Bench, seat: SeatId) -> (u64, Option<u32>) {
    (bench.used(), bench.seats.seat(seat).map(|it| it.count))
}

/// What nobody needs who is left is free for others.
#[test]
fn a_seat_takes_what_those_need_who_have_it() {
    for by_release in [true, false] {
        let mut bench = Bench::of(0);
        let offer = Offer::from_iter([(TokenKey([1; 16]), 2), (TokenKey([2; 16]), 1)]);
        let capacity = Capacity { supply: Supply::Seats(3), until: None };
        bench.seats.set_supply(START, POOL, capacity, Some(offer));
        let seat = shared_large(&mut bench);
        let waiting = bench.waits(START, 9, 2);
        match by_release {
            true => release(&mut bench, seat, FIRST, 1).unwrap(),
            false => bench.seats.exited(START, ProcessId(1)),
        }
        assert_eq!(granted(&bench.seats.take_effects()), [waiting]);
        assert_eq!(places(&bench, seat), (3, Some(1)));
        let placed = bench.seats.seat(seat).unwrap().places.iter().map(|it| it.1).sum::<u32>();
        assert_eq!(placed, 1);
    }
    let mut bench = Bench::of(3);
    let seat = shared_large(&mut bench);
    bench.exit(START, 2);
    assert_eq!(places(&bench, seat), (3, Some(3)), "the first needs all of it");
}

/// Nobody loses a seat by what another one wanted of it.
#[test]
fn what_is_too_much_of_a_shared_seat_is_theirs_who_need_it() {
    let mut bench = Bench::of(3);
    let seat = shared_large(&mut bench);
    bench.capacity(at(1), 2);
    bench.seats.take_effects();
    bench.seats.wake(at(61));
    let said = bench.seats.take_effects();
    assert_eq!(left(&said), [FIRST]);
    assert!(said.contains(&Effect::Reprieved { seat }), "{said:?}");
    assert_eq!((places(&bench, seat), users(&bench, seat)), ((1, Some(1)), vec![SECOND]));
    bench.capacity(at(200), 0);
    bench.seats.wake(at(260));
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Capacity)]);
}

#[test]
fn each_user_gives_back_its_own_part_alone() {
    for by in [1, 3] {
        let mut bench = Bench::of(2);
        let seat = shared(&mut bench);
        assert_eq!(users(&bench, seat), [FIRST, SECOND]);
        assert_eq!(release(&mut bench, seat, FIRST, by), Ok(()), "by its process, or another");
        assert_eq!(left(&bench.seats.take_effects()), [FIRST]);
        assert_eq!((users(&bench, seat), bench.used()), (vec![SECOND], 1));
        assert_eq!(release(&mut bench, seat, FIRST, by), Err(Refusal::NotFound), "no more");
        assert_eq!(release(&mut bench, seat, SECOND, 9), Ok(()));
        assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Released)]);
    }
}

#[test]
fn the_seat_is_of_those_whose_processes_are_left() {
    let mut bench = Bench::of(2);
    let seat = shared(&mut bench);
    let third = of_machine(&mut bench, 3, SECOND);
    bench.ask(START, third);
    assert_eq!(left(&bench.exit(START, 2)), [] as [u32; 0], "it has another");
    assert_eq!(left(&bench.exit(START, 1)), [FIRST]);
    assert_eq!(users(&bench, seat), [SECOND]);
    assert_eq!(ended(&bench.exit(START, 3)), [(seat, EndReason::Exited)]);
    assert_eq!(bench.used(), 0);
}

#[test]
fn who_takes_a_session_over_takes_no_others_part() {
    let mut bench = Bench::of(2);
    let token = AdoptToken([7; 16]);
    let mut first = of_machine(&mut bench, 1, FIRST);
    first.adopt = Some(token);
    bench.ask(START, first);
    let second = of_machine(&mut bench, 2, SECOND);
    bench.ask(START, second);
    // Its launcher has ended, and the other user goes on.
    assert_eq!(left(&bench.exit(START, 1)), [] as [u32; 0], "it may still be taken over");
    let stranger = of_machine(&mut bench, 4, SECOND);
    bench.seats.adopt(START, token, &stranger);
    let said = bench.seats.take_effects();
    assert!(matches!(said[0], Effect::Refused { refusal: Refusal::NotFound, .. }), "{said:?}");
    let program = of_machine(&mut bench, 3, FIRST);
    bench.seats.adopt(START, token, &program);
    let seat = match bench.seats.take_effects().as_slice() {
        [Effect::Granted { seat, .. }] => *seat,
        other => panic!("{other:?}"),
    };
    assert_eq!(users(&bench, seat), [FIRST, SECOND]);
    assert_eq!(left(&bench.exit(START, 3)), [FIRST]);
    assert_eq!(ended(&bench.exit(START, 2)).len(), 1);
}

#[test]
fn a_session_waits_for_its_user_when_the_others_have_gone() {
    let mut bench = Bench::of(2);
    let mut first = of_machine(&mut bench, 1, FIRST);
    first.adopt = Some(AdoptToken([7; 16]));
    bench.ask(START, first);
    let second = of_machine(&mut bench, 2, SECOND);
    bench.ask(START, second);
    bench.exit(START, 1);
    assert_eq!(left(&bench.exit(START, 2)), [SECOND]);
    assert_eq!(bench.used(), 1);
    bench.seats.wake(at(61));
    assert_eq!(bench.used(), 0);
}

/// A session of three places, of which another user has asked for one, and whose own process has ended.
fn left_session(bench: &mut Bench) -> (SeatId, AdoptToken) {
    let token = AdoptToken([7; 16]);
    let mut first = of_machine(bench, 1, FIRST);
    (first.adopt, first.count) = (Some(token), 3);
    bench.ask(START, first);
    let second = of_machine(bench, 2, SECOND);
    let Some(Effect::Granted { seat, .. }) = bench.ask(START, second).pop() else { panic!() };
    assert_eq!(left(&bench.exit(START, 1)), [] as [u32; 0], "it may be taken over");
    (seat, token)
}

fn adopts(bench: &mut Bench, now: BootTime, token: AdoptToken, process: u64) -> Effect {
    let program = of_machine(bench, process, FIRST);
    bench.seats.adopt(now, token, &program);
    bench.seats.take_effects().remove(0)
}

/// Others who hold the seat are no reason for a session to last that nobody takes over.
#[test]
fn a_session_has_a_minute_also_while_others_hold_the_seat() {
    let mut bench = Bench::of(3);
    let (seat, token) = left_session(&mut bench);
    let part = bench.seats.seat(seat).unwrap().part_of(Owner::user(FIRST)).unwrap();
    assert_eq!(part.hold, Hold::Detached { until: at(60) });
    let mut waiting = bench.request(9);
    (waiting.count, waiting.wait_until) = (2, Some(at(300)));
    let waits = waiting.id;
    bench.ask(START, waiting);
    bench.seats.wake(at(59));
    assert_eq!(places(&bench, seat), (3, Some(3)));
    assert_eq!(bench.seats.next_alarm(), Some(at(60)));
    bench.seats.wake(at(60));
    let said = bench.seats.take_effects();
    let reason = said.iter().find_map(|it| match it {
        Effect::Left { seat, reason } => Some((seat.claimant.uid, *reason)),
        _ => None,
    });
    assert_eq!(reason, Some((FIRST, EndReason::DetachedTimeout)));
    assert_eq!(granted(&said), [waits]);
    assert_eq!((places(&bench, seat), users(&bench, seat)), ((3, Some(1)), vec![SECOND]));
    let late = adopts(&mut bench, at(61), token, 3);
    assert!(matches!(late, Effect::Refused { refusal: Refusal::NotFound, .. }), "{late:?}");
    assert_eq!(ended(&bench.exit(at(62), 2)), [(seat, EndReason::Exited)]);
}

/// Whoever holds it besides changes nothing about a session's minute, be it by coming or by going.
#[test]
fn others_who_come_and_go_lengthen_no_session() {
    let mut bench = Bench::of(3);
    let (seat, _) = left_session(&mut bench);
    bench.exit(at(50), 2);
    let hold = bench.seats.seat(seat).map(|it| it.hold.clone());
    assert_eq!(hold, Some(Hold::Detached { until: at(60) }));
    let third = of_machine(&mut bench, 3, 1002);
    bench.ask(at(55), third);
    assert_eq!(users(&bench, seat), [FIRST, 1002]);
    bench.seats.wake(at(60));
    assert_eq!((places(&bench, seat), users(&bench, seat)), ((1, Some(1)), vec![1002]));
}

#[test]
fn a_session_that_is_held_again_has_no_end() {
    for by_adoption in [true, false] {
        let mut bench = Bench::of(3);
        let (seat, token) = left_session(&mut bench);
        match by_adoption {
            true => drop(adopts(&mut bench, at(30), token, 3)),
            false => {
                let again = of_machine(&mut bench, 3, FIRST);
                bench.ask(at(30), again);
            }
        }
        bench.seats.wake(at(300));
        assert_eq!(
            (places(&bench, seat), users(&bench, seat)),
            ((3, Some(3)), vec![FIRST, SECOND])
        );
        assert_eq!(left(&bench.exit(at(301), 3)).is_empty(), !by_adoption, "it served once");
        bench.seats.wake(at(360));
        assert_eq!(users(&bench, seat).len(), if by_adoption { 1 } else { 2 });
        bench.seats.wake(at(361));
        assert_eq!((places(&bench, seat), users(&bench, seat)), ((1, Some(1)), vec![SECOND]));
    }
}

/// The daemon that was started again ends it at the same moment, and one that an older daemon let stand a minute later.
#[test]
fn a_session_ends_over_a_restart_too() {
    let mut bench = Bench::of(3);
    let (seat, _) = left_session(&mut bench);
    let kept = bench.seats.seat(seat).cloned().unwrap();
    let old = Seat { session_ends: None, ..kept.clone() };
    for (kept, ends_at) in [(kept, 60), (old, 100)] {
        let mut after = Bench::of(3);
        after.seats.take_back(at(40), kept, |_| Fate::Alive);
        after.seats.wake(at(ends_at - 1));
        assert_eq!(places(&after, seat), (3, Some(3)));
        after.seats.wake(at(ends_at));
        assert_eq!((places(&after, seat), users(&after, seat)), ((1, Some(1)), vec![SECOND]));
    }
}

#[test]
fn who_loses_its_right_loses_its_part_and_the_last_one_the_seat() {
    let mut bench = Bench::of(2);
    let seat = shared(&mut bench);
    bench.seats.disentitle(START, seat, |it| it.uid == FIRST);
    assert_eq!(left(&bench.seats.take_effects()), [FIRST]);
    assert_eq!(users(&bench, seat), [SECOND]);
    assert_eq!(left(&bench.exit(START, 1)), [] as [u32; 0], "its process is nothing to it");
    bench.seats.disentitle(START, seat, |_| false);
    assert_eq!(bench.used(), 1);
    bench.seats.disentitle(START, seat, |it| it.uid == SECOND);
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Capacity)]);
}

/// Who waits for a seat of its unit needs none of its own once the unit has one.
#[test]
fn who_waits_shares_what_its_unit_is_given_meanwhile() {
    for waits_too in [true, false] {
        let policy = Policy { reserve: vec![(Who::Uid(SECOND), 1)], ..Policy::default() };
        let mut bench = Bench::new(if waits_too { 0 } else { 2 }, SeatTerms::default(), policy);
        if !waits_too {
            bench.seat(START, 9);
        }
        let mut first = of_machine(&mut bench, 1, FIRST);
        first.wait_until = Some(at(60));
        let mut second = of_machine(&mut bench, 2, SECOND);
        second.wait_until = Some(at(60));
        let both = [second.id, first.id];
        bench.ask(START, first);
        // One that lacks a place of its own stands before it.
        let mut third = bench.request(3);
        third.wait_until = Some(at(60));
        let mut said = Vec::new();
        for request in if waits_too { vec![third, second] } else { vec![second] } {
            said.extend(bench.ask(START, request));
        }
        if waits_too {
            bench.capacity(START, 1);
            said.extend(bench.seats.take_effects());
        }
        assert_eq!(granted(&said), both);
    }
}

#[test]
fn of_those_that_wait_all_leave_before_one_is_served() {
    let mut bench = Bench::of(1);
    bench.seat(START, 1);
    let waiting = [2, 3].map(|it| bench.waits(START, it, 1));
    let last = bench.waits(START, 4, 1);
    bench.seats.decline_all(START, Refusal::Disentitled, |it| waiting.contains(&it.id));
    let said = bench.seats.take_effects();
    let refused = |it: &Effect| matches!(it, Effect::Refused { refusal: Refusal::Disentitled, .. });
    assert_eq!(said.iter().filter(|it| refused(it)).count(), 2, "{said:?}");
    assert_eq!(granted(&bench.exit(START, 1)), [last]);
}

/// What a seat rests on goes with it, and is as whoever has it said last.
#[test]
fn each_user_has_the_seat_by_its_own_standing() {
    let mut bench = Bench::of(2);
    let mut first = of_machine(&mut bench, 1, FIRST);
    first.claimant.standing = Some(Standing::User(CUSTOMER));
    bench.ask(START, first);
    let mut second = of_machine(&mut bench, 2, SECOND);
    second.claimant.standing = Some(Standing::Named(CUSTOMER));
    bench.ask(START, second);
    let by = |bench: &Bench| {
        let seat = bench.seats.seats().next().cloned().unwrap();
        seat.holders().iter().map(|it| it.standing).collect::<Vec<_>>()
    };
    let own = Some(Standing::User(CUSTOMER));
    assert_eq!(by(&bench), [own, Some(Standing::Named(CUSTOMER))]);
    let mut again = of_machine(&mut bench, 2, SECOND);
    again.claimant.standing = own;
    bench.ask(START, again);
    assert_eq!(by(&bench), [own, own]);
}
