//! Keystores: the definition's own vectors, round trips, and what a hostile file may try.

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/keystores.json")).unwrap()
}

fn passphrase(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// The pbkdf2 vector, with one value replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut keystore = vectors()["keystores"]["pbkdf2"].clone();
    *keystore.pointer_mut(pointer).unwrap() = value;
    keystore
}

/// A scrypt keystore whose costs are these.
fn scrypt_of(n: u64, r: u64, p: u64) -> Value {
    let mut keystore = vectors()["keystores"]["scrypt"].clone();
    for (name, value) in [("n", n), ("r", r), ("p", p)] {
        keystore["crypto"]["kdfparams"][name] = value.into();
    }
    keystore
}

#[test]
fn the_definitions_wallets_open() {
    let vectors = vectors();
    let known = hex::decode(vectors["private_key"].as_str().unwrap()).unwrap();
    for (name, keystore) in vectors["keystores"].as_object().unwrap() {
        let keystore = Keystore::read(keystore).unwrap();
        let key = keystore.open(&passphrase(vectors["passphrase"].as_str().unwrap())).unwrap();
        assert_eq!(key.expose().as_slice(), known, "{name}");
    }
}

#[test]
fn a_keystore_may_come_as_a_text_and_with_capitals() {
    let mut keystore = vectors()["keystores"]["pbkdf2"].clone();
    let as_object = Keystore::read(&keystore).unwrap();
    assert_eq!(Keystore::read(&Value::String(keystore.to_string())).unwrap(), as_object);
    let crypto = keystore["crypto"].take();
    keystore.as_object_mut().unwrap().remove("crypto");
    keystore["Crypto"] = crypto;
    assert_eq!(Keystore::read(&keystore).unwrap(), as_object);
}

#[test]
fn what_is_written_opens_and_is_never_the_same_twice() {
    let key = PrivateKey::generate().unwrap();
    let one = write_keystore(&key, &passphrase("correct horse")).unwrap();
    let two = write_keystore(&key, &passphrase("correct horse")).unwrap();
    for pointer in
        ["/id", "/crypto/ciphertext", "/crypto/kdfparams/salt", "/crypto/cipherparams/iv"]
    {
        assert_ne!(one.pointer(pointer).unwrap(), two.pointer(pointer).unwrap(), "{pointer}");
    }
    assert!(!one.to_string().contains(&hex::encode(key.expose())));
    let read = Keystore::read(&one).unwrap();
    assert_eq!(read.open(&passphrase("correct horse")).unwrap().expose(), key.expose());
    let wrong = read.open(&passphrase("correct horsf")).unwrap_err();
    assert_eq!(wrong, KeystoreError::WrongPassphrase);
}

#[test]
fn the_id_is_a_uuid_of_version_four() {
    assert_eq!(uuid([0xFF; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
}

#[test]
fn whatever_was_altered_does_not_open() {
    let other = |digits: &str| Value::String(format!("{:0>1$}", "1", digits.len()));
    let vectors = vectors();
    for pointer in ["/crypto/ciphertext", "/crypto/mac", "/crypto/kdfparams/salt"] {
        let digits = vectors["keystores"]["pbkdf2"].pointer(pointer).unwrap();
        let altered = Keystore::read(&with(pointer, other(digits.as_str().unwrap()))).unwrap();
        let error = altered.open(&passphrase("testpassword")).unwrap_err();
        assert_eq!(error, KeystoreError::WrongPassphrase, "{pointer}");
    }
}

/// The code does not cover the counter's start; the address does, where it is there.
#[test]
fn an_address_that_is_not_the_keys_is_refused() {
    let mut keystore = vectors()["keystores"]["pbkdf2"].clone();
    keystore["address"] = "008aeeda4d805471df9b2a5b0f38a0c3bcba786b".into();
    assert!(Keystore::read(&keystore).unwrap().open(&passphrase("testpassword")).is_ok());
    keystore["crypto"]["cipherparams"]["iv"] = "6087dab2f9fdbbfaddc31a909735c1e7".into();
    let error = Keystore::read(&keystore).unwrap().open(&passphrase("testpassword")).unwrap_err();
    assert_eq!(error, KeystoreError::OtherAddress);
}

#[test]
fn costs_are_bounded_before_any_work() {
    for (n, r, p) in [(1 << 18, 8, 1), (1 << 17, 8, 1), (1 << 18, 1, 8), (1 << 12, 8, 6), (2, 1, 1)]
    {
        assert!(Keystore::read(&scrypt_of(n, r, p)).is_ok(), "{n} {r} {p}");
    }
    let too_costly = [
        (1 << 19, 8, 1),
        (1 << 63, 1, 1),
        (1 << 63, u64::MAX, u64::MAX),
        (2, u64::MAX, 1),
        (2, 1, u64::MAX),
        (2, 1 << 20, 1 << 20),
        (1 << 18, 8, 3),
        (1 << 10, 8, 1 << 10),
    ];
    for (n, r, p) in too_costly {
        let error = Keystore::read(&scrypt_of(n, r, p)).unwrap_err();
        assert!(matches!(error, KeystoreError::TooCostly { .. }), "{n} {r} {p}: {error}");
    }
    for rounds in [ROUNDS_LIMIT + 1, u64::MAX] {
        let error = Keystore::read(&with("/crypto/kdfparams/c", rounds.into())).unwrap_err();
        assert!(matches!(error, KeystoreError::TooCostly { .. }), "{rounds}: {error}");
    }
}

#[test]
fn malformed_costs_are_refused() {
    for (n, r, p) in
        [(0, 8, 1), (1, 8, 1), (3, 8, 1), (262_143, 8, 1), (1 << 10, 0, 1), (1 << 10, 8, 0)]
    {
        let error = Keystore::read(&scrypt_of(n, r, p)).unwrap_err();
        assert!(matches!(error, KeystoreError::Form { .. }), "{n} {r} {p}: {error}");
    }
}

#[test]
fn what_is_no_keystore_is_refused() {
    for (pointer, value) in [
        ("/version", json!(1)),
        ("/version", json!("3")),
        ("/crypto", json!({})),
        ("/crypto", json!([])),
        ("/crypto/cipher", json!("aes-256-gcm")),
        ("/crypto/cipherparams/iv", json!("60")),
        ("/crypto/ciphertext", json!("")),
        ("/crypto/ciphertext", json!("00".repeat(31))),
        ("/crypto/ciphertext", json!("00".repeat(33))),
        ("/crypto/ciphertext", json!("zz".repeat(32))),
        ("/crypto/mac", json!("00".repeat(31))),
        ("/crypto/kdf", json!("argon2id")),
        ("/crypto/kdf", json!("scrypt")),
        ("/crypto/kdfparams/c", json!(0)),
        ("/crypto/kdfparams/c", json!(-1)),
        ("/crypto/kdfparams/c", json!(1.5)),
        ("/crypto/kdfparams/prf", json!("hmac-sha1")),
        ("/crypto/kdfparams/dklen", json!(16)),
        ("/crypto/kdfparams/dklen", json!(u64::MAX)),
        ("/crypto/kdfparams/salt", json!("0")),
        ("/crypto/kdfparams/salt", json!("00".repeat(SALT_LIMIT + 1))),
    ] {
        assert!(Keystore::read(&with(pointer, value.clone())).is_err(), "{pointer} = {value}");
    }
    for value in [json!(null), json!("{"), json!(""), json!([]), json!(3), json!({"version": 3})] {
        assert!(Keystore::read(&value).is_err(), "{value}");
    }
}

#[test]
fn passphrases_have_bounds() {
    let key = PrivateKey::generate().unwrap();
    for text in [String::new(), "a".repeat(PASSPHRASE_LIMIT + 1)] {
        let error = write_keystore(&key, &passphrase(&text)).unwrap_err();
        assert_eq!(error, KeystoreError::Passphrase, "{} bytes", text.len());
    }
}
