use std::collections::BTreeSet;

use super::*;

#[test]
fn nonces_are_long_alphanumeric_and_never_the_same() {
    let nonces: BTreeSet<String> = (0..1_000).map(|_| nonce().unwrap()).collect();
    assert_eq!(nonces.len(), 1_000);
    for nonce in &nonces {
        assert_eq!(nonce.len(), NONCE_LENGTH);
        assert!(nonce.bytes().all(|it| it.is_ascii_alphanumeric()), "{nonce}");
    }
}

#[test]
fn every_letter_and_digit_occurs() {
    let seen: BTreeSet<u8> = (0..400).flat_map(|_| nonce().unwrap().into_bytes()).collect();
    assert_eq!(seen.len(), ALPHABET.len());
}
