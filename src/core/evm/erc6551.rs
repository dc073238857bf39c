//! ERC-6551: accounts bound to a token, known by their code and their address. Pure.
//!
//! What an account answers to `token()` proves nothing: any contract may say so. An account of the canonical
//! registry carries chain, contract and id at the end of its code, and its address follows from that code.
//! Asked by: `look`, `signature`, `receipt`.

use alloy_primitives::{Address, B256, U256, address, hex};

use crate::domain::ids::ChainId;

/// Where the canonical registry is, on each chain.
const REGISTRY: Address = address!("0x000000006551c19487814612e58FE06813775758");

/// Copies what follows it into the new account (ERC-1167, as the registry deploys it).
const CREATION: [u8; 10] = hex!("3d60ad80600a3d3981f3");
/// Before the implementation's address, and after it.
const HEAD: [u8; 10] = hex!("363d3d373d3d3d363d73");
const FOOT: [u8; 15] = hex!("5af43d82803e903d91602b57fd5bf3");

/// An account's code: a proxy of 45 bytes, then salt, chain, contract and id.
const LENGTH: usize = 45 + 4 * 32;

/// The token an account is bound to; `None` when it is no account of the registry, or bound to a token of
/// another chain.
pub fn bound(account: Address, code: &[u8], chain: ChainId) -> Option<(Address, U256)> {
    let (on_chain, contract, id) = token_of(account, code)?;
    (on_chain == U256::from(chain.0)).then_some((contract, id))
}

/// Whether an account of the registry is bound to a token, of whatever chain.
pub fn is_account(account: Address, code: &[u8]) -> bool {
    token_of(account, code).is_some()
}

/// Chain, contract and id.
fn token_of(account: Address, code: &[u8]) -> Option<(U256, Address, U256)> {
    let code: &[u8; LENGTH] = code.try_into().ok()?;
    let (proxy, bound) = code.split_at(45);
    if proxy[..10] != HEAD || proxy[30..] != FOOT {
        return None;
    }
    let words: Vec<B256> = bound.chunks_exact(32).map(B256::from_slice).collect();
    let [salt, on_chain, contract, id] = words[..] else { return None };
    let address = Address::from_word(contract);
    let creation = [CREATION.as_slice(), code].concat();
    let is_one =
        address.into_word() == contract && REGISTRY.create2_from_code(salt, creation) == account;
    is_one.then_some((on_chain.into(), address, id.into()))
}

#[cfg(test)]
mod tests;
