//! The key that seals all others.

use std::fmt;

use ring::hkdf;
use zeroize::Zeroizing;

use super::random::{self, Exhausted};

/// A key-encryption key is 32 bytes, neither more nor fewer.
pub const KEY_LENGTH: usize = 32;

/// How many bytes tell one key-encryption key from another.
pub(super) const KEY_ID_LENGTH: usize = 8;

/// The public name of a key-encryption key: 8 bytes, shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; KEY_ID_LENGTH]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloy_primitives::hex::encode(self.0))
    }
}

/// The root of all sealing on this machine: 32 random bytes, wiped when dropped.
///
/// It is never used directly. What it does is done by two values derived from it with HKDF-SHA-256
/// (RFC 5869): the key that wraps data keys, and the public id that names it in a record.
pub struct KeyEncryptionKey {
    /// Boxed, so that moving the value leaves no copy of the secret behind.
    secret: Box<Zeroizing<[u8; KEY_LENGTH]>>,
}

impl KeyEncryptionKey {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, Exhausted> {
        let mut secret = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        random::fill(secret.as_mut_slice())?;
        Ok(Self { secret })
    }

    /// Takes over bytes kept elsewhere; `None` unless there are exactly 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LENGTH {
            return None;
        }
        let mut secret = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        secret.copy_from_slice(bytes);
        Some(Self { secret })
    }

    /// For the one place that writes it to its file.
    pub(super) fn expose(&self) -> &[u8; KEY_LENGTH] {
        &self.secret
    }

    /// Names the key without revealing it: the same for the same key, on any machine.
    pub(super) fn id(&self) -> Option<[u8; KEY_ID_LENGTH]> {
        let mut id = [0; KEY_ID_LENGTH];
        self.derive(b"key id", Size(KEY_ID_LENGTH), &mut id)?;
        Some(id)
    }

    /// The same, to show. `None` as for `derive`.
    pub fn name(&self) -> Option<KeyId> {
        self.id().map(KeyId)
    }

    /// The key that wraps data keys.
    pub(super) fn wrapping_key(&self) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        self.derive(b"data key wrapping", Size(KEY_LENGTH), key.as_mut_slice())?;
        Some(key)
    }

    /// `None` cannot happen for these lengths (RFC 5869 allows 255 × 32 bytes), but is not a panic.
    fn derive(&self, purpose: &[u8], size: Size, into: &mut [u8]) -> Option<()> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"entitled key-encryption key v1");
        let root = salt.extract(self.secret.as_slice());
        root.expand(&[purpose], size).ok()?.fill(into).ok()
    }
}

/// How many bytes HKDF is to give.
struct Size(usize);

impl hkdf::KeyType for Size {
    fn len(&self) -> usize {
        self.0
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(sealed)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_thirty_two_bytes_are_a_key() {
        for length in [0, 16, 31, 33, 64] {
            assert!(KeyEncryptionKey::from_bytes(&vec![7; length]).is_none(), "{length}");
        }
        assert!(KeyEncryptionKey::from_bytes(&[7; 32]).is_some());
    }

    #[test]
    fn debug_prints_nothing_of_the_secret() {
        let key = KeyEncryptionKey::from_bytes(&[0xAB; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "KeyEncryptionKey(sealed)");
        assert_eq!(format!("{key:#?}"), "KeyEncryptionKey(sealed)");
    }

    #[test]
    fn the_id_names_the_key_and_is_not_part_of_what_wraps() {
        let one = KeyEncryptionKey::from_bytes(&[1; 32]).unwrap();
        let two = KeyEncryptionKey::from_bytes(&[2; 32]).unwrap();
        assert_eq!(one.id(), KeyEncryptionKey::from_bytes(&[1; 32]).unwrap().id());
        assert_ne!(one.id(), two.id());
        let wrapping = one.wrapping_key().unwrap();
        assert_ne!(*wrapping, [1; 32]);
        assert_ne!(wrapping.get(..KEY_ID_LENGTH), one.id().as_ref().map(|it| it.as_slice()));
    }
}
