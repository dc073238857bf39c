use super::testing::having;
use super::*;

#[test]
fn an_account_without_storage_has_only_zeros() {
    let (facts, _) = having(Address::ZERO, &[0]);
    assert_eq!(locked(&facts).slot(Address::ZERO, U256::ZERO), None);
    locked(&facts).learn(Address::ZERO, ProvenAccount { account: None, slots: Vec::new() });
    assert_eq!(locked(&facts).slot(Address::ZERO, U256::ZERO), Some(U256::ZERO));
}
