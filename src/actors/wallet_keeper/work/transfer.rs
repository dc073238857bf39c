//! Keys that come in and go out: import and export.
//!
//! Asked by `rpc`, through WalletKeeper. A keystore costs up to a second and 256 MiB, so there is a pool for them that
//! takes one at a time. The key lives and dies on the pool's thread: what comes back is sealed.

use actix::prelude::*;
use alloy_primitives::Address;
use serde_json::Value;

use super::ledger::ask;
use super::tools::{self, Tools, worked};
use crate::actors::ownership_ledger::{
    AddWallet, AuditAction, FindWallet, NewWallet, NoteAudit, Origin,
};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::actors::wallet_keeper::messages::{
    ExportKey, ForeignKey, ImportKey, KeeperError, Reply,
};
use crate::keys::{self, Keystore, KeystoreError, MnemonicError, PrivateKey};
use entitled_core::domain::customer::{Custody, Wallet};
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::secret::Secret;

impl Tools {
    /// Opens what was brought and seals it for its new customer. These tools are to be held until the ledger
    /// has the record: a rotation waits for that.
    async fn seal_foreign(
        &self,
        key: ForeignKey,
        (uid, customer): (u32, CustomerId),
    ) -> Reply<(Address, Vec<u8>)> {
        // Who is locked is told so before any work.
        self.key()?;
        let tools = self.clone();
        let pool = match key {
            ForeignKey::Keystore { .. } => &self.keystores,
            ForeignKey::Digits(_) | ForeignKey::Mnemonic { .. } => &self.cpu,
        };
        let seal = move || {
            let key = open_foreign(&key)?;
            let address = key.address().map_err(tools::failed("use a key"))?;
            let sealed = keys::seal(tools.key()?, address, customer, &key);
            Ok((address, sealed.map_err(tools::failed("seal a key"))?))
        };
        worked("open a key", pool.run(uid, || keys::with_clean_stack(seal)).await)
    }

    async fn keep_imported(self, order: AddWallet) -> Reply<Wallet> {
        let found =
            ask(&self.ledger.find_wallet, FindWallet { address: order.new.address }).await?;
        if let Some((wallet, Some(record))) = found
            && self.is_as_ordered(&wallet, &record, &order.new)
        {
            return Ok(wallet);
        }
        ask(&self.ledger.add_wallet, order).await
    }

    /// Whether there is nothing to write: the wallet is here, and its key opens.
    fn is_as_ordered(&self, wallet: &Wallet, record: &[u8], new: &NewWallet) -> bool {
        let NewWallet { address, customer, label, .. } = new;
        let same = wallet.active
            && (wallet.customer, wallet.custody) == (*customer, Custody::Managed)
            && (label.is_none() || *label == wallet.label);
        same && keys::with_clean_stack(|| self.unseal(*address, *customer, record).is_ok())
    }

    async fn export(self, order: ExportKey) -> Reply<Value> {
        let ExportKey { address, customer, passphrase, uid, asked } = order;
        self.check_open()?;
        let found = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let Some((wallet, record)) = found.filter(|(it, _)| it.customer == customer) else {
            return Err(KeeperError::NotFound { what: "wallet of this customer" });
        };
        let record = tools::record_of(&wallet, record)?;
        let tools = self.clone();
        let make = move || make_keystore(&tools, (address, customer), &record, &passphrase);
        let made = self.keystores.run(uid, || keys::with_clean_stack(make)).await;
        let keystore = worked("make a keystore", made)?;
        // Before it is given out: a key that left is in the audit, or it did not leave.
        let note = NoteAudit {
            action: AuditAction::WalletExported,
            subject: address.to_string(),
            detail: format!("of {customer}"),
            asked,
        };
        ask(&self.ledger.note_audit, note).await?;
        Ok(keystore)
    }
}

fn make_keystore(
    tools: &Tools,
    (address, customer): (Address, CustomerId),
    record: &[u8],
    passphrase: &Secret,
) -> Reply<Value> {
    let key = tools.unseal(address, customer, record)?;
    keys::write_keystore(&key, passphrase).map_err(|error| keystore_refused(&error))
}

fn open_foreign(key: &ForeignKey) -> Reply<PrivateKey> {
    match key {
        ForeignKey::Keystore { keystore, passphrase } => {
            let keystore = Keystore::read(keystore).map_err(|error| keystore_refused(&error))?;
            keystore.open(passphrase).map_err(|error| keystore_refused(&error))
        }
        ForeignKey::Digits(digits) => {
            let why = "64 hexadecimal digits that are a secp256k1 key are expected".to_owned();
            keys::key_of_digits(digits).ok_or(KeeperError::BadInput { what: "private_key", why })
        }
        ForeignKey::Mnemonic { words, path } => keys::key_of_mnemonic(words, path.as_deref())
            .map_err(|error| KeeperError::BadInput {
                what: match error {
                    MnemonicError::Path | MnemonicError::NoKey => "path",
                    _ => "mnemonic",
                },
                why: error.to_string(),
            }),
    }
}

fn keystore_refused(error: &KeystoreError) -> KeeperError {
    let what = match error {
        // Nothing is wrong with the question: another passphrase would do.
        KeystoreError::WrongPassphrase => {
            return KeeperError::Conflict { why: error.to_string() };
        }
        KeystoreError::Passphrase => "passphrase",
        KeystoreError::Randomness(_) | KeystoreError::Cipher => {
            return tools::failed("make a keystore")(error.clone());
        }
        _ => "keystore",
    };
    KeeperError::BadInput { what, why: error.to_string() }
}

impl Handler<ImportKey> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Wallet>>;

    fn handle(&mut self, order: ImportKey, _: &mut Self::Context) -> Self::Result {
        let ImportKey { key, customer, label, uid, asked } = order;
        let tools = self.tools.clone();
        let sealed = async move { (tools.seal_foreign(key, (uid, customer)).await, tools) };
        let sealed = sealed.into_actor(self);
        // Which wallet it is about is only known once it is open.
        Box::pin(sealed.then(move |(sealed, tools), keeper, _| match sealed {
            Ok((address, sealed_key)) => {
                let origin = Origin::Imported { sealed_key };
                let new = NewWallet { address, customer, label, origin };
                keeper.alone(address, tools.keep_imported(AddWallet { new, asked }))
            }
            Err(error) => Box::pin(actix::fut::err(error)),
        }))
    }
}

impl Handler<ExportKey> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Value>>;

    fn handle(&mut self, order: ExportKey, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().export(order).into_actor(self))
    }
}
