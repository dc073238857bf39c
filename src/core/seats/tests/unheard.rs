//! A request is granted, and nobody is there to hear it: what it has brought is given back, and nothing else.

use super::*;

/// Grants the request, and has nobody hear it.
fn unheard(bench: &mut Bench, now: BootTime, request: Request) -> SeatId {
    let owner = request.claimant.owner();
    match bench.ask(now, request).into_iter().last() {
        Some(Effect::Granted { seat, brought, .. }) => {
            bench.seats.unheard(now, seat, owner, &brought);
            seat
        }
        other => panic!("{other:?}"),
    }
}

fn of_user(bench: &mut Bench, process: u64) -> Request {
    let mut request = bench.request(process);
    request.key = UnitKey::Uid(1000);
    request
}

#[test]
fn a_seat_that_lingered_is_given_back_as_a_new_one_is() {
    let policy = Policy { linger: Duration::from_secs(500), ..Policy::default() };
    let mut bench = Bench::new(1, SeatTerms::default(), policy);
    let first = bench.request(1);
    let seat = unheard(&mut bench, START, first);
    let figures = |bench: &Bench| bench.seats.figures(POOL).map(|it| (it.used, it.lingering));
    assert_eq!(figures(&bench), Some((0, 1)));
    let again = bench.request(1);
    assert_eq!(unheard(&mut bench, at(1), again), seat);
    assert_eq!(figures(&bench), Some((0, 1)), "it lingers again");
    bench.seats.take_effects();
    bench.seat(at(2), 2);
    assert_eq!(figures(&bench), Some((1, 0)), "and is anybody's who asks");
}

/// A session is taken over by what the answer says: who has not heard that has nothing of it.
#[test]
fn a_session_that_lingered_is_one_again_and_is_given_back_whole() {
    let policy = Policy { linger: Duration::from_secs(500), ..Policy::default() };
    let mut bench = Bench::new(1, SeatTerms::default(), policy);
    let session = |bench: &mut Bench, token| {
        let mut request = bench.request(1);
        request.bindings.push(Binding::Connection(ConnectionId(9)));
        request.adopt = Some(AdoptToken([token; 16]));
        request
    };
    let first = session(&mut bench, 1);
    unheard(&mut bench, START, first);
    assert_eq!(bench.used(), 0);
    let second = session(&mut bench, 2);
    unheard(&mut bench, at(1), second);
    assert_eq!(bench.used(), 0);
    let third = session(&mut bench, 3);
    bench.ask(at(2), third);
    bench.exit(at(3), 1);
    bench.seats.disconnected(at(3), ConnectionId(9));
    assert_eq!(bench.used(), 1, "somebody may take it over");
    let program = bench.request(2);
    bench.seats.adopt(at(4), AdoptToken([3; 16]), &program);
    assert_eq!(granted(&bench.seats.take_effects()), [program.id]);
}

#[test]
fn who_came_to_share_a_seat_goes_and_leaves_it_to_the_others() {
    let mut bench = Bench::of(1);
    let first = of_user(&mut bench, 1);
    bench.ask(START, first);
    let second = of_user(&mut bench, 2);
    let seat = unheard(&mut bench, START, second);
    assert_eq!(bench.used(), 1);
    let again = of_user(&mut bench, 1);
    unheard(&mut bench, START, again);
    assert_eq!(bench.used(), 1, "it had it before, and has it still");
    bench.seats.take_effects();
    assert_eq!(ended(&bench.exit(at(1), 1)), [(seat, EndReason::Exited)]);
}
