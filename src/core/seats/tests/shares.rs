//! Tokens that several pools rest on: at once, or one after the other.

use std::collections::BTreeSet;

use super::*;

const OTHER: PoolId = PoolId(2);
const THIRD: PoolId = PoolId(3);

fn token(number: u8) -> TokenKey {
    TokenKey([number; 16])
}

fn numbered(number: u128) -> TokenKey {
    TokenKey(number.to_be_bytes())
}

/// What a pool offers: of each token so many places.
fn offers(bench: &mut Bench, now: BootTime, pool: PoolId, tokens: &[(u8, u32)]) {
    let offer: Offer = tokens.iter().map(|(it, places)| (token(*it), *places)).collect();
    let supply = Supply::Seats(u32::try_from(offer.len()).unwrap());
    bench.seats.set_supply(now, pool, Capacity { supply, until: None }, Some(offer));
}

fn sharing(terms: SeatTerms, policy: &Policy) -> Bench {
    let mut bench = Bench::new(0, terms, policy.clone());
    for pool in [OTHER, THIRD] {
        bench.seats.set_pool(START, pool, terms, policy.clone());
    }
    bench
}

fn usual() -> Bench {
    let drain = Duration::from_secs(30);
    let max_borrow = Duration::from_secs(1_000);
    let policy = Policy { max_borrow, ..Policy::default() };
    sharing(SeatTerms { drain, ..SeatTerms::default() }, &policy)
}

fn asks(bench: &mut Bench, now: BootTime, pool: PoolId, process: u64) -> Effect {
    let mut request = bench.request(process);
    request.pools = vec![pool];
    bench.ask(now, request).into_iter().last().expect("an answer")
}

fn is_granted(bench: &mut Bench, now: BootTime, pool: PoolId, process: u64) -> bool {
    matches!(asks(bench, now, pool, process), Effect::Granted { .. })
}

fn refusal(bench: &mut Bench, now: BootTime, pool: PoolId, process: u64) -> Refusal {
    match asks(bench, now, pool, process) {
        Effect::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

fn waits(
    bench: &mut Bench,
    now: BootTime,
    pool: PoolId,
    (process, count): (u64, u32),
) -> RequestId {
    let mut request = bench.request(process);
    (request.pools, request.count) = (vec![pool], count);
    request.wait_until = Some(now.after(Duration::from_secs(600)));
    let id = request.id;
    let effects = bench.ask(now, request);
    assert!(matches!(effects.as_slice(), [Effect::Queued { .. }]), "{effects:?}");
    id
}

fn figures(bench: &Bench, pool: PoolId) -> (u64, u64) {
    bench.seats.figures(pool).map(|it| (it.used, it.elsewhere)).unwrap()
}

#[test]
fn a_token_behind_two_pools_gives_its_seats_once() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 2)]);
    offers(&mut bench, START, OTHER, &[(1, 2)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, OTHER, 2));
    assert_eq!(refusal(&mut bench, START, POOL, 3), Refusal::Full);
    assert_eq!(refusal(&mut bench, START, OTHER, 4), Refusal::Full);
    assert_eq!((figures(&bench, POOL), figures(&bench, OTHER)), ((1, 1), (1, 1)));
    bench.exit(at(1), 1);
    assert!(is_granted(&mut bench, at(1), OTHER, 4));
    assert_eq!((figures(&bench, POOL), figures(&bench, OTHER)), ((0, 2), (2, 0)));
}

#[test]
fn what_is_free_in_another_pool_goes_to_who_asked_first() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 2)]);
    offers(&mut bench, START, OTHER, &[(1, 2)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, POOL, 2));
    let large = waits(&mut bench, START, OTHER, (3, 2));
    let own = waits(&mut bench, START, POOL, (4, 1));
    assert_eq!(
        granted(&bench.exit(at(1), 1)),
        [],
        "it is kept for the two that were asked for first"
    );
    assert_eq!(refusal(&mut bench, at(1), POOL, 5), Refusal::Full);
    assert_eq!(granted(&bench.exit(at(2), 2)), [large]);
    assert_eq!(granted(&bench.exit(at(3), 3)), [own]);
    let gone = waits(&mut bench, at(4), OTHER, (6, 2));
    let behind = waits(&mut bench, at(4), POOL, (7, 1));
    bench.seats.withdraw_all(at(5), |it| it.id == gone);
    assert_eq!(granted(&bench.seats.take_effects()), [behind], "who has gone holds up nobody");
}

#[test]
fn a_pool_takes_what_nobody_else_can_have_where_that_makes_room() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1), (2, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, POOL, 2));
    offers(&mut bench, START, OTHER, &[(1, 1), (3, 1)]);
    offers(&mut bench, START, THIRD, &[(2, 1)]);
    assert!(is_granted(&mut bench, START, OTHER, 3), "by the third");
    bench.exit(START, 1);
    // Whichever is left to the first pool, both of the others can have one more, one of them at a time.
    assert!(is_granted(&mut bench, START, THIRD, 4));
    assert_eq!(refusal(&mut bench, START, OTHER, 5), Refusal::Full);
    bench.exit(START, 4);
    assert!(is_granted(&mut bench, START, OTHER, 5));
    assert_eq!(refusal(&mut bench, START, THIRD, 4), Refusal::Full);
}

/// Whichever of the tokens is the one that nobody else stands behind.
#[test]
fn who_asks_for_several_has_what_another_pool_need_not_have() {
    for own in 1..=3 {
        let mut bench = usual();
        let shared: Vec<_> = (1..=3).filter(|it| *it != own).map(|it| (it, 1)).collect();
        offers(&mut bench, START, POOL, &[(1, 1), (2, 1), (3, 1)]);
        offers(&mut bench, START, OTHER, &shared);
        assert!(is_granted(&mut bench, START, POOL, 1));
        assert!(is_granted(&mut bench, START, POOL, 2));
        bench.exit(at(1), 1);
        let mut both = bench.request(3);
        (both.pools, both.count) = (vec![OTHER], 2);
        let effects = bench.ask(at(1), both);
        assert!(matches!(effects.as_slice(), [Effect::Granted { .. }]), "{own}: {effects:?}");
    }
}

/// Whoever waits for very many has nobody else pay for it: by the square of these, this would take minutes.
#[test]
fn a_request_for_very_many_costs_the_others_little() {
    let mut bench = usual();
    let all: Offer = (0..4_000).map(|it| (numbered(it), 1)).collect();
    for pool in [POOL, OTHER] {
        let supply = Supply::Seats(4_000);
        bench.seats.set_supply(START, pool, Capacity { supply, until: None }, Some(all.clone()));
    }
    assert!(is_granted(&mut bench, START, POOL, 1));
    let large = waits(&mut bench, START, OTHER, (2, 4_000));
    for process in 3..203 {
        assert_eq!(refusal(&mut bench, at(1), POOL, process), Refusal::Full, "it is kept for them");
    }
    assert_eq!(granted(&bench.exit(at(2), 1)), [large]);
}

/// What its own customer's seats keep from a request keeps nobody else waiting.
#[test]
fn who_waits_for_ones_own_seats_holds_up_nobody_else() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1), (2, 1), (3, 1)]);
    offers(&mut bench, START, OTHER, &[(1, 1), (2, 1), (3, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    waits(&mut bench, START, POOL, (2, 3));
    assert!(is_granted(&mut bench, START, OTHER, 3));
}

#[test]
fn whoever_is_good_for_fewer_seats_of_a_token_takes_none_from_beyond_those() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 3)]);
    offers(&mut bench, START, OTHER, &[(1, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, OTHER, 2));
    assert_eq!(refusal(&mut bench, START, OTHER, 3), Refusal::Full);
    assert!(is_granted(&mut bench, START, POOL, 4));
    assert_eq!(refusal(&mut bench, START, POOL, 5), Refusal::Full);
}

#[test]
fn what_is_allowed_beyond_a_token_is_allowed_once() {
    let overage = Overage::Plus(1);
    let mut bench = sharing(SeatTerms { overage, ..SeatTerms::default() }, &Policy::default());
    offers(&mut bench, START, POOL, &[(1, 1), (2, 1)]);
    offers(&mut bench, START, OTHER, &[(1, 1), (2, 1)]);
    for (pool, process) in [(POOL, 1), (OTHER, 2), (POOL, 3)] {
        assert!(is_granted(&mut bench, START, pool, process), "{process}");
    }
    assert_eq!(refusal(&mut bench, START, OTHER, 4), Refusal::Full);
    assert_eq!(refusal(&mut bench, START, POOL, 5), Refusal::Full);
}

/// What each has that is too much now is beyond the token, wherever it is.
#[test]
fn what_is_too_much_of_a_token_counts_as_what_is_allowed_beyond_it() {
    let overage = Overage::Plus(2);
    let mut bench = sharing(SeatTerms { overage, ..SeatTerms::default() }, &Policy::default());
    for pool in [POOL, OTHER] {
        offers(&mut bench, START, pool, &[(1, 4)]);
    }
    for (pool, process) in [(POOL, 1), (POOL, 2), (OTHER, 3), (OTHER, 4)] {
        assert!(is_granted(&mut bench, START, pool, process), "{process}");
    }
    for pool in [POOL, OTHER] {
        offers(&mut bench, at(1), pool, &[(1, 2)]);
    }
    for (pool, process) in [(POOL, 5), (OTHER, 6)] {
        assert!(!is_granted(&mut bench, at(100), pool, process), "{process}");
    }
}

#[test]
fn who_has_the_token_next_waits_until_its_seat_has_ended() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    offers(&mut bench, at(1), POOL, &[]);
    offers(&mut bench, at(1), OTHER, &[(1, 1)]);
    assert_eq!(refusal(&mut bench, at(2), OTHER, 2), Refusal::Draining);
    let waiting = waits(&mut bench, at(2), OTHER, (2, 1));
    bench.seats.wake(at(30));
    assert_eq!(granted(&bench.seats.take_effects()), []);
    bench.seats.wake(at(31));
    let effects = bench.seats.take_effects();
    assert_eq!(granted(&effects), [waiting]);
    assert_eq!(ended(&effects).len(), 1);
}

#[test]
fn a_token_that_goes_round_begins_no_new_time_to_drain() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    for second in [2, 8, 14, 20, 26] {
        offers(&mut bench, at(second), POOL, &[]);
        offers(&mut bench, at(second + 3), POOL, &[(1, 1)]);
    }
    bench.seats.wake(at(31));
    assert_eq!(ended(&bench.seats.take_effects()), []);
    // The first time to drain would have been over at 32.
    offers(&mut bench, at(33), POOL, &[]);
    let ended = ended(&bench.seats.take_effects());
    assert_eq!(ended.iter().map(|it| it.1).collect::<Vec<_>>(), [EndReason::Capacity]);
}

#[test]
fn what_came_back_for_the_whole_time_to_drain_has_come_back() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    offers(&mut bench, at(1), POOL, &[]);
    offers(&mut bench, at(2), POOL, &[(1, 1)]);
    bench.seats.take_effects();
    offers(&mut bench, at(40), POOL, &[]);
    let warned = bench.seats.take_effects();
    assert!(
        matches!(warned[..], [Effect::Warned { ends_at, .. }] if ends_at == at(70)),
        "{warned:?}"
    );
}

#[test]
fn what_is_lent_is_short_whoever_has_its_token_next_and_over_restarts() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1)]);
    let (id, claimant) = (bench.seats.reserve(), bench.request(1).claimant);
    let time = Duration::from_secs(1_000);
    bench.seats.lend_away(START, RequestId(90), claimant.clone(), (POOL, id, time));
    assert!(matches!(bench.seats.take_effects()[..], [Effect::Granted { .. }]));
    offers(&mut bench, at(100), POOL, &[]);
    offers(&mut bench, at(100), OTHER, &[(1, 1)]);
    let lends = |bench: &mut Bench, now: BootTime| {
        let id = bench.seats.reserve();
        let terms = (OTHER, id, Duration::from_secs(10));
        bench.seats.lend_away(now, RequestId(91), claimant.clone(), terms);
        matches!(bench.seats.take_effects()[..], [Effect::Granted { .. }])
    };
    assert!(!lends(&mut bench, at(101)));
    let lent = bench.seats.seat(id).unwrap().clone();
    let mut after = Seats::new(bench.seats.last());
    after.set_aside(&lent);
    std::mem::swap(&mut bench.seats, &mut after);
    for pool in [POOL, OTHER] {
        let policy = Policy { max_borrow: time, ..Policy::default() };
        bench.seats.set_pool(at(200), pool, SeatTerms::default(), policy);
    }
    offers(&mut bench, at(200), OTHER, &[(1, 1)]);
    assert!(!lends(&mut bench, at(200)), "whose pool is not known yet");
    bench.seats.take_back(at(201), lent, |_| Fate::NotKnown);
    assert!(!lends(&mut bench, at(201)));
    bench.seats.come_back(at(202), id);
    bench.seats.take_effects();
    assert!(lends(&mut bench, at(202)));
}

#[test]
fn what_was_set_aside_is_free_when_its_time_is_over() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1)]);
    let (id, claimant) = (bench.seats.reserve(), bench.request(1).claimant);
    let time = Duration::from_secs(50);
    bench.seats.lend_away(START, RequestId(90), claimant, (POOL, id, time));
    let lent = bench.seats.seat(id).unwrap().clone();
    let mut bench = usual();
    bench.seats.set_aside(&lent);
    offers(&mut bench, START, OTHER, &[(1, 1)]);
    let waiting = waits(&mut bench, START, OTHER, (1, 1));
    bench.seats.wake(at(49));
    assert_eq!(granted(&bench.seats.take_effects()), []);
    bench.seats.wake(at(50));
    assert_eq!(granted(&bench.seats.take_effects()), [waiting]);
}

#[test]
fn seats_follow_their_tokens_into_a_pool_that_says_the_same_in_other_words() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1), (2, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, POOL, 2));
    offers(&mut bench, at(1), OTHER, &[(1, 1)]);
    bench.seats.hand_over(at(1), POOL, OTHER);
    offers(&mut bench, at(1), POOL, &[(2, 1)]);
    assert_eq!(bench.seats.take_effects(), [], "nobody notices");
    assert_eq!((figures(&bench, POOL), figures(&bench, OTHER)), ((1, 0), (1, 0)));
    let moved: Vec<u64> = (1..=2).filter(|it| is_granted(&mut bench, at(2), OTHER, *it)).collect();
    assert_eq!(moved.len(), 1, "its program has it there");
}

/// What is sold is gone for all that rest on it, also where each of them alone has no more than is left.
#[test]
fn of_a_token_that_is_good_for_fewer_the_newest_end_whoever_has_them() {
    let mut bench = usual();
    for pool in [POOL, OTHER] {
        offers(&mut bench, START, pool, &[(1, 4)]);
    }
    for (pool, process) in [(POOL, 1), (OTHER, 2), (POOL, 3), (OTHER, 4)] {
        assert!(is_granted(&mut bench, START, pool, process), "{process}");
    }
    for pool in [POOL, OTHER] {
        offers(&mut bench, at(1), pool, &[(1, 2)]);
    }
    bench.seats.wake(at(31));
    let ended: Vec<EndReason> =
        ended(&bench.seats.take_effects()).into_iter().map(|it| it.1).collect();
    assert_eq!(ended, [EndReason::Capacity; 2]);
    assert_eq!((figures(&bench, POOL), figures(&bench, OTHER)), ((1, 1), (1, 1)));
}

/// A place that one token has lost is no place of another: that is somebody else's to have.
#[test]
fn a_seat_that_lost_a_part_of_its_token_takes_what_its_pool_has_besides() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 2)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    assert!(is_granted(&mut bench, START, POOL, 2));
    offers(&mut bench, at(1), POOL, &[(1, 1), (2, 1)]);
    offers(&mut bench, at(1), OTHER, &[(2, 1)]);
    assert_eq!(bench.seats.take_effects(), [], "nobody notices");
    assert_eq!(refusal(&mut bench, at(1), OTHER, 3), Refusal::Full, "two for two tokens");
}

/// What was moved to see whether that makes room stands where it stood: nothing is to be written down.
#[test]
fn a_refusal_changes_no_seat() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 1), (2, 1)]);
    assert!(is_granted(&mut bench, START, POOL, 1));
    offers(&mut bench, START, THIRD, &[(5, 1)]);
    assert!(is_granted(&mut bench, START, THIRD, 2));
    offers(&mut bench, START, OTHER, &[(1, 1), (3, 1), (5, 1)]);
    assert!(is_granted(&mut bench, START, OTHER, 3));
    let before: Vec<Seat> = bench.seats.seats().cloned().collect();
    bench.seats.take_changed();
    let is_unchanged = |bench: &mut Bench, why: &str| {
        assert_eq!(bench.seats.take_changed(), BTreeSet::new(), "{why}");
        assert_eq!(bench.seats.seats().cloned().collect::<Vec<_>>(), before, "{why}");
    };
    // There is room for one, and no way to a second.
    let large = bench.request(4);
    let large = Request { pools: vec![OTHER], count: 2, ..large };
    assert!(matches!(bench.ask(START, large.clone())[..], [Effect::Refused { .. }]));
    is_unchanged(&mut bench, "too many");
    let claimant = large.claimant.clone();
    let time = Duration::from_secs(2_000);
    bench.seats.borrow(START, RequestId(77), claimant, (&[OTHER], time));
    assert!(matches!(bench.seats.take_effects()[..], [Effect::Refused { .. }]));
    is_unchanged(&mut bench, "too long");
    let wait_until = Some(at(600));
    let waits = Request { id: RequestId(78), wait_until, ..large.clone() };
    assert!(matches!(bench.ask(START, waits)[..], [Effect::Queued { .. }]));
    is_unchanged(&mut bench, "waits");
    let behind = Request { id: RequestId(79), count: 1, ..large };
    let behind = Request { key: UnitKey::Process(ProcessId(9)), ..behind };
    assert!(matches!(bench.ask(START, behind)[..], [Effect::Refused { .. }]));
    is_unchanged(&mut bench, "others wait before");
}

/// What was moved to see whether that makes room, and moved back, is too many as before.
#[test]
fn a_refusal_saves_no_seat_that_has_too_many() {
    let mut bench = usual();
    offers(&mut bench, START, POOL, &[(1, 3)]);
    offers(&mut bench, START, THIRD, &[(1, 5)]);
    offers(&mut bench, START, OTHER, &[(1, 3), (3, 1)]);
    for (pool, process) in [(OTHER, 1), (OTHER, 2), (OTHER, 3), (POOL, 4), (THIRD, 5), (THIRD, 6)] {
        assert!(is_granted(&mut bench, START, pool, process), "{process}");
    }
    bench.exit(START, 1);
    offers(&mut bench, at(1), POOL, &[(1, 2)]);
    offers(&mut bench, at(1), OTHER, &[(1, 2), (3, 1)]);
    let warned = bench.seats.take_effects();
    assert!(matches!(warned[..], [Effect::Warned { .. }]), "{warned:?}");
    let (claimant, time) = (bench.request(7).claimant, Duration::from_secs(2_000));
    bench.seats.borrow(at(2), RequestId(77), claimant, (&[THIRD], time));
    let refused = bench.seats.take_effects();
    assert!(
        matches!(refused[..], [Effect::Refused { refusal: Refusal::TooLong { .. }, .. }]),
        "{refused:?}"
    );
    offers(&mut bench, at(3), POOL, &[(1, 2)]);
    assert_eq!(bench.seats.take_effects(), [], "it is drained still");
}

/// Offers its part of one token, of which there are so many in all.
fn offers_part(bench: &mut Bench, now: BootTime, pool: PoolId, (own, of): (u32, u32)) {
    let offer = [(token(1), Part { own, of })].into_iter().collect();
    let capacity = Capacity { supply: Supply::Seats(own), until: None };
    bench.seats.set_supply(now, pool, capacity, Some(offer));
}

/// As many as a pool can have now, each for a process of its own.
fn fills(bench: &mut Bench, now: BootTime, pool: PoolId, first: u64) -> u64 {
    (first..).take_while(|it| is_granted(bench, now, pool, *it)).count() as u64
}

#[test]
fn parts_of_a_token_give_as_many_seats_as_the_whole() {
    let mut bench = usual();
    offers_part(&mut bench, START, POOL, (4, 10));
    offers_part(&mut bench, START, OTHER, (6, 10));
    assert_eq!(fills(&mut bench, START, POOL, 100), 4);
    assert_eq!(fills(&mut bench, START, OTHER, 200), 6);
    assert_eq!((figures(&bench, POOL), figures(&bench, OTHER)), ((4, 0), (6, 0)));
    // Who may have any of it has what the others leave.
    offers_part(&mut bench, START, THIRD, (10, 10));
    assert_eq!(fills(&mut bench, START, THIRD, 300), 0);
    assert_eq!(figures(&bench, THIRD), (0, 10));
    bench.exit(START, 100);
    assert_eq!(fills(&mut bench, START, THIRD, 300), 1);
    assert_eq!(fills(&mut bench, START, POOL, 400), 0);
}

/// A vault may delegate more than it has.
#[test]
fn parts_that_are_more_than_the_whole_give_no_more_than_that() {
    let mut bench = usual();
    offers_part(&mut bench, START, POOL, (8, 10));
    offers_part(&mut bench, START, OTHER, (8, 10));
    assert_eq!(fills(&mut bench, START, POOL, 100), 8);
    assert_eq!(fills(&mut bench, START, OTHER, 200), 2);
    // Some of it is sold: each has no more than its part still, and together they have too many.
    offers_part(&mut bench, at(1), POOL, (8, 9));
    offers_part(&mut bench, at(1), OTHER, (8, 9));
    bench.seats.wake(at(31));
    assert_eq!((figures(&bench, POOL).0, figures(&bench, OTHER).0), (8, 1), "the newest has gone");
}

/// Whoever has the wallet next has no more of it than is left.
#[test]
fn a_part_that_goes_round_gives_its_seats_once() {
    let mut bench = usual();
    offers_part(&mut bench, START, POOL, (4, 10));
    assert_eq!(fills(&mut bench, START, POOL, 100), 4);
    offers(&mut bench, at(1), POOL, &[]);
    offers_part(&mut bench, at(1), OTHER, (4, 10));
    assert_eq!(fills(&mut bench, at(1), OTHER, 200), 0);
    bench.seats.wake(at(31));
    assert_eq!(fills(&mut bench, at(31), OTHER, 300), 4);
}
