//! What a beacon node's light client API answers: its JSON, read and bounded.
//!
//! Owns: the objects of `/eth/v1/beacon/light_client/*` (ethereum/beacon-APIs, `apis/beacon/light_client/`),
//! with or without their envelope. Asked by: whoever fetches them. Never: decides whether one is true; what
//! is read here is a stranger's claim until [`super::client::LightClient`] has taken it.
//!
//! Sizes that do not depend on the chain are fixed by the types; those that do (keys, bits, branches) are
//! compared with the specification when the claim is examined. `version` is not read: which fork an object
//! belongs to follows from its slots, which are signed, and nothing follows from a word that is not.

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::ids::clip_to;

/// A longer text is refused unread: one object takes about 64 KB.
pub const LONGEST_OBJECT: usize = 512 * 1024;
/// `MAX_REQUEST_LIGHT_CLIENT_UPDATES` (`altair/light-client/p2p-interface.md`).
pub const MOST_UPDATES: usize = 128;
/// For a list of updates.
pub const LONGEST_LIST: usize = 16 * 1024 * 1024;

/// A text that is not the object it should be. Says nothing of the chain, and nothing of who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("not a light client object: {length} bytes long, and at most {most} are read")]
    TooLong { length: usize, most: usize },
    #[error("{found} updates in one list, and at most {most} are read")]
    TooMany { found: usize, most: usize },
    /// The reader's own words, cut, as they may quote the text.
    #[error("not a light client object, at line {line}, column {column}: {message}")]
    Text { line: usize, column: usize, message: String },
}

/// `LightClientBootstrap`: a header, and the committee of its period.
#[derive(Debug, Clone, Deserialize)]
pub struct Bootstrap {
    pub(super) header: Header,
    pub(super) current_sync_committee: CommitteeKeys,
    pub(super) current_sync_committee_branch: Branch,
}

/// `LightClientUpdate`: the committee of the period after the attested header's.
#[derive(Debug, Clone, Deserialize)]
pub struct Update {
    pub(super) attested_header: Header,
    pub(super) next_sync_committee: CommitteeKeys,
    pub(super) next_sync_committee_branch: Branch,
    pub(super) finalized_header: Header,
    pub(super) finality_branch: Branch,
    pub(super) sync_aggregate: Aggregate,
    #[serde(deserialize_with = "quoted")]
    pub(super) signature_slot: u64,
}

/// `LightClientFinalityUpdate`: what the attested header's state holds to be final.
#[derive(Debug, Clone, Deserialize)]
pub struct FinalityUpdate {
    pub(super) attested_header: Header,
    pub(super) finalized_header: Header,
    pub(super) finality_branch: Branch,
    pub(super) sync_aggregate: Aggregate,
    #[serde(deserialize_with = "quoted")]
    pub(super) signature_slot: u64,
}

/// `LightClientOptimisticUpdate`: the head the committee signed, final or not.
#[derive(Debug, Clone, Deserialize)]
pub struct OptimisticUpdate {
    pub(super) attested_header: Header,
    pub(super) sync_aggregate: Aggregate,
    #[serde(deserialize_with = "quoted")]
    pub(super) signature_slot: u64,
}

/// From the leaf's sibling up.
pub(crate) type Branch = Vec<B256>;

/// `SyncCommittee`, its keys compressed as the chain has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub(super) struct CommitteeKeys {
    pub(super) pubkeys: Vec<FixedBytes<48>>,
    pub(super) aggregate_pubkey: FixedBytes<48>,
}

/// `SyncAggregate`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Aggregate {
    /// Member i signed when bit i % 8 of byte i / 8 is set.
    pub(super) sync_committee_bits: Bytes,
    pub(super) sync_committee_signature: FixedBytes<96>,
}

/// `LightClientHeader`, in any of its forms.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "HeaderText")]
pub(super) struct Header {
    pub(super) beacon: BeaconHeader,
    pub(super) execution: Execution,
    pub(super) execution_branch: Branch,
}

/// `BeaconBlockHeader`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct BeaconHeader {
    #[serde(deserialize_with = "quoted")]
    pub(crate) slot: u64,
    #[serde(deserialize_with = "quoted")]
    pub(crate) proposer_index: u64,
    pub(crate) parent_root: B256,
    pub(crate) state_root: B256,
    pub(crate) body_root: B256,
}

/// What a header says of the execution chain.
#[derive(Debug, Clone)]
pub(super) enum Execution {
    /// Before Capella.
    Nothing,
    /// Capella to Fulu.
    Payload(Box<PayloadHeader>),
    /// From Gloas on.
    BlockHash(B256),
}

/// `ExecutionPayloadHeader`; the last two fields are Deneb's.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PayloadHeader {
    pub(super) parent_hash: B256,
    pub(super) fee_recipient: Address,
    pub(super) state_root: B256,
    pub(super) receipts_root: B256,
    pub(super) logs_bloom: FixedBytes<256>,
    pub(super) prev_randao: B256,
    #[serde(deserialize_with = "quoted")]
    pub(super) block_number: u64,
    #[serde(deserialize_with = "quoted")]
    pub(super) gas_limit: u64,
    #[serde(deserialize_with = "quoted")]
    pub(super) gas_used: u64,
    #[serde(deserialize_with = "quoted")]
    pub(super) timestamp: u64,
    #[serde(deserialize_with = "extra_data")]
    pub(super) extra_data: Bytes,
    #[serde(deserialize_with = "quoted")]
    pub(super) base_fee_per_gas: U256,
    pub(super) block_hash: B256,
    pub(super) transactions_root: B256,
    pub(super) withdrawals_root: B256,
    #[serde(default, deserialize_with = "perhaps_quoted")]
    pub(super) blob_gas_used: Option<u64>,
    #[serde(default, deserialize_with = "perhaps_quoted")]
    pub(super) excess_blob_gas: Option<u64>,
}

#[derive(Deserialize)]
struct HeaderText {
    beacon: BeaconHeader,
    #[serde(default)]
    execution: Option<Box<PayloadHeader>>,
    #[serde(default)]
    execution_block_hash: Option<B256>,
    #[serde(default)]
    execution_branch: Branch,
}

impl TryFrom<HeaderText> for Header {
    type Error = &'static str;

    fn try_from(text: HeaderText) -> Result<Self, Self::Error> {
        let execution = match (text.execution, text.execution_block_hash) {
            (None, None) => Execution::Nothing,
            (Some(payload), None) => Execution::Payload(payload),
            (None, Some(hash)) => Execution::BlockHash(hash),
            (Some(_), Some(_)) => {
                return Err("a header has `execution` or `execution_block_hash`, not both");
            }
        };
        Ok(Self { beacon: text.beacon, execution, execution_branch: text.execution_branch })
    }
}

/// The one written form of a number in the beacon API: decimal digits, quoted.
fn quoted<'de, D: Deserializer<'de>, T: Number>(deserializer: D) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    let canonical = text.len() <= 78
        && text.bytes().all(|it| it.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    let number = if canonical { T::from_digits(&text) } else { None };
    number.ok_or_else(|| D::Error::custom("a number must be decimal digits, quoted, and fit"))
}

fn perhaps_quoted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    quoted(deserializer).map(Some)
}

trait Number: Sized {
    fn from_digits(text: &str) -> Option<Self>;
}

impl Number for u64 {
    fn from_digits(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Number for U256 {
    fn from_digits(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from_str_radix(text, 10).ok()).flatten()
    }
}

fn extra_data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let bytes = Bytes::deserialize(deserializer)?;
    if bytes.len() > 32 {
        return Err(D::Error::custom("`extra_data` has at most 32 bytes"));
    }
    Ok(bytes)
}

/// `{"version": …, "data": …}`; the data alone is taken too, as a mirror of files may keep it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

fn object<T: for<'de> Deserialize<'de>>(text: &[u8], most: usize) -> Result<T, Malformed> {
    if text.len() > most {
        return Err(Malformed::TooLong { length: text.len(), most });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(malformed)?;
    match envelope.data {
        Some(data) => serde_json::from_str(data.get()),
        None => serde_json::from_slice(text),
    }
    .map_err(malformed)
}

fn malformed(error: impl std::borrow::Borrow<serde_json::Error>) -> Malformed {
    let error = error.borrow();
    let (line, column) = (error.line(), error.column());
    Malformed::Text { line, column, message: clip_to(&error.to_string(), 200) }
}

impl Bootstrap {
    /// Reads the answer of `light_client/bootstrap/{block_root}`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        object(text, LONGEST_OBJECT)
    }

    /// The slot it claims to be of.
    pub fn slot(&self) -> u64 {
        self.header.beacon.slot
    }
}

impl Update {
    /// Reads one update.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        object(text, LONGEST_OBJECT)
    }

    /// Reads the answer of `light_client/updates`: a list, each in its envelope. One alone is taken too.
    ///
    /// # Errors
    /// When it is anything else, or longer than [`MOST_UPDATES`].
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>, Malformed> {
        if text.len() > LONGEST_LIST {
            return Err(Malformed::TooLong { length: text.len(), most: LONGEST_LIST });
        }
        if text.trim_ascii_start().first() != Some(&b'[') {
            return Self::from_json(text).map(|it| vec![it]);
        }
        let items: Vec<&RawValue> = serde_json::from_slice(text).map_err(malformed)?;
        if items.len() > MOST_UPDATES {
            return Err(Malformed::TooMany { found: items.len(), most: MOST_UPDATES });
        }
        items.into_iter().map(|it| Self::from_json(it.get().as_bytes())).collect()
    }

    /// The slot of the header it claims to be attested; its period is that of the committee that signed, as
    /// a rule, and the update brings the committee of the period after it.
    pub fn attested_slot(&self) -> u64 {
        self.attested_header.beacon.slot
    }
}

impl FinalityUpdate {
    /// Reads the answer of `light_client/finality_update`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        object(text, LONGEST_OBJECT)
    }

    /// The slot of the header that was signed.
    pub fn attested_slot(&self) -> u64 {
        self.attested_header.beacon.slot
    }
}

impl OptimisticUpdate {
    /// Reads the answer of `light_client/optimistic_update`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        object(text, LONGEST_OBJECT)
    }

    /// The slot of the header that was signed.
    pub fn attested_slot(&self) -> u64 {
        self.attested_header.beacon.slot
    }
}
