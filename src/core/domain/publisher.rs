//! Who publishes a product: the key that signed its file, and which file may follow which.
//!
//! Signatures are minisign's (Ed25519 over BLAKE2b-512, the "prehashed" form): a vendor signs `acme-cad.toml` and ships
//! `acme-cad.toml.minisig` beside it. The file names the key in `[publisher]`.
//!
//! Invariant: once a product was signed, it takes no file that its key did not sign, and none of a lower version, until
//! an administrator says otherwise.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::B256;
use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

use super::ids::Timestamp;

/// No signature is longer, in bytes: two comments and two short lines.
pub const LONGEST_SIGNATURE: usize = 4_096;

/// A minisign public key as vendors print it: 56 characters of base64 that begin with `RW` (42 bytes: `Ed`, the key's
/// number, the Ed25519 key). Every key has one such text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublisherKey(String);

/// A text that is no minisign public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a minisign public key: the 56 characters that begin with `RW`, from the second line of the `.pub` file"
)]
pub struct NoPublisherKey;

impl FromStr for PublisherKey {
    type Err = NoPublisherKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_one =
            text.len() == 56 && text.starts_with("RW") && PublicKey::from_base64(text).is_ok();
        is_one.then(|| Self(text.to_owned())).ok_or(NoPublisherKey)
    }
}

impl TryFrom<String> for PublisherKey {
    type Error = NoPublisherKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublisherKey> for String {
    fn from(key: PublisherKey) -> Self {
        key.0
    }
}

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PublisherKey {
    /// Whether this key made a signature of a text.
    ///
    /// # Errors
    /// [`SignatureFault`]: the signature cannot be read, is another key's, or is not of this text.
    pub fn verify(&self, text: &str, signature: &str) -> Result<(), SignatureFault> {
        if signature.len() > LONGEST_SIGNATURE {
            return Err(SignatureFault::Unreadable);
        }
        let signature = Signature::decode(signature).map_err(|_| SignatureFault::Unreadable)?;
        let key = PublicKey::from_base64(&self.0).map_err(|_| SignatureFault::Unreadable)?;
        key.verify(text.as_bytes(), &signature, false).map_err(|error| match error {
            minisign_verify::Error::UnexpectedKeyId => SignatureFault::OtherKey,
            minisign_verify::Error::UnexpectedAlgorithm => SignatureFault::Legacy,
            _ => SignatureFault::Wrong,
        })
    }
}

/// Why a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    #[error("the signature is not a minisign signature")]
    Unreadable,
    #[error("the signature was made with another key")]
    OtherKey,
    #[error("the signature is not prehashed: sign again with minisign 0.8 or newer")]
    Legacy,
    #[error("the signature does not fit the file: one of the two was changed")]
    Wrong,
}

/// A product file, as far as it matters who published it.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    pub text: &'a str,
    /// What lies beside the file.
    pub signature: Option<&'a str>,
    /// The key that the file names.
    pub names: Option<&'a PublisherKey>,
    pub version: u32,
    /// SHA-256 of the text.
    pub digest: B256,
}

/// What is kept of a product that was signed: whose files it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Whose signature the next file needs.
    pub key: PublisherKey,
    /// The highest version that was taken; 0 where an administrator named the key.
    pub version: u32,
    /// The file that was taken last, and who had signed it: after a rotation not yet `key`.
    pub taken: Option<(B256, PublisherKey)>,
    pub since: Timestamp,
}

/// Why a product file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error(
        "names the publisher `{key}`, and there is no signature beside it (`NAME.toml.minisig`)"
    )]
    Unsigned { key: PublisherKey },
    #[error("has a signature beside it, and names no publisher (`[publisher]`, `key`)")]
    NoPublisher,
    #[error("names the publisher `{key}`, but {fault}")]
    NotByIts { key: PublisherKey, fault: SignatureFault },
    #[error(
        "is not signed by `{key}`, who published this product before; if that is meant to be so, an administrator says so with `entitlectl product trust`"
    )]
    NotByPinned { key: PublisherKey },
    #[error(
        "is version {version}, and version {taken} of `{key}` was taken before; versions do not go back"
    )]
    Older { version: u32, taken: u32, key: PublisherKey },
}

/// Whose file this is, and what is to be kept of it. `None`: it is unsigned, and nobody ever signed this product.
///
/// A file counts as signed by the key that made the signature beside it. It is the one that the file names; or the one
/// pinned before, which by signing a file that names another hands over to that one.
///
/// # Errors
/// [`NotTaken`]: the product keeps the file it has.
pub fn admit(
    pin: Option<&Pin>,
    file: Published<'_>,
    now: Timestamp,
) -> Result<Option<(PublisherKey, Pin)>, NotTaken> {
    let Some(signature) = file.signature else {
        return match (pin, file.names) {
            (Some(pin), _) => Err(NotTaken::NotByPinned { key: pin.key.clone() }),
            (None, Some(key)) => Err(NotTaken::Unsigned { key: key.clone() }),
            (None, None) => Ok(None),
        };
    };
    let names = file.names.ok_or(NotTaken::NoPublisher)?;
    if let Some(pin) = pin
        && let Some((digest, signer)) = &pin.taken
        && *digest == file.digest
        && signer.verify(file.text, signature).is_ok()
    {
        return Ok(Some((signer.clone(), pin.clone())));
    }
    let signer = match pin {
        None => {
            let by_its = names.verify(file.text, signature);
            by_its.map_err(|fault| NotTaken::NotByIts { key: names.clone(), fault })?;
            names
        }
        Some(Pin { key, .. }) => {
            let by_pinned = key.verify(file.text, signature);
            by_pinned.map_err(|_| NotTaken::NotByPinned { key: key.clone() })?;
            key
        }
    };
    if let Some(Pin { key, version: taken, .. }) = pin
        && file.version < *taken
    {
        let (version, taken, key) = (file.version, *taken, key.clone());
        return Err(NotTaken::Older { version, taken, key });
    }
    let since = pin.filter(|it| it.key == *names).map_or(now, |it| it.since);
    let (version, taken) = (file.version, Some((file.digest, signer.clone())));
    Ok(Some((signer.clone(), Pin { key: names.clone(), version, taken, since })))
}

#[cfg(test)]
mod tests;
