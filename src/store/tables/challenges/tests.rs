use alloy_primitives::Address;

use super::*;
use crate::store::testing::{Bench, asked, challenge};

fn kept(bench: &Bench, challenge: Challenge, at: i64) -> Result<(), StoreError> {
    bench.change(move |it| keep(it, &challenge, &asked(at)))
}

fn of(nonce: &str, uid: u32, expires: i64) -> Challenge {
    challenge(nonce, CustomerId::Uid(uid), Address::ZERO, expires)
}

#[test]
fn a_challenge_is_found_again_as_it_was() {
    let bench = Bench::new();
    kept(&bench, of("abc", 7, 600), 0).unwrap();
    let found = bench.store.read(|it| find(it, "abc")).unwrap();
    assert_eq!(found, Some(of("abc", 7, 600)));
}

#[test]
fn expired_ones_are_forgotten_when_a_new_one_comes() {
    let bench = Bench::new();
    kept(&bench, of("old", 7, 10), 0).unwrap();
    kept(&bench, of("open", 7, 11), 0).unwrap();
    kept(&bench, of("new", 8, 600), 10).unwrap();
    let left = |nonce: &'static str| bench.store.read(move |it| find(it, nonce)).unwrap();
    assert!(left("old").is_none());
    assert!(left("open").is_some() && left("new").is_some());
}

#[test]
fn a_customer_has_at_most_64_open_and_others_are_not_disturbed() {
    let bench = Bench::new();
    for number in 0..MOST_OPEN {
        kept(&bench, of(&format!("n{number}"), 7, 10), 0).unwrap();
    }
    let error = kept(&bench, of("more", 7, 600), 9).unwrap_err();
    assert_eq!(error.to_string(), "a customer has at most 64 open challenges");
    assert!(kept(&bench, of("others", 8, 600), 9).is_ok());
    assert!(kept(&bench, of("later", 7, 600), 10).is_ok());
}

#[test]
fn a_nonce_is_given_out_once() {
    let bench = Bench::new();
    kept(&bench, of("abc", 7, 600), 0).unwrap();
    assert!(matches!(kept(&bench, of("abc", 8, 600), 0), Err(StoreError::Conflict { .. })));
}

/// Nobody can answer what was issued in the future, and nobody else would ever clear it away.
#[test]
fn those_of_a_clock_that_was_ahead_hold_nobody_up() {
    let bench = Bench::new();
    let (a_year, now) = (365 * 86_400, 1_000);
    for number in 0..MOST_OPEN {
        kept(&bench, of(&format!("n{number}"), 7, a_year + 600), a_year).unwrap();
    }
    kept(&bench, of("right", 7, now + 600), now).unwrap();
    kept(&bench, of("again", 7, now + 700), now + 100).unwrap();
    let left = |nonce: &'static str| bench.store.read(move |it| find(it, nonce)).unwrap();
    assert!(left("n0").is_none() && left("right").is_some());
}
