use super::*;
use alloy_primitives::U256;

const AT: Address = Address::repeat_byte(1);

#[test]
fn an_access_list_names_accounts_and_slots() {
    let list: AccessList = serde_json::from_value(json!({
        "accessList": [{ "address": AT, "storageKeys": [B256::with_last_byte(7)] }],
        "error": "execution reverted", "gasUsed": "0x1",
    }))
    .unwrap();
    let needs: Vec<Need> = list.needs().collect();
    assert_eq!(needs, [Need::Account(AT), Need::Slot(AT, U256::from(7))]);
}

#[test]
fn what_geth_says_is_understood_also_of_a_call_that_reverts() {
    for (name, pieces) in [
        ("create-al-abi-revert", 2),
        ("create-al-contract", 3),
        ("create-al-contract-eip1559", 3),
        ("create-al-value-transfer", 0),
    ] {
        let found = crate::chain::recorded_tests::exchange("eth_createAccessList", name);
        let Some((_, response)) = found else { return };
        let list: AccessList = serde_json::from_value(response["result"].clone()).unwrap();
        assert_eq!(list.needs().count(), pieces, "{name}");
    }
}

#[test]
fn an_endless_access_list_is_cut() {
    let storage_keys = vec![B256::ZERO; 10_000];
    let list = AccessList { access_list: vec![AccessListItem { address: AT, storage_keys }] };
    assert_eq!(list.needs().count(), MOST);
}
