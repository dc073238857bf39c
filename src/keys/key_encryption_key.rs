//! The key that seals all others.

use std::fmt;

use ring::hkdf;
use zeroize::Zeroizing;

use super::clean_stack::with_clean_stack;
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
///
/// It must stay in memory while the daemon runs, but it does not lie there: what lies there are two random-looking
/// halves that give the key only together, for the length of one derivation. So a piece of memory that gets out (a
/// freed page, a buffer sent by mistake) is not the key. Who can read all of the memory, and knows this, has it.
pub struct KeyEncryptionKey {
    /// Random.
    mask: Half,
    /// The key, bit by bit turned where the mask has a one.
    masked: Half,
}

/// Boxed, so that moving the value leaves no copy behind, and the halves lie apart.
type Half = Box<Zeroizing<[u8; KEY_LENGTH]>>;

impl KeyEncryptionKey {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, Exhausted> {
        // Two random halves are a random key.
        Ok(Self { mask: random_half()?, masked: random_half()? })
    }

    /// Takes over bytes kept elsewhere; `None` unless there are exactly 32. Without randomness to hide it with
    /// the key is held as it is: that is better than a machine whose wallets are locked.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LENGTH {
            return None;
        }
        let mask = random_half().unwrap_or_default();
        let mut masked = Half::default();
        for (place, (byte, mask)) in masked.iter_mut().zip(bytes.iter().zip(mask.iter())) {
            *place = byte ^ mask;
        }
        Some(Self { mask, masked })
    }

    /// The key itself: for what is derived from it, and for the one place that writes it to its file.
    pub(super) fn expose(&self) -> Zeroizing<[u8; KEY_LENGTH]> {
        let mut secret = Zeroizing::new([0; KEY_LENGTH]);
        for (place, (half, mask)) in secret.iter_mut().zip(self.masked.iter().zip(self.mask.iter()))
        {
            *place = half ^ mask;
        }
        secret
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
        with_clean_stack(|| {
            let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"entitled key-encryption key v1");
            let root = salt.extract(self.expose().as_slice());
            root.expand(&[purpose], size).ok()?.fill(into).ok()
        })
    }
}

fn random_half() -> Result<Half, Exhausted> {
    let mut half = Half::default();
    random::fill(half.as_mut_slice())?;
    Ok(half)
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
mod tests;
