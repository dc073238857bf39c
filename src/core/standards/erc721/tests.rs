use super::*;
use alloy_primitives::{hex, keccak256};

const ID: U256 = U256::from_limbs([42, 0, 0, 0]);

fn reverted(data: impl Into<Bytes>) -> Outcome {
    Outcome::Reverted(data.into())
}

fn with_text(text: &str) -> Outcome {
    reverted(Error { text: text.to_owned() }.abi_encode())
}

#[test]
fn an_address_is_the_owner_and_zero_is_nobody() {
    let owner_of = |word: B256| owner(ID, &Outcome::Returned(word.0.to_vec().into()));
    let someone = Address::repeat_byte(7);
    assert_eq!(owner_of(someone.into_word()), Ok(Some(someone)));
    assert_eq!(owner_of(B256::ZERO), Ok(None));
    assert_eq!(owner_of(B256::repeat_byte(1)), Err(Cause::Contract));
}

#[test]
fn an_answer_of_another_length_is_no_answer() {
    for length in [0, 20, 31, 33, 64] {
        let outcome = Outcome::Returned(vec![0; length].into());
        assert_eq!(owner(ID, &outcome), Err(Cause::Contract), "{length}");
        assert_eq!(number(&outcome), Err(Cause::Contract), "{length}");
    }
}

#[test]
fn nonexistent_is_understood_from_every_implementation() {
    let openzeppelin = ERC721NonexistentToken { tokenId: ID }.abi_encode();
    for (what, outcome) in [
        ("OpenZeppelin 5", reverted(openzeppelin)),
        ("OpenZeppelin 4", with_text("ERC721: invalid token ID")),
        ("OpenZeppelin 4.0", with_text("ERC721: owner query for nonexistent token")),
        ("ERC721A", reverted(hex!("df2d9b42"))),
        ("Solady", reverted(hex!("ceea21b6"))),
        ("Solmate", with_text("NOT_MINTED")),
        ("no contract", Outcome::NoCode),
    ] {
        assert_eq!(owner(ID, &outcome), Ok(None), "{what}");
    }
}

#[test]
fn any_other_failure_is_no_answer() {
    let other_id = ERC721NonexistentToken { tokenId: ID + U256::from(1) }.abi_encode();
    let longer = [ERC721NonexistentToken { tokenId: ID }.abi_encode(), vec![0]].concat();
    for (what, outcome) in [
        ("empty revert", reverted(Bytes::new())),
        ("paused", with_text("Pausable: paused")),
        ("close, but not it", with_text("ERC721: invalid token ID ")),
        ("nonexistent, but another", reverted(other_id)),
        ("something after it", reverted(longer)),
        ("something after it", reverted(hex!("df2d9b4200"))),
        ("panic", reverted(hex!("4e487b71"))),
        ("halt", Outcome::Halted),
    ] {
        assert_eq!(owner(ID, &outcome), Err(Cause::Contract), "{what}");
    }
}

#[test]
fn the_selectors_are_those_of_the_standard() {
    assert_eq!(ownerOfCall::SELECTOR, hex!("6352211e"));
    assert_eq!(balanceOfCall::SELECTOR, hex!("70a08231"));
    assert_eq!(tokenOfOwnerByIndexCall::SELECTOR, hex!("2f745c59"));
    assert_eq!(totalSupplyCall::SELECTOR, hex!("18160ddd"));
    assert_eq!(tokenByIndexCall::SELECTOR, hex!("4f6ccce7"));
    assert_eq!(TRANSFER, keccak256("Transfer(address,address,uint256)"));
    let consecutive = "ConsecutiveTransfer(uint256,uint256,address,address)";
    assert_eq!(CONSECUTIVE, keccak256(consecutive));
}

#[test]
fn a_transfer_of_erc_20_is_not_one_of_erc_721() {
    let topics = |count| {
        [TRANSFER, B256::ZERO, Address::repeat_byte(2).into_word(), ID.into()][..count].to_vec()
    };
    let log =
        |count| alloy_primitives::Log::new_unchecked(Address::ZERO, topics(count), Bytes::new());
    assert_eq!(transferred(&log(3)), None);
    let to = Address::repeat_byte(2);
    let moved = Transferred { first: ID, last: ID, from: Address::ZERO, to };
    assert_eq!(transferred(&log(4)), Some(moved));
}

#[test]
fn a_range_has_its_ids_and_no_others() {
    let to = Address::repeat_byte(2);
    let range = |last: U256| {
        let topics = vec![CONSECUTIVE, ID.into(), B256::ZERO, to.into_word()];
        let data = last.to_be_bytes_vec().into();
        transferred(&alloy_primitives::Log::new_unchecked(Address::ZERO, topics, data))
    };
    let moved = range(ID + U256::from(2)).unwrap();
    assert_eq!((moved.from, moved.to), (Address::ZERO, to));
    assert_eq!(moved.range(), (ID, U256::from(44)));
    assert!(moved.has(ID) && moved.has(U256::from(44)) && !moved.has(U256::from(45)));
    assert_eq!(range(ID - U256::ONE), None, "the wrong way round");
}
