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
mod tests {
    use super::*;

    fn written(r: U256, s: U256, v: u8) -> String {
        let bytes = [&r.to_be_bytes::<32>()[..], &s.to_be_bytes::<32>(), &[v]].concat();
        hex::encode_prefixed(bytes)
    }

    const ONE: U256 = uint!(1_U256);

    #[test]
    fn both_ways_to_write_v_are_read_and_one_is_written() {
        for (v, odd) in [(0, false), (27, false), (1, true), (28, true)] {
            let signature = parse_signature(&written(ONE, HALF_ORDER, v)).unwrap();
            assert_eq!(signature.v(), odd);
            assert_eq!(write_signature(&signature), written(ONE, HALF_ORDER, 27 + u8::from(odd)));
        }
    }

    #[test]
    fn any_other_v_is_refused() {
        for v in (2..27).chain(29..=255) {
            let fault = parse_signature(&written(ONE, ONE, v)).unwrap_err();
            assert_eq!(fault, SignatureFault::RecoveryId { v });
        }
    }

    #[test]
    fn scalars_out_of_range_are_refused() {
        let zero = U256::ZERO;
        for (r, s, which) in
            [(zero, ONE, "r"), (ORDER, ONE, "r"), (U256::MAX, ONE, "r"), (ONE, zero, "s")]
        {
            let fault = parse_signature(&written(r, s, 27)).unwrap_err();
            assert_eq!(fault, SignatureFault::Range { which }, "{r} {s}");
        }
        assert!(parse_signature(&written(ORDER - ONE, ONE, 27)).is_ok());
    }

    #[test]
    fn the_upper_half_of_s_is_refused() {
        assert_eq!(ORDER - HALF_ORDER, HALF_ORDER + ONE);
        for s in [HALF_ORDER + ONE, ORDER - ONE] {
            assert_eq!(parse_signature(&written(ONE, s, 27)), Err(SignatureFault::HighS));
        }
        let beyond = parse_signature(&written(ONE, ORDER, 27));
        assert_eq!(beyond, Err(SignatureFault::Range { which: "s" }));
    }

    #[test]
    fn a_mirror_image_is_known_by_whose_it_is() {
        use alloy_signer::SignerSync;
        let signer = alloy_signer_local::PrivateKeySigner::from_slice(&[7; 32]).unwrap();
        let good = signer.sign_hash_sync(&B256::ZERO).unwrap();
        let mirrored = written(good.r(), ORDER - good.s(), 28 - u8::from(good.v()));
        assert!(is_mirror_image(B256::ZERO, &mirrored, signer.address()));
        assert!(!is_mirror_image(B256::ZERO, &mirrored, Address::ZERO));
        assert!(!is_mirror_image(B256::repeat_byte(1), &mirrored, signer.address()));
        for text in [&write_signature(&good), "", "0x", &mirrored[..130]] {
            assert!(!is_mirror_image(B256::ZERO, text, signer.address()), "{text}");
        }
    }

    #[test]
    fn other_lengths_and_other_texts_are_refused_by_name() {
        let good = written(ONE, ONE, 27);
        assert_eq!(parse_signature(&good[..130]), Err(SignatureFault::Compact));
        for bytes in [0, 1, 63, 66, 1000] {
            let text = format!("0x{}", "11".repeat(bytes));
            assert_eq!(parse_signature(&text), Err(SignatureFault::Length { bytes }));
        }
        let twice = format!("0x0x{}", "1".repeat(128));
        let spaced = format!("{good} ");
        let strange = good.replace('1', "g");
        let wide = format!("0x{}", "é".repeat(65));
        for text in ["", "0", "0x1", &good[2..], &twice, &spaced, &strange, &wide] {
            assert_eq!(parse_signature(text), Err(SignatureFault::NotHex), "{text}");
        }
    }

    #[test]
    fn an_r_that_is_no_point_belongs_to_nobody() {
        // x = 5 is not the x of a point: 5³ + 7 is no square modulo the field's prime.
        let signature = parse_signature(&written(uint!(5_U256), ONE, 27)).unwrap();
        assert_eq!(recover(B256::ZERO, &signature), Err(SignatureFault::Unrecoverable));
    }
}
