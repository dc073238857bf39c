//! The key-encryption key in WalletKeeper's care: how it fares, unlocking it, having it exchanged.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;

use super::ledger::{Ledger, ask};
use super::rotation::{self, Progress};
use super::tools::beside;
use crate::actors::ownership_ledger::{Asked, FindSealedKeys};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::actors::wallet_keeper::messages::{
    FindKeysStatus, KeeperError, KeysStatus, Reply, RotateKeys, RotationState, RotationStatus,
    UnlockKeys,
};
use crate::keys::{Census, KeyFileError, KeyRing, KeySource};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::secret::Secret;

/// Wrong passphrases within [`TRIES_WINDOW`] seconds; after so many, even the right one has to wait.
const TRIES: usize = 5;
const TRIES_WINDOW: i64 = 60;

/// What WalletKeeper remembers of the key besides the ring itself.
#[derive(Default)]
pub(in crate::actors::wallet_keeper) struct Custody {
    rotation: Option<Rotation>,
    unlocking: bool,
    /// When wrong passphrases were given.
    wrong: VecDeque<Timestamp>,
}

struct Rotation {
    progress: Arc<Progress>,
    state: RotationState,
}

impl Custody {
    /// After a failure nobody waits for what was under way. The ring says whether a key is half exchanged.
    pub(in crate::actors::wallet_keeper) fn restarted(self) -> Self {
        let cut_off = |mut it: Rotation| {
            if it.state == RotationState::UnderWay {
                let why = "it was cut off: rotate again, which goes on from there, or restart";
                it.state = RotationState::Failed { why: why.to_owned() };
            }
            it
        };
        Self { rotation: self.rotation.map(cut_off), unlocking: false, wrong: self.wrong }
    }

    fn is_rotating(&self) -> bool {
        self.rotation.as_ref().is_some_and(|it| it.state == RotationState::UnderWay)
    }

    /// Whether one more passphrase may be tried at `now`. A clock set back forgets what lies ahead.
    fn may_try(&mut self, now: Timestamp) -> bool {
        let recent =
            |it: &Timestamp| (0..TRIES_WINDOW).contains(&(now.as_second() - it.as_second()));
        self.wrong.retain(recent);
        self.wrong.len() < TRIES
    }
}

impl WalletKeeper {
    fn keys_status(&self, census: &Census) -> KeysStatus {
        let ring = &self.tools.keys;
        let next = ring.next().and_then(|it| it.name());
        let under = |id| census.under(id);
        KeysStatus {
            source: ring.source().to_string(),
            state: ring.state(),
            wants_a_passphrase: ring.wants_a_passphrase(),
            key: ring.key_id().map(|it| it.to_string()),
            wallets: census.total(),
            under_key: ring.key_id().map_or(0, under) + next.map_or(0, under),
            rotation: self.custody.rotation.as_ref().map(|it| RotationStatus {
                state: it.state.clone(),
                done: it.progress.done(),
                total: it.progress.total(),
            }),
        }
    }
}

pub(in crate::actors::wallet_keeper) async fn census(
    ledger: &Ledger,
) -> Result<Census, KeeperError> {
    let found = ask(&ledger.find_sealed_keys, FindSealedKeys).await?;
    Ok(Census::of(found.iter().map(|it| it.record.as_slice())))
}

impl Handler<FindKeysStatus> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<KeysStatus>>;

    fn handle(&mut self, _: FindKeysStatus, _: &mut Self::Context) -> Self::Result {
        let ledger = self.tools.ledger.clone();
        let counted = async move { census(&ledger).await };
        Box::pin(counted.into_actor(self).map(|census, keeper, _| Ok(keeper.keys_status(&census?))))
    }
}

impl Handler<UnlockKeys> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<KeysStatus>>;

    fn handle(&mut self, order: UnlockKeys, _: &mut Self::Context) -> Self::Result {
        let UnlockKeys { passphrase, set, asked } = order;
        if let Err(error) = self.may_unlock(asked.at) {
            return Box::pin(actix::fut::err(error));
        }
        self.custody.unlocking = true;
        let (ring, ledger) = (self.tools.keys.clone(), self.tools.ledger.clone());
        let work = async move {
            let census = census(&ledger).await?;
            let opened = beside("unlock the keys", move || ring.unlocked(&passphrase, set)).await?;
            Ok::<_, KeeperError>((census, opened))
        };
        Box::pin(work.into_actor(self).map(move |done, keeper, _| {
            keeper.custody.unlocking = false;
            let (census, opened) = done?;
            match opened {
                Ok(ring) => {
                    tracing::info!(event = "keys_unlocked", by = %asked.by, "the keys were unlocked");
                    keeper.tools.keys = ring;
                    keeper.custody.wrong.clear();
                    Ok(keeper.keys_status(&census))
                }
                Err(error) => {
                    if matches!(error, KeyFileError::WrongPassphrase) {
                        tracing::warn!(event = "wrong_passphrase", by = %asked.by, "a wrong passphrase was given");
                        keeper.custody.wrong.push_back(asked.at);
                    }
                    Err(refused(&error))
                }
            }
        }))
    }
}

impl WalletKeeper {
    fn may_unlock(&mut self, now: Timestamp) -> Result<(), KeeperError> {
        let ring = &self.tools.keys;
        if !matches!(ring.source(), KeySource::Passphrase(_)) {
            let kind = match ring.source() {
                KeySource::File(_) => "in a file",
                KeySource::Credential(_) => "in a credential",
                KeySource::Passphrase(_) => "by a passphrase",
            };
            let why = format!("the keys are kept {kind}, and not by a passphrase");
            return Err(KeeperError::Conflict { why });
        }
        if ring.is_open() {
            return Err(KeeperError::Conflict { why: "the keys are open already".to_owned() });
        }
        if self.custody.unlocking {
            return Err(KeeperError::KeysBusy);
        }
        if !self.custody.may_try(now) {
            return Err(KeeperError::TooManyTries);
        }
        Ok(())
    }

    fn may_rotate(&self, given: Option<&Secret>) -> Result<(), KeeperError> {
        let ring = &self.tools.keys;
        let bad = |why: &str| KeeperError::BadInput { what: "passphrase", why: why.to_owned() };
        if self.custody.is_rotating() {
            return Err(KeeperError::KeysBusy);
        }
        if !ring.is_open() {
            let why = "unlock the keys first; `entitlectl keys status` says how";
            return Err(KeeperError::Locked { why });
        }
        match (ring.source(), given) {
            (KeySource::Passphrase(_), None) => Err(bad("give the new one")),
            (KeySource::File(_) | KeySource::Credential(_), Some(_)) => {
                Err(bad("the keys are not kept by one"))
            }
            _ => Ok(()),
        }
    }

    /// The new key is durable: the wallets follow.
    fn follow(&mut self, both: KeyRing, asked: Asked, context: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.tools.keys, both.clone());
        let progress = Arc::new(Progress::default());
        let state = RotationState::UnderWay;
        self.custody.rotation = Some(Rotation { progress: Arc::clone(&progress), state });
        let parts = rotation::Parts { before, both, ledger: self.tools.ledger.clone(), progress };
        let done =
            rotation::run(parts, asked).into_actor(self).map(|(ring, outcome), keeper, _| {
                keeper.tools.keys = ring;
                if let Some(rotation) = &mut keeper.custody.rotation {
                    rotation.state = match outcome {
                        Ok(()) => RotationState::Done,
                        Err(why) => RotationState::Failed { why },
                    };
                }
            });
        context.spawn(done);
    }
}

impl Handler<RotateKeys> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<KeysStatus>>;

    fn handle(&mut self, order: RotateKeys, _: &mut Self::Context) -> Self::Result {
        let RotateKeys { passphrase, asked } = order;
        if let Err(error) = self.may_rotate(passphrase.as_ref()) {
            return Box::pin(actix::fut::err(error));
        }
        // Marked before the first wait, so that there is only ever one.
        let state = RotationState::UnderWay;
        let begun = Rotation { progress: Arc::default(), state };
        let earlier = self.custody.rotation.replace(begun);
        let (ring, ledger) = (self.tools.keys.clone(), self.tools.ledger.clone());
        let work = async move {
            let census = census(&ledger).await?;
            let found = census.clone();
            let prepare = move || ring.exchanging(&found, passphrase.as_ref());
            let both = beside("make a new key", prepare).await?.map_err(|it| refused(&it))?;
            Ok::<_, KeeperError>((census, both))
        };
        Box::pin(work.into_actor(self).map(move |prepared, keeper, context| match prepared {
            Ok((census, both)) => {
                keeper.follow(both, asked, context);
                Ok(keeper.keys_status(&census))
            }
            Err(error) => {
                keeper.custody.rotation = earlier;
                Err(error)
            }
        }))
    }
}

/// What an administrator is told: names of files, but no paths, which the log has.
fn refused(error: &KeyFileError) -> KeeperError {
    if error.without_directories().to_string() != error.to_string() {
        tracing::error!(event = "keys_refused", %error, "the keys stay as they are");
    }
    let mut why = error.without_directories().to_string();
    if let Some(cause) = std::error::Error::source(error) {
        why = format!("{why}: {cause}");
    }
    match error {
        KeyFileError::PassphraseLength { .. } => KeeperError::BadInput { what: "passphrase", why },
        KeyFileError::WrongPassphrase
        | KeyFileError::PassphraseUnset
        | KeyFileError::PassphraseNeeded
        | KeyFileError::AnotherKey { .. }
        | KeyFileError::Missing { .. } => KeeperError::StillLocked { why },
        _ => KeeperError::Conflict { why },
    }
}

#[cfg(test)]
mod tests;
