//! Wallets: made, linked, used and taken away.

use std::sync::Arc;

use super::api::{ACTOR_TIME, Api, CHAIN_TIME};
use super::paging::page;
use crate::actors::ownership_ledger::WalletsOf;
use crate::actors::wallet_keeper::{
    CreateWallet, IssueChallenge, LinkWallet, SignMessage, UnlinkWallet, VerifyMessage,
};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::label::{Label, LabelFault};
use entitled_core::domain::peer::Permit;
use entitled_core::domain::wallet_proof::Payload;

pub(super) async fn create(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletCreate,
) -> Result<wire::Wallet, RpcError> {
    let customer = permit.customer();
    let order = CreateWallet {
        customer,
        label: label(ask.label.as_deref())?,
        uid: permit.account(),
        asked: api.asked(&permit),
    };
    let wallet = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    Ok(wallet.into())
}

pub(super) async fn list(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::Page,
) -> Result<wire::Listed<wire::Wallet>, RpcError> {
    let question = WalletsOf { customer: permit.customer() };
    let wallets = api.ledger.send(question).timeout(ACTOR_TIME).await??;
    let wallets = wallets.into_iter().map(Into::into).collect();
    page(wallets, ask.limit, ask.cursor.as_deref())
}

pub(super) async fn challenge(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletChallenge,
) -> Result<wire::Challenge, RpcError> {
    let order = IssueChallenge {
        address: ask.address,
        chain: ask.chain.unwrap_or(ChainId(1)),
        customer: permit.customer(),
        asked: api.asked(&permit),
    };
    let challenge = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::Challenge {
        message: challenge.message,
        nonce: challenge.nonce,
        expires_at: challenge.expires_at.to_string(),
    })
}

pub(super) async fn link(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletLink,
) -> Result<wire::Wallet, RpcError> {
    let customer = permit.customer();
    let order = LinkWallet {
        message: ask.message,
        signature: ask.signature,
        customer,
        uid: permit.account(),
        asked: api.asked(&permit),
    };
    let wallet = api.keeper.send(order).timeout(CHAIN_TIME).await??;
    Ok(wallet.into())
}

pub(super) async fn sign(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletSign,
) -> Result<wire::Signature, RpcError> {
    let order = SignMessage {
        address: ask.address,
        customer: permit.customer(),
        payload: payload(ask.message, ask.typed_data)?,
        uid: permit.account(),
        asked: api.asked(&permit),
    };
    let signature = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::Signature { signature })
}

pub(super) async fn verify(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletVerify,
) -> Result<wire::Verified, RpcError> {
    let question = VerifyMessage {
        address: ask.address,
        payload: payload(ask.message, ask.typed_data)?,
        signature: ask.signature,
        chain: ask.chain,
        uid: permit.account(),
    };
    let verified = api.keeper.send(question).timeout(CHAIN_TIME).await??;
    Ok(verified.into())
}

pub(super) async fn unlink(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletUnlink,
) -> Result<wire::Wallet, RpcError> {
    let customer = permit.customer();
    let order = UnlinkWallet {
        address: ask.address,
        customer,
        destroy_key: ask.destroy_key,
        asked: api.asked(&permit),
    };
    let wallet = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    Ok(wallet.into())
}

pub(super) fn label(text: Option<&str>) -> Result<Option<Label>, RpcError> {
    let read = text.map(str::parse).transpose();
    read.map_err(|fault: LabelFault| RpcError::invalid_params(format!("label: {fault}")))
}

/// One of the two things that can be signed.
fn payload(
    message: Option<String>,
    typed_data: Option<serde_json::Value>,
) -> Result<Payload, RpcError> {
    match (message, typed_data) {
        (Some(text), None) => Ok(Payload::Text(text)),
        (None, Some(data)) => Ok(Payload::TypedData(data)),
        _ => Err(RpcError::invalid_params("give either `message` or `typed_data`")),
    }
}
