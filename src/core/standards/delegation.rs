//! The delegate registry of delegate.xyz, version 2: who lets whom stand for them. Pure.
//!
//! It is at the same address on each chain, and nobody can change it. `getIncomingDelegations` proposes the
//! vaults; that one of them delegated this token with these rights is for `checkDelegateFor…` to say.
//! Asked by: `look`.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, sol};

use super::words::{flag, number};
use crate::domain::ids::{Collection, Standard, Token};
use crate::domain::ownership::Cause;
use crate::domain::rule::DELEGATE_REGISTRY;
use crate::evm::execute::{Call, Outcome};

/// A longer answer is not read.
const LONGEST: usize = 256 * 1024;
/// No more vaults than this stand behind one wallet.
const MOST_VAULTS: usize = 64;

sol! {
    struct Delegation {
        /// 1 for everything, 2 for a contract, 3 for a token of ERC-721, 4 of ERC-20, 5 of ERC-1155.
        uint8 kind;
        address to;
        address from;
        bytes32 rights;
        address contract_;
        uint256 tokenId;
        uint256 amount;
    }

    function getIncomingDelegations(address to) external view returns (Delegation[] memory delegations);
    function checkDelegateForERC721(address to, address from, address contract_, uint256 tokenId, bytes32 rights)
        external view returns (bool);
    function checkDelegateForERC1155(address to, address from, address contract_, uint256 tokenId, bytes32 rights)
        external view returns (uint256);
}

/// How much of what a vault holds in a collection it may have delegated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mandate {
    Everything,
    Tokens(BTreeSet<U256>),
}

impl Mandate {
    /// Both together.
    pub fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Tokens(own), Self::Tokens(others)) => own.extend(others),
            (_, Self::Everything) => *self = Self::Everything,
            (Self::Everything, _) => {}
        }
    }
}

/// Vaults that may have delegated, and whether these are all.
pub type Vaults = (BTreeMap<Address, Mandate>, Result<(), Cause>);

/// Who delegated anything to `to`; the answer is read by [`vaults`].
pub fn ask_incoming(to: Address) -> Call {
    Call { to: DELEGATE_REGISTRY, data: getIncomingDelegationsCall { to }.abi_encode().into() }
}

/// The vaults that delegated `rights` in `collection` to `to`.
///
/// # Errors
/// [`Cause::Contract`] for everything that is not such a list.
pub fn vaults(
    outcome: &Outcome,
    to: Address,
    (collection, rights): (Collection, B256),
) -> Result<Vaults, Cause> {
    let data = match outcome {
        Outcome::Returned(data) if data.len() <= LONGEST => data,
        // Where there is no registry, nobody delegated.
        Outcome::NoCode => return Ok((BTreeMap::new(), Ok(()))),
        _ => return Err(Cause::Contract),
    };
    let list = getIncomingDelegationsCall::abi_decode_returns_validate(data);
    let list = list.map_err(|_| Cause::Contract)?;
    let mut vaults: BTreeMap<Address, Mandate> = BTreeMap::new();
    for it in list {
        let concerns = it.to == to && it.from != to && !it.from.is_zero();
        let enough = it.rights.is_zero() || it.rights == rights;
        let Some(mandate) = mandate(&it, collection).filter(|_| concerns && enough) else {
            continue;
        };
        if vaults.len() >= MOST_VAULTS && !vaults.contains_key(&it.from) {
            return Ok((vaults, Err(Cause::Undiscovered)));
        }
        match vaults.get_mut(&it.from) {
            Some(known) => known.join(mandate),
            None => {
                vaults.insert(it.from, mandate);
            }
        }
    }
    Ok((vaults, Ok(())))
}

fn mandate(it: &Delegation, collection: Collection) -> Option<Mandate> {
    let here = it.contract_ == collection.contract;
    let token = || Mandate::Tokens(BTreeSet::from([it.tokenId]));
    match (it.kind, collection.standard) {
        (1, _) => Some(Mandate::Everything),
        (2, _) if here => Some(Mandate::Everything),
        (3, Standard::Erc721) | (5, Standard::Erc1155) if here => Some(token()),
        _ => None,
    }
}

/// Whether a vault delegated a token, or how many of it.
pub fn ask_delegated(token: Token, (from, to): (Address, Address), rights: B256) -> Call {
    let (contract_, id) = (token.collection.contract, token.id);
    let data = match token.collection.standard {
        Standard::Erc721 => {
            checkDelegateForERC721Call { to, from, contract_, tokenId: id, rights }.abi_encode()
        }
        Standard::Erc1155 => {
            checkDelegateForERC1155Call { to, from, contract_, tokenId: id, rights }.abi_encode()
        }
    };
    Call { to: DELEGATE_REGISTRY, data: data.into() }
}

/// How many of a token of ERC-1155 were delegated; of ERC-721 all or none.
///
/// # Errors
/// [`Cause::Contract`] for everything that is not an answer to [`ask_delegated`].
pub fn delegated(standard: Standard, outcome: &Outcome) -> Result<U256, Cause> {
    match (standard, outcome) {
        (_, Outcome::NoCode) => Ok(U256::ZERO),
        (Standard::Erc721, it) => Ok(if flag(it)? { U256::MAX } else { U256::ZERO }),
        (Standard::Erc1155, it) => number(it),
    }
}

#[cfg(test)]
mod tests;
