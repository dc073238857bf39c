//! Answers of one word: a number, an address, true or false, a time. Pure.
//!
//! Asked by: the standards. Never: reads an answer that is longer, shorter or not of its kind; such a one
//! is no answer ([`Cause::Contract`]).

use alloy_primitives::{B256, Bytes, U256};

use crate::domain::ids::Timestamp;
use crate::domain::ownership::{Cause, ENDED};
use crate::evm::execute::Outcome;

/// How long a token entitles whoever holds it, as its contract says at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Not yet.
    NotBegun,
    /// Until then; in the past if it has ended.
    Until(Timestamp),
    /// No end, or one that cannot be told in time.
    Open,
}

impl Term {
    /// Ended, and nobody says when.
    pub const OVER: Self = Self::Until(ENDED);

    /// Until so many seconds after 1970. What no calendar holds is no end.
    pub fn until(seconds: U256) -> Self {
        i64::try_from(seconds)
            .ok()
            .and_then(|it| Timestamp::from_second(it).ok())
            .map_or(Self::Open, Self::Until)
    }
}

pub(crate) fn word(data: &Bytes) -> Result<B256, Cause> {
    B256::try_from(data.as_ref()).map_err(|_| Cause::Contract)
}

/// A number from a contract that is there.
pub(crate) fn number(outcome: &Outcome) -> Result<U256, Cause> {
    match outcome {
        Outcome::Returned(data) => Ok(word(data)?.into()),
        _ => Err(Cause::Contract),
    }
}

/// A number that its function declares to be of 64 bits.
pub(crate) fn short_number(outcome: &Outcome) -> Result<u64, Cause> {
    u64::try_from(number(outcome)?).map_err(|_| Cause::Contract)
}

/// One or zero, and nothing else.
pub(crate) fn flag(outcome: &Outcome) -> Result<bool, Cause> {
    match number(outcome)? {
        U256::ZERO => Ok(false),
        U256::ONE => Ok(true),
        _ => Err(Cause::Contract),
    }
}

#[cfg(test)]
pub mod tests {
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
}
