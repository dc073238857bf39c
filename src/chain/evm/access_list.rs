//! Asks an endpoint which state some calls will look at (`eth_createAccessList`).
//!
//! Asked by: `run_loop`, about calls that lack one thing after the other. Asks: `pool`. Never: matters for
//! an answer. A wrong list costs a few proofs, and none at all costs rounds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U64};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::chain::endpoint::Endpoint;
use crate::chain::endpoint::pool::Pool;
use entitled_core::evm::execute::Call;
use entitled_core::evm::pinned::Pinned;
use entitled_core::proof::state::Need;

/// No longer than this; it only saves time.
const PATIENCE: Duration = Duration::from_secs(3);
/// Accounts and slots taken from one list.
const MOST: usize = 256;

/// As EIP-2930 has it. Nodes that ran into a revert say so beside it, and the list is still good.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessList {
    access_list: Vec<AccessListItem>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessListItem {
    address: Address,
    #[serde(default)]
    storage_keys: Vec<B256>,
}

impl AccessList {
    fn needs(&self) -> impl Iterator<Item = Need> + '_ {
        let each = |it: &AccessListItem| {
            let (at, keys) = (it.address, it.storage_keys.clone());
            std::iter::once(Need::Account(at))
                .chain(keys.into_iter().map(move |key| Need::Slot(at, key.into())))
        };
        self.access_list.iter().flat_map(each).take(MOST)
    }
}

/// What `calls` may need, as an endpoint believes; nothing when none says so soon.
pub(in crate::chain) async fn needs(
    pool: &Pool,
    block: &Pinned,
    calls: &[Call],
    deadline: Instant,
) -> BTreeSet<Need> {
    // By number, which every node takes: it need not be the very same block.
    let number = U64::from(block.header.number);
    let question = |call: &Call| {
        let call = json!({ "from": Address::ZERO, "to": call.to, "data": call.data });
        ("eth_createAccessList", json!([call, number]))
    };
    let questions: &Vec<_> = &calls.iter().map(question).collect();
    let ask = |endpoint: Arc<Endpoint>| {
        async move { endpoint.ask_all::<AccessList>(questions).await }.boxed()
    };
    let lists = pool.first(deadline.min(Instant::now() + PATIENCE), ask).await;
    lists.unwrap_or_default().iter().flat_map(AccessList::needs).collect()
}

#[cfg(test)]
mod tests;
