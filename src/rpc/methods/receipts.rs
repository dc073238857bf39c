//! Receipts: a verdict that carries its proof, given out and taken in.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Bytes, hex};

use super::api::{ACTOR_TIME, Api, CHAIN_TIME};
use crate::actors::tier_cache::{DraftReceipt, ImportReceipt, Key};
use crate::actors::wallet_keeper::CompleteReceipt;
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;
use entitled_core::receipt::NONCE_LIMIT;

/// How long a first answer may wait for the chain, before the proof is made.
const WAIT: Duration = Duration::from_secs(2);

pub(super) async fn make(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementReceipt,
) -> Result<wire::Receipt, RpcError> {
    let nonce = nonce(ask.nonce.as_deref())?;
    let key = Key { customer: permit.customer(), product: ask.product };
    // Whoever was never answered is not told no for that.
    api.verdict(key.clone(), WAIT).await?;
    let uid = permit.account();
    let draft =
        api.cache.send(DraftReceipt { key, by_own_key: false, uid }).timeout(CHAIN_TIME).await??;
    let now = api.clock.now_on([draft.evidence.token.collection.chain]);
    let order = CompleteReceipt { draft, nonce, uid, now };
    let completed = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    let verdict = wire::Verdict::at(&completed.verified.verdict, api.clock.now());
    Ok(wire::Receipt { receipt: completed.receipt, verdict })
}

pub(super) async fn import(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::ReceiptImport,
) -> Result<wire::ReceiptImported, RpcError> {
    let (uid, asked) = (permit.account(), api.asked(&permit));
    let order = ImportReceipt { receipt: ask.receipt, uid, asked };
    let verified = api.cache.send(order).timeout(CHAIN_TIME).await??;
    let verdict = wire::Verdict::at(&verified.verdict, api.clock.now());
    Ok(wire::ReceiptImported { verdict })
}

/// What the caller ties the receipt to.
fn nonce(text: Option<&str>) -> Result<Option<Bytes>, RpcError> {
    let Some(text) = text else { return Ok(None) };
    let bytes = hex::decode(text).ok().filter(|it| (1..=NONCE_LIMIT).contains(&it.len()));
    let wrong = || {
        RpcError::invalid_params(format!(
            "`nonce` must be hexadecimal, of 1 to {NONCE_LIMIT} bytes"
        ))
    };
    bytes.map(|it| Some(it.into())).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
