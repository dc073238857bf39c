//! A person's wallet: a key outside the daemon that signs what the person agrees to.

use alloy_primitives::{Address, B256, Signature, hex};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;

pub struct Wallet(PrivateKeySigner);

impl Wallet {
    /// The same key for the same number, so that a failure can be repeated.
    pub fn numbered(number: u8) -> Self {
        let mut key = [0x11; 32];
        key[31] = number;
        Self(PrivateKeySigner::from_slice(&key).unwrap())
    }

    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// A signature of a hash as it is: of a transaction.
    pub fn sign_hash(&self, hash: B256) -> Signature {
        self.0.sign_hash_sync(&hash).unwrap()
    }

    /// An EIP-191 signature of a text, as hex.
    pub fn sign(&self, message: &str) -> String {
        hex::encode_prefixed(self.0.sign_message_sync(message.as_bytes()).unwrap().as_bytes())
    }

    /// The same signature with `s` mirrored and `v` turned: it recovers to the same address in naive
    /// code, and EIP-2 forbids it.
    pub fn sign_malleably(&self, message: &str) -> String {
        let signature = self.0.sign_message_sync(message.as_bytes()).unwrap();
        let order = alloy_primitives::uint!(
            0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256
        );
        let mirrored =
            alloy_primitives::Signature::new(signature.r(), order - signature.s(), !signature.v());
        hex::encode_prefixed(mirrored.as_bytes())
    }
}
