use super::*;

/// A contract that answered these words.
pub(crate) fn said(words: &[U256]) -> Outcome {
    Outcome::Returned(words.iter().flat_map(|it| it.to_be_bytes::<32>()).collect())
}

#[test]
fn what_is_not_one_word_is_no_answer() {
    let two = said(&[U256::ONE, U256::ZERO]);
    let short = Outcome::Returned(vec![1; 31].into());
    let empty = Outcome::Returned(Bytes::new());
    let refused = Outcome::Reverted(said_bytes());
    for outcome in [two, short, empty, refused, Outcome::Halted, Outcome::NoCode] {
        assert_eq!(number(&outcome), Err(Cause::Contract), "{outcome:?}");
        assert_eq!(flag(&outcome), Err(Cause::Contract), "{outcome:?}");
        assert_eq!(short_number(&outcome), Err(Cause::Contract), "{outcome:?}");
    }
}

fn said_bytes() -> Bytes {
    vec![0; 32].into()
}

#[test]
fn only_one_and_zero_are_true_and_false() {
    assert_eq!(flag(&said(&[U256::ZERO])), Ok(false));
    assert_eq!(flag(&said(&[U256::ONE])), Ok(true));
    for other in [U256::from(2), U256::MAX, U256::ONE << 248] {
        assert_eq!(flag(&said(&[other])), Err(Cause::Contract), "{other}");
    }
}

#[test]
fn sixty_four_bits_are_enough_and_one_more_is_not() {
    assert_eq!(short_number(&said(&[U256::from(u64::MAX)])), Ok(u64::MAX));
    let beyond = said(&[U256::from(u64::MAX) + U256::ONE]);
    assert_eq!(short_number(&beyond), Err(Cause::Contract));
}

#[test]
fn a_time_beyond_the_calendar_is_no_end() {
    let noon = Timestamp::from_second(1_800_000_000).unwrap();
    assert_eq!(Term::until(U256::from(1_800_000_000)), Term::Until(noon));
    assert_eq!(Term::until(U256::ZERO), Term::OVER);
    for never in [U256::MAX, U256::from(u64::MAX), U256::from(i64::MAX)] {
        assert_eq!(Term::until(never), Term::Open, "{never}");
    }
}
