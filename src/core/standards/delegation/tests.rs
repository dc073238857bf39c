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

fn sought(standard: Standard) -> Sought {
    Sought { to: WALLET, collection: collection(standard), rights: RIGHTS }
}

/// As the registry hashes a delegation.
fn hash(kind: u8, packed: &[&[u8]]) -> B256 {
    let shifted = U256::from_be_bytes(keccak256(packed.concat()).0) << 8;
    B256::from(shifted | U256::from(kind))
}

fn read(standard: Standard, hash: B256) -> Option<Entry> {
    Entry::read(standard, &said(&[hash.into()])).unwrap()
}

/// As the registry packs who delegated with the first bytes of the contract.
fn packed(vault: Address, contract: Address) -> Outcome {
    let mut word = vault.into_word();
    word[4..12].copy_from_slice(&contract[..8]);
    said(&[word.into()])
}

#[test]
fn the_selectors_are_those_of_the_registry() {
    assert_eq!(checkDelegateForERC721Call::SELECTOR, hex!("b9f36874"));
    assert_eq!(checkDelegateForERC1155Call::SELECTOR, hex!("b8705875"));
    assert_eq!(readSlotCall::SELECTOR, hex!("e8e834a9"));
}

#[test]
fn a_vault_counts_for_what_it_may_have_delegated() {
    let (vault, id) = (Address::repeat_byte(2), U256::from(7));
    let word = id.to_be_bytes::<32>();
    let one = || Mandate::Tokens(BTreeSet::from([id]));
    for (rights, counts) in [(B256::ZERO, true), (RIGHTS, true), (B256::repeat_byte(8), false)] {
        let whole: [&[u8]; 3] = [&rights[..], &vault[..], &WALLET[..]];
        let contract = [whole.as_slice(), &[&CONTRACT[..]]].concat();
        let token = [contract.as_slice(), &[&word[..]]].concat();
        let cases: [(u8, &[&[u8]], Standard, Mandate); 5] = [
            (1, &whole, Standard::Erc721, Mandate::Everything),
            (2, &contract, Standard::Erc721, Mandate::Everything),
            (2, &contract, Standard::Erc1155, Mandate::Everything),
            (3, &token, Standard::Erc721, one()),
            (5, &token, Standard::Erc1155, one()),
        ];
        for (kind, parts, standard, mandate) in cases {
            let (entry, sought) = (read(standard, hash(kind, parts)).unwrap(), sought(standard));
            let from = entry.vault(&sought, &packed(vault, CONTRACT)).unwrap();
            assert_eq!(from, Some(vault));
            let token = entry.ask_token().map(|_| said(&[id]));
            let found = entry.mandate(&sought, vault, token.as_ref()).unwrap();
            assert_eq!(found, counts.then_some(mandate), "{kind} {rights}");
            // Of somebody else, or another token, it is not.
            let other = entry.mandate(&sought, Address::repeat_byte(3), token.as_ref());
            assert_eq!(other, Ok(None));
            let other = entry.ask_token().map(|_| said(&[U256::from(8)]));
            if other.is_some() {
                assert_eq!(entry.mandate(&sought, vault, other.as_ref()), Ok(None));
            }
        }
    }
}

#[test]
fn what_is_of_another_kind_or_contract_or_was_taken_back_is_passed_over() {
    let vault = Address::repeat_byte(2);
    for (kind, standard) in [
        (0, Standard::Erc721),
        (4, Standard::Erc721),
        (5, Standard::Erc721),
        (3, Standard::Erc1155),
        (6, Standard::Erc1155),
    ] {
        assert_eq!(read(standard, hash(kind, &[])), None, "{kind}");
    }
    let sought = sought(Standard::Erc721);
    let entry = |kind| read(Standard::Erc721, hash(kind, &[])).unwrap();
    let elsewhere = Address::repeat_byte(0xdd);
    assert_eq!(entry(1).vault(&sought, &packed(vault, elsewhere)), Ok(Some(vault)));
    for kind in [2, 3] {
        assert_eq!(entry(kind).vault(&sought, &packed(vault, elsewhere)), Ok(None));
        for nobody in [Address::ZERO, REVOKED, WALLET] {
            assert_eq!(entry(kind).vault(&sought, &packed(nobody, CONTRACT)), Ok(None));
        }
    }
}

#[test]
fn entries_follow_on_one_another_from_the_hash_of_where_their_number_is() {
    let slot = |call: Call| U256::from_be_slice(&call.data[4..]);
    let at: U256 = keccak256((WALLET, U256::from(2)).abi_encode()).into();
    assert_eq!(slot(ask_count(WALLET)), at);
    let first: U256 = keccak256(B256::from(at)).into();
    assert_eq!(slot(ask_entry(WALLET, 0)), first);
    assert_eq!(slot(ask_entry(WALLET, 5)), first + U256::from(5));
    let hash = hash(3, &[]);
    let at: U256 = keccak256((hash, U256::ZERO).abi_encode()).into();
    let entry = read(Standard::Erc721, hash).unwrap();
    assert_eq!(slot(entry.ask_vault()), at);
    assert_eq!(slot(entry.ask_token().unwrap()), at + U256::from(3));
}

#[test]
fn no_registry_has_no_entries_and_a_strange_answer_is_none() {
    assert_eq!(count(&Outcome::NoCode), Ok(0));
    assert_eq!(count(&said(&[U256::MAX])), Ok(u64::MAX));
    let entry = read(Standard::Erc721, hash(3, &[])).unwrap();
    for outcome in [Outcome::Halted, Outcome::Reverted([].into()), Outcome::Returned([].into())] {
        assert_eq!(count(&outcome), Err(Cause::Contract));
        assert_eq!(Entry::read(Standard::Erc721, &outcome), Err(Cause::Contract));
        let sought = sought(Standard::Erc721);
        assert_eq!(entry.vault(&sought, &outcome), Err(Cause::Contract));
        assert_eq!(entry.mandate(&sought, WALLET, Some(&outcome)), Err(Cause::Contract));
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
