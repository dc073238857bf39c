use super::*;
use crate::chain::endpoint::transport::WireError;
use alloy_primitives::Address;
use entitled_core::proof::account_proof::ProofError;

const GOOD_FOR: Duration = Duration::from_secs(600);
const RETRY: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

fn down() -> Refusal {
    Refusal::Down { source: WireError::Connect }
}

fn lie() -> Refusal {
    Refusal::Refuted { source: ProofError::Code { address: Address::ZERO } }
}

fn rank(standing: &Standing, now: Instant) -> Rank {
    standing.rank(now, &Peers::default(), true)
}

fn word(standing: &Standing, now: Instant) -> &'static str {
    standing.word(now, &Peers::default())
}

fn broken(now: Instant) -> Standing {
    let mut standing = Standing::new(RETRY);
    for _ in 0..BREAKS_AFTER {
        standing.refused("eth_chainId", &down(), now);
    }
    standing
}

#[test]
fn a_probe_is_due_at_first_after_a_failure_and_after_a_while() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    assert!(standing.needs_probe(now, GOOD_FOR).unwrap());
    standing.identified(now);
    assert!(!standing.needs_probe(now, GOOD_FOR).unwrap());
    assert!(standing.needs_probe(now + GOOD_FOR, GOOD_FOR).unwrap());
    standing.refused("eth_getProof", &down(), now);
    assert!(standing.needs_probe(now, GOOD_FOR).unwrap());
}

#[test]
fn the_breaker_opens_after_five_failures_and_closes_with_an_answer() {
    let now = Instant::now();
    let mut standing = Standing::new(RETRY);
    for _ in 1..BREAKS_AFTER {
        standing.refused("eth_chainId", &down(), now);
    }
    assert_eq!(rank(&standing, now), Rank::Poor);
    standing.refused("eth_chainId", &down(), now);
    assert_eq!(rank(&standing, now), Rank::Open);
    assert!(standing.needs_probe(now, GOOD_FOR).is_ok(), "it is still asked when nobody else can");
    standing.answered("eth_chainId", Duration::ZERO, now);
    assert_eq!((rank(&standing, now), standing.open_until()), (Rank::Well, None));
}

#[test]
fn it_stays_open_longer_each_time_a_trial_fails() {
    let mut now = Instant::now();
    let mut standing = broken(now);
    for trips in 1..8_u32 {
        let until = standing.open_until().unwrap();
        let whole = standing.retry.whole(trips - 1);
        assert!(until - now <= whole && until - now >= whole / 10, "{trips}");
        // Failing before the trial is due changes nothing.
        standing.refused("eth_chainId", &down(), now);
        assert_eq!(standing.open_until(), Some(until));
        now = until;
        standing.refused("eth_chainId", &down(), now);
    }
}

#[test]
fn an_endpoint_that_says_no_is_not_down() {
    let (mut standing, now) = (broken(Instant::now()), Instant::now());
    standing.refused("eth_getProof", &Refusal::Pruned { message: String::new() }, now);
    assert_eq!(rank(&standing, now), Rank::Well);
}

#[test]
fn who_is_silent_again_and_again_is_down() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    standing.outpaced(SECOND, now);
    standing.outpaced(SECOND, now);
    assert_eq!(rank(&standing, now), Rank::Well);
    standing.answered("eth_chainId", SECOND, now);
    for _ in 0..SILENT_OFTEN {
        standing.outpaced(SECOND, now);
    }
    assert_eq!((rank(&standing, now), word(&standing, now)), (Rank::Poor, "down"));
    for _ in 1..BREAKS_AFTER {
        standing.outpaced(SECOND, now);
    }
    assert_eq!(rank(&standing, now), Rank::Open);
}

#[test]
fn quarantine_lasts_longer_each_time() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    let first = standing.refuted(&lie(), now);
    assert!(matches!(standing.needs_probe(now, GOOD_FOR), Err(Refusal::Quarantined)));
    assert_eq!(rank(&standing, now), Rank::Barred);
    assert!(standing.needs_probe(now + first, GOOD_FOR).is_ok());
    assert_eq!(standing.refuted(&lie(), now + first), first * 2);
    let longest = (0..40).map(|day| standing.refuted(&lie(), now + day * LONGEST_QUARANTINE));
    assert_eq!(longest.last(), Some(LONGEST_QUARANTINE));
}

#[test]
fn one_lie_told_to_many_at_once_is_one() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    let rest = standing.refuted(&lie(), now);
    for _ in 0..20 {
        assert_eq!(standing.refuted(&lie(), now), rest);
    }
    assert!(standing.needs_probe(now + rest, GOOD_FOR).is_ok());
}

#[test]
fn a_rate_limit_does_not_end_a_quarantine() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    standing.refuted(&lie(), now);
    standing.refused("eth_getProof", &Refusal::RateLimited { retry_after: None }, now);
    assert_eq!(word(&standing, now), "quarantined");
}

#[test]
fn a_wait_that_is_asked_for_is_kept_within_reason() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    let limited = |retry_after| Refusal::RateLimited { retry_after };
    standing.refused("eth_getProof", &limited(Some(Duration::MAX)), now);
    assert_eq!((word(&standing, now), rank(&standing, now)), ("rate_limited", Rank::Limited));
    assert!(standing.needs_probe(now + LONGEST_WAIT, GOOD_FOR).is_ok());
}

#[test]
fn without_a_wait_asked_for_it_doubles() {
    let (mut standing, mut now) = (Standing::new(RETRY), Instant::now());
    for milliseconds in [500, 1_000, 2_000] {
        standing.refused("eth_call", &Refusal::RateLimited { retry_after: None }, now);
        assert_eq!(standing.rests_until(now), Some(now + Duration::from_millis(milliseconds)));
        now += LONGEST_WAIT;
    }
    standing.answered("eth_call", Duration::ZERO, now);
    standing.refused("eth_call", &Refusal::RateLimited { retry_after: None }, now);
    assert_eq!(standing.rests_until(now), Some(now + SECOND / 2));
}

#[test]
fn an_endpoint_without_room_in_its_budget_is_asked_later() {
    let standing = Standing::new(RETRY);
    assert_eq!(standing.rank(Instant::now(), &Peers::default(), false), Rank::Limited);
}

#[test]
fn an_endpoint_that_cannot_prove_or_is_catching_up_is_asked_after_others() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    standing.answered("eth_chainId", Duration::ZERO, now);
    standing.refused("eth_getProof", &Refusal::Unsupported { message: String::new() }, now);
    assert_eq!((rank(&standing, now), word(&standing, now)), (Rank::Poor, "unsupported"));
    standing.answered("eth_getProof", Duration::ZERO, now);
    assert_eq!((rank(&standing, now), word(&standing, now)), (Rank::Well, "ok"));
    standing.abilities.synced = Some(false);
    assert_eq!((rank(&standing, now), word(&standing, now)), (Rank::Poor, "syncing"));
}

fn late(own: (u64, u64), others: &[(u64, u64)], block_time: Duration) -> bool {
    let begun = Instant::now();
    let head = |(time, at): (u64, u64)| {
        let at = begun + Duration::from_secs(at);
        Head { number: 0, time, at }
    };
    let mut standing = Standing::new(RETRY);
    standing.head = Some(head(own));
    let heads = others.iter().copied().chain([own]).map(head).collect();
    standing.is_late(begun + SECOND * 100_000, &Peers { heads, block_time })
}

#[test]
fn an_endpoint_is_late_against_what_others_had_named_before() {
    let quick = SECOND;
    assert!(!late((1_000, 50), &[(1_060, 40)], quick), "a minute is not late");
    assert!(late((1_000, 50), &[(1_061, 40)], quick));
    assert!(!late((1_000, 50), &[(1_061, 60)], quick), "named later, it may have been made later");
    assert!(!late((1_000, 50), &[(1_061, 40)], SECOND * 15), "five blocks of a slow chain");
    assert!(!late((1_000, 50), &[], quick));
}

#[test]
fn one_block_of_the_future_does_not_make_the_others_late() {
    let future = (9_999_999, 40);
    assert!(!late((1_000, 50), &[future, (1_000, 40)], SECOND));
    assert!(late((1_000, 50), &[future, (2_000, 40), (1_000, 40)], SECOND));
}

#[test]
fn who_was_behind_what_is_proven_is_late_for_a_while() {
    let (mut standing, now) = (Standing::new(RETRY), Instant::now());
    standing.refused("", &Refusal::Behind { number: 7 }, now);
    assert_eq!(rank(&standing, now), Rank::Poor);
    assert_eq!(rank(&standing, now + BEHIND), Rank::Well);
}
