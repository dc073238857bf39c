//! ERC-5643: until when a subscription is paid for. Pure.
//!
//! Zero is a subscription that was cancelled or never begun; there is no word for "for ever" but a time
//! beyond the calendar. Asked by: `dialect`, for rule `subscription`.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

use super::words::{Term, short_number};
use crate::domain::ownership::Cause;
use crate::evm::execute::{Call, Outcome};

sol! {
    function expiresAt(uint256 tokenId) external view returns (uint64);
}

pub(crate) fn ask_expiry(contract: Address, id: U256) -> Call {
    Call { to: contract, data: expiresAtCall { tokenId: id }.abi_encode().into() }
}

pub(crate) fn term(expires: &Outcome) -> Result<Term, Cause> {
    short_number(expires).map(|it| Term::until(U256::from(it)))
}

#[cfg(test)]
mod tests;
