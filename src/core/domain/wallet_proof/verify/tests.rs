use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use super::*;

const DOMAIN: &str = "entitled-0123456789ab.localhost";
const NONCE: &str = "abcdefgh12345678";

fn signer() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn message() -> SignInMessage {
    SignInMessage {
        scheme: None,
        domain: DOMAIN.into(),
        address: signer().address(),
        statement: Some("Link this wallet.".into()),
        uri: "entitled:link".into(),
        chain: 1,
        nonce: NONCE.into(),
        issued_at: at("2026-11-22T10:00:00Z").into(),
        expires_at: Some(at("2026-11-22T10:10:00Z").into()),
        not_before: None,
        request_id: None,
        resources: None,
    }
}

fn check(message: &SignInMessage, now: &str) -> Result<SignInMessage, ProofFault> {
    let text = message.to_string();
    let signature = signer().sign_message_sync(text.as_bytes()).unwrap().to_string();
    let now = at(now);
    let address = signer().address();
    verify(&text, &signature, &Expected { domain: DOMAIN, address, nonce: NONCE, chain: 1, now })
}

#[test]
fn a_good_proof_gives_the_message() {
    assert_eq!(check(&message(), "2026-11-22T10:05:00Z"), Ok(message()));
}

#[test]
fn a_message_for_something_else_is_refused() {
    let now = "2026-11-22T10:05:00Z";
    let domain = SignInMessage { domain: "evil.example".into(), ..message() };
    assert!(matches!(check(&domain, now), Err(ProofFault::Domain { .. })));
    let address = SignInMessage { address: Address::repeat_byte(1), ..message() };
    assert!(matches!(check(&address, now), Err(ProofFault::Address { .. })));
    let nonce = SignInMessage { nonce: "another12".into(), ..message() };
    assert_eq!(check(&nonce, now), Err(ProofFault::Nonce));
    let chain = SignInMessage { chain: 2, ..message() };
    assert_eq!(check(&chain, now), Err(ProofFault::Chain { found: 2, wanted: 1 }));
}

#[test]
fn a_request_id_and_resources_are_read_and_signed_for() {
    let whole = SignInMessage {
        request_id: Some("order-7".into()),
        resources: Some(vec!["https://licences.example/acme".into()]),
        ..message()
    };
    assert_eq!(check(&whole, "2026-11-22T10:05:00Z"), Ok(whole.clone()));
    let text = whole.to_string();
    let signature = signer().sign_message_sync(text.as_bytes()).unwrap().to_string();
    let expected = Expected {
        domain: DOMAIN,
        address: signer().address(),
        nonce: NONCE,
        chain: 1,
        now: at("2026-11-22T10:05:00Z"),
    };
    for other in [text.replace("order-7", "order-8"), text.replace("/acme", "/other")] {
        let fault = verify(&other, &signature, &expected).unwrap_err();
        assert!(fault.is_about_signature(), "{other}: {fault}");
    }
}

#[test]
fn starts_tolerate_two_minutes_and_not_a_nanosecond_more() {
    assert!(check(&message(), "2026-11-22T09:58:00Z").is_ok());
    let early = check(&message(), "2026-11-22T09:57:59.999999999Z");
    assert!(matches!(early, Err(ProofFault::IssuedLater { .. })), "{early:?}");
    let not_before = Some(at("2026-11-22T10:05:00Z").into());
    let later = SignInMessage { not_before, ..message() };
    assert!(check(&later, "2026-11-22T10:03:00Z").is_ok());
    let early = check(&later, "2026-11-22T10:02:59.999999999Z");
    assert!(matches!(early, Err(ProofFault::TooEarly { .. })), "{early:?}");
}

#[test]
fn the_end_tolerates_nothing() {
    assert!(check(&message(), "2026-11-22T10:09:59.999999999Z").is_ok());
    let late = check(&message(), "2026-11-22T10:10:00Z");
    assert!(matches!(late, Err(ProofFault::Expired { .. })), "{late:?}");
}

#[test]
fn another_signer_or_another_text_is_refused() {
    let text = message().to_string();
    let other = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
    let expected = Expected {
        domain: DOMAIN,
        address: signer().address(),
        nonce: NONCE,
        chain: 1,
        now: at("2026-11-22T10:05:00Z"),
    };
    let by_other = other.sign_message_sync(text.as_bytes()).unwrap().to_string();
    let fault = verify(&text, &by_other, &expected).unwrap_err();
    assert_eq!(fault, ProofFault::Signer { signer: other.address(), wanted: signer().address() });
    let of_other = signer().sign_message_sync(b"something else").unwrap().to_string();
    assert!(verify(&text, &of_other, &expected).is_err());
}
