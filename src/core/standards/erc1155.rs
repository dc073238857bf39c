//! ERC-1155: many alike of one id. Pure.
//!
//! Asked by: `look`, for rule `balance`.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

use crate::evm::execute::Call;

sol! {
    function balanceOf(address account, uint256 id) external view returns (uint256);
}

/// How many of `id` an account has. The answer is one number.
pub fn ask_balance(contract: Address, account: Address, id: U256) -> Call {
    Call { to: contract, data: balanceOfCall { account, id }.abi_encode().into() }
}

#[cfg(test)]
mod tests;
