//! How the wallets follow the key-encryption key, once its successor is durable.
//!
//! ```text
//! nobody seals under the old key any more → every data key is wrapped anew → one commit → the old key goes
//! ```
//!
//! Cut off before the commit, the next start undoes it; cut off after, the next start finishes it
//! (`keys::key_place`). What fails here ends in the same two ways, unless it is not known whether the commit
//! happened: then both keys stay until the next start, which sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ledger::{Ledger, ask_within};
use super::tools::beside;
use crate::actors::ownership_ledger::{
    Asked, FindSealedKeys, ReplaceSealedKeys, Replacement, SealedKey,
};
use crate::actors::wallet_keeper::messages::KeeperError;
use crate::keys::{self, KeyRing};
use entitled_core::domain::causes::with_causes;

/// How long orders may still be under way that began before the exchange.
const ORDERS_TIME: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(5);

/// One commit for all wallets may take longer than one for one.
const COMMIT_TIME: Duration = Duration::from_secs(60);

/// How often the ledger is asked again after it refused.
const ATTEMPTS: u32 = 3;

/// Damaged wallets named in an error.
const NAMED: usize = 5;

/// How far a rotation is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

pub(super) struct Parts {
    /// The ring before the exchange, which orders under way may still hold.
    pub(super) before: KeyRing,
    /// The ring with both keys.
    pub(super) both: KeyRing,
    pub(super) ledger: Ledger,
    pub(super) progress: Arc<Progress>,
}

/// Why the wallets did not follow.
enum Failure {
    /// All are under the old key.
    Undo(String),
    /// It is not known under which.
    Unknown(String),
}

/// Brings every wallet under the new key. Gives the ring to go on with, and why it is not the new one.
pub(super) async fn run(parts: Parts, asked: Asked) -> (KeyRing, Result<(), String>) {
    let outcome = match wait_for_orders(&parts.before).await {
        Ok(()) => move_all(&parts, &asked).await,
        Err(failure) => Err(failure),
    };
    let both = parts.both.clone();
    match outcome {
        Ok(()) => {
            let swap = move || both.exchanged();
            let (ring, done) = match beside("destroy the old key", swap).await {
                Ok((ring, done)) => (ring, done.map_err(|it| it.to_string())),
                Err(error) => (parts.both, Err(error.to_string())),
            };
            tracing::info!(event = "keys_rotated", wallets = parts.progress.total(), by = %asked.by, "the keys were rotated");
            let left = "the wallets are under the new key, but the old one is not destroyed";
            (ring, done.map_err(|why| format!("{left}: {why}; the next start tries again")))
        }
        Err(Failure::Undo(why)) => {
            tracing::error!(why, "the keys were not rotated");
            let back = move || both.unexchanged();
            let ring = match beside("undo a rotation", back).await {
                Ok((ring, done)) => {
                    if let Err(error) = done {
                        tracing::warn!(error = %with_causes(&error), "the new key is not destroyed");
                    }
                    ring
                }
                Err(_) => parts.both,
            };
            (ring, Err(why))
        }
        Err(Failure::Unknown(why)) => {
            tracing::error!(why, "it is not known whether the keys were rotated");
            let unknown = "it is not known whether the wallets are under the new key";
            (both, Err(format!("{why}; {unknown}: restart the daemon, which will see")))
        }
    }
}

/// Until nobody can seal under the old key alone any more. What was sealed is then on its way into the ledger
/// before us, because the ledger takes messages in their order.
async fn wait_for_orders(before: &KeyRing) -> Result<(), Failure> {
    let waited = async {
        while !before.is_last_holder() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(ORDERS_TIME, waited)
        .await
        .map_err(|_| Failure::Undo("other orders for wallets do not end; try again".to_owned()))
}

async fn move_all(parts: &Parts, asked: &Asked) -> Result<(), Failure> {
    let ids = (parts.both.key_id(), parts.both.next().and_then(|it| it.name()));
    let (Some(old), Some(new)) = ids else {
        return Err(Failure::Undo("there are no two keys".to_owned()));
    };
    let detail = format!("from key {old} to {new}");
    let mut replaced = false;
    let mut trouble = None;
    for _ in 0..ATTEMPTS {
        let found = match find(parts).await {
            Ok(found) => found,
            Err(error) if trouble.is_none() && !replaced => {
                return Err(Failure::Undo(error.to_string()));
            }
            Err(error) => return Err(Failure::Unknown(error.to_string())),
        };
        let is_under = |it: &SealedKey, id| keys::sealed_under(&it.record) == Some(id);
        let anywhere_new = found.iter().any(|it| is_under(it, new));
        let left: Vec<_> = found.into_iter().filter(|it| is_under(it, old)).collect();
        if left.is_empty() && replaced {
            return Ok(());
        }
        let replacements = match wrap_all(parts, left).await {
            Ok(replacements) => replacements,
            Err(why) if anywhere_new => return Err(Failure::Unknown(why)),
            Err(why) => return Err(Failure::Undo(why)),
        };
        let (detail, asked) = (detail.clone(), asked.clone());
        let order = ReplaceSealedKeys { replacements, detail, asked };
        match ask_within(&parts.ledger.replace_sealed_keys, order, COMMIT_TIME).await {
            Ok(_) => replaced = true,
            // It may still happen, at any time.
            Err(error @ KeeperError::LedgerSilent { .. }) => {
                return Err(Failure::Unknown(error.to_string()));
            }
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    let why = trouble.unwrap_or_else(|| "wallets keep coming under the old key".to_owned());
    match find(parts).await {
        Ok(found) if found.iter().any(|it| keys::sealed_under(&it.record) == Some(new)) => {
            Err(Failure::Unknown(why))
        }
        Ok(_) if !replaced => Err(Failure::Undo(why)),
        _ => Err(Failure::Unknown(why)),
    }
}

async fn find(parts: &Parts) -> Result<Vec<SealedKey>, KeeperError> {
    ask_within(&parts.ledger.find_sealed_keys, FindSealedKeys, COMMIT_TIME).await
}

/// Wraps every data key anew. One that does not open stops the rotation: with the old key gone, whatever is
/// wrong with its record could never be mended.
async fn wrap_all(parts: &Parts, left: Vec<SealedKey>) -> Result<Vec<Replacement>, String> {
    let (both, progress) = (parts.both.clone(), Arc::clone(&parts.progress));
    progress.done.store(0, Ordering::Relaxed);
    progress.total.store(u64::try_from(left.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    let wrap = move || {
        let mut damaged = Vec::new();
        let mut made = Vec::with_capacity(left.len());
        for before in left {
            match both.rewrap(before.address, before.customer, &before.record) {
                Some(Ok(record)) => made.push(Replacement { before, record }),
                Some(Err(_)) => damaged.push(before.address),
                None => return Err("the keys are locked".to_owned()),
            }
            progress.done.fetch_add(1, Ordering::Relaxed);
        }
        if damaged.is_empty() {
            return Ok(made);
        }
        let named: Vec<_> = damaged.iter().take(NAMED).map(ToString::to_string).collect();
        Err(format!(
            "the sealed keys of {} wallets are damaged ({}): restore the ledger from a backup, or destroy them with `entitlectl wallet unlink --destroy-key`",
            damaged.len(),
            named.join(", ")
        ))
    };
    beside("wrap data keys", wrap).await.map_err(|it| it.to_string())?
}
