use super::*;

const CONTRACT: Address = address!("0xc18360217d8f7ab5e7c516566761ea12ce7f9d72");

fn code(chain: u64, contract: B256) -> Vec<u8> {
    let mut code = [HEAD.as_slice(), &[0xaa; 20], &FOOT].concat();
    for word in [U256::from(3), U256::from(chain), contract.into(), U256::from(7)] {
        code.extend(word.to_be_bytes::<32>());
    }
    code
}

fn at(code: &[u8]) -> Address {
    let salt = B256::from(U256::from(3));
    REGISTRY.create2_from_code(salt, [CREATION.as_slice(), code].concat())
}

#[test]
fn an_account_of_the_registry_names_its_token() {
    let code = code(1, CONTRACT.into_word());
    let bound_to = Some((CONTRACT, U256::from(7)));
    assert_eq!(bound(at(&code), &code, ChainId(1)), bound_to);
}

#[test]
fn the_same_code_elsewhere_is_no_account() {
    let code = code(1, CONTRACT.into_word());
    assert_eq!(bound(Address::repeat_byte(5), &code, ChainId(1)), None);
    let salt = B256::from(U256::from(3));
    let other = Address::repeat_byte(6);
    let by_another = other.create2_from_code(salt, [CREATION.as_slice(), &code].concat());
    assert_eq!(bound(by_another, &code, ChainId(1)), None, "of another registry");
}

#[test]
fn a_token_of_another_chain_counts_for_nobody() {
    let code = code(10, CONTRACT.into_word());
    assert_eq!(bound(at(&code), &code, ChainId(1)), None);
    assert!(is_account(at(&code), &code), "it is an account all the same");
    assert!(!is_account(Address::repeat_byte(5), &code));
}

#[test]
fn each_byte_counts() {
    let right = code(1, CONTRACT.into_word());
    for index in 0..right.len() {
        let mut wrong = right.clone();
        wrong[index] ^= 1;
        assert_eq!(bound(at(&right), &wrong, ChainId(1)), None, "byte {index}");
    }
    for wrong in [&right[1..], &right[..172], &[right.as_slice(), &[0]].concat(), &[]] {
        assert_eq!(bound(at(&right), wrong, ChainId(1)), None);
    }
    let dirty = code(1, B256::repeat_byte(0xff));
    assert_eq!(bound(at(&dirty), &dirty, ChainId(1)), None, "not an address");
}
