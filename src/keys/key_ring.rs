//! The key-encryption key as WalletKeeper holds it: open, or locked and why; and, while it is exchanged, the
//! one that takes its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::Address;
use zeroize::Zeroizing;

use super::census::Census;
use super::key_encryption_key::{KeyEncryptionKey, KeyId};
use super::key_file::{self, KeyFileError};
use super::key_place::{KeyPlace, Settled};
use super::private_key::PrivateKey;
use super::sealing::{self, OpenError, RewrapError};
use super::{new_file, passphrase};
use crate::key_source::KeySource;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::secret::Secret;

/// The key-encryption key, or the reason there is none. Cheap to clone; the key is wiped with the last
/// clone.
#[derive(Debug, Clone)]
pub struct KeyRing {
    source: KeySource,
    credentials: Option<PathBuf>,
    lock: Lock,
    settled: Settled,
    /// Shared by all clones: who may still seal under the key of this ring.
    holders: Arc<()>,
}

#[derive(Debug, Clone)]
enum Lock {
    Open { key: Arc<KeyEncryptionKey>, next: Option<Arc<KeyEncryptionKey>> },
    Locked { error: KeyFileError },
}

/// Whether managed wallets can be made and used. For administrators: it may name files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRingState {
    Open { source: String },
    Locked { reason: String },
}

impl KeyRing {
    /// Opens the ring of an installation that has sealed nothing yet.
    pub fn open(source: KeySource, credentials: Option<&Path>) -> Self {
        Self::open_for(source, credentials, &Census::default())
    }

    /// Opens the ring for the records in `census`, and settles an exchange that was interrupted. Never
    /// fails: without a usable key it is locked, and everything that needs no private key goes on.
    ///
    /// `credentials` is the directory named by `$CREDENTIALS_DIRECTORY`, if it is set. Reads, writes and
    /// syncs files; call it before serving, and with the ledger open, which keeps a second daemon out.
    pub fn open_for(source: KeySource, credentials: Option<&Path>, census: &Census) -> Self {
        let mut settled = Settled::default();
        let lock = match find(&source, credentials, census, &mut settled) {
            Ok(key) => Lock::Open { key: Arc::new(key), next: None },
            Err(error) => Lock::Locked { error },
        };
        let credentials = credentials.map(Path::to_owned);
        Self { source, credentials, lock, settled, holders: Arc::default() }
    }

    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// What became of an exchange that had been interrupted.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// The key to seal with, if there is one. While it is exchanged there is none.
    pub fn key(&self) -> Option<&KeyEncryptionKey> {
        match &self.lock {
            Lock::Open { key, next: None } => Some(key),
            _ => None,
        }
    }

    /// The name of the key in use.
    pub fn key_id(&self) -> Option<KeyId> {
        match &self.lock {
            Lock::Open { key, .. } => key.name(),
            Lock::Locked { .. } => None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.lock, Lock::Open { .. })
    }

    /// The key's successor, while it is exchanged.
    pub fn next(&self) -> Option<&Arc<KeyEncryptionKey>> {
        match &self.lock {
            Lock::Open { next, .. } => next.as_ref(),
            Lock::Locked { .. } => None,
        }
    }

    /// Opens a sealed record, with either key while there are two. `None` when the ring is locked.
    pub fn unseal(
        &self,
        address: Address,
        customer: CustomerId,
        record: &[u8],
    ) -> Option<Result<PrivateKey, OpenError>> {
        let Lock::Open { key, next } = &self.lock else { return None };
        let next = next.as_ref().filter(|it| it.name() == sealing::sealed_under(record));
        Some(sealing::open(next.unwrap_or(key), address, customer, record))
    }

    /// Brings a record from the key in use under its successor. `None` unless there are both.
    pub fn rewrap(
        &self,
        address: Address,
        customer: CustomerId,
        record: &[u8],
    ) -> Option<Result<Vec<u8>, RewrapError>> {
        let Lock::Open { key, next: Some(next) } = &self.lock else { return None };
        Some(sealing::rewrap(key, next, address, customer, record))
    }

    /// What to tell an administrator.
    pub fn state(&self) -> KeyRingState {
        match &self.lock {
            Lock::Open { .. } => KeyRingState::Open { source: self.source.to_string() },
            Lock::Locked { error } => {
                KeyRingState::Locked { reason: format!("{}: {}", self.source, with_causes(error)) }
            }
        }
    }

    /// Whether the passphrase is still to be chosen.
    pub fn wants_a_passphrase(&self) -> bool {
        matches!(&self.lock, Lock::Locked { error: KeyFileError::PassphraseUnset })
    }

    // ---- unlocking ----

    /// The ring, opened by a passphrase; with `set`, by one chosen now. Slow: not for a thread that serves.
    ///
    /// # Errors
    /// [`KeyFileError`]; a passphrase that is set is never replaced by this.
    pub fn unlocked(&self, given: &Secret, set: bool) -> Result<Self, KeyFileError> {
        let KeySource::Passphrase(path) = &self.source else {
            return Err(KeyFileError::PassphraseUnset);
        };
        let key = match &self.lock {
            Lock::Locked { error: KeyFileError::PassphraseUnset } if set => {
                let (key, text) = passphrase::set(path, given)?;
                match new_file::make(path, &text, 0o600) {
                    Ok(new_file::Made::Here) => key,
                    Ok(new_file::Made::Before) => return Err(KeyFileError::PassphraseIsSet),
                    Err(source) => {
                        let source = Arc::new(source);
                        return Err(KeyFileError::Make { path: path.clone(), source });
                    }
                }
            }
            Lock::Locked { error: KeyFileError::PassphraseNeeded } if set => {
                return Err(KeyFileError::PassphraseIsSet);
            }
            Lock::Locked { error: KeyFileError::PassphraseNeeded } => {
                passphrase::unlock(path, given)?
            }
            Lock::Locked { error } => return Err(error.clone()),
            Lock::Open { .. } => return Ok(self.clone()),
        };
        let lock = Lock::Open { key: Arc::new(key), next: None };
        Ok(Self { lock, holders: Arc::default(), ..self.clone() })
    }

    // ---- exchanging ----

    /// The ring with a new key beside the one in use, which is durable when this returns. It seals nothing
    /// until the exchange is over. Slow, where there is a passphrase.
    ///
    /// # Errors
    /// [`KeyFileError`]; then all is as it was.
    pub fn exchanging(
        &self,
        census: &Census,
        given: Option<&Secret>,
    ) -> Result<Self, KeyFileError> {
        let Lock::Open { key, next } = &self.lock else {
            return Err(KeyFileError::PassphraseNeeded);
        };
        if next.is_some() {
            // Begun before and cut off: the same key goes on.
            return Ok(Self { holders: Arc::default(), ..self.clone() });
        }
        let open = key.name().ok_or(KeyFileError::Derivation)?;
        let place = place(&self.source);
        if let Some(place) = &place {
            // Before anything is settled: what lies there may be another ledger's.
            place.check(open)?;
            place.settle(census)?;
        }
        let (next, bytes) = match &self.source {
            KeySource::File(path) => {
                let next = KeyEncryptionKey::generate()
                    .map_err(|source| KeyFileError::Randomness { path: path.clone(), source })?;
                let bytes = Zeroizing::new(next.expose().to_vec());
                (next, bytes)
            }
            KeySource::Passphrase(path) => {
                let given = given.ok_or(KeyFileError::PassphraseNeeded)?;
                let (next, text) = passphrase::set(path, given)?;
                (next, Zeroizing::new(text))
            }
            KeySource::Credential(name) => {
                (self.other_credential(name, key)?, Zeroizing::default())
            }
        };
        if let Some(place) = &place {
            place.prepare(open, &bytes)?;
        }
        let lock = Lock::Open { key: Arc::clone(key), next: Some(Arc::new(next)) };
        Ok(Self { lock, holders: Arc::default(), ..self.clone() })
    }

    fn other_credential(
        &self,
        name: &str,
        key: &KeyEncryptionKey,
    ) -> Result<KeyEncryptionKey, KeyFileError> {
        let next = next_credential(name);
        match find_credential(self.credentials.as_deref(), &next)? {
            Some(it) if it.name() != key.name() => Ok(it),
            Some(_) => Err(KeyFileError::CredentialNotMoved { name: name.to_owned(), next }),
            None => Err(KeyFileError::NoNextCredential { next }),
        }
    }

    /// Whether nobody but the caller holds this ring: then nothing more will be sealed under its key.
    pub fn is_last_holder(&self) -> bool {
        Arc::strong_count(&self.holders) == 1
    }

    /// The ring with only the new key, once no record names the old one, which is destroyed.
    ///
    /// # Errors
    /// The ring all the same, and why the old key's file is still there.
    pub fn exchanged(&self) -> (Self, Result<(), KeyFileError>) {
        let Lock::Open { key, next: Some(next) } = &self.lock else {
            return (self.clone(), Ok(()));
        };
        let done = match (place(&self.source), key.name(), next.name()) {
            (None, ..) => Ok(()),
            (Some(place), Some(old), Some(new)) => place.finish(old, new),
            _ => Err(KeyFileError::Derivation),
        };
        let lock = Lock::Open { key: Arc::clone(next), next: None };
        (Self { lock, holders: Arc::default(), ..self.clone() }, done)
    }

    /// The ring with only the old key, when no record names the new one, which is destroyed.
    ///
    /// # Errors
    /// The ring all the same, and why the new key's file is still there.
    pub fn unexchanged(&self) -> (Self, Result<(), KeyFileError>) {
        let Lock::Open { key, next: Some(next) } = &self.lock else {
            return (self.clone(), Ok(()));
        };
        let done = match (place(&self.source), next.name()) {
            (None, _) => Ok(()),
            (Some(place), Some(new)) => place.undo(new),
            _ => Err(KeyFileError::Derivation),
        };
        let lock = Lock::Open { key: Arc::clone(key), next: None };
        (Self { lock, holders: Arc::default(), ..self.clone() }, done)
    }
}

fn next_credential(name: &str) -> String {
    format!("{name}.next")
}

fn file_id(path: &Path) -> Result<Option<KeyId>, KeyFileError> {
    Ok(key_file::read_own(path)?.and_then(|it| it.name()))
}

/// Where its key lies, unless somebody else looks after that.
fn place(source: &KeySource) -> Option<KeyPlace> {
    match source {
        KeySource::File(path) => Some(KeyPlace::at(path, file_id)),
        KeySource::Passphrase(path) => Some(KeyPlace::at(path, passphrase::read_id)),
        KeySource::Credential(_) => None,
    }
}

/// The key that `source` leads to, if it is one for these records.
fn find(
    source: &KeySource,
    credentials: Option<&Path>,
    census: &Census,
    settled: &mut Settled,
) -> Result<KeyEncryptionKey, KeyFileError> {
    if let Some(place) = place(source) {
        *settled = place.settle(census)?;
    }
    let key = match source {
        KeySource::File(path) => key_file::read_or_make(path, census.total())?,
        KeySource::Passphrase(path) => {
            return Err(match passphrase::read_id(path)? {
                Some(id) => match fits(id, census) {
                    Ok(()) => KeyFileError::PassphraseNeeded,
                    Err(error) => error,
                },
                None if census.total() == 0 => KeyFileError::PassphraseUnset,
                None => KeyFileError::Missing { path: path.clone(), wallets: census.total() },
            });
        }
        KeySource::Credential(name) => {
            let key = key_file::read_credential(credentials, name)?;
            credential_in_use(credentials, name, key, census)?
        }
    };
    fits(key.name().ok_or(KeyFileError::Derivation)?, census)?;
    Ok(key)
}

/// The credential of this name, or the one that took its place in a rotation.
fn credential_in_use(
    credentials: Option<&Path>,
    name: &str,
    key: KeyEncryptionKey,
    census: &Census,
) -> Result<KeyEncryptionKey, KeyFileError> {
    let Some(next) = find_credential(credentials, &next_credential(name))? else { return Ok(key) };
    let under = |key: &KeyEncryptionKey| key.name().map_or(0, |it| census.under(it));
    match (under(&key), under(&next)) {
        (0, 1..) => Ok(next),
        (_, 0) => Ok(key),
        _ if key.name() == next.name() => Ok(key),
        _ => Err(KeyFileError::Mixed { path: name.into(), next: next_credential(name).into() }),
    }
}

fn find_credential(
    credentials: Option<&Path>,
    name: &str,
) -> Result<Option<KeyEncryptionKey>, KeyFileError> {
    match key_file::read_credential(credentials, name) {
        Err(KeyFileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// A key that opens none of the records there are is not the right one. One that opens some is: the others
/// may come from before a loss.
fn fits(found: KeyId, census: &Census) -> Result<(), KeyFileError> {
    match census.total() {
        0 => Ok(()),
        _ if census.under(found) > 0 => Ok(()),
        wallets => Err(KeyFileError::AnotherKey { found, wallets }),
    }
}

#[cfg(test)]
mod tests;
