//! From the words of a mnemonic to the key of one account: BIP-39, then BIP-32 along a path of BIP-44.
//!
//! Asked by WalletKeeper, for import. Never: makes a mnemonic, or keeps a seed longer than a call.
//!
//! English words only, as Ethereum's wallets write them, and no BIP-39 passphrase: a wallet that has one is
//! imported by its private key.

use alloy_primitives::hex;
use alloy_signer::k256::elliptic_curve::PrimeField;
use alloy_signer::k256::{Scalar, SecretKey};
use bip39::{Language, Mnemonic};
use ring::{hmac, pbkdf2};
use zeroize::{Zeroize, Zeroizing};

use super::private_key::PrivateKey;
use entitled_core::domain::secret::Secret;

/// The first account of Ethereum's wallets (BIP-44, with coin type 60 of SLIP-44).
pub const DEFAULT_PATH: &str = "m/44'/60'/0'/0/0";

/// BIP-44 has five steps; nobody has a use for more than twice as many.
const LONGEST_PATH: usize = 10;
/// 24 words of 8 letters and what is between them; longer is no mnemonic.
const LONGEST_TEXT: usize = 512;
/// BIP-39's own number of rounds.
const SEED_ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(2_047);
const HARDENED: u32 = 1 << 31;

/// Why there is no key. Says nothing about the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words")]
    Length,
    #[error("word {number} is not in the English word list of BIP-39")]
    UnknownWord { number: usize },
    #[error("the words do not belong together: one is wrong, or they are in another order")]
    Checksum,
    #[error("a path is written like {DEFAULT_PATH}, with at most {LONGEST_PATH} steps below 2^31")]
    Path,
    /// BIP-32 has one such case in 2^127.
    #[error("there is no key at this path; take the next one")]
    NoKey,
}

/// The key at `path`, [`DEFAULT_PATH`] if there is none.
///
/// # Errors
/// [`MnemonicError`].
pub fn key_of_mnemonic(words: &Secret, path: Option<&str>) -> Result<PrivateKey, MnemonicError> {
    let path = read_path(path.unwrap_or(DEFAULT_PATH))?;
    let seed = seed(words)?;
    let mut node = Node::master(seed.as_slice())?;
    for step in path {
        node = node.child(step)?;
    }
    PrivateKey::from_bytes(node.key.as_slice()).map_err(|_| MnemonicError::NoKey)
}

/// BIP-39: the words are checked, joined by single spaces, and stretched without a passphrase.
fn seed(words: &Secret) -> Result<Zeroizing<[u8; 64]>, MnemonicError> {
    if words.expose().len() > LONGEST_TEXT {
        return Err(MnemonicError::Length);
    }
    // Brings the text to NFKD, as BIP-39 has it.
    let mut mnemonic =
        Mnemonic::parse_in(Language::English, words.expose()).map_err(|error| match error {
            bip39::Error::BadWordCount(_) => MnemonicError::Length,
            bip39::Error::UnknownWord(at) => MnemonicError::UnknownWord { number: at + 1 },
            _ => MnemonicError::Checksum,
        })?;
    let mut sentence = Zeroizing::new(String::with_capacity(LONGEST_TEXT));
    for word in mnemonic.words() {
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(word);
    }
    mnemonic.zeroize();
    let mut seed = Zeroizing::new([0; 64]);
    let by = pbkdf2::PBKDF2_HMAC_SHA512;
    pbkdf2::derive(by, SEED_ROUNDS, b"mnemonic", sentence.as_bytes(), seed.as_mut_slice());
    Ok(seed)
}

/// The steps of a path like `m/44'/60'/0'/0/0`. `'`, `h` and `H` mark a hardened step.
fn read_path(path: &str) -> Result<Vec<u32>, MnemonicError> {
    let mut steps = path.split('/');
    if steps.next() != Some("m") {
        return Err(MnemonicError::Path);
    }
    let read = |step: &str| {
        let number = step.strip_suffix(['\'', 'h', 'H']);
        let digits = number.unwrap_or(step);
        let plain = digits.bytes().all(|it| it.is_ascii_digit());
        let value = digits.parse::<u32>().ok().filter(|it| plain && *it < HARDENED)?;
        Some(if number.is_some() { value | HARDENED } else { value })
    };
    let steps: Vec<u32> =
        steps.take(LONGEST_PATH + 1).map(read).collect::<Option<_>>().ok_or(MnemonicError::Path)?;
    if steps.len() > LONGEST_PATH { Err(MnemonicError::Path) } else { Ok(steps) }
}

/// A private node of the tree of BIP-32.
struct Node {
    key: Zeroizing<[u8; 32]>,
    chain_code: Zeroizing<[u8; 32]>,
}

impl Node {
    fn master(seed: &[u8]) -> Result<Self, MnemonicError> {
        let (key, chain_code) = split_mac(b"Bitcoin seed", seed);
        Scalar::from_repr((*key).into())
            .into_option()
            .filter(|it| *it != Scalar::ZERO)
            .ok_or(MnemonicError::NoKey)?;
        Ok(Self { key, chain_code })
    }

    /// BIP-32's CKDpriv.
    fn child(&self, step: u32) -> Result<Self, MnemonicError> {
        let mut data = Zeroizing::new(Vec::with_capacity(37));
        if step & HARDENED == 0 {
            let key = SecretKey::from_slice(self.key.as_slice());
            let key = key.map_err(|_| MnemonicError::NoKey)?;
            data.extend_from_slice(&key.public_key().to_sec1_bytes());
        } else {
            data.push(0);
            data.extend_from_slice(self.key.as_slice());
        }
        data.extend_from_slice(&step.to_be_bytes());
        let (tweak, chain_code) = split_mac(self.chain_code.as_slice(), &data);
        let read = |bytes: &[u8; 32]| Scalar::from_repr((*bytes).into()).into_option();
        let (Some(mut tweak), Some(mut parent)) = (read(&tweak), read(&self.key)) else {
            return Err(MnemonicError::NoKey);
        };
        let mut sum = tweak + parent;
        let key = Zeroizing::new(sum.to_bytes().into());
        let is_zero = sum == Scalar::ZERO;
        for scalar in [&mut tweak, &mut parent, &mut sum] {
            scalar.zeroize();
        }
        if is_zero { Err(MnemonicError::NoKey) } else { Ok(Self { key, chain_code }) }
    }
}

/// HMAC-SHA-512 in two halves.
fn split_mac(key: &[u8], data: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), data);
    let (mut left, mut right) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    for (at, byte) in mac.as_ref().iter().enumerate() {
        let half = if at < 32 { &mut left } else { &mut right };
        if let Some(place) = half.get_mut(at % 32) {
            *place = *byte;
        }
    }
    (left, right)
}

/// A private key as people pass it on: 64 hexadecimal digits, with or without 0x.
pub fn key_of_digits(digits: &Secret) -> Option<PrivateKey> {
    let digits = digits.expose().trim();
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, bytes.as_mut_slice()).ok()?;
    PrivateKey::from_bytes(bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests;
