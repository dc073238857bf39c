//! Linking a wallet: the challenge we set, and whether an answer meets it.

use alloy_primitives::Address;
use jiff::SignedDuration;

use super::sign_in::{DateTime, SignInMessage};
use super::verify::{Expected, ProofFault, verify};
use crate::domain::customer::Challenge;
use crate::domain::ids::{Account, ChainId, CustomerId, Timestamp};

/// How long a challenge waits for its signature.
pub const CHALLENGE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// What a signature on a challenge is about.
const LINK_URI: &str = "entitled:link";

/// How what a person agrees to begins; the customer follows.
const FOR_WHOM: &str = "Link this wallet to entitled on this machine, for ";

/// Sets a challenge for `wallet` to be linked to `customer`, in the name of `domain` (this machine).
///
/// The nonce must never have been used and be letters and digits, at least eight. The text says in plain
/// words what a signature does, and for whom, because a person will read it in their wallet.
pub fn challenge(
    domain: &str,
    nonce: String,
    wallet: Account,
    customer: CustomerId,
    now: Timestamp,
) -> Challenge {
    // Whole seconds: easier to read, and the tolerance for clocks hides the rest.
    let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let expires_at = issued_at.checked_add(CHALLENGE_LIFETIME).unwrap_or(Timestamp::MAX);
    let message = SignInMessage {
        scheme: None,
        domain: domain.to_owned(),
        address: wallet.address,
        statement: Some(format!(
            "{FOR_WHOM}{customer}. This is not a transaction and costs nothing."
        )),
        uri: LINK_URI.to_owned(),
        chain: wallet.chain.0,
        nonce: nonce.clone(),
        issued_at: DateTime::from(issued_at),
        expires_at: Some(DateTime::from(expires_at)),
        not_before: None,
        request_id: None,
        resources: None,
    };
    Challenge {
        nonce,
        address: wallet.address,
        chain: wallet.chain.0,
        customer,
        message: message.to_string(),
        expires_at,
    }
}

/// What a text that we set says of the link it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkText {
    pub wallet: Account,
    pub customer: CustomerId,
    pub issued_at: Timestamp,
}

/// Whether a name is one in which machines ask wallets to sign: `entitled-0123456789ab.localhost`. No web site has such a
/// one, so that a wallet warns where one asks in it.
pub fn is_machine_name(name: &str) -> bool {
    let digits = name.strip_prefix("entitled-").and_then(|it| it.strip_suffix(".localhost"));
    digits.is_some_and(|it| {
        it.len() == 12 && it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Reads a text that [`challenge`] set, on whichever machine. `None` for every other text: what somebody signed to be let
/// in elsewhere links no wallet, and neither does what a web site had signed in its own name.
pub fn read(message: &str) -> Option<LinkText> {
    let said: SignInMessage = message.parse().ok()?;
    if !is_machine_name(&said.domain) {
        return None;
    }
    let customer = said.statement.as_deref()?.strip_prefix(FOR_WHOM)?.split('.').next()?;
    let customer: CustomerId = customer.parse().ok()?;
    let wallet = Account { chain: ChainId(said.chain), address: said.address };
    let issued_at = said.issued_at.instant();
    let set = challenge(&said.domain, said.nonce, wallet, customer, issued_at);
    (set.message == message).then_some(LinkText { wallet, customer, issued_at })
}

/// Whether `message` and `signature` answer `challenge`; gives the address they prove control of.
///
/// # Errors
/// [`ProofFault`]. A text that differs from the one set by a single character is another text.
pub fn answer(
    challenge: &Challenge,
    domain: &str,
    message: &str,
    signature: &str,
    now: Timestamp,
) -> Result<Address, ProofFault> {
    if now >= challenge.expires_at {
        return Err(ProofFault::Expired { at: challenge.expires_at });
    }
    if message != challenge.message {
        return Err(ProofFault::OtherText);
    }
    let expected = Expected {
        domain,
        address: challenge.address,
        nonce: &challenge.nonce,
        chain: challenge.chain,
        now,
    };
    verify(message, signature, &expected).map(|it| it.address)
}

#[cfg(test)]
mod tests;
