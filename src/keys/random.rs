//! Randomness: the operating system's, through `ring`.

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The operating system gave no randomness. Nothing secret can be made until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct Exhausted;

/// Fills `bytes` from the operating system's generator.
///
/// # Errors
/// [`Exhausted`]; the bytes are then to be thrown away.
pub fn fill(bytes: &mut [u8]) -> Result<(), Exhausted> {
    SystemRandom::new().fill(bytes).map_err(|_| Exhausted)
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// 22 letters and digits carry 22 × log2(62) = 130.9 bits, the first length above 128.
const NONCE_LENGTH: usize = 22;

/// A number never used before, as EIP-4361 wants it: letters and digits only.
///
/// # Errors
/// [`Exhausted`].
pub fn nonce() -> Result<String, Exhausted> {
    // Bytes from 248 up would favour the first eight letters, so they are passed over. Of 64 bytes
    // 62 remain on average; fewer than 22 will not be seen, and is an error rather than a loop.
    let mut bytes = Zeroizing::new([0_u8; 64]);
    fill(bytes.as_mut_slice())?;
    let text: String = bytes
        .iter()
        .filter(|it| **it < 248)
        .filter_map(|it| ALPHABET.get(usize::from(*it) % ALPHABET.len()))
        .take(NONCE_LENGTH)
        .map(|it| char::from(*it))
        .collect();
    if text.len() == NONCE_LENGTH { Ok(text) } else { Err(Exhausted) }
}

#[cfg(test)]
mod tests;
