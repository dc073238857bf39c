//! A key-encryption key that is nowhere on the disk: derived from a passphrase.
//!
//! The file beside the ledger holds the parameters of scrypt (RFC 7914), a salt, and the public name of the
//! key, by which a wrong passphrase is told from the right one. Whoever has the file can try passphrases,
//! at the cost that the parameters set; so it is read by its owner only.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::hex;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_encryption_key::{KEY_LENGTH, KeyEncryptionKey, KeyId};
use super::key_file::{self, KeyFileError};
use super::random;
use entitled_core::domain::secret::Secret;

/// Bytes of a passphrase. Shorter ones are guessed; longer ones are not typed.
const LEAST: usize = 8;
const MOST: usize = 1_024;

const SALT_LENGTH: usize = 32;
const FILE_MOST: u64 = 4_096;

/// What one try costs: 64 MiB, and about half a second.
const COST: Cost = Cost { log_n: 16, r: 8, p: 2 };

/// The parameters of scrypt: 128 · 2^`log_n` · `r` bytes of memory, `p` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Cost {
    /// A file that somebody altered must not eat the machine, nor make trying cheap unnoticed.
    fn is_bearable(self) -> bool {
        (10..=17).contains(&self.log_n) && self.r == 8 && (1..=4).contains(&self.p)
    }
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Form {
    version: u8,
    kdf: String,
    #[serde(flatten)]
    cost: Cost,
    salt: String,
    key_id: String,
}

/// The name of the key whose file is at `path`; `None` when there is none.
///
/// # Errors
/// [`KeyFileError`].
pub(super) fn read_id(path: &Path) -> Result<Option<KeyId>, KeyFileError> {
    let Some(form) = read(path)? else { return Ok(None) };
    let malformed = || KeyFileError::Malformed { path: path.to_owned() };
    let id = hex::decode(&form.key_id).ok().and_then(|it| it.try_into().ok());
    id.map(KeyId).map(Some).ok_or_else(malformed)
}

/// The key that `passphrase` opens. Takes as long as the parameters say; not for a thread that serves.
///
/// # Errors
/// [`KeyFileError::WrongPassphrase`], and all that reading may give.
pub(super) fn unlock(path: &Path, passphrase: &Secret) -> Result<KeyEncryptionKey, KeyFileError> {
    let malformed = || KeyFileError::Malformed { path: path.to_owned() };
    let form = read(path)?.ok_or(KeyFileError::PassphraseUnset)?;
    let salt = hex::decode(&form.salt).map_err(|_| malformed())?;
    let key = derive(passphrase, &salt, form.cost)?;
    match key.name().is_some_and(|it| it.to_string() == form.key_id) {
        true => Ok(key),
        false => Err(KeyFileError::WrongPassphrase),
    }
}

/// A new key from a passphrase, and the file to find it again by. Takes its time, like [`unlock`].
///
/// # Errors
/// [`KeyFileError`]; nothing is written.
pub(super) fn set(
    path: &Path,
    passphrase: &Secret,
) -> Result<(KeyEncryptionKey, Vec<u8>), KeyFileError> {
    set_at(path, passphrase, COST)
}

fn set_at(
    path: &Path,
    passphrase: &Secret,
    cost: Cost,
) -> Result<(KeyEncryptionKey, Vec<u8>), KeyFileError> {
    if !(LEAST..=MOST).contains(&passphrase.expose().len()) {
        return Err(KeyFileError::PassphraseLength { least: LEAST, most: MOST });
    }
    let mut salt = [0; SALT_LENGTH];
    random::fill(&mut salt)
        .map_err(|source| KeyFileError::Randomness { path: path.to_owned(), source })?;
    let key = derive(passphrase, &salt, cost)?;
    let form = Form {
        version: 1,
        kdf: "scrypt".to_owned(),
        cost,
        salt: hex::encode(salt),
        key_id: key.name().ok_or(KeyFileError::Derivation)?.to_string(),
    };
    let mut text = serde_json::to_vec(&form).map_err(|_| KeyFileError::Derivation)?;
    text.push(b'\n');
    Ok((key, text))
}

fn derive(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<KeyEncryptionKey, KeyFileError> {
    let parameters =
        scrypt::Params::new(cost.log_n, cost.r, cost.p).map_err(|_| KeyFileError::Derivation)?;
    let mut bytes = Box::new(Zeroizing::new([0; KEY_LENGTH]));
    scrypt::scrypt(passphrase.expose().as_bytes(), salt, &parameters, bytes.as_mut_slice())
        .map_err(|_| KeyFileError::Derivation)?;
    KeyEncryptionKey::from_bytes(bytes.as_slice()).ok_or(KeyFileError::Derivation)
}

fn read(path: &Path) -> Result<Option<Form>, KeyFileError> {
    let Some(file) = key_file::open_own(path)? else { return Ok(None) };
    let mut text = Vec::new();
    file.take(FILE_MOST + 1)
        .read_to_end(&mut text)
        .map_err(|source| KeyFileError::Read { path: path.to_owned(), source: Arc::new(source) })?;
    let form: Option<Form> = serde_json::from_slice(&text).ok();
    let ours = |it: &Form| {
        it.version == 1
            && it.kdf == "scrypt"
            && it.cost.is_bearable()
            && it.salt.len() == 2 * SALT_LENGTH
    };
    form.filter(ours).map(Some).ok_or_else(|| KeyFileError::Malformed { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
