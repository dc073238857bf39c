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
mod tests;
