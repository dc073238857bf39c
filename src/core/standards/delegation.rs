//! The delegate registry of delegate.xyz, version 2: who lets whom stand for them. Pure.
//!
//! It is at the same address on each chain, and nobody can change it, nor where in its storage it keeps what, which it
//! shows by `readSlot`. Whoever likes lengthens the list of what was delegated to somebody, and nothing shortens it:
//! so it is read entry by entry, as many as one wants, and not by `getIncomingDelegations`, which goes through all of
//! it in one call. The list proposes the vaults; that one of them delegated this token with these rights is for
//! `checkDelegateFor…` to say. Asked by: `look`.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue as _, sol};

use super::words::{flag, number};
use crate::domain::ids::{Collection, Standard, Token};
use crate::domain::ownership::Cause;
use crate::domain::rule::DELEGATE_REGISTRY;
use crate::evm::execute::{Call, Outcome};

/// Where in the registry's storage delegations are, by their hash; and the hashes, by whom they were delegated to.
const DELEGATIONS: u64 = 0;
const INCOMING: u64 = 2;
/// Where in a delegation is who delegated, after the first bytes of the contract's address; and the token's id.
const VAULT: u64 = 0;
const TOKEN: u64 = 3;
/// As many bytes of the contract's address are before the vault's.
const CONTRACT_BYTES: usize = 8;
/// Instead of the vault that took its delegation back.
const REVOKED: Address = Address::with_last_byte(1);

sol! {
    function readSlot(bytes32 location) external view returns (bytes32 contents);
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

/// Which delegations are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sought {
    pub to: Address,
    pub collection: Collection,
    pub rights: B256,
}

/// Of what somebody may stand for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    All,
    Contract,
    Token,
}

/// One entry of the list of what was delegated to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    hash: B256,
    kind: Kind,
}

/// How long the list is of what was delegated to `to`, including what was taken back; the answer is read by [`count`].
pub fn ask_count(to: Address) -> Call {
    ask_slot(list_of(to))
}

/// How long the list is.
///
/// # Errors
/// [`Cause::Contract`] for everything that is not an answer to [`ask_count`].
pub fn count(outcome: &Outcome) -> Result<u64, Cause> {
    match outcome {
        // Where there is no registry, nobody delegated.
        Outcome::NoCode => Ok(0),
        other => Ok(u64::try_from(number(other)?).unwrap_or(u64::MAX)),
    }
}

/// An entry of the list; the answer is read by [`Entry::read`].
pub fn ask_entry(to: Address, index: u64) -> Call {
    ask_slot(
        U256::from_be_bytes(keccak256(B256::from(list_of(to))).0).wrapping_add(U256::from(index)),
    )
}

fn list_of(to: Address) -> U256 {
    keccak256((to, U256::from(INCOMING)).abi_encode()).into()
}

fn ask_slot(location: U256) -> Call {
    let data = readSlotCall { location: location.into() }.abi_encode().into();
    Call { to: DELEGATE_REGISTRY, data }
}

impl Entry {
    /// `None`: it is of nothing that tokens of this standard could be among.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to [`ask_entry`].
    pub fn read(standard: Standard, outcome: &Outcome) -> Result<Option<Self>, Cause> {
        let hash = B256::from(number(outcome)?);
        let kind = match (hash[31], standard) {
            (1, _) => Kind::All,
            (2, _) => Kind::Contract,
            (3, Standard::Erc721) | (5, Standard::Erc1155) => Kind::Token,
            _ => return Ok(None),
        };
        Ok(Some(Self { hash, kind }))
    }

    /// Who delegated; the answer is read by [`Self::vault`].
    pub fn ask_vault(&self) -> Call {
        self.ask(VAULT)
    }

    /// Who delegated, if it still stands and is none of another contract's.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to [`Self::ask_vault`].
    pub fn vault(&self, sought: &Sought, outcome: &Outcome) -> Result<Option<Address>, Cause> {
        let word = B256::from(number(outcome)?);
        let (from, contract) = (Address::from_word(word), &word[12 - CONTRACT_BYTES..12]);
        let stands = !from.is_zero() && from != REVOKED && from != sought.to;
        let here = contract == &sought.collection.contract[..CONTRACT_BYTES];
        Ok((stands && (here || self.kind == Kind::All)).then_some(from))
    }

    /// Which token was delegated, where it is one; the answer is read by [`Self::mandate`].
    pub fn ask_token(&self) -> Option<Call> {
        (self.kind == Kind::Token).then(|| self.ask(TOKEN))
    }

    /// What was delegated by `vault`, if it is what is looked for: then it has this hash. `token` is how the call of
    /// [`Self::ask_token`] ended.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to [`Self::ask_token`].
    pub fn mandate(
        &self,
        sought: &Sought,
        vault: Address,
        token: Option<&Outcome>,
    ) -> Result<Option<Mandate>, Cause> {
        let token = token.map(number).transpose()?;
        let of_these = [B256::ZERO, sought.rights]
            .iter()
            .any(|rights| self.hash_of(sought, (vault, *rights), token) == self.hash);
        let mandate = token.map_or(Mandate::Everything, |id| Mandate::Tokens([id].into()));
        Ok(of_these.then_some(mandate))
    }

    fn hash_of(
        &self,
        sought: &Sought,
        (vault, rights): (Address, B256),
        token: Option<U256>,
    ) -> B256 {
        let mut packed = (rights, vault, sought.to).abi_encode_packed();
        if self.kind != Kind::All {
            packed.extend(sought.collection.contract);
        }
        packed.extend(token.map(|it| it.to_be_bytes::<32>()).into_iter().flatten());
        let mut hash = keccak256(packed);
        hash.0.rotate_left(1);
        hash.0[31] = self.hash[31];
        hash
    }

    fn ask(&self, position: u64) -> Call {
        let location = keccak256((self.hash, U256::from(DELEGATIONS)).abi_encode());
        ask_slot(U256::from_be_bytes(location.0).wrapping_add(U256::from(position)))
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
