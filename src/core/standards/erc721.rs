//! ERC-721 in words of bytes: questions, answers, and which reverts mean "there is no such token". Pure.
//!
//! Owns: the one list of reverts that mean it, for every standard built on this one. Asked by: `look`, `logs`,
//! `follow` and the standards beside it. Never: takes an answer it does not understand for a "no".

use alloy_primitives::{Address, B256, Bytes, U256, b256};
use alloy_sol_types::{SolCall, SolError, sol};

use super::words::word;
use crate::domain::ownership::Cause;
use crate::evm::execute::{Call, Outcome};

sol! {
    function ownerOf(uint256 tokenId) external view returns (address);
    function balanceOf(address owner) external view returns (uint256);
    function tokenOfOwnerByIndex(address owner, uint256 index) external view returns (uint256);
    function totalSupply() external view returns (uint256);
    function tokenByIndex(uint256 index) external view returns (uint256);

    /// OpenZeppelin 5 (ERC-6093).
    error ERC721NonexistentToken(uint256 tokenId);
    /// ERC721A.
    error OwnerQueryForNonexistentToken();
    /// Solady.
    error TokenDoesNotExist();
    /// Solidity's own error with a text.
    error Error(string text);
}

/// `keccak256("Transfer(address,address,uint256)")`. ERC-20 has the same, with three topics and not four.
pub const TRANSFER: B256 =
    b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// `keccak256("ConsecutiveTransfer(uint256,uint256,address,address)")` (ERC-2309): many ids minted at once.
pub const CONSECUTIVE: B256 =
    b256!("deaa91b6123d068f5821d0fb0678463d1a8a6079fe8af5de3ce5e896dcf9133d");

/// What contracts say of a token that does not exist: OpenZeppelin 4 (before and since 4.7) and Solmate.
const NONEXISTENT: [&str; 4] = [
    "ERC721: invalid token ID",
    "ERC721: owner query for nonexistent token",
    "ERC721: nonexistent token",
    "NOT_MINTED",
];

/// `ownerOf`; the answer is read by [`owner`].
pub fn ask_owner(contract: Address, id: U256) -> Call {
    Call { to: contract, data: ownerOfCall { tokenId: id }.abi_encode().into() }
}

/// `balanceOf`; the answer is read by [`number`].
pub fn ask_balance(contract: Address, owner: Address) -> Call {
    Call { to: contract, data: balanceOfCall { owner }.abi_encode().into() }
}

pub(crate) fn ask_token_at(contract: Address, owner: Address, index: u64) -> Call {
    let index = U256::from(index);
    Call { to: contract, data: tokenOfOwnerByIndexCall { owner, index }.abi_encode().into() }
}

/// `totalSupply` of the enumeration extension; the answer is read by [`number`].
pub fn ask_supply(contract: Address) -> Call {
    Call { to: contract, data: totalSupplyCall {}.abi_encode().into() }
}

/// `tokenByIndex` of the enumeration extension; the answer is read by [`number`].
pub fn ask_token(contract: Address, index: u64) -> Call {
    Call { to: contract, data: tokenByIndexCall { index: U256::from(index) }.abi_encode().into() }
}

/// Who owns token `id`, or whom else an answer of that form names. `None`: proven that nobody does.
///
/// # Errors
/// [`Cause::Contract`] for everything that is not an answer to the question.
pub fn owner(id: U256, outcome: &Outcome) -> Result<Option<Address>, Cause> {
    match outcome {
        Outcome::Returned(data) => {
            let word = word(data)?;
            let address = Address::from_word(word);
            if address.into_word() != word {
                return Err(Cause::Contract);
            }
            Ok((!address.is_zero()).then_some(address))
        }
        Outcome::Reverted(data) if says_nonexistent(id, data) => Ok(None),
        Outcome::NoCode => Ok(None),
        Outcome::Reverted(_) | Outcome::Halted => Err(Cause::Contract),
    }
}

/// A number: a balance, or an id at an index. Without code there is none of anything.
///
/// # Errors
/// [`Cause::Contract`] for everything that is not one word.
pub fn number(outcome: &Outcome) -> Result<U256, Cause> {
    match outcome {
        Outcome::Returned(data) => Ok(word(data)?.into()),
        Outcome::NoCode => Ok(U256::ZERO),
        Outcome::Reverted(_) | Outcome::Halted => Err(Cause::Contract),
    }
}

fn says_nonexistent(id: U256, data: &Bytes) -> bool {
    if let Ok(error) = ERC721NonexistentToken::abi_decode(data) {
        return data.len() == 36 && error.tokenId == id;
    }
    if data.as_ref() == OwnerQueryForNonexistentToken::SELECTOR
        || data.as_ref() == TokenDoesNotExist::SELECTOR
    {
        return true;
    }
    // At most this long, so that decoding is bounded.
    data.len() <= 256
        && Error::abi_decode(data).is_ok_and(|error| NONEXISTENT.contains(&error.text.as_str()))
}

/// Tokens that changed hands, as a log says: the ids from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    first: U256,
    last: U256,
    pub from: Address,
    pub to: Address,
}

impl Transferred {
    /// Whether an id is among them.
    pub fn has(&self, id: U256) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// The first id and the last.
    pub fn range(&self) -> (U256, U256) {
        (self.first, self.last)
    }
}

/// What a log says, if it is a Transfer of ERC-721 or a ConsecutiveTransfer of ERC-2309.
pub fn transferred(log: &alloy_primitives::Log) -> Option<Transferred> {
    let (first, last, from, to) = match log.topics() {
        [TRANSFER, from, to, id] => (*id, *id, from, to),
        [CONSECUTIVE, first, from, to] => {
            (*first, B256::try_from(log.data.data.as_ref()).ok()?, from, to)
        }
        _ => return None,
    };
    let (first, last): (U256, U256) = (first.into(), last.into());
    let (from, to) = (Address::from_word(*from), Address::from_word(*to));
    (first <= last).then_some(Transferred { first, last, from, to })
}

#[cfg(test)]
mod tests;
