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
use entitled_core::proof::pinned::Pinned;
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
mod tests {
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
}
