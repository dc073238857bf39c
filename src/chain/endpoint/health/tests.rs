use super::*;
use crate::chain::endpoint::transport::WireError;
use alloy_primitives::Address;
use entitled_core::proof::account_proof::ProofError;

const GOOD_FOR: Duration = Duration::from_secs(600);
const RETRY: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

fn down() -> EndpointError {
    EndpointError::Down { source: WireError::Connect }
}

fn lie() -> EndpointError {
    EndpointError::Refuted { source: ProofError::Code { address: Address::ZERO } }
}

fn rank(health: &Health, now: Instant) -> Rank {
    health.rank(now, &Peers::default(), true)
}

fn word(health: &Health, now: Instant) -> &'static str {
    health.word(now, &Peers::default())
}

fn broken(now: Instant) -> Health {
    let mut health = Health::new(RETRY);
    for _ in 0..BREAKS_AFTER {
        health.refused("eth_chainId", &down(), now);
    }
    health
}

#[test]
fn a_probe_is_due_at_first_after_a_failure_and_after_a_while() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    assert!(health.needs_probe(now, GOOD_FOR).unwrap());
    health.identified(now);
    assert!(!health.needs_probe(now, GOOD_FOR).unwrap());
    assert!(health.needs_probe(now + GOOD_FOR, GOOD_FOR).unwrap());
    health.refused("eth_getProof", &down(), now);
    assert!(health.needs_probe(now, GOOD_FOR).unwrap());
}

#[test]
fn the_breaker_opens_after_five_failures_and_closes_with_an_answer() {
    let now = Instant::now();
    let mut health = Health::new(RETRY);
    for _ in 1..BREAKS_AFTER {
        health.refused("eth_chainId", &down(), now);
    }
    assert_eq!(rank(&health, now), Rank::Poor);
    health.refused("eth_chainId", &down(), now);
    assert_eq!(rank(&health, now), Rank::Open);
    assert!(health.needs_probe(now, GOOD_FOR).is_ok(), "it is still asked when nobody else can");
    health.answered("eth_chainId", Duration::ZERO, now);
    assert_eq!((rank(&health, now), health.open_until()), (Rank::Well, None));
}

#[test]
fn it_stays_open_longer_each_time_a_trial_fails() {
    let mut now = Instant::now();
    let mut health = broken(now);
    for trips in 1..8_u32 {
        let until = health.open_until().unwrap();
        let whole = health.retry.whole(trips - 1);
        assert!(until - now <= whole && until - now >= whole / 10, "{trips}");
        // Failing before the trial is due changes nothing.
        health.refused("eth_chainId", &down(), now);
        assert_eq!(health.open_until(), Some(until));
        now = until;
        health.refused("eth_chainId", &down(), now);
    }
}

#[test]
fn an_endpoint_that_says_no_is_not_down() {
    let (mut health, now) = (broken(Instant::now()), Instant::now());
    health.refused("eth_getProof", &EndpointError::Pruned { message: String::new() }, now);
    assert_eq!(rank(&health, now), Rank::Well);
}

#[test]
fn who_is_silent_again_and_again_is_down() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    health.outpaced(SECOND, now);
    health.outpaced(SECOND, now);
    assert_eq!(rank(&health, now), Rank::Well);
    health.answered("eth_chainId", SECOND, now);
    for _ in 0..SILENT_OFTEN {
        health.outpaced(SECOND, now);
    }
    assert_eq!((rank(&health, now), word(&health, now)), (Rank::Poor, "down"));
    for _ in 1..BREAKS_AFTER {
        health.outpaced(SECOND, now);
    }
    assert_eq!(rank(&health, now), Rank::Open);
}

#[test]
fn quarantine_lasts_longer_each_time() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    let first = health.refuted(&lie(), now);
    assert!(matches!(health.needs_probe(now, GOOD_FOR), Err(EndpointError::Quarantined)));
    assert_eq!(rank(&health, now), Rank::Barred);
    assert!(health.needs_probe(now + first, GOOD_FOR).is_ok());
    assert_eq!(health.refuted(&lie(), now + first), first * 2);
    let longest = (0..40).map(|day| health.refuted(&lie(), now + day * LONGEST_QUARANTINE));
    assert_eq!(longest.last(), Some(LONGEST_QUARANTINE));
}

#[test]
fn who_has_headers_of_a_newer_fork_rests_and_is_no_liar() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    let error = EndpointError::Unreadable { number: 7 };
    let first = health.unreadable(7, &error, now).unwrap();
    assert_eq!((word(&health, now), rank(&health, now)), ("unreadable", Rank::Barred));
    let stands = health.needs_probe(now, GOOD_FOR);
    assert!(matches!(stands, Err(EndpointError::Unreadable { number: 7 })));
    assert_eq!(health.unreadable(7, &error, now), None, "it rests already");
    assert_eq!(health.unreadable(7, &error, now + first), Some(first * 2));
    assert!(health.faults.evidence.is_none());
    health.reads_headers();
    assert_eq!(health.unreadable(7, &error, now + first * 4), Some(first));
}

#[test]
fn one_lie_told_to_many_at_once_is_one() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    let rest = health.refuted(&lie(), now);
    for _ in 0..20 {
        assert_eq!(health.refuted(&lie(), now), rest);
    }
    assert!(health.needs_probe(now + rest, GOOD_FOR).is_ok());
}

#[test]
fn a_rate_limit_does_not_end_a_quarantine() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    health.refuted(&lie(), now);
    health.refused("eth_getProof", &EndpointError::RateLimited { retry_after: None }, now);
    assert_eq!(word(&health, now), "quarantined");
}

#[test]
fn a_wait_that_is_asked_for_is_kept_within_reason() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    let limited = |retry_after| EndpointError::RateLimited { retry_after };
    health.refused("eth_getProof", &limited(Some(Duration::MAX)), now);
    assert_eq!((word(&health, now), rank(&health, now)), ("rate_limited", Rank::Limited));
    assert!(health.needs_probe(now + LONGEST_WAIT, GOOD_FOR).is_ok());
}

#[test]
fn without_a_wait_asked_for_it_doubles() {
    let (mut health, mut now) = (Health::new(RETRY), Instant::now());
    for milliseconds in [500, 1_000, 2_000] {
        health.refused("eth_call", &EndpointError::RateLimited { retry_after: None }, now);
        assert_eq!(health.rests_until(now), Some(now + Duration::from_millis(milliseconds)));
        now += LONGEST_WAIT;
    }
    health.answered("eth_call", Duration::ZERO, now);
    health.refused("eth_call", &EndpointError::RateLimited { retry_after: None }, now);
    assert_eq!(health.rests_until(now), Some(now + SECOND / 2));
}

#[test]
fn an_endpoint_without_room_in_its_budget_is_asked_later() {
    let health = Health::new(RETRY);
    assert_eq!(health.rank(Instant::now(), &Peers::default(), false), Rank::Limited);
}

#[test]
fn an_endpoint_that_cannot_prove_or_is_catching_up_is_asked_after_others() {
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    health.answered("eth_chainId", Duration::ZERO, now);
    health.refused("eth_getProof", &EndpointError::Unsupported { message: String::new() }, now);
    assert_eq!((rank(&health, now), word(&health, now)), (Rank::Poor, "unsupported"));
    health.answered("eth_getProof", Duration::ZERO, now);
    assert_eq!((rank(&health, now), word(&health, now)), (Rank::Well, "ok"));
    health.abilities.synced = Some(false);
    assert_eq!((rank(&health, now), word(&health, now)), (Rank::Poor, "syncing"));
}

fn late(own: (u64, u64), others: &[(u64, u64)], block_time: Duration) -> bool {
    let begun = Instant::now();
    let head = |(time, at): (u64, u64)| {
        let at = begun + Duration::from_secs(at);
        Head { number: 0, time, at }
    };
    let mut health = Health::new(RETRY);
    health.head = Some(head(own));
    let heads = others.iter().copied().chain([own]).map(head).collect();
    health.is_late(begun + SECOND * 100_000, &Peers { heads, block_time })
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
    let (mut health, now) = (Health::new(RETRY), Instant::now());
    health.refused("", &EndpointError::Behind { number: 7 }, now);
    assert_eq!(rank(&health, now), Rank::Poor);
    assert_eq!(rank(&health, now + BEHIND), Rank::Well);
}

/// What was grave is over, and no reason to be asked again and again.
#[test]
fn who_was_in_quarantine_once_is_left_alone_as_others_are() {
    let begun = Instant::now();
    let after = |tells: fn(&mut Health, Instant)| {
        let mut health = Health::new(RETRY);
        let rest = health.refuted(&lie(), begun);
        let now = begun + rest + SECOND;
        tells(&mut health, now);
        rank(&health, now + SECOND)
    };
    assert_eq!(after(|it, now| assert!(it.wrong_chain(&down(), now))), Rank::Barred);
    let limited = |health: &mut Health, now| {
        let error = EndpointError::RateLimited { retry_after: Some(SECOND * 20) };
        health.refused("eth_chainId", &error, now);
    };
    assert_eq!(after(limited), Rank::Limited);
    let unreadable = |health: &mut Health, now| {
        let told = health.unreadable(7, &EndpointError::Unreadable { number: 7 }, now);
        assert!(told.is_some());
    };
    assert_eq!(after(unreadable), Rank::Barred);
}
