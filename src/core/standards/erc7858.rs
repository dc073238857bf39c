//! ERC-7858: tokens with a beginning and an end, in blocks or in seconds. Pure.
//!
//! An end of zero is none, the opposite of ERC-5643. `balanceOf` counts what has ended, so it says nothing of
//! validity. An end in blocks has no time: whether it has come is told at the block of the proof, and when
//! it will come is not. Asked by: `dialect`, for rule `expiry`.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

use super::words::{Term, flag, number};
use crate::domain::ownership::{Anchor, Cause};
use crate::evm::execute::{Call, Outcome};

sol! {
    function expiryType() external view returns (uint8);
    function startTime(uint256 tokenId) external view returns (uint256);
    function endTime(uint256 tokenId) external view returns (uint256);
    function isTokenExpired(uint256 tokenId) external view returns (bool);
}

/// What a contract counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Blocks,
    Seconds,
}

pub(crate) fn ask_unit(contract: Address) -> Call {
    Call { to: contract, data: expiryTypeCall {}.abi_encode().into() }
}

pub(crate) fn unit(outcome: &Outcome) -> Result<Unit, Cause> {
    Ok(if flag(outcome)? { Unit::Seconds } else { Unit::Blocks })
}

/// Beginning, end, and whether it is over, for [`term`].
pub(crate) fn ask_term(contract: Address, id: U256) -> [Call; 3] {
    [
        startTimeCall { tokenId: id }.abi_encode(),
        endTimeCall { tokenId: id }.abi_encode(),
        isTokenExpiredCall { tokenId: id }.abi_encode(),
    ]
    .map(|data| Call { to: contract, data: data.into() })
}

/// It is over when the contract says so or when the end has come, whichever it may be: a contract that
/// contradicts itself entitles nobody.
pub(crate) fn term(unit: Unit, answers: &[Outcome], at: &Anchor) -> Result<Term, Cause> {
    let [start, end, expired] = answers else { return Err(Cause::Contract) };
    let (start, end, expired) = (number(start)?, number(end)?, flag(expired)?);
    let seconds = U256::try_from(at.time.as_second()).map_err(|_| Cause::Contract)?;
    let now = match unit {
        Unit::Blocks => U256::from(at.number),
        Unit::Seconds => seconds,
    };
    let come = !end.is_zero() && end <= now;
    Ok(match (expired || come, unit) {
        (true, Unit::Seconds) if come => Term::until(end),
        (true, _) => Term::OVER,
        (false, _) if start > now => Term::NotBegun,
        (false, Unit::Seconds) if !end.is_zero() => Term::until(end),
        (false, _) => Term::Open,
    })
}

#[cfg(test)]
mod tests;
