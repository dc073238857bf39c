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
