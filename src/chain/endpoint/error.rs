//! Why an endpoint gave no usable answer, and what kind of "could not find out" that is. Pure.
//!
//! Asked by: `endpoint`, `pool`. Never: repeats a URL, or more of an endpoint's own words than a line.

use std::time::Duration;

use alloy_transport::{RpcError, TransportError, TransportErrorKind};

use serde_json::value::RawValue;

use super::transport::WireError;
use crate::chain::head_order::NotNext;
use entitled_core::domain::ids::clip;
use entitled_core::domain::ownership::Cause;
use entitled_core::proof::account_proof::ProofError;

/// One endpoint's failure to answer one question.
#[derive(Debug, thiserror::Error)]
pub(in crate::chain) enum EndpointError {
    #[error("the endpoint did not answer: {source}")]
    Down { source: WireError },
    #[error("the endpoint wants fewer requests")]
    RateLimited { retry_after: Option<Duration> },
    #[error("the endpoint does not offer this: {message}")]
    Unsupported { message: String },
    #[error("the endpoint has no such state: {message}")]
    Pruned { message: String },
    #[error("the answer would be too large: {message}")]
    TooMuch { message: String },
    #[error("the endpoint refused with {code}: {message}")]
    Refused { code: i64, message: String },
    #[error("the answer does not have the form it should have")]
    Garbled,
    #[error("the endpoint answers batches one way or not at all")]
    NoBatches,
    #[error("{}{message}", ON_ANOTHER_CHAIN)]
    WrongChain { message: String },
    #[error("the endpoint's answer is refuted: {source}")]
    Refuted { source: ProofError },
    #[error(
        "a header this version cannot read: that of block {number} has fields it does not know, perhaps of a newer fork; upgrade"
    )]
    Unreadable { number: u64 },
    #[error("the endpoint is behind block {number}")]
    Behind { number: u64 },
    #[error("the endpoint names another block {number} than was already proven")]
    Disagreement { number: u64 },
    #[error("the endpoint is in quarantine")]
    Quarantined,
    #[error("the endpoint failed a moment ago: {message}")]
    JustFailed { cause: Cause, message: String },
    #[error("our budget for the endpoint is used up")]
    OverBudget,
    #[error("too many of our own questions wait for the endpoint")]
    Busy,
    #[error("the time for this is over")]
    Late,
}

impl From<NotNext> for EndpointError {
    fn from(why: NotNext) -> Self {
        match why {
            NotNext::Behind { number } => Self::Behind { number },
            NotNext::Disagreement { number } => Self::Disagreement { number },
        }
    }
}

impl EndpointError {
    /// What this means to those who asked.
    pub(in crate::chain) fn cause(&self) -> Cause {
        match self {
            Self::Down { .. } | Self::Late | Self::Garbled | Self::Busy => Cause::Unreachable,
            Self::RateLimited { .. } | Self::OverBudget => Cause::RateLimited,
            Self::JustFailed { cause, .. } => *cause,
            Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::TooMuch { .. }
            | Self::NoBatches => Cause::Unsupported,
            Self::Pruned { .. } => Cause::Pruned,
            Self::WrongChain { .. } => Cause::WrongChain,
            Self::Refuted { .. } | Self::Quarantined => Cause::Refuted,
            Self::Unreadable { .. } => Cause::Unreadable,
            Self::Behind { .. } => Cause::Behind,
            Self::Disagreement { .. } => Cause::Disagreement,
        }
    }

    /// Whether the endpoint itself is in trouble, and not only this question unsuited to it.
    pub(in crate::chain) fn is_outage(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::Garbled | Self::RateLimited { .. })
    }

    /// Whether an endpoint that is up gave this.
    pub(in crate::chain) fn is_answer(&self) -> bool {
        self.is_no()
            || matches!(
                self,
                Self::Pruned { .. }
                    | Self::WrongChain { .. }
                    | Self::Refuted { .. }
                    | Self::Unreadable { .. }
                    | Self::Behind { .. }
                    | Self::Disagreement { .. }
            )
    }

    /// Whether the endpoint understood and said no, so that asking in another way may help.
    pub(in crate::chain) fn is_no(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::TooMuch { .. }
                | Self::Unsupported { .. }
                | Self::NoBatches
        )
    }
}

impl From<ProofError> for EndpointError {
    fn from(source: ProofError) -> Self {
        Self::Refuted { source }
    }
}

impl From<TransportError> for EndpointError {
    fn from(error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.data.as_deref().map(RawValue::get).unwrap_or_default();
                match classify(payload.code, &payload.message) {
                    Self::RateLimited { .. } => {
                        Self::RateLimited { retry_after: wait_in(data, &payload.message) }
                    }
                    other => other,
                }
            }
            RpcError::Transport(TransportErrorKind::Custom(source)) => {
                match source.downcast_ref::<WireError>() {
                    Some(WireError::RateLimited { retry_after }) => {
                        Self::RateLimited { retry_after: *retry_after }
                    }
                    Some(WireError::TooLarge) => Self::TooMuch { message: "body".to_owned() },
                    Some(wire) => Self::Down { source: wire.clone() },
                    None => Self::Garbled,
                }
            }
            RpcError::Transport(TransportErrorKind::MissingBatchResponse(_)) => Self::NoBatches,
            _ => Self::Garbled,
        }
    }
}

/// The more telling of two causes, when several endpoints failed for different ones: what points to a
/// wrong or lying endpoint comes before what points to a weak one, and silence comes last.
pub(in crate::chain) fn more_telling(left: Cause, right: Cause) -> Cause {
    if weight(&right) > weight(&left) { right } else { left }
}

fn weight(cause: &Cause) -> u8 {
    match cause {
        Cause::NotConfigured
        | Cause::Contract
        | Cause::Undiscovered
        | Cause::Delegations { .. }
        | Cause::AccountOwner
        | Cause::NotSynced
        | Cause::CheckpointTooOld
        | Cause::CommitteeSilent
        | Cause::NoContract
        | Cause::TrustOutOfReach => 0,
        Cause::Unreachable => 1,
        Cause::RateLimited => 2,
        Cause::Unsupported => 3,
        Cause::Pruned => 4,
        Cause::Behind => 5,
        Cause::Disagreement => 6,
        Cause::Unreadable => 7,
        Cause::Refuted => 8,
        Cause::WrongChain => 9,
    }
}

/// How [`EndpointError::WrongChain`] begins.
pub(in crate::chain) const ON_ANOTHER_CHAIN: &str = "the endpoint is on another chain: ";

/// So many characters of an error are looked at for what it says: an endpoint may send megabytes of them.
const SAID: usize = 4_096;

/// Sorts a JSON-RPC error by its code and words. Nodes agree on neither: the phrases are those seen from
/// geth, reth, erigon, nethermind, besu, anvil, EDR, ethereumjs and the large providers.
fn classify(code: i64, message: &str) -> EndpointError {
    let beginning: String = message.chars().take(SAID).collect();
    let words = beginning.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|it| words.contains(it));
    let message = clip(message);
    if says(&PRUNED) || code == -32001 {
        return EndpointError::Pruned { message };
    }
    if says(&TOO_MUCH) {
        return EndpointError::TooMuch { message };
    }
    if matches!(code, 429 | -32005 | -32029) || says(&RATE) {
        return EndpointError::RateLimited { retry_after: None };
    }
    if matches!(code, -32601 | -32004) || says(&UNSUPPORTED) {
        return EndpointError::Unsupported { message };
    }
    EndpointError::Refused { code, message }
}

/// How long an error of the rate limit asks one to wait: in its data, as Infura has it, or in its words.
fn wait_in(data: &str, message: &str) -> Option<Duration> {
    #[derive(serde::Deserialize)]
    struct Data {
        rate: Rate,
    }
    #[derive(serde::Deserialize)]
    struct Rate {
        backoff_seconds: f64,
    }
    let told = serde_json::from_str::<Data>(data).ok();
    let told = told.and_then(|it| Duration::try_from_secs_f64(it.rate.backoff_seconds).ok());
    told.or_else(|| {
        let words = message.to_ascii_lowercase();
        let (_, after) = ["try again in ", "retry in ", "retry after "]
            .iter()
            .find_map(|phrase| words.split_once(phrase))?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = after.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        match unit.trim_start() {
            it if it.starts_with("ms") || it.starts_with("millis") => {
                Some(Duration::from_millis(number))
            }
            it if it.starts_with('s') => Some(Duration::from_secs(number)),
            it if it.starts_with('m') => Some(Duration::from_secs(number.saturating_mul(60))),
            _ => None,
        }
    })
}

const TOO_MUCH: [&str; 9] = [
    "range",
    "too many results",
    "too many logs",
    "query returned more than",
    "more than 10000",
    "response size",
    "too large",
    "query timeout",
    "blocks distance",
];
const RATE: [&str; 5] =
    ["rate limit", "too many requests", "request limit", "compute units", "throttl"];
const PRUNED: [&str; 12] = [
    "missing trie node",
    "pruned",
    "proof window",
    "historical state",
    "state is not available",
    "state not available",
    "header not found",
    "unknown block",
    "block not found",
    "resource not found",
    "archive",
    "outofrange",
];
const UNSUPPORTED: [&str; 5] = [
    "method not found",
    "not supported",
    "does not exist/is not available",
    "unsupported",
    "not implemented",
];

#[cfg(test)]
mod tests;
