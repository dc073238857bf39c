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
mod tests {
    use super::*;

    fn kek(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn wallet() -> (PrivateKey, Address) {
        let key = PrivateKey::generate().unwrap();
        let address = key.address().unwrap();
        (key, address)
    }

    const OWNER: CustomerId = CustomerId::Uid(1000);

    #[test]
    fn what_was_sealed_opens_to_the_same_key() {
        let (key, address) = wallet();
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        assert_eq!(record.len(), RECORD_LENGTH);
        let opened = open(&kek(1), address, OWNER, &record).unwrap();
        assert_eq!(opened.expose(), key.expose());
    }

    #[test]
    fn a_record_does_not_contain_the_key_and_is_never_the_same_twice() {
        let (key, address) = wallet();
        let one = seal(&kek(1), address, OWNER, &key).unwrap();
        let two = seal(&kek(1), address, OWNER, &key).unwrap();
        assert_ne!(one[9..], two[9..]);
        assert!(!one.windows(8).any(|it| key.expose().windows(8).any(|secret| it == secret)));
    }

    #[test]
    fn any_bit_flipped_anywhere_refuses() {
        let (key, address) = wallet();
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        for bit in 0..record.len() * 8 {
            let mut bent = record.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&kek(1), address, OWNER, &bent).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn any_other_length_refuses() {
        let (key, address) = wallet();
        let mut record = seal(&kek(1), address, OWNER, &key).unwrap();
        for length in 0..record.len() {
            assert!(open(&kek(1), address, OWNER, &record[..length]).is_err(), "{length}");
        }
        record.push(0);
        assert_eq!(open(&kek(1), address, OWNER, &record).unwrap_err(), OpenError::Broken);
    }

    #[test]
    fn a_record_does_not_open_in_anothers_place() {
        let ((key, address), (other_key, other)) = (wallet(), wallet());
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        let other_record = seal(&kek(1), other, OWNER, &other_key).unwrap();
        let broken = OpenError::Broken;
        assert_eq!(open(&kek(1), other, OWNER, &record).unwrap_err(), broken);
        assert_eq!(open(&kek(1), address, OWNER, &other_record).unwrap_err(), broken);
        for customer in [CustomerId::Machine, CustomerId::Uid(100), CustomerId::Numbered(1000)] {
            assert_eq!(open(&kek(1), address, customer, &record).unwrap_err(), broken);
        }
    }

    #[test]
    fn halves_of_two_records_do_not_make_one() {
        let (key, address) = wallet();
        let one = seal(&kek(1), address, OWNER, &key).unwrap();
        let two = seal(&kek(1), address, OWNER, &key).unwrap();
        let mixed = [&one[..69], &two[69..]].concat();
        assert_eq!(open(&kek(1), address, OWNER, &mixed).unwrap_err(), OpenError::Broken);
        let turned = [&one[..9], &one[69..], &one[9..69]].concat();
        assert_eq!(open(&kek(1), address, OWNER, &turned).unwrap_err(), OpenError::Broken);
    }

    #[test]
    fn a_wrong_key_is_told_apart_from_a_broken_record() {
        let (key, address) = wallet();
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        assert_eq!(open(&kek(2), address, OWNER, &record).unwrap_err(), OpenError::WrongKey);
    }

    #[test]
    fn a_record_of_a_later_version_is_named_as_such() {
        let (key, address) = wallet();
        let mut record = seal(&kek(1), address, OWNER, &key).unwrap();
        record[0] = 3;
        let error = open(&kek(1), address, OWNER, &record).unwrap_err();
        assert_eq!(error, OpenError::Version { version: 3 });
    }

    #[test]
    fn a_key_sealed_under_an_address_it_does_not_control_does_not_open() {
        let ((key, _), (_, other)) = (wallet(), wallet());
        let record = seal(&kek(1), other, OWNER, &key).unwrap();
        assert_eq!(open(&kek(1), other, OWNER, &record).unwrap_err(), OpenError::Broken);
    }

    #[test]
    fn a_rewrapped_record_opens_under_the_new_key_only_and_its_private_key_was_not_touched() {
        let (key, address) = wallet();
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        let made = rewrap(&kek(1), &kek(2), address, OWNER, &record).unwrap();
        assert_eq!(open(&kek(2), address, OWNER, &made).unwrap().expose(), key.expose());
        assert_eq!(open(&kek(1), address, OWNER, &made).unwrap_err(), OpenError::WrongKey);
        assert_eq!(made[69..], record[69..]);
        assert_eq!(sealed_under(&made), kek(2).name());
    }

    #[test]
    fn what_does_not_open_is_not_rewrapped() {
        let (key, address) = wallet();
        let record = seal(&kek(1), address, OWNER, &key).unwrap();
        let other = Address::repeat_byte(1);
        let refused = |from, address, record: &[u8]| {
            rewrap(&kek(from), &kek(2), address, OWNER, record).unwrap_err()
        };
        assert_eq!(refused(3, address, &record), RewrapError::Open(OpenError::WrongKey));
        assert_eq!(refused(1, other, &record), RewrapError::Open(OpenError::Broken));
        assert_eq!(refused(1, address, &record[..128]), RewrapError::Open(OpenError::Broken));
    }

    /// A record written by an earlier build must open for ever.
    #[test]
    fn a_record_of_version_one_still_opens() {
        let text = include_str!("../../tests/vectors/sealed_key.json");
        let vector: serde_json::Value = serde_json::from_str(text).unwrap();
        let bytes =
            |name: &str| alloy_primitives::hex::decode(vector[name].as_str().unwrap()).unwrap();
        let kek = KeyEncryptionKey::from_bytes(&bytes("key_encryption_key")).unwrap();
        let address = Address::from_slice(&bytes("address"));
        let customer = vector["customer"].as_str().unwrap().parse().unwrap();
        let key = open(&kek, address, customer, &bytes("record")).unwrap();
        assert_eq!(key.expose().as_slice(), bytes("private_key"));

        let new = KeyEncryptionKey::from_bytes(&[9; 32]).unwrap();
        let made = rewrap(&kek, &new, address, customer, &bytes("record")).unwrap();
        assert_eq!(made[0], VERSION);
        let key = open(&new, address, customer, &made).unwrap();
        assert_eq!(key.expose().as_slice(), bytes("private_key"));
    }
}
