//! Whether an event says that a token came to a wallet, in the words of any standard. Pure.
//!
//! Asked by: `receipt`, about the transaction a claimant names. Never: counts as a proof of holding.

use alloy_primitives::{Address, Log, U256};
use alloy_sol_types::{SolEvent, sol};

use super::erc721;

sol! {
    /// ERC-1155.
    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
    event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values);
    /// ERC-4907.
    event UpdateUser(uint256 indexed tokenId, address indexed user, uint64 expires);
}

/// Whether `log`, of the token's contract, says that token `id` came to `wallet`: to own or to use.
pub fn brings(log: &Log, id: U256, wallet: Address) -> bool {
    if let Some(moved) = erc721::transferred(log) {
        return moved.to == wallet && moved.has(id);
    }
    if let Ok(event) = TransferSingle::decode_log_validate(log) {
        return event.to == wallet && event.id == id && !event.value.is_zero();
    }
    if let Ok(event) = TransferBatch::decode_log_validate(log) {
        let mut pairs = event.ids.iter().zip(&event.values);
        return event.to == wallet && pairs.any(|(it, value)| *it == id && !value.is_zero());
    }
    UpdateUser::decode_log_validate(log).is_ok_and(|it| it.user == wallet && it.tokenId == id)
}

#[cfg(test)]
mod tests;
