//! Seats that another machine has: nothing that happens here calls them back.

use super::*;

const TIME: Duration = Duration::from_secs(100);

fn lending(capacity: u32) -> Bench {
    let policy = Policy { max_borrow: TIME, ..Policy::default() };
    Bench::new(capacity, SeatTerms { drain: Duration::ZERO, ..SeatTerms::default() }, policy)
}

fn lend(bench: &mut Bench, now: BootTime) -> SeatId {
    let (id, claimant) = (bench.seats.reserve(), bench.request(1).claimant);
    bench.seats.lend_away(now, RequestId(90), claimant, (POOL, id, TIME));
    match bench.seats.take_effects()[..] {
        [Effect::Granted { seat, .. }] if seat == id => seat,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_here_ends_what_another_machine_has() {
    let mut bench = lending(2);
    let seat = lend(&mut bench, START);
    let until = at(100);
    let away = Err(Refusal::LentAway { until });
    assert_eq!(bench.seats.release(at(1), seat, Some(Owner::user(1000)), None), away);
    assert_eq!(bench.seats.release(at(1), seat, None, None), away);
    assert_eq!(bench.seats.revoke(at(1), seat), away);
    bench.seats.disentitle(at(1), seat, |_| true);
    // The tokens are sold, and the proof of others ends: it still counts when there are some again.
    bench.capacity(at(2), 0);
    let over = Capacity { supply: Supply::Seats(2), until: Some(at(3)) };
    bench.seats.set_capacity(at(2), POOL, over);
    bench.seats.wake(at(3));
    assert_eq!(bench.seats.take_effects(), []);
    bench.capacity(at(4), 1);
    assert_eq!(bench.refusal(at(4), 1), Refusal::Full);
    assert_eq!(bench.seats.figures(POOL).map(|it| (it.used, it.lent)), Some((1, 1)));
    bench.seats.wake(at(99));
    assert!(bench.seats.seat(seat).is_some());
    bench.seats.wake(until);
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Returned)]);
    bench.seat(until, 1);
}

#[test]
fn others_end_in_its_place_when_capacity_is_lost() {
    let mut bench = lending(2);
    let here = bench.seat(START, 1);
    let away = lend(&mut bench, at(1));
    bench.capacity(at(2), 1);
    assert_eq!(ended(&bench.seats.take_effects()), [(here, EndReason::Capacity)]);
    assert!(bench.seats.seat(away).is_some(), "though it is the newer one");
}

#[test]
fn it_is_free_when_it_comes_back_and_only_then() {
    let mut bench = lending(1);
    let seat = lend(&mut bench, START);
    bench.seats.come_back(at(1), seat);
    assert_eq!(ended(&bench.seats.take_effects()), [(seat, EndReason::Returned)]);
    bench.seats.come_back(at(1), seat);
    let here = bench.seat(at(2), 1);
    bench.seats.come_back(at(2), here);
    assert_eq!(bench.seats.take_effects(), [], "what no machine has, none gives back");
}
