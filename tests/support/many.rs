//! Contracts of `Many.sol`: tokens are minted and moved many at a time.

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::{SolCall as _, sol};

use super::anvil::Anvil;
use super::contract::Contract;

sol! {
    function mintMany(address to, uint256 first, uint256 count);
    function moveMany(address from, address to, uint256 first, uint256 step, uint256 count);
}

/// Tokens in one transaction, within what one may cost (EIP-7825).
const AT_ONCE: u32 = 100;

/// Mints `count` tokens from `first` on.
pub fn mint(anvil: &Anvil, contract: &Contract, to: Address, (first, count): (u64, u64)) {
    for (from, count) in parts(count) {
        let (first, count) = (U256::from(first + from), U256::from(count));
        send(anvil, contract, &mintManyCall { to, first, count }.abi_encode());
    }
}

/// Moves `count` tokens, every `step`th from `first` on.
pub fn give(
    anvil: &Anvil,
    contract: &Contract,
    (from, to): (Address, Address),
    (first, step, count): (u64, u64, u64),
) {
    for (done, count) in parts(count) {
        let first = U256::from(first + done * step);
        let (step, count) = (U256::from(step), U256::from(count));
        send(anvil, contract, &moveManyCall { from, to, first, step, count }.abi_encode());
    }
}

/// Where each part begins, and how many it has.
fn parts(count: u64) -> impl Iterator<Item = (u64, u64)> {
    let part = move |done| (done, u64::from(AT_ONCE).min(count - done));
    (0..count).step_by(AT_ONCE as usize).map(part)
}

fn send(anvil: &Anvil, contract: &Contract, data: &[u8]) {
    anvil.send(Some(&contract.address.to_string()), &hex::encode_prefixed(data));
}
