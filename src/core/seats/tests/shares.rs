//! Tokens that several pools rest on: at once, or one after the other.

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
