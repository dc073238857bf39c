//! Signatures as wallets write them, and whose they are.

use alloy_primitives::{Address, B256, Signature, U256, eip191_hash_message, hex, uint};

/// The order of the secp256k1 group (SEC 2, 2.4.1).
const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// Half of it: EIP-2 accepts no greater s, so that of the two signatures that say the same only one is valid.
const HALF_ORDER: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// A text that is not a signature of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    #[error("the signature is not hexadecimal: write 0x and 130 digits")]
    NotHex,
    #[error(
        "the signature has 64 bytes: the compact form (EIP-2098) is not accepted; give r, s and v, 65 bytes"
    )]
    Compact,
    #[error("the signature has {bytes} bytes where r, s and v have 65")]
    Length { bytes: usize },
    #[error("the signature's v is {v}: it must be 27 or 28 (0 and 1 are understood too)")]
    RecoveryId { v: u8 },
    #[error("the signature's {which} is zero, or not below the order of the group")]
    Range { which: &'static str },
    #[error(
        "the signature's s is in the upper half: it is the mirror image of another signature (EIP-2)"
    )]
    HighS,
    #[error("the signature belongs to no account")]
    Unrecoverable,
}

/// Reads a signature: `0x` and 65 bytes r ‖ s ‖ v in hexadecimal, v one of 27, 28, 0, 1.
///
/// # Errors
/// [`SignatureFault`]. The mirror image of a valid signature (s in the upper half) is refused: who sees
/// a signature must not be able to make another one of it.
pub fn parse_signature(text: &str) -> Result<Signature, SignatureFault> {
    let digits = text.strip_prefix("0x").ok_or(SignatureFault::NotHex)?;
    // Contract wallets give far longer ones; those are only counted, not decoded.
    if digits.len() != 130 {
        return Err(match (digits.len() % 2, digits.bytes().all(|it| it.is_ascii_hexdigit())) {
            (0, true) if digits.len() == 128 => SignatureFault::Compact,
            (0, true) => SignatureFault::Length { bytes: digits.len() / 2 },
            _ => SignatureFault::NotHex,
        });
    }
    let mut bytes = [0; 65];
    if digits.starts_with("0x") || hex::decode_to_slice(digits, &mut bytes).is_err() {
        return Err(SignatureFault::NotHex);
    }
    let [rest @ .., v] = bytes;
    let odd = match v {
        0 | 27 => false,
        1 | 28 => true,
        v => return Err(SignatureFault::RecoveryId { v }),
    };
    let (r, s) = rest.split_at(32);
    let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
    for (which, scalar) in [("r", r), ("s", s)] {
        if scalar.is_zero() || scalar >= ORDER {
            return Err(SignatureFault::Range { which });
        }
    }
    if s > HALF_ORDER {
        return Err(SignatureFault::HighS);
    }
    Ok(Signature::new(r, s, odd))
}

/// Whether `text` is a signature of `address` with s mirrored: valid to naive code, refused by EIP-2.
pub fn is_mirror_image(hash: B256, text: &str, address: Address) -> bool {
    let Some([rest @ .., v]) = hex::decode(text).ok().and_then(|it| <[u8; 65]>::try_from(it).ok())
    else {
        return false;
    };
    let (r, s) = rest.split_at(32);
    let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
    s > HALF_ORDER
        && s < ORDER
        && recover(hash, &Signature::new(r, ORDER - s, matches!(v, 0 | 27))) == Ok(address)
}

/// Writes a signature as [`parse_signature`] reads it, with v 27 or 28.
pub fn write_signature(signature: &Signature) -> String {
    hex::encode_prefixed(signature.as_bytes())
}

/// The account that signed `hash`.
///
/// # Errors
/// [`SignatureFault::Unrecoverable`]: r is on no point of the curve, so nobody signed anything.
pub fn recover(hash: B256, signature: &Signature) -> Result<Address, SignatureFault> {
    signature.recover_address_from_prehash(&hash).map_err(|_| SignatureFault::Unrecoverable)
}

/// What a wallet signs when asked to sign a text: EIP-191, version 0x45,
/// `keccak256("\x19Ethereum Signed Message:\n" ‖ length in decimal ‖ message)`.
pub fn personal_message_hash(message: &[u8]) -> B256 {
    eip191_hash_message(message)
}

#[cfg(test)]
mod tests;
