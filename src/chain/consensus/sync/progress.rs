//! How far the light client is, for `chain_status` and for whoever brings it files. Asks nobody.
//!
//! [`SyncStatus`] is a part of the public API, which `rpc` passes on as it is.

use alloy_primitives::B256;
use schemars::JsonSchema;
use serde::Serialize;

use super::descent::Descent;
use super::{ChainSync, foundation};
use crate::chain::consensus::beacon::{BeaconSource, Source};
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::{Cause, Finality};

/// How far a chain's validators are followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SyncStatus {
    /// `no_checkpoint`, `beginning`, `catching_up`, `synced` or `silent`.
    pub state: SyncState,
    /// The name of the specification; `sha256:…` for one that is not built in.
    pub specification: String,
    /// The root of the beacon block it began from.
    #[schemars(with = "Option<String>")]
    pub checkpoint: Option<B256>,
    /// Other checkpoints found to lead to the same committee.
    #[schemars(with = "Vec<String>")]
    pub agreed: Vec<B256>,
    /// Checkpoints of products found to lead to another one: they do not serve their products.
    #[schemars(with = "Vec<String>")]
    pub disagreeing: Vec<B256>,
    /// The sync committee period whose committee is known, the one it began in, and the present one.
    pub period: Option<u64>,
    pub first_period: Option<u64>,
    pub present_period: u64,
    pub present_slot: u64,
    pub finalized_slot: Option<u64>,
    #[schemars(with = "Option<String>")]
    pub finalized_time: Option<Timestamp>,
    pub optimistic_slot: Option<u64>,
    /// How many of the committee signed for the newest block.
    pub participation: Option<u16>,
    /// What to bring where it has nothing to begin from: roots of checkpoints, the best first.
    #[schemars(with = "Vec<String>")]
    pub wants_bootstrap: Vec<B256>,
    /// The period whose update is wanted next.
    pub wants_period: Option<u64>,
    /// Why the last pass did not come further.
    pub trouble: Option<String>,
    /// Two histories that validators signed. The first was kept, and a person has to look at this.
    pub equivocation: Option<String>,
    pub sources: Vec<BeaconSource>,
}

// No comment that documents it: the public document has the words alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    NoCheckpoint,
    Beginning,
    CatchingUp,
    Synced,
    Silent,
}

impl ChainSync {
    /// The rules of the EVM that the chain's specification names for a block of this time, in seconds since 1970.
    pub(in crate::chain) fn evm_fork_at(&self, second: u64) -> Option<EvmFork> {
        let time = Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
        self.specification.evm_fork_at(time)
    }

    pub(in crate::chain) fn status(&self) -> SyncStatus {
        let now = self.now();
        let slot = self.specification.slot_at(now);
        let finalized = self.head(Finality::Finalized).map(drop);
        let state = self.state();
        let offers = self.offers(&state);
        let usable =
            |it: &&_| !foundation::has_rested_too_long(it, &offers, &self.specification, now);
        let client = state.client.as_ref();
        let wanted: Vec<B256> = match client.filter(usable) {
            Some(_) => Vec::new(),
            None => {
                foundation::in_order(&offers, &self.specification, now).map(|it| it.root).collect()
            }
        };
        let reached = match (finalized, client, wanted.is_empty()) {
            (Ok(()), _, _) => SyncState::Synced,
            (Err(Cause::CommitteeSilent), _, _) => SyncState::Silent,
            (Err(Cause::CheckpointTooOld), _, true) => SyncState::NoCheckpoint,
            (Err(_), Some(_), true) => SyncState::CatchingUp,
            (Err(_), _, _) => SyncState::Beginning,
        };
        let start = client.and_then(|it| it.start().slot);
        let newest = client.and_then(|it| it.optimistic());
        SyncStatus {
            state: reached,
            specification: match self.digest {
                None => self.specification.name().to_owned(),
                Some(digest) => format!("sha256:{}", alloy_primitives::hex::encode(digest)),
            },
            checkpoint: client.map(|it| it.start().root),
            agreed: state.descent.iter().flat_map(Descent::agreed).collect(),
            disagreeing: state.disagreeing.iter().copied().collect(),
            period: client.map(|it| it.period()),
            first_period: start.map(|it| self.specification.period_of(it)),
            present_period: self.specification.period_of(slot),
            present_slot: slot,
            finalized_slot: client.and_then(|it| it.finalized()).map(|it| it.slot),
            finalized_time: client.and_then(|it| it.finalized()).map(|it| it.time),
            optimistic_slot: newest.map(|it| it.slot),
            participation: newest.map(|it| it.participation),
            wants_bootstrap: wanted,
            wants_period: client.and_then(|it| it.wants(&self.specification, slot)),
            trouble: state.trouble.clone(),
            equivocation: state.equivocation.clone(),
            sources: self.sources.iter().map(Source::status).collect(),
        }
    }
}
