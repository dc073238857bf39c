//! Keys that come in and go out: import and export of wallets.

use std::sync::Arc;
use std::time::Duration;

use super::api::Api;
use super::wallets::label;
use crate::actors::wallet_keeper::{ExportKey, ForeignKey, ImportKey};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;

/// How long a keystore may take: its costs are bounded so that a slow machine needs some seconds.
const KEYSTORE_TIME: Duration = Duration::from_secs(60);

pub(super) async fn import(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletImport,
) -> Result<wire::Wallet, RpcError> {
    let customer = permit.customer();
    let named = ask.label.clone();
    let (key, uid) = (brought(ask)?, permit.account());
    let label = label(named.as_deref())?;
    let order = ImportKey { key, customer, label, uid, asked: api.asked(&permit) };
    let wallet = api.keeper.send(order).timeout(KEYSTORE_TIME).await??;
    Ok(wallet.into())
}

pub(super) async fn export(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::WalletExport,
) -> Result<serde_json::Value, RpcError> {
    let order = ExportKey {
        address: ask.address,
        customer: permit.customer(),
        passphrase: ask.passphrase,
        uid: permit.account(),
        asked: api.asked(&permit),
    };
    Ok(api.keeper.send(order).timeout(KEYSTORE_TIME).await??)
}

/// The one kind of key that was brought.
fn brought(ask: wire::WalletImport) -> Result<ForeignKey, RpcError> {
    let wire::WalletImport { keystore, passphrase, private_key, mnemonic, path, .. } = ask;
    match (keystore, passphrase, private_key, mnemonic, path) {
        (Some(keystore), Some(passphrase), None, None, None) => {
            Ok(ForeignKey::Keystore { keystore, passphrase })
        }
        (None, None, Some(digits), None, None) => Ok(ForeignKey::Digits(digits)),
        (None, None, None, Some(words), path) => Ok(ForeignKey::Mnemonic { words, path }),
        _ => Err(RpcError::invalid_params(
            "give `keystore` with `passphrase`, or `private_key`, or `mnemonic` perhaps with `path`",
        )),
    }
}
