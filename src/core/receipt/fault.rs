//! Why a receipt proves nothing.

use crate::domain::consensus::Objection;
use crate::domain::entitlement::Verdict;
use crate::domain::ids::Timestamp;
use crate::domain::publisher::SignatureFault;
use crate::domain::wallet_proof::ProofFault;
use crate::light_client::Refused;

/// Bytes that are not one receipt, in the one form it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    #[error("it is longer than {most} bytes")]
    TooLong { most: usize },
    #[error("it is not a {kind}: it does not begin and end as one, in lines of 64 characters")]
    Armour { kind: &'static str },
    #[error("its line {line} is not base64, or is written in another way than it should be")]
    Base64 { line: usize },
    #[error("it is of format {found}, which this version does not know")]
    Version { found: u8 },
    #[error("it is damaged: its checksum is wrong")]
    Checksum,
    #[error("it ends too early")]
    CutShort,
    #[error("it goes on after its end")]
    Surplus,
    #[error("its {what} has another form than it should have")]
    Field { what: &'static str },
    #[error("it has more, or longer, {what} than it may have")]
    TooMuch { what: &'static str },
}

/// Why a receipt proves nothing to whoever asks. None of these is a proof of the contrary.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReceiptFault {
    #[error("the receipt cannot be read: {0}")]
    Format(#[from] FormatFault),
    /// The product file is not the publisher's.
    #[error("the product file in the receipt is not the publisher's: {0}")]
    Publisher(#[from] SignatureFault),
    #[error("the product file in the receipt has mistakes, or names no publisher")]
    Product,
    /// Control of the wallet is not shown.
    #[error("the receipt does not show who controls the wallet: {0}")]
    Link(#[from] ProofFault),
    #[error("the receipt shows no link that entitled asks for")]
    NotALink,
    #[error("no contract stands for the wallet's link")]
    LinkRefused,
    #[error("the signature that should tie the receipt to its machine is not by the wallet's key")]
    Signature,
    /// It answers another question.
    #[error("the receipt was not made for this nonce")]
    Nonce,
    #[error("the receipt is of {at}, which has not come: check the clocks")]
    Future { at: Timestamp },
    #[error("the product has no grant for the token in this receipt")]
    Grant,
    /// The block is not what the light client comes to.
    #[error("the block is not proven: {0}")]
    Chain(#[from] Refused),
    #[error("the receipt's checkpoint does not do: {0}")]
    Checkpoint(Objection),
    #[error("the chain's specification is not the one that the product names")]
    Specification,
    #[error("the header is not that of the signed block")]
    Header,
    /// A piece of state that the contract looks at is not in it.
    #[error("the receipt lacks a part of the state that it rests on")]
    StateMissing,
    #[error("the receipt holds state on which nothing rests")]
    StateSurplus,
    #[error("the contract gives no answer")]
    Contract,
    #[error("the wallet does not hold the token at the receipt's block")]
    NotHeld,
    /// Somebody shows what the publisher signed before.
    #[error(
        "the product file in the receipt is version {version}, and {least} is the least that does"
    )]
    OlderFile { version: u32, least: u32 },
    #[error(
        "no validators signed for the receipt's block: it is the word of whoever made the receipt"
    )]
    Unvouched,
    /// Everything is proven, and does not come to a yes (any more).
    #[error("what the receipt proves comes to {}: {}", .verdict.code, .verdict.detail)]
    NotValid { verdict: Box<Verdict> },
}
