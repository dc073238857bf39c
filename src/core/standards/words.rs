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
pub mod tests;
