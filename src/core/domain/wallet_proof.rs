//! Proofs that somebody controls a wallet: what is signed, and who signed it.
//!
//! Owns: signatures as text (EIP-2), the hashes that wallets sign (EIP-191, EIP-712), and the message
//! by which a wallet is linked (EIP-4361). Asked by: WalletKeeper.
//! Never: reads the clock, holds a private key, or says "valid" for what it could not read.

mod grammar;
mod link;
mod payload;
mod sign_in;
mod signature;
mod typed_data;
mod verify;

pub use link::{
    CHALLENGE_LIFETIME, LinkText, answer, challenge, is_machine_name, read as read_link,
};
pub use payload::{Method, NotSigned, Payload, PayloadFault, SignedBy, TEXT_LIMIT, is_signed_by};
pub use sign_in::{DateTime, MESSAGE_LIMIT, MessageFault, SignInMessage};
pub use signature::{
    SignatureFault, is_mirror_image, parse_signature, personal_message_hash, recover,
    write_signature,
};
pub use typed_data::{TYPED_DATA_LIMIT, TypedDataFault, typed_data_hash};
pub use verify::{CLOCK_TOLERANCE_S, Expected, ProofFault, verify};
