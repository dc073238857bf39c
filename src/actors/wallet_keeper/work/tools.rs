//! What WalletKeeper's orders take with them, and what they have in common.

use std::sync::Arc;

use actix::Recipient;
use alloy_primitives::{Address, B256};

use super::ledger::Ledger;
use crate::actors::chain_verifier::CheckSignature;
use crate::actors::cpu_pool::{CpuPool, CpuPoolError};
use crate::actors::use_log::UseLog;
use crate::actors::wallet_keeper::messages::{KeeperError, Reply};
use crate::keys::{self, KeyEncryptionKey, KeyRing, MachineName, OpenError, PrivateKey};
use entitled_core::domain::customer::{Custody, Wallet};
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::wallet_proof::{Payload, PayloadFault};

/// What an order takes with it.
#[derive(Clone)]
pub(in crate::actors::wallet_keeper) struct Tools {
    pub(in crate::actors::wallet_keeper) ledger: Ledger,
    pub(in crate::actors::wallet_keeper) keys: KeyRing,
    pub(in crate::actors::wallet_keeper) machine: MachineName,
    /// Where hashing and recovering is done.
    pub(in crate::actors::wallet_keeper) cpu: CpuPool,
    /// Where keystores are opened and made.
    pub(in crate::actors::wallet_keeper) keystores: CpuPool,
    /// Who can say whether a contract accepts a signature.
    pub(in crate::actors::wallet_keeper) chains: Option<Recipient<CheckSignature>>,
    pub(in crate::actors::wallet_keeper) uses: UseLog,
}

/// What it takes to ask a chain. Without the keys: who waits for a chain must not hold a rotation up.
pub(in crate::actors::wallet_keeper) struct Prover {
    pub(in crate::actors::wallet_keeper) ledger: Ledger,
    pub(in crate::actors::wallet_keeper) machine: MachineName,
    pub(in crate::actors::wallet_keeper) cpu: CpuPool,
    pub(in crate::actors::wallet_keeper) chains: Option<Recipient<CheckSignature>>,
}

impl Tools {
    pub(in crate::actors::wallet_keeper) fn prover(&self) -> Prover {
        let Self { ledger, machine, cpu, chains, .. } = self.clone();
        Prover { ledger, machine, cpu, chains }
    }

    /// The key to seal with. Whoever sealed holds these tools until the ledger has answered: a rotation waits
    /// for that.
    pub(super) fn key(&self) -> Result<&KeyEncryptionKey, KeeperError> {
        match self.keys.key() {
            None if self.keys.is_open() => Err(KeeperError::KeysBusy),
            key => key.ok_or(NO_KEY),
        }
    }

    /// Tells who is locked so before any work.
    pub(super) fn check_open(&self) -> Result<(), KeeperError> {
        if self.keys.is_open() { Ok(()) } else { Err(NO_KEY) }
    }

    /// Opens the sealed key of a wallet, also while the key-encryption key is exchanged.
    pub(super) fn unseal(
        &self,
        address: Address,
        customer: CustomerId,
        record: &[u8],
    ) -> Result<PrivateKey, KeeperError> {
        self.keys.unseal(address, customer, record).ok_or(NO_KEY)?.map_err(unopened)
    }
}

/// The sealed key of a wallet, or why there is none.
pub(super) fn record_of(
    wallet: &Wallet,
    sealed_key: Option<Vec<u8>>,
) -> Result<Vec<u8>, KeeperError> {
    match (wallet.custody, sealed_key) {
        (Custody::Managed, Some(record)) => Ok(record),
        (Custody::Managed, None) => Err(KeeperError::NotFound { what: "key: it was destroyed" }),
        (Custody::Linked, _) => {
            let why = "the key of a linked wallet is not here: use the wallet itself";
            Err(KeeperError::BadInput { what: "address", why: why.to_owned() })
        }
    }
}

const NO_KEY: KeeperError = KeeperError::Locked {
    why: "there is no key-encryption key; `entitlectl keys status` says why",
};

/// The hash of what is to be signed or verified.
pub(super) fn hash(payload: &Payload) -> Result<B256, KeeperError> {
    payload.hash().map_err(|fault| {
        let what = match fault {
            PayloadFault::TextTooLong => "message",
            PayloadFault::TypedData(_) => "typed_data",
        };
        KeeperError::BadInput { what, why: fault.to_string() }
    })
}

pub(super) fn unopened(error: OpenError) -> KeeperError {
    match error {
        OpenError::WrongKey => KeeperError::Locked {
            why: "this wallet was sealed with another key-encryption key than the one in use; restore that one",
        },
        error => KeeperError::KeyUnusable { source: Arc::new(error) },
    }
}

pub(super) fn failed<E>(doing: &'static str) -> impl Fn(E) -> KeeperError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| KeeperError::Key { doing, source: Arc::new(error) }
}

/// What a piece of work on the CPU pool came to.
pub(super) fn worked<T>(doing: &'static str, done: Result<Reply<T>, CpuPoolError>) -> Reply<T> {
    done.unwrap_or_else(|error| match error {
        CpuPoolError::Full { .. } => Err(KeeperError::Crowded),
        CpuPoolError::BrokenOff { .. } => {
            Err(KeeperError::BrokenOff { doing, source: Arc::new(error) })
        }
    })
}

/// Runs what takes its time beside the actor.
pub(super) async fn beside<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, KeeperError> {
    let done = tokio::task::spawn_blocking(|| keys::with_clean_stack(work)).await;
    done.map_err(|error| KeeperError::Key { doing, source: Arc::new(error) })
}
