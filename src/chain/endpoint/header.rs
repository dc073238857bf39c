//! Blocks as one endpoint names them, with their headers or by their hashes alone.
//!
//! Asked by: whoever needs a block. Asks: `endpoint`. Never: passes on a header that does not hash to its name, or reads what
//! nobody needs, of which an answer may have any amount.

use std::borrow::Cow;
use std::fmt;

use alloy_consensus::Header;
use alloy_primitives::{B256, U64};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Endpoint;
use super::error::EndpointError;
use super::fault::Evidence;
use super::peers::Head;
use entitled_core::proof::account_proof::verify_header;
use entitled_core::proof::state::locked;

/// How a block is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::chain) enum BlockName {
    Tag(&'static str),
    Number(u64),
    Hash(B256),
}

impl BlockName {
    pub(super) fn question(self) -> (&'static str, Value) {
        match self {
            Self::Tag(tag) => ("eth_getBlockByNumber", json!([tag, false])),
            Self::Number(it) => ("eth_getBlockByNumber", json!([U64::from(it), false])),
            Self::Hash(hash) => ("eth_getBlockByHash", json!([hash, false])),
        }
    }
}

impl Endpoint {
    /// The header of a block by tag, number or hash. `None`: no such block.
    ///
    /// # Errors
    /// [`EndpointError::Refuted`] when it does not hash to the name it comes with, [`EndpointError::Unreadable`] when that may be
    /// because this version does not know all of its fields.
    pub(in crate::chain) async fn header(
        &self,
        of: BlockName,
    ) -> Result<Option<(B256, Header)>, EndpointError> {
        let (method, params) = of.question();
        let found = self.ask(method, params).await?;
        self.checked(of, found)
    }

    /// As [`Self::header`], when the endpoint need not know the tag.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub(in crate::chain) async fn try_header(
        &self,
        of: BlockName,
    ) -> Result<Option<(B256, Header)>, EndpointError> {
        let (method, params) = of.question();
        let found = self.try_ask(method, params).await?;
        self.checked(of, found)
    }

    pub(super) fn checked(
        &self,
        of: BlockName,
        told: Option<Told>,
    ) -> Result<Option<(B256, Header)>, EndpointError> {
        let Some(told) = told else { return Ok(None) };
        let found = &told.header;
        verify_header(&found.inner, found.hash).map_err(|source| {
            match told.has_unknown_fields() {
                true => self.cannot_read(found.inner.number),
                false => self.refute(source.into()),
            }
        })?;
        self.health().reads_headers();
        let fits = match of {
            BlockName::Tag(_) => true,
            BlockName::Number(number) => found.inner.number == number,
            BlockName::Hash(hash) => found.hash == hash,
        };
        if !fits {
            return Err(EndpointError::Garbled);
        }
        if matches!(of, BlockName::Tag("latest")) {
            let (number, time) = (found.inner.number, found.inner.timestamp);
            self.health().head = Some(Head { number, time, at: Instant::now() });
        }
        locked(&self.identity().head_order).saw(found.hash, &found.inner);
        Ok(Some((found.hash, told.header.inner)))
    }

    /// The hash by which it names a block, for which nothing else is demanded. `None`: no such block.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub(in crate::chain) async fn hash_of(
        &self,
        number: u64,
    ) -> Result<Option<B256>, EndpointError> {
        let (method, params) = BlockName::Number(number).question();
        let named: Option<NamedBlock> = self.ask(method, params).await?;
        named.map(|it| it.hash_of(number)).transpose()
    }

    /// Leaves the endpoint alone for a while for a header that is not known to be false, and says so in the log.
    fn cannot_read(&self, number: u64) -> EndpointError {
        let error = EndpointError::Unreadable { number };
        if let Some(rest) = self.health().unreadable(number, &error, Instant::now()) {
            tracing::warn!(
                chain = %self.identity().chain,
                endpoint = self.shown(),
                refusal = %error,
                left_alone_for_s = rest.as_secs(),
                "an endpoint has a header with fields that this version does not know",
            );
        }
        error
    }

    /// Puts the endpoint into quarantine for an answer that its proof refutes, and says so in the log.
    /// Gives the error back, to be passed on.
    pub(in crate::chain) fn refute(&self, error: EndpointError) -> EndpointError {
        if let EndpointError::Refuted { source } = &error {
            let now = Instant::now();
            let rest = self.health().refuted(&error, now);
            let Evidence { asked, finding, proof, .. } = Evidence::of(source, now);
            tracing::warn!(
                chain = %self.identity().chain,
                endpoint = self.shown(),
                asked,
                evidence = finding,
                cause = proof,
                quarantined_for_s = rest.as_secs(),
                "an endpoint's answer is refuted by its own proof",
            );
        }
        error
    }
}

/// Which block it is, and nothing that would have to be hashed.
#[derive(Debug, Deserialize)]
pub(super) struct NamedBlock {
    number: U64,
    hash: B256,
}

impl NamedBlock {
    /// # Errors
    /// [`EndpointError::Garbled`] when it is the block of another number.
    pub(super) fn hash_of(&self, number: u64) -> Result<B256, EndpointError> {
        (self.number == U64::from(number)).then_some(self.hash).ok_or(EndpointError::Garbled)
    }
}

/// A header, and what came with it.
#[derive(Debug)]
pub(super) struct Told {
    header: alloy_rpc_types_eth::Header,
    text: Box<RawValue>,
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let header = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { header, text })
    }
}

impl Told {
    /// Whether it has a field that no header known here has: then its hash may well be that of a true header.
    fn has_unknown_fields(&self) -> bool {
        serde_json::from_str::<UnknownFields>(self.text.get()).is_ok_and(|it| it.0)
    }
}

/// Fields that headers have, and what nodes tell beside them, which no hash covers: of Ethereum, of Arbitrum, of BNB Smart
/// Chain, and the author that some nodes name.
const KNOWN: [&str; 36] = [
    "baseFeePerGas",
    "beneficiary",
    "blobGasUsed",
    "blockAccessListHash",
    "difficulty",
    "excessBlobGas",
    "extraData",
    "gasLimit",
    "gasUsed",
    "logsBloom",
    "miner",
    "mixHash",
    "nonce",
    "number",
    "ommersHash",
    "parentBeaconBlockRoot",
    "parentHash",
    "receiptsRoot",
    "requestsHash",
    "sha3Uncles",
    "slotNumber",
    "stateRoot",
    "timestamp",
    "transactionsRoot",
    "withdrawalsRoot",
    "author",
    "hash",
    "l1BlockNumber",
    "milliTimestamp",
    "sendCount",
    "sendRoot",
    "size",
    "totalDifficulty",
    "transactions",
    "uncles",
    "withdrawals",
];

struct UnknownFields(bool);

impl<'de> Deserialize<'de> for UnknownFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = UnknownFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<UnknownFields, A::Error> {
        let mut unknown = false;
        while let Some((name, IgnoredAny)) = fields.next_entry::<Cow<'_, str>, _>()? {
            unknown |= !KNOWN.contains(&&*name);
        }
        Ok(UnknownFields(unknown))
    }
}

#[cfg(test)]
mod tests;
