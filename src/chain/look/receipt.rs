//! Whether a transaction moved a token, as its receipt says.
//!
//! Asked by: `facade`. Asks: `pool`. Never: counts as a proof of ownership; a receipt is an endpoint's word.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U64};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::chain::endpoint::Endpoint;
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use entitled_core::domain::ids::Token;
use entitled_core::domain::ownership::Cause;
use entitled_core::evm::pinned::Pinned;
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
                false => endpoint.hash_of(number).await?,
            };
            Ok(now == Some(receipt.block_hash))
        }
        .boxed()
    };
    pool.first(deadline, ask).await
}

#[cfg(test)]
mod tests;
