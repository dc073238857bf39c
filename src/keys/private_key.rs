//! A wallet's private key, in the clear, for as short as possible.

use std::fmt;

use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use zeroize::Zeroizing;

use super::random::{self, Exhausted};

/// Why a private key could not be made or used. Says nothing about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    #[error("the bytes are not a secp256k1 private key")]
    OutOfRange,
    #[error("the key gave no signature")]
    NoSignature,
    #[error("a private key could not be made")]
    Randomness(#[source] Exhausted),
}

/// A secp256k1 private key, wiped when dropped.
///
/// Invariant: the bytes are a number from 1 to the group order minus 1.
pub struct PrivateKey {
    /// Boxed, so that moving the value leaves no copy of the secret behind.
    scalar: Box<Zeroizing<[u8; 32]>>,
}

impl PrivateKey {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// When there is none.
    pub fn generate() -> Result<Self, PrivateKeyError> {
        let mut scalar = Box::new(Zeroizing::new([0; 32]));
        // A random number is out of range once in 2^128 draws; more than a few draws mean that the
        // numbers are not random.
        for _ in 0..4 {
            random::fill(scalar.as_mut_slice()).map_err(PrivateKeyError::Randomness)?;
            if PrivateKeySigner::from_slice(scalar.as_slice()).is_ok() {
                return Ok(Self { scalar });
            }
        }
        Err(PrivateKeyError::Randomness(Exhausted))
    }

    /// Takes over a key kept elsewhere.
    ///
    /// # Errors
    /// [`PrivateKeyError::OutOfRange`] unless it is 32 bytes and a valid key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        if bytes.len() != 32 || PrivateKeySigner::from_slice(bytes).is_err() {
            return Err(PrivateKeyError::OutOfRange);
        }
        let mut scalar = Box::new(Zeroizing::new([0; 32]));
        scalar.copy_from_slice(bytes);
        Ok(Self { scalar })
    }

    /// The account it controls.
    ///
    /// # Errors
    /// Never, by the invariant.
    pub fn address(&self) -> Result<Address, PrivateKeyError> {
        Ok(self.signer()?.address())
    }

    /// Signs a hash: deterministic (RFC 6979), low s (EIP-2).
    ///
    /// # Errors
    /// [`PrivateKeyError::NoSignature`], which no hash is known to cause.
    pub fn sign(&self, hash: B256) -> Result<Signature, PrivateKeyError> {
        self.signer()?.sign_hash_sync(&hash).map_err(|_| PrivateKeyError::NoSignature)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.scalar
    }

    /// The signer holds a `k256` signing key, which wipes itself when dropped.
    fn signer(&self) -> Result<PrivateKeySigner, PrivateKeyError> {
        PrivateKeySigner::from_slice(self.scalar.as_slice())
            .map_err(|_| PrivateKeyError::OutOfRange)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(sealed)")
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;
    use alloy_signer::k256::ecdsa::SigningKey;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn keys_outside_the_group_are_refused() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order = alloy_primitives::hex::decode(order).unwrap();
        for bytes in [&[0; 32][..], &order, &[0xFF; 32], &[1; 31], &[1; 33], &[]] {
            let error = PrivateKey::from_bytes(bytes).unwrap_err();
            assert_eq!(error, PrivateKeyError::OutOfRange, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn the_key_one_controls_its_well_known_address() {
        let mut one = [0; 32];
        one[31] = 1;
        let key = PrivateKey::from_bytes(&one).unwrap();
        let known = address!("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
        assert_eq!(key.address().unwrap(), known);
    }

    #[test]
    fn generated_keys_differ_and_sign_for_their_address() {
        let (one, two) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        assert_ne!(one.address().unwrap(), two.address().unwrap());
        let hash = B256::repeat_byte(9);
        let signature = one.sign(hash).unwrap();
        assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), one.address().unwrap());
    }

    #[test]
    fn debug_prints_nothing_of_the_secret() {
        let key = PrivateKey::from_bytes(&[0xAB; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(sealed)");
    }

    #[test]
    fn the_signing_key_wipes_itself() {
        fn wipes<T: ZeroizeOnDrop>() {}
        wipes::<SigningKey>();
        wipes::<Zeroizing<[u8; 32]>>();
    }
}
