//! Unlock's PublicLock, versions 9 and later: keys that last for a time. Pure.
//!
//! The version comes first, for `keyExpirationTimestampFor` takes an address up to version 9 and an id from
//! then on. The owner of an ended key is still its owner; that of a missing one is the zero address, without
//! a revert; a key of version 12 that was cancelled is counted, and nobody's. Asked by: `dialect`.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

use super::words::{Term, flag, number};
use crate::domain::ids::Timestamp;
use crate::domain::ownership::Cause;
use crate::evm::execute::{Call, Outcome};

sol! {
    function publicLockVersion() external pure returns (uint16);
    function isValidKey(uint256 tokenId) external view returns (bool);
    function keyExpirationTimestampFor(uint256 tokenId) external view returns (uint256);
    /// Every key, ended ones too. From version 11 on; `balanceOf` counts only the valid ones since.
    function totalKeys(address owner) external view returns (uint256);
    function balanceOf(address owner) external view returns (uint256);

    interface ByAddress {
        function getHasValidKey(address owner) external view returns (bool);
        function keyExpirationTimestampFor(address owner) external view returns (uint256);
        /// Zero if the address never had one; else the last.
        function getTokenIdFor(address owner) external view returns (uint256);
    }
}

/// The oldest lock whose words are known.
const OLDEST: u16 = 9;

/// How a lock is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// A key goes by the address of its owner, who has at most one (9).
    ByAddress,
    /// A key goes by its id (10).
    ById,
    /// And there is a count of all keys, not only of the valid ones (11 and later).
    Counted,
}

pub(crate) fn ask_version(contract: Address) -> Call {
    Call { to: contract, data: publicLockVersionCall {}.abi_encode().into() }
}

pub(crate) fn words(version: &Outcome) -> Result<Words, Cause> {
    match u16::try_from(number(version)?).map_err(|_| Cause::Contract)? {
        ..OLDEST => Err(Cause::Contract),
        OLDEST => Ok(Words::ByAddress),
        10 => Ok(Words::ById),
        _ => Ok(Words::Counted),
    }
}

/// How many keys somebody has, ended ones too: the answer is read by [`count`].
pub(crate) fn ask_count(words: Words, contract: Address, owner: Address) -> Call {
    let data = match words {
        Words::ByAddress => ByAddress::getTokenIdForCall { owner }.abi_encode(),
        Words::ById => balanceOfCall { owner }.abi_encode(),
        Words::Counted => totalKeysCall { owner }.abi_encode(),
    };
    Call { to: contract, data: data.into() }
}

pub(crate) fn count(words: Words, answer: U256) -> U256 {
    match words {
        Words::ByAddress => answer.min(U256::ONE),
        Words::ById | Words::Counted => answer,
    }
}

/// The id of the only key somebody has, in the words of version 9.
pub(crate) fn ask_only_key(contract: Address, owner: Address) -> Call {
    Call { to: contract, data: ByAddress::getTokenIdForCall { owner }.abi_encode().into() }
}

/// Whether the lock calls a key valid, when it ends, and for version 9 which one it is, for [`term`].
pub(crate) fn ask_term(words: Words, contract: Address, id: U256, owner: Address) -> Vec<Call> {
    let questions = match words {
        Words::ByAddress => vec![
            ByAddress::getHasValidKeyCall { owner }.abi_encode(),
            ByAddress::keyExpirationTimestampForCall { owner }.abi_encode(),
            ByAddress::getTokenIdForCall { owner }.abi_encode(),
        ],
        Words::ById | Words::Counted => vec![
            isValidKeyCall { tokenId: id }.abi_encode(),
            keyExpirationTimestampForCall { tokenId: id }.abi_encode(),
        ],
    };
    questions.into_iter().map(|data| Call { to: contract, data: data.into() }).collect()
}

/// The lock's word decides, which its vendor may have given a hook of his own; its time tells the end as
/// far as the two agree.
pub(crate) fn term(id: U256, answers: &[Outcome], now: Timestamp) -> Result<Term, Cause> {
    let (valid, expires) = match answers {
        [valid, expires] => (flag(valid)?, number(expires)?),
        // Of another key the answers would be no answers about this one.
        [valid, expires, only] if number(only)? == id => (flag(valid)?, number(expires)?),
        _ => return Err(Cause::Contract),
    };
    let end = Term::until(expires);
    let come = matches!(end, Term::Until(end) if end <= now);
    Ok(match (valid, come) {
        (true, true) => Term::Open,
        (true, false) | (false, true) => end,
        (false, false) => Term::OVER,
    })
}

#[cfg(test)]
mod tests;
