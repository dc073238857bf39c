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
mod tests {
    use super::*;
    use crate::domain::ids::ChainId;
    use crate::standards::words::tests::said;
    use alloy_primitives::hex;

    const WALLET: Address = Address::repeat_byte(1);
    const CONTRACT: Address = Address::repeat_byte(0xcc);
    const RIGHTS: B256 = B256::repeat_byte(7);

    fn collection(standard: Standard) -> Collection {
        Collection { chain: ChainId(1), standard, contract: CONTRACT }
    }

    fn given(kind: u8, from: u8, id: u64, rights: B256) -> Delegation {
        Delegation {
            kind,
            to: WALLET,
            from: Address::repeat_byte(from),
            rights,
            contract_: CONTRACT,
            tokenId: U256::from(id),
            amount: U256::ONE,
        }
    }

    fn read(list: &Vec<Delegation>, standard: Standard) -> Vaults {
        let data = getIncomingDelegationsCall::abi_encode_returns(list).into();
        vaults(&Outcome::Returned(data), WALLET, (collection(standard), RIGHTS)).unwrap()
    }

    #[test]
    fn the_selectors_are_those_of_the_registry() {
        assert_eq!(checkDelegateForERC721Call::SELECTOR, hex!("b9f36874"));
        assert_eq!(checkDelegateForERC1155Call::SELECTOR, hex!("b8705875"));
        assert_eq!(getIncomingDelegationsCall::SELECTOR, hex!("42f87c25"));
    }

    #[test]
    fn a_vault_counts_for_what_it_may_have_delegated() {
        let list = vec![
            given(1, 2, 0, B256::ZERO),
            given(2, 3, 0, RIGHTS),
            given(3, 4, 7, B256::ZERO),
            given(3, 4, 8, RIGHTS),
            given(5, 4, 9, RIGHTS),
            given(2, 5, 0, B256::repeat_byte(8)),
            given(4, 6, 0, B256::ZERO),
            given(1, 1, 0, B256::ZERO),
            Delegation { contract_: Address::ZERO, ..given(2, 7, 0, B256::ZERO) },
            Delegation { to: Address::ZERO, ..given(1, 8, 0, B256::ZERO) },
        ];
        let tokens = |ids: &[u64]| Mandate::Tokens(ids.iter().map(|it| U256::from(*it)).collect());
        let everything = [2, 3].map(|it| (Address::repeat_byte(it), Mandate::Everything));
        let fourth = |ids| [(Address::repeat_byte(4), tokens(ids))];
        let (found, complete) = read(&list, Standard::Erc721);
        assert_eq!(found, everything.clone().into_iter().chain(fourth(&[7, 8])).collect());
        assert_eq!(complete, Ok(()));
        let (found, _) = read(&list, Standard::Erc1155);
        assert_eq!(found, everything.into_iter().chain(fourth(&[9])).collect());
    }

    #[test]
    fn more_vaults_than_are_looked_at_are_not_all() {
        let list: Vec<_> = (2..=66).map(|it| given(1, it, 0, B256::ZERO)).collect();
        let (found, complete) = read(&list, Standard::Erc721);
        assert_eq!((found.len(), complete), (MOST_VAULTS, Err(Cause::Undiscovered)));
    }

    #[test]
    fn no_registry_has_no_vaults_and_a_strange_answer_is_none() {
        let of =
            |outcome: Outcome| vaults(&outcome, WALLET, (collection(Standard::Erc721), RIGHTS));
        assert_eq!(of(Outcome::NoCode), Ok((BTreeMap::new(), Ok(()))));
        let whole = getIncomingDelegationsCall::abi_encode_returns(&vec![given(1, 2, 0, RIGHTS)]);
        for outcome in [
            Outcome::Halted,
            Outcome::Reverted([].into()),
            Outcome::Returned([].into()),
            Outcome::Returned(whole[..whole.len() - 1].to_vec().into()),
            Outcome::Returned(vec![0xff; 64].into()),
            Outcome::Returned(vec![0; LONGEST + 32].into()),
        ] {
            assert_eq!(of(outcome), Err(Cause::Contract));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_answered_is_read_or_refused(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
            cut in 0_usize..600,
        ) {
            let terms = (collection(Standard::Erc721), RIGHTS);
            let _ = vaults(&Outcome::Returned(bytes.into()), WALLET, terms);
            let mut list = getIncomingDelegationsCall::abi_encode_returns(&vec![given(3, 2, 7, RIGHTS)]);
            let at = cut.min(list.len() - 1);
            list[at] ^= 0x80;
            if let Ok((found, _)) = vaults(&Outcome::Returned(list.into()), WALLET, terms) {
                proptest::prop_assert!(found.len() <= 1);
            }
        }
    }

    #[test]
    fn a_mandate_for_everything_takes_in_the_others() {
        let mut mandate = Mandate::Tokens(BTreeSet::from([U256::ONE]));
        mandate.join(Mandate::Everything);
        mandate.join(Mandate::Tokens(BTreeSet::new()));
        assert_eq!(mandate, Mandate::Everything);
    }

    #[test]
    fn yes_is_one_for_a_token_and_an_amount_for_many() {
        let seven = said(&[U256::from(7)]);
        assert_eq!(delegated(Standard::Erc1155, &seven), Ok(U256::from(7)));
        assert_eq!(delegated(Standard::Erc721, &seven), Err(Cause::Contract));
        assert_eq!(delegated(Standard::Erc721, &said(&[U256::ONE])), Ok(U256::MAX));
        assert_eq!(delegated(Standard::Erc721, &Outcome::NoCode), Ok(U256::ZERO));
    }
}
