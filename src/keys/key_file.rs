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
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file_with(dir: &Path, bytes: &[u8], mode: u32) -> PathBuf {
        let path = dir.join("kek");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_file_is_made_once_and_only_for_us() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let first = read_or_make(&path, 0).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.len(), found.mode() & 0o7777), (32, 0o600));
        assert_eq!(read_or_make(&path, 0).unwrap().id(), first.id());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn no_key_is_made_in_the_place_of_one_that_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let error = read_or_make(&dir.path().join("kek"), 2).unwrap_err();
        assert!(matches!(error, KeyFileError::Missing { wallets: 2, .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn many_who_start_at_once_end_with_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| read_or_make(&path, 0).unwrap().id())).collect();
            starts.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|it| it == &ids[0]));
    }

    #[test]
    fn a_file_others_may_touch_is_refused_and_the_remedy_named() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] {
            let dir = tempfile::tempdir().unwrap();
            let path = file_with(dir.path(), &[7; 32], mode);
            let error = read_or_make(&path, 0).unwrap_err();
            assert!(matches!(error, KeyFileError::Mode { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains("chmod 0600"), "{error}");
        }
    }

    #[test]
    fn a_short_or_long_file_is_refused_and_not_overwritten() {
        for length in [0, 1, 31, 33, 4096] {
            let dir = tempfile::tempdir().unwrap();
            let path = file_with(dir.path(), &vec![7; length], 0o600);
            let error = read_or_make(&path, 0).unwrap_err();
            assert!(matches!(error, KeyFileError::Length { .. }), "{length}: {error}");
            assert_eq!(fs::read(&path).unwrap(), vec![7; length]);
        }
    }

    #[test]
    fn a_link_a_directory_and_a_pipe_are_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let real = file_with(dir.path(), &[7; 32], 0o600);
        let path = dir.path().join("other");
        symlink(&real, &path).unwrap();
        assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
        fs::remove_dir(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
    }

    #[test]
    fn no_directory_is_made_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = read_or_make(&dir.path().join("none/kek"), 0).unwrap_err();
        assert!(matches!(error, KeyFileError::Make { .. }), "{error}");
    }

    #[test]
    fn a_credential_is_read_from_its_directory_whatever_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        file_with(dir.path(), &[7; 32], 0o440);
        let key = read_credential(Some(dir.path()), "kek").unwrap();
        assert_eq!(key.id(), KeyEncryptionKey::from_bytes(&[7; 32]).unwrap().id());
    }

    #[test]
    fn a_credential_is_never_made_nor_looked_for_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let missing = read_credential(Some(dir.path()), "kek").unwrap_err();
        assert!(matches!(missing, KeyFileError::Read { .. }), "{missing}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        for name in ["", ".", "..", "../kek", "/etc/passwd", "a\0b"] {
            let error = read_credential(Some(dir.path()), name).unwrap_err();
            assert!(matches!(error, KeyFileError::CredentialName { .. }), "{name}: {error}");
        }
        assert!(matches!(read_credential(None, "kek"), Err(KeyFileError::NoCredentials)));
    }
}
