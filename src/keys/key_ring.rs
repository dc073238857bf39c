//! The key-encryption key as WalletKeeper holds it: open, or locked and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::key_encryption_key::KeyEncryptionKey;
use super::key_file::{self, KeyFileError};

/// Where the key-encryption key is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of our own, made on first start.
    File(PathBuf),
    /// A credential in the directory the service manager passes.
    Credential(String),
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

/// The key-encryption key, or the reason there is none. Cheap to clone; the key is wiped with the last
/// clone.
#[derive(Debug, Clone)]
pub enum KeyRing {
    Open { source: KeySource, key: Arc<KeyEncryptionKey> },
    Locked { source: KeySource, error: KeyFileError },
}

/// Whether managed wallets can be made and used. For administrators: it may name files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRingState {
    Open { source: String },
    Locked { reason: String },
}

impl KeyRing {
    /// Opens the ring. Never fails: without a usable key it is locked, and everything that needs no
    /// private key goes on.
    ///
    /// `credentials` is the directory named by `$CREDENTIALS_DIRECTORY`, if it is set. Reads and
    /// syncs files; call it before serving.
    pub fn open(source: KeySource, credentials: Option<&Path>) -> Self {
        let read = match &source {
            KeySource::File(path) => key_file::read_or_make(path),
            KeySource::Credential(name) => key_file::read_credential(credentials, name),
        };
        match read {
            Ok(key) => Self::Open { source, key: Arc::new(key) },
            Err(error) => Self::Locked { source, error },
        }
    }

    /// The key, if there is one.
    pub fn key(&self) -> Option<&KeyEncryptionKey> {
        match self {
            Self::Open { key, .. } => Some(key),
            Self::Locked { .. } => None,
        }
    }

    /// What to tell an administrator.
    pub fn state(&self) -> KeyRingState {
        match self {
            Self::Open { source, .. } => KeyRingState::Open { source: source.to_string() },
            Self::Locked { source, error } => {
                let mut reason = format!("{source}: {error}");
                let mut cause = std::error::Error::source(error);
                while let Some(deeper) = cause {
                    reason.push_str(": ");
                    reason.push_str(&deeper.to_string());
                    cause = deeper.source();
                }
                KeyRingState::Locked { reason }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_without_a_key_is_locked_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(KeySource::Credential("kek".into()), Some(dir.path()));
        assert!(ring.key().is_none());
        let KeyRingState::Locked { reason } = ring.state() else { panic!("open") };
        assert!(reason.starts_with("credential:kek: "), "{reason}");
        assert!(reason.contains("No such file"), "{reason}");
    }

    #[test]
    fn a_ring_from_a_file_is_open_and_says_from_where() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let ring = KeyRing::open(KeySource::File(path.clone()), None);
        assert!(ring.key().is_some());
        assert_eq!(ring.state(), KeyRingState::Open { source: format!("file:{}", path.display()) });
        assert!(!format!("{ring:?}").contains("secret"), "{ring:?}");
    }
}
