//! Whether a transaction moved a token, as its receipt says.
//!
//! Asked by: `facade`. Asks: `pool`. Never: counts as a proof of ownership; a receipt is an endpoint's word.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U64};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use crate::chain::endpoint::{BlockName, Endpoint};
use entitled_core::domain::ids::Token;
use entitled_core::domain::ownership::Cause;
use entitled_core::proof::pinned::Pinned;
use entitled_core::standards::arrival::brings;

/// The batch of a receipt that matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: B256,
    block_hash: B256,
    block_number: U64,
    /// Absent before Byzantium, when a log was only there if the transaction succeeded.
    status: Option<U64>,
    logs: Vec<alloy_primitives::Log>,
}

impl Receipt {
    fn moves(&self, token: Token, wallet: Address) -> bool {
        let succeeded = self.status.is_none_or(|it| it == U64::from(1));
        succeeded
            && self
                .logs
                .iter()
                .filter(|it| it.address == token.collection.contract)
                .any(|it| brings(it, token.id, wallet))
    }
}

/// Whether `transaction` moved `token` to `wallet` in a block of this chain, not after `block`.
pub(in crate::chain) async fn moved(
    pool: &Pool,
    block: &Pinned,
    (transaction, token, wallet): (B256, Token, Address),
    deadline: Instant,
) -> Result<bool, Cause> {
    let ask = |endpoint: Arc<Endpoint>| {
        async move {
            let receipt: Option<Receipt> =
                endpoint.ask("eth_getTransactionReceipt", json!([transaction])).await?;
            let Some(receipt) = receipt else { return Ok(false) };
            if receipt.transaction_hash != transaction {
                return Err(EndpointError::Garbled);
            }
            let number = receipt.block_number.to::<u64>();
            if number > block.header.number || !receipt.moves(token, wallet) {
                return Ok(false);
            }
            let now = match number == block.header.number {
                true => Some(block.hash),
                false => endpoint.header(BlockName::Number(number)).await?.map(|(hash, _)| hash),
            };
            Ok(now == Some(receipt.block_hash))
        }
        .boxed()
    };
    pool.first(deadline, ask).await
}

#[cfg(test)]
mod tests {
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
}
