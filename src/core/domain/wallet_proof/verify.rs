//! Whether a signed EIP-4361 message proves what it is meant to prove.

use alloy_primitives::Address;
use jiff::SignedDuration;

use super::sign_in::{DateTime, MessageFault, SignInMessage};
use super::signature::{SignatureFault, parse_signature, personal_message_hash, recover};
use crate::domain::ids::{Timestamp, clip};

/// How far, in seconds, the clock of who wrote a message may be ahead of ours.
pub const CLOCK_TOLERANCE_S: i64 = 120;

/// What a message must say to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub domain: &'a str,
    pub address: Address,
    pub nonce: &'a str,
    /// The EIP-155 chain id.
    pub chain: u64,
    pub now: Timestamp,
}

/// Why a message and its signature prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    #[error(transparent)]
    Message(#[from] MessageFault),
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    #[error("the message is not, to the letter, the one that was given to be signed")]
    OtherText,
    #[error("the message was written for `{found}`, not for this machine")]
    Domain { found: String },
    #[error("the message names the account {found}, not {wanted}")]
    Address { found: Address, wanted: Address },
    #[error("the message carries another nonce than the one given")]
    Nonce,
    #[error("the message names chain {found}, not {wanted}")]
    Chain { found: u64, wanted: u64 },
    #[error("the message expired at {at}")]
    Expired { at: Timestamp },
    #[error("the message is not valid before {from}")]
    TooEarly { from: Timestamp },
    #[error("the message was issued in the future, at {at}: check the clocks")]
    IssuedLater { at: Timestamp },
    #[error("the signature is by {signer}, not by {wanted}")]
    Signer { signer: Address, wanted: Address },
}

impl ProofFault {
    /// Whether all is well but the signature, which is not one by the key of the address.
    pub fn is_about_signature(&self) -> bool {
        matches!(self, Self::Signature(_) | Self::Signer { .. })
    }
}

/// Checks a message and its signature against what is expected; gives the message if all holds.
///
/// The start times (`Issued At`, `Not Before`) are given [`CLOCK_TOLERANCE_S`] for clocks that differ.
/// The end (`Expiration Time`) is given none: a message is dead from that very instant.
///
/// # Errors
/// [`ProofFault`], the first that is found. The signature is looked at last.
pub fn verify(
    message: &str,
    signature: &str,
    expected: &Expected<'_>,
) -> Result<SignInMessage, ProofFault> {
    let read: SignInMessage = message.parse()?;
    check_names(&read, expected)?;
    check_times(&read, expected.now)?;
    let signature = parse_signature(signature)?;
    let signer = recover(personal_message_hash(message.as_bytes()), &signature)?;
    if signer != expected.address {
        return Err(ProofFault::Signer { signer, wanted: expected.address });
    }
    Ok(read)
}

fn check_names(read: &SignInMessage, expected: &Expected<'_>) -> Result<(), ProofFault> {
    if read.domain != expected.domain {
        return Err(ProofFault::Domain { found: clip(&read.domain) });
    }
    if read.address != expected.address {
        return Err(ProofFault::Address { found: read.address, wanted: expected.address });
    }
    if read.nonce != expected.nonce {
        return Err(ProofFault::Nonce);
    }
    if read.chain != expected.chain {
        return Err(ProofFault::Chain { found: read.chain, wanted: expected.chain });
    }
    Ok(())
}

fn check_times(read: &SignInMessage, now: Timestamp) -> Result<(), ProofFault> {
    let latest_start =
        now.checked_add(SignedDuration::from_secs(CLOCK_TOLERANCE_S)).unwrap_or(Timestamp::MAX);
    let issued_at = read.issued_at.instant();
    if issued_at > latest_start {
        return Err(ProofFault::IssuedLater { at: issued_at });
    }
    match read.not_before.as_ref().map(DateTime::instant) {
        Some(from) if from > latest_start => return Err(ProofFault::TooEarly { from }),
        _ => {}
    }
    match read.expires_at.as_ref().map(DateTime::instant) {
        Some(at) if now >= at => Err(ProofFault::Expired { at }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
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
        verify(
            &text,
            &signature,
            &Expected { domain: DOMAIN, address, nonce: NONCE, chain: 1, now },
        )
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
        assert_eq!(
            fault,
            ProofFault::Signer { signer: other.address(), wanted: signer().address() }
        );
        let of_other = signer().sign_message_sync(b"something else").unwrap().to_string();
        assert!(verify(&text, &of_other, &expected).is_err());
    }
}
