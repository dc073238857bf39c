//! What ChainVerifier does: surveys, questions about one token, and taking up other chains.

mod availability;
mod one_token;
mod receipts;
mod reconfiguration;
pub(super) mod survey;
pub(super) mod turns;

pub(super) use reconfiguration::Place;
