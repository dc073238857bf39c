//! The light client's objects as they go over the wire between nodes (SSZ), made into what the beacon API says of them
//! (JSON), for the minimal preset. Shares nothing with the light client, so that a mistake of one is seen by the other.

use alloy_primitives::{B256, U256, hex};
use serde_json::{Value, json};

/// `SYNC_COMMITTEE_SIZE` of the minimal preset.
pub(super) const COMMITTEE: usize = 32;

/// How a fork writes the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fork {
    Capella,
    Deneb,
    Electra,
    Fulu,
    Gloas,
}

impl Fork {
    pub(super) const ALL: [Self; 5] =
        [Self::Capella, Self::Deneb, Self::Electra, Self::Fulu, Self::Gloas];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Capella => "capella",
            Self::Deneb => "deneb",
            Self::Electra => "electra",
            Self::Fulu => "fulu",
            Self::Gloas => "gloas",
        }
    }

    /// Generalized indices: a committee, the next one, the finalized root, execution.
    pub(super) fn indices(self) -> [u64; 4] {
        match self {
            Self::Capella | Self::Deneb => [54, 55, 105, 25],
            Self::Electra | Self::Fulu => [86, 87, 169, 25],
            Self::Gloas => [2945, 2946, 735, 2856],
        }
    }

    fn depth(self, which: usize) -> usize {
        self.indices()[which].ilog2() as usize
    }
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self, count: usize) -> Option<Value> {
        self.take(count).map(|it| json!(hex::encode_prefixed(it)))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<Value> {
        self.u64().map(|it| json!(it.to_string()))
    }

    /// An offset that can only be this one.
    fn offset_of(&mut self, expected: usize) -> Option<()> {
        (self.offset()? == expected).then_some(())
    }

    fn offset(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?) as usize)
    }

    fn branch(&mut self, depth: usize) -> Option<Value> {
        (0..depth).map(|_| self.bytes(32)).collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn committee(&mut self) -> Option<Value> {
        let keys = (0..COMMITTEE).map(|_| self.bytes(48)).collect::<Option<Vec<_>>>()?;
        Some(json!({"pubkeys": keys, "aggregate_pubkey": self.bytes(48)?}))
    }

    fn beacon(&mut self) -> Option<Value> {
        Some(json!({
            "slot": self.number()?,
            "proposer_index": self.number()?,
            "parent_root": self.bytes(32)?,
            "state_root": self.bytes(32)?,
            "body_root": self.bytes(32)?,
        }))
    }

    fn payload(&mut self, fork: Fork) -> Option<Value> {
        let mut payload = json!({
            "parent_hash": self.bytes(32)?,
            "fee_recipient": self.bytes(20)?,
            "state_root": self.bytes(32)?,
            "receipts_root": self.bytes(32)?,
            "logs_bloom": self.bytes(256)?,
            "prev_randao": self.bytes(32)?,
            "block_number": self.number()?,
            "gas_limit": self.number()?,
            "gas_used": self.number()?,
            "timestamp": self.number()?,
        });
        self.offset_of(if fork >= Fork::Deneb { 584 } else { 568 })?;
        payload["base_fee_per_gas"] = json!(U256::from_le_slice(self.take(32)?).to_string());
        for name in ["block_hash", "transactions_root", "withdrawals_root"] {
            payload[name] = self.bytes(32)?;
        }
        if fork >= Fork::Deneb {
            payload["blob_gas_used"] = self.number()?;
            payload["excess_blob_gas"] = self.number()?;
        }
        payload["extra_data"] = json!(hex::encode_prefixed(self.0));
        Some(payload)
    }

    /// A header, which stands at an offset as long as its size may vary.
    fn header(&mut self, fork: Fork, whole: &'a [u8], next: Option<usize>) -> Option<Value> {
        if fork >= Fork::Gloas {
            return Some(json!({
                "beacon": self.beacon()?,
                "execution_block_hash": self.bytes(32)?,
                "execution_branch": self.branch(fork.depth(3))?,
            }));
        }
        let from = self.offset()?;
        let mut header = Reader(whole.get(from..next.unwrap_or(whole.len()))?);
        let beacon = header.beacon()?;
        header.offset_of(112 + 4 + 32 * fork.depth(3))?;
        let branch = header.branch(fork.depth(3))?;
        let execution = header.payload(fork)?;
        Some(json!({"beacon": beacon, "execution": execution, "execution_branch": branch}))
    }
}

/// `LightClientBootstrap`
pub(super) fn bootstrap(fork: Fork, whole: &[u8]) -> Option<Value> {
    let mut it = Reader(whole);
    Some(json!({
        "header": it.header(fork, whole, None)?,
        "current_sync_committee": it.committee()?,
        "current_sync_committee_branch": it.branch(fork.depth(0))?,
    }))
}

/// `LightClientUpdate`
pub(super) fn update(fork: Fork, whole: &[u8]) -> Option<Value> {
    // Where the attested header ends, the finalized one begins.
    let before = 4 + COMMITTEE * 48 + 48 + 32 * fork.depth(1);
    let second = Reader(whole.get(before..)?).offset().filter(|_| fork < Fork::Gloas);
    let mut it = Reader(whole);
    Some(json!({
        "attested_header": it.header(fork, whole, second)?,
        "next_sync_committee": it.committee()?,
        "next_sync_committee_branch": it.branch(fork.depth(1))?,
        "finalized_header": it.header(fork, whole, None)?,
        "finality_branch": it.branch(fork.depth(2))?,
        "sync_aggregate": {
            "sync_committee_bits": it.bytes(COMMITTEE / 8)?,
            "sync_committee_signature": it.bytes(96)?,
        },
        "signature_slot": it.number()?,
    }))
}

/// Where in an update there is what nobody signs: its slot.
pub(super) fn unsigned(fork: Fork, whole: &[u8]) -> std::ops::Range<usize> {
    let end = if fork >= Fork::Gloas {
        whole.len()
    } else {
        Reader(whole).offset().unwrap_or(whole.len())
    };
    end - 8..end
}

/// The roots of a committee's keys wherever `whole` could have one: its place is not known without the whole schema.
pub(super) fn committees(whole: &[u8]) -> impl Iterator<Item = Value> {
    whole.windows(COMMITTEE * 48 + 48).filter_map(|it| {
        // A compressed point says so in its first bit.
        let begins = it.chunks(48).all(|key| key[0] & 0x80 != 0);
        begins.then(|| Reader(it).committee()).flatten()
    })
}

pub(super) fn root(text: &str) -> B256 {
    text.trim_matches('\'').parse().unwrap()
}
