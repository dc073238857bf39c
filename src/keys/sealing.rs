//! Sealed records: a private key at rest, bound to its wallet and its customer.
//!
//! A record is made in two layers. A data key, random and used once, seals the private key; the
//! key-encryption key seals the data key. The cipher is ChaCha20-Poly1305 (RFC 8439): it needs no
//! special instructions to be fast and constant in time on small machines.
//!
//! ```text
//! offset  length  what
//!      0       1  version, now 2
//!      1       8  id of the key-encryption key
//!      9      12  nonce of the wrapped data key
//!     21      48  data key under the key-encryption key: 32 and a tag of 16
//!     69      12  nonce of the private key
//!     81      48  private key under the data key: 32 and a tag of 16
//!    129
//! ```
//!
//! The associated data of both layers is: the label `entitled sealed key`, the version, for the data key
//! the id of the key-encryption key, one byte for the layer (1 data key, 2 private key), the address (20
//! bytes) and the customer in its written form. So a record opens in no other wallet's place, for no
//! other customer, and not under another version; and no layer passes for the other.
//!
//! Version 1 had the id in both layers, so that nothing but the private key itself could be brought under
//! another key-encryption key. Such records still open; [`rewrap`] makes them version 2.
//!
//! Nonces are random, 96 bits. A data key seals once, so its nonce cannot repeat; under one
//! key-encryption key 2^32 records keep the chance of a repeat below 2^-32.

use alloy_primitives::Address;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::key_encryption_key::{KEY_ID_LENGTH, KEY_LENGTH, KeyEncryptionKey, KeyId};
use super::private_key::PrivateKey;
use super::random::{self, Exhausted};
use entitled_core::domain::ids::CustomerId;

/// How long a record is, in either version.
pub const RECORD_LENGTH: usize = 129;

const VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;
const BOX_LENGTH: usize = KEY_LENGTH + 16;
const DATA_KEY: u8 = 1;
const PRIVATE_KEY: u8 = 2;

/// A private key could not be sealed; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the key cannot be sealed")]
    Randomness(#[from] Exhausted),
    #[error("the key cannot be sealed: the cipher refused it")]
    Cipher,
}

/// A sealed record did not give its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The record is whole as far as can be seen, but another key-encryption key sealed it.
    #[error("the key was sealed with another key-encryption key than the one in use")]
    WrongKey,
    /// A later program wrote it.
    #[error("the sealed key has version {version}; this program reads versions 1 and 2")]
    Version { version: u8 },
    /// Damaged, cut, or put in another record's place.
    #[error("the sealed key is damaged, or belongs to another wallet or customer")]
    Broken,
}

/// Seals `key` for the wallet at `address` of `customer`. Gives [`RECORD_LENGTH`] bytes, never the same
/// twice.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    kek: &KeyEncryptionKey,
    address: Address,
    customer: CustomerId,
    key: &PrivateKey,
) -> Result<Vec<u8>, SealError> {
    let id = kek.id().ok_or(SealError::Cipher)?;
    let binding = Binding { version: VERSION, id, address, customer };
    let mut data_key = Zeroizing::new([0; KEY_LENGTH]);
    random::fill(data_key.as_mut_slice())?;
    let mut record = begin(kek, &binding, &data_key)?;
    append_box(&mut record, &data_key, &binding.data(PRIVATE_KEY), key.expose())?;
    Ok(record)
}

/// Opens what [`seal`] made for the same wallet and customer.
///
/// # Errors
/// [`OpenError`], telling a wrong key-encryption key from a record that is broken.
pub fn open(
    kek: &KeyEncryptionKey,
    address: Address,
    customer: CustomerId,
    record: &[u8],
) -> Result<PrivateKey, OpenError> {
    let parts = Parts::of(record)?;
    let binding = Binding { version: parts.version, id: parts.id, address, customer };
    let data_key = parts.data_key(kek, &binding)?;
    let plain = open_box(&parts.private_key, &data_key, &binding.data(PRIVATE_KEY))?;
    let key = PrivateKey::from_bytes(plain.as_slice()).map_err(|_| OpenError::Broken)?;
    // A record made by a faulty program must not sign as somebody else.
    if key.address() != Ok(address) {
        return Err(OpenError::Broken);
    }
    Ok(key)
}

/// Brings a record from one key-encryption key under another. Only the data key is opened; the private key
/// stays as it was sealed. A record of version 1 is opened whole and sealed anew.
///
/// # Errors
/// [`OpenError`] when the record does not open, [`SealError`] within [`RewrapError`] when it cannot be made.
pub fn rewrap(
    from: &KeyEncryptionKey,
    to: &KeyEncryptionKey,
    address: Address,
    customer: CustomerId,
    record: &[u8],
) -> Result<Vec<u8>, RewrapError> {
    let parts = Parts::of(record)?;
    if parts.version == FIRST_VERSION {
        let key = open(from, address, customer, record)?;
        return Ok(seal(to, address, customer, &key)?);
    }
    let bound_to = |id| Binding { version: VERSION, id, address, customer };
    let data_key = parts.data_key(from, &bound_to(parts.id))?;
    let mut made = begin(to, &bound_to(to.id().ok_or(SealError::Cipher)?), &data_key)?;
    made.extend_from_slice(&parts.private_key.0);
    made.extend_from_slice(&parts.private_key.1);
    Ok(made)
}

/// Why a record was not brought under another key-encryption key. It is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RewrapError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Which key-encryption key sealed a record, by what the record says; `None` for what is no record of ours.
pub fn sealed_under(record: &[u8]) -> Option<KeyId> {
    Parts::of(record).ok().map(|it| KeyId(it.id))
}

/// The head of a record and its first layer: the data key under `kek`.
fn begin(
    kek: &KeyEncryptionKey,
    binding: &Binding,
    data_key: &[u8; KEY_LENGTH],
) -> Result<Vec<u8>, SealError> {
    let wrapping = kek.wrapping_key().ok_or(SealError::Cipher)?;
    let mut record = Vec::with_capacity(RECORD_LENGTH);
    record.push(binding.version);
    record.extend_from_slice(&binding.id);
    append_box(&mut record, &wrapping, &binding.data(DATA_KEY), data_key)?;
    Ok(record)
}

/// A record taken apart, nothing opened yet.
struct Parts {
    version: u8,
    id: [u8; KEY_ID_LENGTH],
    data_key: SealedBox,
    private_key: SealedBox,
}

impl Parts {
    fn of(record: &[u8]) -> Result<Self, OpenError> {
        let (&version, rest) = record.split_first().ok_or(OpenError::Broken)?;
        if !(FIRST_VERSION..=VERSION).contains(&version) {
            return Err(OpenError::Version { version });
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_LENGTH>().ok_or(OpenError::Broken)?;
        let (data_key, rest) = split_box(rest).ok_or(OpenError::Broken)?;
        let (private_key, rest) = split_box(rest).ok_or(OpenError::Broken)?;
        if !rest.is_empty() {
            return Err(OpenError::Broken);
        }
        Ok(Self { version, id: *id, data_key, private_key })
    }

    fn data_key(
        &self,
        kek: &KeyEncryptionKey,
        binding: &Binding,
    ) -> Result<Zeroizing<[u8; KEY_LENGTH]>, OpenError> {
        if kek.id().ok_or(OpenError::Broken)? != self.id {
            return Err(OpenError::WrongKey);
        }
        let wrapping = kek.wrapping_key().ok_or(OpenError::Broken)?;
        open_box(&self.data_key, &wrapping, &binding.data(DATA_KEY))
    }
}

/// What a record is bound to.
struct Binding {
    version: u8,
    id: [u8; KEY_ID_LENGTH],
    address: Address,
    customer: CustomerId,
}

impl Binding {
    /// Unambiguous, because the version says what there is, and all of it before the customer has a fixed
    /// length.
    fn data(&self, layer: u8) -> Vec<u8> {
        let mut data = b"entitled sealed key".to_vec();
        data.push(self.version);
        if layer == DATA_KEY || self.version == FIRST_VERSION {
            data.extend_from_slice(&self.id);
        }
        data.push(layer);
        data.extend_from_slice(self.address.as_slice());
        data.extend_from_slice(self.customer.to_string().as_bytes());
        data
    }
}

/// A nonce, and what was sealed with it.
type SealedBox = ([u8; NONCE_LEN], [u8; BOX_LENGTH]);

fn split_box(bytes: &[u8]) -> Option<(SealedBox, &[u8])> {
    let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let (sealed, rest) = rest.split_first_chunk::<BOX_LENGTH>()?;
    Some(((*nonce, *sealed), rest))
}

fn append_box(
    record: &mut Vec<u8>,
    key: &[u8; KEY_LENGTH],
    data: &[u8],
    secret: &[u8; KEY_LENGTH],
) -> Result<(), SealError> {
    let mut nonce = [0; NONCE_LEN];
    random::fill(&mut nonce)?;
    let mut bytes = Zeroizing::new(*secret);
    let tag = cipher(key)
        .ok_or(SealError::Cipher)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(data),
            bytes.as_mut_slice(),
        )
        .map_err(|_| SealError::Cipher)?;
    record.extend_from_slice(&nonce);
    record.extend_from_slice(bytes.as_slice());
    record.extend_from_slice(tag.as_ref());
    Ok(())
}

fn open_box(
    (nonce, sealed): &SealedBox,
    key: &[u8; KEY_LENGTH],
    data: &[u8],
) -> Result<Zeroizing<[u8; KEY_LENGTH]>, OpenError> {
    let mut bytes = Zeroizing::new(*sealed);
    let plain = cipher(key)
        .ok_or(OpenError::Broken)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(data), bytes.as_mut_slice())
        .map_err(|_| OpenError::Broken)?;
    let mut secret = Zeroizing::new([0; KEY_LENGTH]);
    if plain.len() != KEY_LENGTH {
        return Err(OpenError::Broken);
    }
    secret.copy_from_slice(plain);
    Ok(secret)
}

fn cipher(key: &[u8; KEY_LENGTH]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests;
