//! What a light client has to know of a chain before it hears anything: a chain's specification, as data.
//!
//! Owns: genesis, lengths of slots and periods, both fork tables, the places of leaves in each fork's trees,
//! the blocks a chain is recognized by, and the checkpoints to begin from. Asked by: the light client, and
//! whoever sets one up. Never: holds a rule of one chain in code; what changes with a fork is in its row.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use alloy_primitives::B256;

use super::merkle::GeneralizedIndex;
use super::{merkle, specification_text};
use crate::domain::evm_fork::EvmFork;
use crate::domain::ids::{ChainId, Timestamp};
use crate::domain::product::document::Flaw;

/// `DOMAIN_SYNC_COMMITTEE` (consensus-specs, `altair/beacon-chain.md`, "Domain types").
const DOMAIN_SYNC_COMMITTEE: [u8; 4] = [7, 0, 0, 0];

/// A chain's specification. Made by [`Specification::named`] or [`Specification::parse`] only.
///
/// Invariant: the first fork begins at epoch 0, each later one after the one before it; slots, epochs and
/// periods have a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specification {
    pub(super) name: String,
    pub(super) chain: ChainId,
    /// Unix time, in seconds.
    pub(super) genesis_time: u64,
    pub(super) genesis_validators_root: B256,
    pub(super) genesis_block: B256,
    pub(super) seconds_per_slot: u64,
    pub(super) slots_per_epoch: u64,
    pub(super) epochs_per_period: u64,
    pub(super) committee_size: usize,
    pub(super) checkpoint_lifetime: Duration,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) blocks: Vec<PinnedBlock>,
    pub(super) first_fork: Fork,
    pub(super) later_forks: Vec<Fork>,
    pub(super) evm_forks: Vec<(u64, EvmFork)>,
}

/// A beacon block that is trusted because somebody trustworthy named it, to begin from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The `hash_tree_root` of the block's header. It decides; the slot is for people and for age.
    pub root: B256,
    pub slot: Option<u64>,
}

/// A block of the execution chain by which an endpoint on another chain is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedBlock {
    pub number: u64,
    pub hash: B256,
}

/// One row of the beacon chain's fork table, and where leaves stand while it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fork {
    pub(super) name: Arc<str>,
    pub(super) epoch: u64,
    pub(super) version: [u8; 4],
    /// `None` before Capella, whose light client headers say nothing of execution.
    pub(super) layout: Option<Layout>,
}

/// Where a fork keeps what the sync protocol proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: HeaderFormat,
    /// In `BeaconState`: `finalized_checkpoint.root`.
    pub(super) finalized_root: GeneralizedIndex,
    /// In `BeaconState`: `current_sync_committee`.
    pub(super) current_committee: GeneralizedIndex,
    /// In `BeaconState`: `next_sync_committee`.
    pub(super) next_committee: GeneralizedIndex,
    /// In `BeaconBlockBody`: the execution payload's root, or in Gloas the hash of the block before it.
    pub(super) execution: GeneralizedIndex,
}

/// What a light client header says of the execution chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFormat {
    /// An execution payload header of 15 fields (consensus-specs, `capella/beacon-chain.md`).
    Capella,
    /// The same with the two fields of blob gas (`deneb/beacon-chain.md`).
    Deneb,
    /// The hash of an execution block and nothing else (`gloas/light-client/sync-protocol.md`).
    BlockHash,
}

/// What is wrong with a specification's text: every mistake, each with line, key and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chain specification has mistakes: {}", listed(.flaws))]
pub struct SpecificationFault {
    pub flaws: Vec<Flaw>,
}

fn listed(flaws: &[Flaw]) -> String {
    flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Specification {
    /// The specification that is built in under `name`: `mainnet`, `sepolia` or `hoodi`.
    pub fn named(name: &str) -> Option<Self> {
        let text = match name {
            "mainnet" => include_str!("specifications/mainnet.toml"),
            "sepolia" => include_str!("specifications/sepolia.toml"),
            "hoodi" => include_str!("specifications/hoodi.toml"),
            _ => return None,
        };
        Self::parse(text).ok()
    }

    /// The specification that is built in for a chain.
    pub fn built_in(chain: ChainId) -> Option<&'static Self> {
        /// Read once: each block may be asked for its rules.
        static KNOWN: LazyLock<Vec<Specification>> = LazyLock::new(|| {
            ["mainnet", "sepolia", "hoodi"].into_iter().filter_map(Specification::named).collect()
        });
        KNOWN.iter().find(|it| it.chain == chain)
    }

    /// Reads a specification, in TOML. The built-in ones are written in the same way.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str) -> Result<Self, SpecificationFault> {
        specification_text::read(text).map_err(|flaws| SpecificationFault { flaws })
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The execution chain (EIP-155).
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// When slot 0 began.
    pub fn genesis_time(&self) -> Timestamp {
        self.time_of(0)
    }

    /// What tells the beacon chain from others in each signature.
    pub fn genesis_validators_root(&self) -> B256 {
        self.genesis_validators_root
    }

    /// The hash of block 0 of the execution chain.
    pub fn genesis_block(&self) -> B256 {
        self.genesis_block
    }

    /// Blocks of the execution chain whose hashes are known, besides block 0.
    pub fn pinned_blocks(&self) -> &[PinnedBlock] {
        &self.blocks
    }

    /// What may be begun from, in the order in which it was written.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// How long a slot lasts, in seconds.
    pub fn seconds_per_slot(&self) -> u64 {
        self.seconds_per_slot
    }

    /// How many slots an epoch has.
    pub fn slots_per_epoch(&self) -> u64 {
        self.slots_per_epoch
    }

    /// How many validators a sync committee has.
    pub fn committee_size(&self) -> usize {
        self.committee_size
    }

    /// The slot in which `time` lies; 0 before genesis.
    pub fn slot_at(&self, time: Timestamp) -> u64 {
        let now = u64::try_from(time.as_second()).unwrap_or(0);
        now.saturating_sub(self.genesis_time) / self.seconds_per_slot
    }

    /// When `slot` begins; the end of all time for a slot beyond it.
    pub fn time_of(&self, slot: u64) -> Timestamp {
        let second = slot.saturating_mul(self.seconds_per_slot).saturating_add(self.genesis_time);
        let second = i64::try_from(second).unwrap_or(i64::MAX);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    }

    /// The epoch in which `slot` lies.
    pub fn epoch_of(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch
    }

    /// The sync committee period of `slot`: which committee signs in it.
    pub fn period_of(&self, slot: u64) -> u64 {
        self.epoch_of(slot) / self.epochs_per_period
    }

    /// Whether a header of `slot` is too old to be begun from at `now_slot`: those who could sign then may
    /// have left since, with nothing to lose by signing another history (weak subjectivity).
    pub fn is_too_old(&self, slot: u64, now_slot: u64) -> bool {
        let age = now_slot.saturating_sub(slot).saturating_mul(self.seconds_per_slot);
        age > self.checkpoint_lifetime.as_secs()
    }

    /// How old a checkpoint may be.
    pub fn checkpoint_lifetime(&self) -> Duration {
        self.checkpoint_lifetime
    }

    /// The EVM's rules for a block of this time; `None` where the table does not reach back to it.
    pub fn evm_fork_at(&self, time: Timestamp) -> Option<EvmFork> {
        let second = u64::try_from(time.as_second()).ok()?;
        self.evm_forks.iter().rev().find(|(from, _)| *from <= second).map(|(_, fork)| *fork)
    }

    pub(super) fn fork_of(&self, slot: u64) -> &Fork {
        let epoch = self.epoch_of(slot);
        let later = self.later_forks.iter().rev().find(|it| it.epoch <= epoch);
        later.unwrap_or(&self.first_fork)
    }

    /// What a sync committee signs at `signature_slot` to attest the header with `root`
    /// (`validate_light_client_update` in `altair/light-client/sync-protocol.md`: the fork is the one in
    /// force in the slot *before* the signature's).
    pub(super) fn signing_root(&self, root: B256, signature_slot: u64) -> B256 {
        let version = self.fork_of(signature_slot.saturating_sub(1)).version;
        let fork_data = merkle::hash_pair(&merkle::short(&version), &self.genesis_validators_root);
        let mut domain = B256::ZERO;
        domain[..4].copy_from_slice(&DOMAIN_SYNC_COMMITTEE);
        domain[4..].copy_from_slice(&fork_data[..28]);
        merkle::hash_pair(&root, &domain)
    }
}

impl Layout {
    /// In `BeaconBlockBody`: the execution block's hash (`EXECUTION_BLOCK_HASH_GINDEX*` in
    /// `gloas/light-client/sync-protocol.md`). `block_hash` is field 12 of a payload header, which fills a
    /// tree of 16 leaves, and of 32 with the blob fields.
    pub(super) fn block_hash(&self) -> Option<GeneralizedIndex> {
        match self.format {
            HeaderFormat::Capella => self.execution.then(GeneralizedIndex::new(16 + 12)?),
            HeaderFormat::Deneb => self.execution.then(GeneralizedIndex::new(32 + 12)?),
            HeaderFormat::BlockHash => Some(self.execution),
        }
    }
}
