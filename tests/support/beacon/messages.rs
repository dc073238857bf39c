//! What a beacon node serves light clients (consensus-specs: altair/light-client/full-node.md), in the JSON of the
//! beacon API: `{"version", "data"}`, in the form of the fork at the attested header's slot.

use std::cmp::Reverse;

use alloy_primitives::{B256, hex};
use serde_json::{Value, json};

use super::chain::{BeaconChain, Block};
use super::committee::SIZE;
use super::schedule::{Form, Schedule};
use super::ssz;

/// `DOMAIN_SYNC_COMMITTEE` (altair/beacon-chain.md)
const DOMAIN_SYNC_COMMITTEE: [u8; 4] = [7, 0, 0, 0];

/// A block and its child, which holds the committee's signatures for it.
#[derive(Clone, Copy)]
struct Attested<'a> {
    block: &'a Block,
    child: &'a Block,
    finalized: &'a Block,
}

impl BeaconChain {
    /// `LightClientBootstrap` of a block.
    pub fn bootstrap(&self, root: B256) -> Option<Value> {
        let block = self.block(root)?;
        let indices = self.schedule.fork_at(block.slot()).indices;
        let committee = self.committee(self.schedule.period_of(block.slot()));
        let data = json!({
            "header": header(&self.schedule, block, block.form),
            "current_sync_committee": committee.json(),
            "current_sync_committee_branch": block.state.branch(indices.current_sync_committee),
        });
        Some(json!({"version": block.form.name(), "data": data}))
    }

    /// The best `LightClientUpdate` of a period, by the order of `is_better_update`
    /// (altair/light-client/sync-protocol.md).
    pub fn update(&self, period: u64) -> Option<Value> {
        let of_period = |it: &Block| self.schedule.period_of(it.slot()) == period;
        let best = self
            .attested()
            .filter(|it| of_period(it.block) && of_period(it.child))
            .max_by_key(|it| {
                let signers = it.child.signers.len();
                let enough = 3 * signers >= 2 * SIZE;
                let few = if enough { 0 } else { signers };
                let slot = Reverse(it.block.slot());
                (enough, few, of_period(it.finalized), signers, slot)
            })?;
        Some(self.update_of(&best))
    }

    /// The newest `LightClientFinalityUpdate`.
    pub fn finality_update(&self) -> Option<Value> {
        Some(self.finality_update_of(&self.attested().next_back()?))
    }

    /// The newest `LightClientOptimisticUpdate`.
    pub fn optimistic_update(&self) -> Option<Value> {
        let [.., block, child] = self.blocks() else { return None };
        let data = json!({
            "attested_header": header(&self.schedule, block, block.form),
            "sync_aggregate": self.sync_aggregate(block, child),
            "signature_slot": child.slot().to_string(),
        });
        Some(json!({"version": block.form.name(), "data": data}))
    }

    /// The `LightClientUpdate` that attests the block in a slot.
    pub fn update_at(&self, slot: u64) -> Option<Value> {
        Some(self.update_of(&self.attested().find(|it| it.block.slot() == slot)?))
    }

    /// The `LightClientFinalityUpdate` that attests the block in a slot.
    pub fn finality_update_at(&self, slot: u64) -> Option<Value> {
        Some(self.finality_update_of(&self.attested().find(|it| it.block.slot() == slot)?))
    }

    /// The periods that have an update, of `count` from `start` on.
    pub fn updates(&self, start: u64, count: u64) -> Vec<Value> {
        (start..start.saturating_add(count)).map_while(|it| self.update(it)).collect()
    }

    /// Those blocks that were signed for and whose state knows of a finalized block.
    fn attested(&self) -> impl DoubleEndedIterator<Item = Attested<'_>> {
        self.blocks().windows(2).filter_map(|it| {
            let finalized = self.block(it[0].finalized?.root)?;
            Some(Attested { block: &it[0], child: &it[1], finalized })
        })
    }

    fn update_of(&self, it: &Attested<'_>) -> Value {
        let mut update = self.finality_update_of(it);
        let indices = self.schedule.fork_at(it.block.slot()).indices;
        let next = self.announced(self.schedule.period_of(it.block.slot()) + 1);
        update["data"]["next_sync_committee"] = self.numbered(next).json();
        update["data"]["next_sync_committee_branch"] =
            json!(it.block.state.branch(indices.next_sync_committee));
        update
    }

    fn finality_update_of(&self, it: &Attested<'_>) -> Value {
        let form = it.block.form;
        let indices = self.schedule.fork_at(it.block.slot()).indices;
        let data = json!({
            "attested_header": header(&self.schedule, it.block, form),
            "finalized_header": header(&self.schedule, it.finalized, form),
            "finality_branch": it.block.state.branch(indices.finalized_root),
            "sync_aggregate": self.sync_aggregate(it.block, it.child),
            "signature_slot": it.child.slot().to_string(),
        });
        json!({"version": form.name(), "data": data})
    }

    fn sync_aggregate(&self, block: &Block, child: &Block) -> Value {
        let committee = self.committee(self.schedule.period_of(child.slot()));
        let message = signing_root(&self.schedule, block.root, child.slot());
        json!({
            "sync_committee_bits": child.signers.hex(),
            "sync_committee_signature": hex::encode_prefixed(committee.sign(&child.signers, message)),
        })
    }
}

/// What is signed: a block's root under the domain of the fork at the slot before the signature's
/// (`compute_signing_root`, and `process_sync_aggregate` of altair/beacon-chain.md).
pub fn signing_root(schedule: &Schedule, block: B256, signature_slot: u64) -> B256 {
    let version = schedule.fork_at(signature_slot.saturating_sub(1)).version;
    let fork = ssz::pair(ssz::bytes(&version), schedule.genesis_validators_root);
    let mut domain = B256::ZERO;
    domain[..4].copy_from_slice(&DOMAIN_SYNC_COMMITTEE);
    domain[4..].copy_from_slice(&fork[..28]);
    ssz::pair(block, domain)
}

/// `LightClientHeader` of a block in the JSON of `form`, which is that of its own fork or a later one's.
fn header(schedule: &Schedule, block: &Block, form: Form) -> Value {
    let index = schedule.fork_at(block.slot()).indices.execution;
    let branch = block.body.branch(index);
    let mut json = json!({"beacon": block.header.json()});
    if form < Form::Gloas {
        json["execution"] = block.execution.json(form, block.form);
        json["execution_branch"] = json!(branch);
    } else if block.form == Form::Gloas {
        json["execution_block_hash"] = json!(block.execution_leaf);
        json["execution_branch"] = json!(branch);
    } else {
        // Brought forward (`upgrade_lc_header_to_gloas`): proven from the hash on, and filled up in front.
        let gloas = schedule.forks.iter().find(|it| it.form == form).expect("it is scheduled");
        let mut longer = block.execution.hash_branch(block.form);
        longer.extend(branch);
        let depth = gloas.indices.execution.ilog2() as usize;
        let mut normal = vec![B256::ZERO; depth.saturating_sub(longer.len())];
        normal.extend(longer);
        json["execution_block_hash"] = json!(block.execution.hash);
        json["execution_branch"] = json!(normal);
    }
    json
}
