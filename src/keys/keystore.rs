//! Web3 Secret Storage, version 3: the file in which wallets hand a key from one to another.
//!
//! Asked by WalletKeeper, for import and export. Never: reads or writes a file, or does work that a hostile
//! file names: costs are bounded before anything is computed.
//!
//! Source: <https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage>. What is
//! read: `aes-128-ctr` under `scrypt` or `pbkdf2` with `hmac-sha256`, and the Keccak code over the ciphertext.

use std::num::NonZeroU32;

use aes::Aes128;
use alloy_primitives::{Address, hex, keccak256};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use ring::pbkdf2;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::private_key::PrivateKey;
use super::random::{self, Exhausted};
use entitled_core::domain::ids;
use entitled_core::domain::secret::Secret;

/// The most memory opening a file may take. The costliest setting in use, geth's, takes exactly this.
const MEMORY_LIMIT: u64 = 256 << 20;
/// The most work scrypt may do, as N·r·p: twice geth's setting.
const SCRYPT_WORK_LIMIT: u64 = 1 << 22;
/// The most rounds of pbkdf2: sixteen times what wallets write.
const ROUNDS_LIMIT: u64 = 1 << 22;
const SALT_LIMIT: usize = 256;
/// Longer is no passphrase, and would be hashed over and over.
const PASSPHRASE_LIMIT: usize = 1_024;

/// What we write: N = 2^17, r = 8, p = 1. It takes 128 MiB and a few tenths of a second once, and as much for
/// each guess. These are the numbers of ethers and half of geth's, so that both open the file within a second;
/// geth's would double the memory the daemon needs for a guessing cost of one bit.
const LOG_N: u8 = 17;
const BLOCK: u32 = 8;
const LANES: u32 = 1;

/// Why a keystore could not be opened or made. Says nothing about the key or the passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    #[error("not a keystore of Web3 Secret Storage: {why}")]
    Form { why: String },
    #[error("only version 3 of Web3 Secret Storage is read")]
    Version,
    #[error("the {what} `{found}` is not one of Web3 Secret Storage")]
    Unsupported { what: &'static str, found: String },
    #[error("{what} would cost too much to open it: at most {limit}")]
    TooCostly { what: &'static str, limit: String },
    #[error("the passphrase does not open the keystore, or the keystore was altered")]
    WrongPassphrase,
    #[error("it names another address than its key's")]
    OtherAddress,
    #[error("what is in it is not a private key")]
    NoKey,
    #[error("a passphrase has 1 to {PASSPHRASE_LIMIT} bytes")]
    Passphrase,
    #[error("the keystore could not be made")]
    Randomness(#[from] Exhausted),
    #[error("the cipher refused it")]
    Cipher,
}

/// A keystore as read: whole, of a kind we know, and affordable. Still sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keystore {
    /// The address it names; some wallets leave it out.
    address: Option<Address>,
    cost: Cost,
    salt: Vec<u8>,
    start: [u8; 16],
    sealed: [u8; 32],
    code: [u8; 32],
}

/// How the passphrase is stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Scrypt { log_n: u8, r: u32, p: u32 },
    Pbkdf2 { rounds: NonZeroU32 },
}

#[derive(Deserialize)]
struct Document {
    version: u64,
    address: Option<String>,
    /// ethers and old geth write it with a capital.
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    salt: String,
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
    c: Option<u64>,
    prf: Option<String>,
}

impl Keystore {
    /// Reads a keystore: the JSON object, or a text that holds it. Computes nothing costly.
    ///
    /// # Errors
    /// What is wrong with it, or too costly.
    pub fn read(value: &Value) -> Result<Self, KeystoreError> {
        let form = |error: serde_json::Error| KeystoreError::Form {
            why: ids::clip_to(&error.to_string(), 200),
        };
        let Document { version, address, crypto } = match value {
            Value::String(text) => serde_json::from_str(text),
            value => Document::deserialize(value),
        }
        .map_err(form)?;
        if version != 3 {
            return Err(KeystoreError::Version);
        }
        if crypto.cipher != "aes-128-ctr" {
            return Err(unsupported("cipher", &crypto.cipher));
        }
        let cost = Cost::read(&crypto.kdf, &crypto.kdfparams)?;
        let salt = hex::decode(&crypto.kdfparams.salt)
            .ok()
            .filter(|it| it.len() <= SALT_LIMIT)
            .ok_or_else(|| malformed("kdfparams.salt"))?;
        let address = address.filter(|it| !it.is_empty()).map(|it| {
            let digits = it.strip_prefix("0x").unwrap_or(&it);
            digits.parse::<Address>().map_err(|_| malformed("address"))
        });
        Ok(Self {
            address: address.transpose()?,
            cost,
            salt,
            start: fixed("cipherparams.iv", &crypto.cipherparams.iv)?,
            sealed: fixed("ciphertext", &crypto.ciphertext)?,
            code: fixed("mac", &crypto.mac)?,
        })
    }

    /// Opens it. Takes seconds and memory, both bounded: not for a thread that others wait for.
    ///
    /// # Errors
    /// A wrong passphrase, or a key that is none or another's.
    pub fn open(&self, passphrase: &Secret) -> Result<PrivateKey, KeystoreError> {
        let stretched = self.cost.stretch(passphrase, &self.salt)?;
        let (cipher_key, code_key) = halves(&stretched);
        if !same(&code(code_key, &self.sealed), &self.code) {
            return Err(KeystoreError::WrongPassphrase);
        }
        let mut plain = Zeroizing::new(self.sealed);
        apply(cipher_key, &self.start, plain.as_mut_slice())?;
        let key = PrivateKey::from_bytes(plain.as_slice()).map_err(|_| KeystoreError::NoKey)?;
        let address = key.address().map_err(|_| KeystoreError::NoKey)?;
        match self.address {
            Some(named) if named != address => Err(KeystoreError::OtherAddress),
            _ => Ok(key),
        }
    }
}

/// Makes the keystore that holds `key` under `passphrase`. As costly as opening it.
///
/// # Errors
/// A passphrase out of bounds, or no randomness.
pub fn write_keystore(key: &PrivateKey, passphrase: &Secret) -> Result<Value, KeystoreError> {
    if passphrase.expose().is_empty() {
        return Err(KeystoreError::Passphrase);
    }
    let address = key.address().map_err(|_| KeystoreError::NoKey)?;
    let (mut salt, mut start, mut id) = ([0; 32], [0; 16], [0; 16]);
    random::fill(&mut salt)?;
    random::fill(&mut start)?;
    random::fill(&mut id)?;
    let cost = Cost::Scrypt { log_n: LOG_N, r: BLOCK, p: LANES };
    let stretched = cost.stretch(passphrase, &salt)?;
    let (cipher_key, code_key) = halves(&stretched);
    let mut sealed = Zeroizing::new(*key.expose());
    apply(cipher_key, &start, sealed.as_mut_slice())?;
    Ok(json!({
        "version": 3,
        "id": uuid(id),
        "address": hex::encode(address),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex::encode(start) },
            "ciphertext": hex::encode(sealed.as_slice()),
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32,
                "n": 1_u32 << LOG_N,
                "r": BLOCK,
                "p": LANES,
                "salt": hex::encode(salt),
            },
            "mac": hex::encode(code(code_key, sealed.as_slice())),
        },
    }))
}

impl Cost {
    fn read(kdf: &str, params: &KdfParams) -> Result<Self, KeystoreError> {
        // More than 32 bytes may be derived, but only the first 32 are used, and they are the same.
        if !(32..=1_024).contains(&params.dklen) {
            return Err(malformed("kdfparams.dklen"));
        }
        match kdf {
            "scrypt" => Self::scrypt(params),
            "pbkdf2" => {
                match params.prf.as_deref() {
                    Some("hmac-sha256") => {}
                    other => return Err(unsupported("prf", other.unwrap_or("(none)"))),
                }
                let rounds = params.c.unwrap_or(0);
                if rounds > ROUNDS_LIMIT {
                    let limit = format!("{ROUNDS_LIMIT} rounds");
                    return Err(KeystoreError::TooCostly { what: "pbkdf2", limit });
                }
                let rounds = u32::try_from(rounds).ok().and_then(NonZeroU32::new);
                Ok(Self::Pbkdf2 { rounds: rounds.ok_or_else(|| malformed("kdfparams.c"))? })
            }
            other => Err(unsupported("kdf", other)),
        }
    }

    fn scrypt(params: &KdfParams) -> Result<Self, KeystoreError> {
        let number = |name: &'static str, value: Option<u64>| {
            value.filter(|it| *it > 0).ok_or_else(|| malformed(name))
        };
        let n = number("kdfparams.n", params.n)?;
        let r = number("kdfparams.r", params.r)?;
        let p = number("kdfparams.p", params.p)?;
        if n < 2 || !n.is_power_of_two() {
            return Err(malformed("kdfparams.n"));
        }
        let memory = n.saturating_mul(r).saturating_mul(128);
        // The lanes and the buffer of a block come on top, as RFC 7914 has it.
        let lanes = r.saturating_mul(p.saturating_add(2)).saturating_mul(128);
        if memory > MEMORY_LIMIT || lanes > MEMORY_LIMIT / 16 {
            let limit = format!("{} MiB", MEMORY_LIMIT >> 20);
            return Err(KeystoreError::TooCostly { what: "the memory of scrypt", limit });
        }
        if n.saturating_mul(r).saturating_mul(p) > SCRYPT_WORK_LIMIT {
            let limit = format!("n·r·p = {SCRYPT_WORK_LIMIT}");
            return Err(KeystoreError::TooCostly { what: "scrypt", limit });
        }
        let small = |value: u64| u32::try_from(value).map_err(|_| malformed("kdfparams"));
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| malformed("kdfparams.n"))?;
        Ok(Self::Scrypt { log_n, r: small(r)?, p: small(p)? })
    }

    /// 32 bytes from a passphrase: 16 for the cipher, 16 for the code.
    fn stretch(
        self,
        passphrase: &Secret,
        salt: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let passphrase = passphrase.expose().as_bytes();
        if passphrase.len() > PASSPHRASE_LIMIT {
            return Err(KeystoreError::Passphrase);
        }
        let mut stretched = Zeroizing::new([0; 32]);
        match self {
            Self::Scrypt { log_n, r, p } => {
                let params =
                    scrypt::Params::new(log_n, r, p).map_err(|_| malformed("kdfparams"))?;
                scrypt::scrypt(passphrase, salt, &params, stretched.as_mut_slice())
                    .map_err(|_| KeystoreError::Cipher)?;
            }
            Self::Pbkdf2 { rounds } => {
                let by = pbkdf2::PBKDF2_HMAC_SHA256;
                pbkdf2::derive(by, rounds, salt, passphrase, stretched.as_mut_slice());
            }
        }
        Ok(stretched)
    }
}

fn halves(stretched: &[u8; 32]) -> (&[u8], &[u8]) {
    stretched.split_at(16)
}

/// AES-128 in counter mode, the same both ways.
fn apply(key: &[u8], start: &[u8; 16], bytes: &mut [u8]) -> Result<(), KeystoreError> {
    let mut cipher =
        Ctr128BE::<Aes128>::new_from_slices(key, start).map_err(|_| KeystoreError::Cipher)?;
    cipher.apply_keystream(bytes);
    Ok(())
}

/// Keccak-256 over the second half of what was stretched, and the ciphertext.
fn code(key: &[u8], sealed: &[u8]) -> [u8; 32] {
    keccak256(Zeroizing::new([key, sealed].concat()).as_slice()).0
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// RFC 9562, version 4, from 16 random bytes.
fn uuid(mut random: [u8; 16]) -> String {
    random[6] = (random[6] & 0x0F) | 0x40;
    random[8] = (random[8] & 0x3F) | 0x80;
    let digits = hex::encode(random);
    let cut = [0..8, 8..12, 12..16, 16..20, 20..32];
    cut.map(|it| digits.get(it).unwrap_or_default().to_owned()).join("-")
}

fn fixed<const N: usize>(what: &str, digits: &str) -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed(what))?;
    Ok(bytes)
}

fn malformed(what: &str) -> KeystoreError {
    KeystoreError::Form { why: format!("`{what}` is missing, malformed or of a wrong length") }
}

fn unsupported(what: &'static str, found: &str) -> KeystoreError {
    KeystoreError::Unsupported { what, found: ids::clip(found) }
}

#[cfg(test)]
mod tests;
