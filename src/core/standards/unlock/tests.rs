use super::*;
use crate::standards::words::tests::said;
use alloy_primitives::hex;

#[test]
fn the_selectors_are_those_of_the_locks() {
    assert_eq!(publicLockVersionCall::SELECTOR, hex!("d1bbd49c"));
    assert_eq!(isValidKeyCall::SELECTOR, hex!("a98d3623"));
    assert_eq!(totalKeysCall::SELECTOR, hex!("812eecd4"));
    assert_eq!(keyExpirationTimestampForCall::SELECTOR, hex!("54b249fb"));
    assert_eq!(ByAddress::keyExpirationTimestampForCall::SELECTOR, hex!("abdf82ce"));
    assert_eq!(ByAddress::getHasValidKeyCall::SELECTOR, hex!("6d8ea5b4"));
}

#[test]
fn the_version_tells_the_words() {
    let of = |version: u64| words(&said(&[U256::from(version)]));
    for (version, words) in [
        (0, Err(Cause::Contract)),
        (8, Err(Cause::Contract)),
        (9, Ok(Words::ByAddress)),
        (10, Ok(Words::ById)),
        (11, Ok(Words::Counted)),
        (15, Ok(Words::Counted)),
        (16, Ok(Words::Counted)),
        (65_536, Err(Cause::Contract)),
    ] {
        assert_eq!(of(version), words, "{version}");
    }
    assert_eq!(words(&Outcome::Reverted([].into())), Err(Cause::Contract));
}

#[test]
fn the_locks_word_decides_and_its_time_tells_the_end() {
    let now = Timestamp::from_second(1_000).unwrap();
    let until = |second| Term::Until(Timestamp::from_second(second).unwrap());
    let (never, id) = (U256::MAX, U256::from(7));
    for (valid, expires, is) in [
        (1, U256::from(1_001), until(1_001)),
        (1, never, Term::Open),
        (0, U256::from(1_000), until(1_000)),
        (0, U256::ZERO, Term::OVER),
        // A hook says otherwise than the time.
        (1, U256::from(900), Term::Open),
        (0, U256::from(1_001), Term::OVER),
        (0, never, Term::OVER),
    ] {
        let answers = [said(&[U256::from(valid)]), said(&[expires])];
        assert_eq!(term(id, &answers, now), Ok(is), "{valid} {expires}");
    }
}

#[test]
fn what_is_said_of_another_key_is_no_answer() {
    let now = Timestamp::from_second(1_000).unwrap();
    let answers = |only: u64| [1, 2_000, only].map(|it| said(&[U256::from(it)]));
    assert!(term(U256::from(7), &answers(7), now).is_ok());
    assert_eq!(term(U256::from(7), &answers(8), now), Err(Cause::Contract));
    assert_eq!(term(U256::from(7), &answers(7)[..1], now), Err(Cause::Contract));
}
