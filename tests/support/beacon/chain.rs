//! The simulated beacon chain: one beacon block for each execution block it is given, with a body and a state of
//! which as much is real as a light client can see. Does nothing by itself; asks nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::B256;
use serde_json::{Value, json};

use super::committee::{Committee, SIZE, Signers};
use super::execution::ExecutionBlock;
use super::schedule::{Form, Schedule};
use super::ssz::{self, SparseTree};

/// `BeaconBlockHeader`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub slot: u64,
    pub proposer_index: u64,
    pub parent_root: B256,
    pub state_root: B256,
    pub body_root: B256,
}

impl Header {
    /// `hash_tree_root(BeaconBlockHeader)`, which is also the block's.
    pub fn root(&self) -> B256 {
        ssz::merkleize(&[
            ssz::number(self.slot),
            ssz::number(self.proposer_index),
            self.parent_root,
            self.state_root,
            self.body_root,
        ])
    }

    pub fn json(&self) -> Value {
        json!({
            "slot": self.slot.to_string(),
            "proposer_index": self.proposer_index.to_string(),
            "parent_root": self.parent_root,
            "state_root": self.state_root,
            "body_root": self.body_root,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    pub epoch: u64,
    pub root: B256,
}

#[derive(Clone)]
pub struct Block {
    pub header: Header,
    pub root: B256,
    /// Of the fork at its slot.
    pub form: Form,
    pub execution: ExecutionBlock,
    /// What it shows of an execution block: since Gloas the hash of the one before, until then a whole header.
    pub execution_leaf: B256,
    pub body: SparseTree,
    pub state: SparseTree,
    /// What its state holds for finalized.
    pub finalized: Option<Checkpoint>,
    /// Who of the committee at its slot signed for its parent; the aggregate is part of this block.
    pub signers: Signers,
}

impl Block {
    pub fn slot(&self) -> u64 {
        self.header.slot
    }
}

/// How the chain goes on; a test changes it between blocks.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// How many of the committee sign.
    pub participation: usize,
    /// How many epochs the finalized one is behind. Two at best on a real chain.
    pub finality_lag: u64,
    /// The finalized checkpoint stays what it is.
    pub finality_stalls: bool,
    /// Who is said to be the next committee, by the period it would sign in, where that is not who will sign.
    pub false_committees: BTreeMap<u64, u64>,
    /// Who signs in a period, where that is not the committee of its number.
    pub usurpers: BTreeMap<u64, u64>,
    /// Leaves that states have besides, at these generalized indices: anybody can place some in a true one.
    pub smuggled: Vec<(u64, B256)>,
    /// Tells the blocks of one history from those of another.
    pub lane: u64,
}

#[derive(Clone)]
pub struct BeaconChain {
    pub schedule: Schedule,
    pub conduct: Conduct,
    blocks: Vec<Block>,
    /// By number; the committee that signs in period `n` has the number `n`, if nobody took its place.
    committees: BTreeMap<u64, Arc<Committee>>,
}

impl BeaconChain {
    pub fn new(schedule: Schedule) -> Self {
        let conduct = Conduct {
            participation: SIZE - 9,
            finality_lag: 2,
            finality_stalls: false,
            false_committees: BTreeMap::new(),
            usurpers: BTreeMap::new(),
            smuggled: Vec::new(),
            lane: 0,
        };
        Self { schedule, conduct, blocks: Vec::new(), committees: BTreeMap::new() }
    }

    /// With blocks that execute nothing, one in each slot up to `head`.
    pub fn made_up(schedule: Schedule, head: u64) -> Self {
        let mut chain = Self::new(schedule);
        chain.grow_to(head);
        chain
    }

    /// Adds blocks that execute nothing in every slot up to and with `slot`.
    pub fn grow_to(&mut self, slot: u64) {
        for slot in self.blocks.last().map_or(1, |it| it.slot() + 1)..=slot {
            self.append(ExecutionBlock::made_up(slot, self.schedule.time_of(slot)));
        }
    }

    /// Adds a block that executes nothing in `slot`, and none in the slots before it.
    pub fn grow_to_slot_alone(&mut self, slot: u64) {
        self.append(ExecutionBlock::made_up(slot, self.schedule.time_of(slot)));
    }

    /// Adds the beacon block for an execution block, in the slot of that one's time.
    ///
    /// # Panics
    /// When there is a block in that slot or a later one.
    pub fn append(&mut self, execution: ExecutionBlock) {
        let slot = self.schedule.slot_at(execution.timestamp);
        let (parent_root, parent_hash) = match self.blocks.last() {
            Some(parent) => {
                assert!(parent.slot() < slot, "slot {slot} is not after {}", parent.slot());
                (parent.root, parent.execution.hash)
            }
            None => (B256::ZERO, execution.parent_hash),
        };
        let fork = self.schedule.fork_at(slot);
        let (form, indices) = (fork.form, fork.indices);
        let filler = slot << 8 | self.conduct.lane;
        let execution_leaf = if form >= Form::Gloas { parent_hash } else { execution.root(form) };
        let body = SparseTree::new(&[(indices.execution, execution_leaf)], filler);

        let period = self.schedule.period_of(slot);
        let finalized = self.finalized_at(slot);
        let checkpoint = finalized.unwrap_or(Checkpoint { epoch: 0, root: B256::ZERO });
        let (seated, next) = (self.seated(period), self.announced(period + 1));
        let mut leaves = vec![
            (indices.current_sync_committee, self.make_committee(seated).root()),
            (indices.next_sync_committee, self.make_committee(next).root()),
            (indices.finalized_root, checkpoint.root),
            (indices.finalized_root ^ 1, ssz::number(checkpoint.epoch)),
        ];
        leaves.extend(&self.conduct.smuggled);
        let state = SparseTree::new(&leaves, filler);
        let header = Header {
            slot,
            proposer_index: 1000 * self.conduct.lane + slot % 1000,
            parent_root,
            state_root: state.root(),
            body_root: body.root(),
        };
        let signers = Signers::count(self.conduct.participation);
        let root = header.root();
        self.blocks.push(Block {
            header,
            root,
            form,
            execution,
            execution_leaf,
            body,
            state,
            finalized,
            signers,
        });
    }

    /// Takes the newest block away, as a reorganisation does.
    ///
    /// # Panics
    /// When there is none.
    pub fn drop_head(&mut self) -> Block {
        self.blocks.pop().expect("there is a block")
    }

    /// Another history from the same beginning, signed by the same committees: as this chain up to and
    /// with `slot`, then a block for each execution block of this one, none of which is a block of this one.
    pub fn equivocating_after(&self, slot: u64) -> Self {
        let mut other = self.clone();
        other.conduct.lane += 1;
        other.blocks.retain(|it| it.slot() <= slot);
        for block in self.blocks.iter().filter(|it| it.slot() > slot) {
            other.append(block.execution.clone());
        }
        other
    }

    /// This chain when the block in `slot` was its newest.
    pub fn as_of(&self, slot: u64) -> Self {
        let mut earlier = self.clone();
        earlier.blocks.retain(|it| it.slot() <= slot);
        earlier
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub fn head(&self) -> Option<&Block> {
        self.blocks.last()
    }

    pub fn block(&self, root: B256) -> Option<&Block> {
        self.blocks.iter().rev().find(|it| it.root == root)
    }

    pub fn block_at(&self, slot: u64) -> Option<&Block> {
        self.blocks.iter().find(|it| it.slot() == slot)
    }

    /// The finalized block in the eyes of the newest.
    pub fn finalized(&self) -> Option<&Block> {
        self.block(self.head()?.finalized?.root)
    }

    /// The committee that signs in a period.
    ///
    /// # Panics
    /// When the chain has not come to the period before.
    pub fn committee(&self, period: u64) -> &Committee {
        self.numbered(self.seated(period))
    }

    /// # Panics
    /// When no block has named the committee of this number.
    pub fn numbered(&self, number: u64) -> &Committee {
        self.committees.get(&number).expect("the chain has come there")
    }

    /// The number of the committee that signs in `period`.
    fn seated(&self, period: u64) -> u64 {
        self.conduct.usurpers.get(&period).copied().unwrap_or(period)
    }

    /// The number of the committee that is said to sign in `period`.
    pub fn announced(&self, period: u64) -> u64 {
        let said = self.conduct.false_committees.get(&period).copied();
        said.unwrap_or_else(|| self.seated(period))
    }

    fn make_committee(&mut self, number: u64) -> &Committee {
        self.committees.entry(number).or_insert_with(|| Arc::new(Committee::numbered(number)))
    }

    /// What the state of a block in `slot` holds for finalized.
    fn finalized_at(&self, slot: u64) -> Option<Checkpoint> {
        let before = self.blocks.last().and_then(|it| it.finalized);
        if self.conduct.finality_stalls {
            return before;
        }
        let epoch = self.schedule.epoch_of(slot).checked_sub(self.conduct.finality_lag)?;
        if epoch == 0 {
            return None; // genesis is final without being named: its checkpoint has no root
        }
        let boundary = self.schedule.first_slot_of_epoch(epoch);
        let block = self.blocks.iter().rev().find(|it| it.slot() <= boundary)?;
        let found = Checkpoint { epoch, root: block.root };
        // Never back, also when the lag has just been made longer.
        Some(before.filter(|it| it.epoch > epoch).unwrap_or(found))
    }
}
