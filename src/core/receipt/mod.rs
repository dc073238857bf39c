//! Receipts: a verdict that carries its proof, for a program that believes neither the daemon nor its machine. Pure.
//!
//! Owns: the format, what goes into a receipt, and [`verify`], which runs everything again: the publisher's signature of
//! the product file, control of the wallet, the light client from one of the product's checkpoints, the proofs of state,
//! the contract itself, and the decision. Asked by: programs that were given a receipt, and the daemon, which hands out
//! none that does not pass. Never: believes what a receipt says of itself. There is no verdict in it; there is what one
//! follows from.
//!
//! `question` is what the contract is asked; a receipt is made by asking it where proofs can be fetched, and judged by asking
//! it over what is in the receipt and nothing else. `docs/receipts.md` says what a receipt does not prove.

pub(crate) mod armour;
pub(crate) mod codec;
pub(crate) mod control;
mod fault;
pub(crate) mod format;
mod question;
pub(crate) mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use armour::{LARGEST, LONGEST_TEXT};
pub use control::{is_statement, text as control_text};
pub use fault::{FormatFault, ReceiptFault};
pub use format::{
    BlockEvidence, Control, Evidence, LINK_SIGNATURE_LIMIT, NONCE_LIMIT, Receipt, SignedProduct,
};
pub use question::{Answer, Link, Question, Unanswered, grant_of};
pub use verify::{Binding, Demands, Verified, Vouched, verify};
