//! Where a key-encryption key lies: a file of our own, or a credential the service manager passes.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::geteuid;
use zeroize::Zeroizing;

use super::key_encryption_key::{KEY_LENGTH, KeyEncryptionKey, KeyId};
use super::new_file;
use super::random::Exhausted;
use crate::regular_file;

/// Why there is no usable key. Each says what to do; none says anything about the key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file {path} cannot be read")]
    Read { path: PathBuf, source: Arc<std::io::Error> },
    #[error("the key file {path} cannot be made")]
    Make { path: PathBuf, source: Arc<std::io::Error> },
    #[error("the key file {path} cannot be made")]
    Randomness { path: PathBuf, source: Exhausted },
    #[error(
        "the key file {path} is not a regular file (a link, a directory or a device): put the file itself there"
    )]
    NotRegular { path: PathBuf },
    #[error(
        "the key file {path} belongs to uid {owner}, but this daemon runs as uid {ours}: `chown {ours} {path}` if it is meant for it"
    )]
    Owner { path: PathBuf, owner: u32, ours: u32 },
    #[error(
        "the key file {path} has mode {mode:04o}: others may read or write it; `chmod 0600 {path}`, and think about who may have read it"
    )]
    Mode { path: PathBuf, mode: u32 },
    #[error(
        "the key file {path} has {found} bytes where a key has {KEY_LENGTH}: restore it from a backup; it is never overwritten"
    )]
    Length { path: PathBuf, found: String },
    #[error("`{name}` is not the name of a credential: use a file name without `/`")]
    CredentialName { name: String },
    #[error(
        "no credentials directory was passed: run under systemd with `LoadCredential=` or `LoadCredentialEncrypted=`, or use `file:`"
    )]
    NoCredentials,
    #[error(
        "the key file {path} is gone, and {wallets} wallets are sealed under the key in it: restore it from a backup, and restart; a new one would open none of them"
    )]
    Missing { path: PathBuf, wallets: u64 },
    #[error(
        "this is key {found}, but all {wallets} wallets are sealed under another: put the right one into its place, and restart"
    )]
    AnotherKey { found: KeyId, wallets: u64 },
    #[error(
        "some wallets are sealed under the key in {path} and some under that in {next}: keep both, and restore the ledger from a backup where all are under one"
    )]
    Mixed { path: PathBuf, next: PathBuf },
    #[error(
        "{path} holds a key that wallets are still sealed under: move it to {current} if the ledger was restored from a backup"
    )]
    StillNeeded { path: PathBuf, current: PathBuf },
    #[error(
        "the key file {path} holds key {found}, which is not the one in use: something else was put or mounted there while the daemon ran, so it stays as it is; restart the daemon with the right files in place"
    )]
    AnotherInPlace { path: PathBuf, found: KeyId },
    #[error(
        "the key that is to come is not in {path} any more: the file was moved, or something else was mounted there while the daemon ran; restart the daemon with the right files in place"
    )]
    Gone { path: PathBuf },
    #[error("the key in {path} cannot be exchanged")]
    Exchange { path: PathBuf, source: Arc<std::io::Error> },
    #[error(
        "there is no other credential to go over to: put a new key into the credential `{next}`, restart, and rotate again (docs/keys.md)"
    )]
    NoNextCredential { next: String },
    #[error(
        "the key in use is still that of the credential `{next}`: make it `{name}`, take `{next}` away, restart, and rotate then"
    )]
    CredentialNotMoved { name: String, next: String },
    #[error("no passphrase is set yet: `entitlectl keys unlock --set`")]
    PassphraseUnset,
    #[error("the passphrase is needed: `entitlectl keys unlock`")]
    PassphraseNeeded,
    #[error(
        "a passphrase is set already: unlock with it, and change it by `entitlectl keys rotate`"
    )]
    PassphraseIsSet,
    #[error("that is not the passphrase")]
    WrongPassphrase,
    #[error("a passphrase has {least} to {most} bytes")]
    PassphraseLength { least: usize, most: usize },
    #[error("the key file {path} is not one of ours: restore it from a backup")]
    Malformed { path: PathBuf },
    #[error("the key cannot be derived: there is not enough memory, or its parameters are wrong")]
    Derivation,
}

impl KeyFileError {
    /// The same with names of files instead of their paths, for a reply.
    #[must_use]
    pub fn without_directories(&self) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::Read { path, .. }
            | Self::Make { path, .. }
            | Self::Randomness { path, .. }
            | Self::NotRegular { path }
            | Self::Owner { path, .. }
            | Self::Mode { path, .. }
            | Self::Length { path, .. }
            | Self::Missing { path, .. }
            | Self::AnotherInPlace { path, .. }
            | Self::Gone { path }
            | Self::Exchange { path, .. }
            | Self::Malformed { path } => keep_name(path),
            Self::Mixed { path, next: other } | Self::StillNeeded { path, current: other } => {
                keep_name(path);
                keep_name(other);
            }
            Self::CredentialName { .. }
            | Self::NoCredentials
            | Self::AnotherKey { .. }
            | Self::NoNextCredential { .. }
            | Self::CredentialNotMoved { .. }
            | Self::PassphraseUnset
            | Self::PassphraseNeeded
            | Self::PassphraseIsSet
            | Self::WrongPassphrase
            | Self::PassphraseLength { .. }
            | Self::Derivation => {}
        }
        error
    }
}

fn keep_name(path: &mut PathBuf) {
    *path = path.file_name().map(PathBuf::from).unwrap_or_default();
}

/// Reads the key from a file that only we may read. When there is nothing at `path` it is made, unless
/// `wallets` are sealed under one: then it is missing.
///
/// # Errors
/// [`KeyFileError`]; what lies there is left as it is.
pub(super) fn read_or_make(path: &Path, wallets: u64) -> Result<KeyEncryptionKey, KeyFileError> {
    if let Some(key) = read_own(path)? {
        return Ok(key);
    }
    if wallets > 0 {
        return Err(KeyFileError::Missing { path: path.to_owned(), wallets });
    }
    let key = KeyEncryptionKey::generate()
        .map_err(|source| KeyFileError::Randomness { path: path.to_owned(), source })?;
    match new_file::make(path, key.expose().as_slice(), 0o600) {
        // Somebody else was first: theirs counts.
        Ok(_) => read_own(path)?.ok_or_else(|| KeyFileError::Read {
            path: path.to_owned(),
            source: Arc::new(std::io::ErrorKind::NotFound.into()),
        }),
        Err(source) => Err(KeyFileError::Make { path: path.to_owned(), source: Arc::new(source) }),
    }
}

/// Reads a credential from the directory the service manager made.
///
/// Its owner and mode are the service manager's business (systemd uses an access list, or root's
/// ownership on a file system nobody else sees), so only its kind and length are checked.
///
/// # Errors
/// [`KeyFileError`].
pub(super) fn read_credential(
    dir: Option<&Path>,
    name: &str,
) -> Result<KeyEncryptionKey, KeyFileError> {
    if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
        return Err(KeyFileError::CredentialName { name: entitled_core::domain::ids::clip(name) });
    }
    let path = dir.ok_or(KeyFileError::NoCredentials)?.join(name);
    let read = |source| KeyFileError::Read { path: path.clone(), source: Arc::new(source) };
    let file = regular_file::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => KeyFileError::NotRegular { path: path.clone() },
        _ => read(error),
    })?;
    read_key(&path, file)
}

/// `None` when there is nothing at `path`.
pub(super) fn read_own(path: &Path) -> Result<Option<KeyEncryptionKey>, KeyFileError> {
    open_own(path)?.map(|file| read_key(path, file)).transpose()
}

/// Opens a file that must be ours alone; `None` when there is nothing at `path`.
pub(super) fn open_own(path: &Path) -> Result<Option<File>, KeyFileError> {
    let read = |source| KeyFileError::Read { path: path.to_owned(), source: Arc::new(source) };
    let file = match regular_file::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(KeyFileError::NotRegular { path: path.to_owned() });
        }
        Err(error) => return Err(read(error)),
    };
    // The opened file is asked, not the path: nobody can put another in its place in between.
    let found = file.metadata().map_err(read)?;
    let ours = geteuid().as_raw();
    if found.uid() != ours {
        return Err(KeyFileError::Owner { path: path.to_owned(), owner: found.uid(), ours });
    }
    if found.mode() & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode: found.mode() & 0o7777 });
    }
    Ok(Some(file))
}

fn read_key(path: &Path, file: File) -> Result<KeyEncryptionKey, KeyFileError> {
    // One byte more than a key, to notice a longer file without reading all of it.
    let mut bytes = Zeroizing::new([0_u8; KEY_LENGTH + 1]);
    let mut filled = 0;
    let mut source = file.take(KEY_LENGTH as u64 + 1);
    while let Some(rest) = bytes.get_mut(filled..).filter(|it| !it.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(KeyFileError::Read { path: path.to_owned(), source: Arc::new(error) });
            }
        }
    }
    let found = || match filled > KEY_LENGTH {
        true => format!("more than {KEY_LENGTH}"),
        false => filled.to_string(),
    };
    bytes
        .get(..filled)
        .and_then(KeyEncryptionKey::from_bytes)
        .ok_or_else(|| KeyFileError::Length { path: path.to_owned(), found: found() })
}

#[cfg(test)]
mod tests;
