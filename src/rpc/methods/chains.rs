//! Bringing a chain's light client what its validators signed.

use std::sync::Arc;

use serde_json::Value;

use super::api::{Api, CHAIN_TIME};
use crate::actors::chain_verifier::{Brought, Fed, Feed};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;

pub(super) async fn sync(
    api: Arc<Api>,
    _: Permit,
    ask: wire::ChainSync,
) -> Result<wire::ChainSynced, RpcError> {
    let order = Feed { chain: ask.chain, brought: brought(ask)? };
    let Fed { learned, status } = api.verifier.send(order).timeout(CHAIN_TIME).await??;
    Ok(wire::ChainSynced { learned, sync: status.sync })
}

/// At most one thing at a time, so that it is clear what was refused.
fn brought(ask: wire::ChainSync) -> Result<Option<Brought>, RpcError> {
    let bytes = |it: &Value| it.to_string().into_bytes();
    let wire::ChainSync { bootstrap, updates, finality_update, optimistic_update, .. } = ask;
    let mut found = Vec::new();
    if let Some(text) = bootstrap.as_ref().map(bytes) {
        let missing =
            || RpcError::invalid_params("`bootstrap` needs `checkpoint`, its block's root");
        found.push(Brought::Bootstrap { root: ask.checkpoint.ok_or_else(missing)?, text });
    }
    found.extend(updates.as_ref().map(bytes).map(|text| Brought::Updates { text }));
    found.extend(finality_update.as_ref().map(bytes).map(|text| Brought::Finality { text }));
    found.extend(optimistic_update.as_ref().map(bytes).map(|text| Brought::Optimistic { text }));
    if found.len() > 1 {
        return Err(RpcError::invalid_params(
            "give one of `bootstrap`, `updates`, `finality_update` and `optimistic_update` at a time",
        ));
    }
    Ok(found.pop())
}
