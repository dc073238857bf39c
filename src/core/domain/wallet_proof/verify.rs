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
mod tests;
