//! ERC-4907: who uses a token, and until when. Pure.
//!
//! `userOf` answers nobody once the time is over, as the standard asks; who forgets to is told by
//! `userExpires`. Asked by: `dialect`, for rule `user`.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

use super::words::{Term, number};
use crate::domain::ownership::Cause;
use crate::evm::execute::{Call, Outcome};

sol! {
    function userOf(uint256 tokenId) external view returns (address);
    function userExpires(uint256 tokenId) external view returns (uint256);
}

/// The answer has the form of ERC-721's `ownerOf`.
pub(crate) fn ask_user(contract: Address, id: U256) -> Call {
    Call { to: contract, data: userOfCall { tokenId: id }.abi_encode().into() }
}

pub(crate) fn ask_expires(contract: Address, id: U256) -> Call {
    Call { to: contract, data: userExpiresCall { tokenId: id }.abi_encode().into() }
}

pub(crate) fn term(expires: &Outcome) -> Result<Term, Cause> {
    number(expires).map(Term::until)
}

#[cfg(test)]
mod tests;
