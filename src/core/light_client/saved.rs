//! A light client between two runs: its state as bytes, and back.
//!
//! Owns: the format. Asked by: whoever keeps the state. Never: touches a file, or repairs what is damaged.
//!
//! One line names the format, its version and the SHA-256 of the rest; the rest is JSON. The checksum finds
//! damage, not malice. The state belongs to the daemon as its checkpoint does: whoever can write either
//! chooses what is believed, and no check in here could tell. What is cheap is checked nevertheless: the
//! chain it belongs to, sizes, order. Keys are kept compressed and validated again before they judge.

use alloy_primitives::{B256, hex};
use ring::digest;
use serde::{Deserialize, Serialize};

use super::client::{LightClient, Start};
use super::committee::Committee;
use super::header::Head;
use super::specification::Specification;
use super::wire::CommitteeKeys;
use crate::domain::ids::clip_to;

const FORMAT: &str = "entitled light client 1";
/// Two committees take 100 KB.
const LONGEST: usize = 1024 * 1024;

/// Why bytes are no light client's state. Begin from a checkpoint instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("not a light client's state in format 1")]
    Format,
    #[error("the light client's state is damaged: its checksum is wrong")]
    Damaged,
    #[error("the light client's state cannot be read: {message}")]
    Text { message: String },
    #[error(
        "the light client's state is of the chain whose genesis has validators {found}, not {expected}"
    )]
    OtherChain { expected: B256, found: B256 },
    #[error("the light client's state contradicts itself or the chain's specification")]
    Inconsistent,
}

#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    genesis_validators_root: B256,
    start: Start,
    period: u64,
    current: std::borrow::Cow<'a, CommitteeKeys>,
    next: Option<std::borrow::Cow<'a, CommitteeKeys>>,
    finalized: Option<Head>,
    optimistic: Option<Head>,
}

impl LightClient {
    /// The state as bytes, for [`LightClient::restore`].
    pub fn save(&self, spec: &Specification) -> Vec<u8> {
        let saved = Saved {
            genesis_validators_root: spec.genesis_validators_root,
            start: self.start,
            period: self.period,
            current: std::borrow::Cow::Borrowed(&self.current.keys),
            next: self.next.as_ref().map(|it| std::borrow::Cow::Borrowed(&it.keys)),
            finalized: self.finalized.clone(),
            optimistic: self.optimistic.clone(),
        };
        // Every part of it is text, numbers and lists of them, which JSON can always hold.
        let text = serde_json::to_string(&saved).unwrap_or_default();
        format!("{FORMAT} {}\n{text}", checksum(&text)).into_bytes()
    }

    /// Makes of bytes what [`LightClient::save`] made bytes of.
    ///
    /// # Errors
    /// When they are anything else, or of another chain.
    pub fn restore(spec: &Specification, bytes: &[u8]) -> Result<Self, RestoreError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RestoreError::Format)?;
        let (first, text) = text.split_once('\n').ok_or(RestoreError::Format)?;
        let sum = first.strip_prefix(FORMAT).and_then(|it| it.strip_prefix(' '));
        let sum = sum.filter(|_| bytes.len() <= LONGEST).ok_or(RestoreError::Format)?;
        if sum != checksum(text) {
            return Err(RestoreError::Damaged);
        }
        let saved: Saved<'_> = serde_json::from_str(text)
            .map_err(|error| RestoreError::Text { message: clip_to(&error.to_string(), 200) })?;
        let (expected, found) = (spec.genesis_validators_root, saved.genesis_validators_root);
        if expected != found {
            return Err(RestoreError::OtherChain { expected, found });
        }
        let committee = |keys: std::borrow::Cow<'_, CommitteeKeys>| {
            let root = keys.root(spec.committee_size).map_err(|_| RestoreError::Inconsistent)?;
            Ok(Committee::new(keys.into_owned(), root))
        };
        let client = Self {
            start: saved.start,
            period: saved.period,
            current: committee(saved.current)?,
            next: saved.next.map(committee).transpose()?,
            finalized: saved.finalized,
            optimistic: saved.optimistic,
        };
        if client.is_consistent(spec) { Ok(client) } else { Err(RestoreError::Inconsistent) }
    }

    fn is_consistent(&self, spec: &Specification) -> bool {
        let finalized = self.finalized.as_ref().map_or(self.start.slot, |it| it.slot);
        let optimistic = self.optimistic.as_ref().map_or(finalized, |it| it.slot);
        self.start.slot <= finalized
            && finalized <= optimistic
            && spec.period_of(finalized) == self.period
            && spec.period_of(optimistic) <= self.period + u64::from(self.next.is_some())
    }
}

fn checksum(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
