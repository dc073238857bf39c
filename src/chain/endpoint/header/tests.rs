use super::*;
use alloy_consensus::Header;
use alloy_primitives::U256;
use serde_json::{Value, json};

/// With every field there is.
fn full() -> Value {
    let some = Some(B256::ZERO);
    let header = Header {
        base_fee_per_gas: Some(1),
        withdrawals_root: some,
        blob_gas_used: Some(1),
        excess_blob_gas: Some(1),
        parent_beacon_block_root: some,
        requests_hash: some,
        block_access_list_hash: some,
        slot_number: Some(1),
        ..Header::default()
    };
    let mut told = alloy_rpc_types_eth::Header::new(header);
    (told.size, told.total_difficulty) = (Some(U256::ONE), Some(U256::ONE));
    serde_json::to_value(told).unwrap()
}

fn told(value: &Value) -> Told {
    serde_json::from_str(&value.to_string()).unwrap()
}

#[test]
fn what_a_header_can_be_read_into_is_known() {
    let mut value = full();
    for beside in ["transactions", "uncles", "withdrawals", "l1BlockNumber"] {
        value[beside] = json!([]);
    }
    assert!(!told(&value).has_unknown_fields(), "{value}");
    value["anchorOfTheNextFork"] = json!(B256::ZERO);
    assert!(told(&value).has_unknown_fields());
}

#[test]
fn no_block_is_no_header() {
    assert!(serde_json::from_str::<Option<Told>>("null").unwrap().is_none());
    assert!(serde_json::from_str::<Told>(r#"{"number":"0x0"}"#).is_err());
}
