use super::*;
use alloy_primitives::U256;
use entitled_core::standards::erc721::TRANSFER;

fn receipt(status: u64) -> (Receipt, Token, Address) {
    let token: Token =
        "eip155:1/erc721:0x52908400098527886E0F7030069857D2E4169EE7/7".parse().unwrap();
    let wallet = Address::repeat_byte(2);
    let topics = vec![TRANSFER, B256::ZERO, wallet.into_word(), B256::from(U256::from(7))];
    let log = json!({ "address": token.collection.contract, "topics": topics, "data": "0x" });
    let receipt = json!({
        "transactionHash": B256::ZERO, "blockHash": B256::ZERO, "blockNumber": "0x1",
        "status": U64::from(status), "logs": [log],
    });
    (serde_json::from_value(receipt).unwrap(), token, wallet)
}

#[test]
fn the_token_has_to_go_to_the_wallet() {
    let (receipt, token, wallet) = receipt(1);
    assert!(receipt.moves(token, wallet));
    assert!(!receipt.moves(token, Address::ZERO));
    assert!(!receipt.moves(token.collection.token(U256::from(8)), wallet));
}

#[test]
fn a_failed_transaction_moves_nothing() {
    let (receipt, token, wallet) = receipt(0);
    assert!(!receipt.moves(token, wallet));
}
