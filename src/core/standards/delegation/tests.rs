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
    let of = |outcome: Outcome| vaults(&outcome, WALLET, (collection(Standard::Erc721), RIGHTS));
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
