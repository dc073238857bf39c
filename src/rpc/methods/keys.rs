//! The key-encryption key: how it fares, unlocking and rotating it.

use std::sync::Arc;

use super::api::{ACTOR_TIME, Api};
use crate::actors::wallet_keeper::{FindKeysStatus, RotateKeys, UnlockKeys};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;

pub(super) async fn status(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::KeysStatus, RpcError> {
    Ok(api.keeper.send(FindKeysStatus).timeout(ACTOR_TIME).await??.into())
}

pub(super) async fn unlock(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::KeysUnlock,
) -> Result<wire::KeysStatus, RpcError> {
    let order = UnlockKeys { passphrase: ask.passphrase, set: ask.set, asked: api.asked(&permit) };
    Ok(api.keeper.send(order).timeout(ACTOR_TIME).await??.into())
}

pub(super) async fn rotate(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::KeysRotate,
) -> Result<wire::KeysStatus, RpcError> {
    let order = RotateKeys { passphrase: ask.passphrase, asked: api.asked(&permit) };
    Ok(api.keeper.send(order).timeout(ACTOR_TIME).await??.into())
}
