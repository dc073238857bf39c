use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

#[test]
fn a_key_verifies_by_its_own_algorithm_only() {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = pair.public_key().as_ref();
    let jwk = |kty: &str, crv: &str| Jwk {
        kty: kty.to_owned(),
        kid: String::new(),
        crv: crv.to_owned(),
        n: String::new(),
        e: String::new(),
        x: URL_SAFE_NO_PAD.encode(x),
        y: String::new(),
        purpose: None,
    };
    let signature = pair.sign(b"text");
    let key = jwk("OKP", "Ed25519");
    assert!(key.verifies("EdDSA", b"text", signature.as_ref()));
    assert!(!key.verifies("EdDSA", b"another", signature.as_ref()));
    for named in ["none", "HS256", "RS256", "ES256", ""] {
        assert!(!key.verifies(named, b"text", signature.as_ref()), "{named}");
    }
    assert!(!jwk("oct", "").verifies("HS256", b"text", signature.as_ref()));
}

#[test]
fn a_key_is_believed_while_its_issuer_is_away_and_not_for_good() {
    for (age, believed) in [(FRESH, true), (OLDEST / 2, true), (OLDEST, false)] {
        assert_eq!(is_believed(age), believed, "{age:?}");
    }
}
