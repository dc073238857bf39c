//! The product's light client on the simulated chain: what it takes, from Capella to Gloas.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::proof::verify_proof;
use alloy_trie::{Nibbles, TrieAccount};
use entitled_core::light_client::{
    Applied, Bootstrap, FinalityUpdate, LightClient, OptimisticUpdate, RefusalKind, Refused,
    Specification, Update,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::anvil::Anvil;
use crate::support::beacon::api::LIGHT_CLIENT;
use crate::support::beacon::chain::{BeaconChain, Block};
use crate::support::beacon::files::{self, Network};
use crate::support::beacon::node::BeaconNode;
use crate::support::beacon::schedule::{Form, Indices, Schedule};
use crate::support::contract::Contract;

const GENESIS: u64 = 1_700_000_000;

/// The chain of these tests: nothing runs on it.
const NETWORK: Network =
    Network { chain_id: 31337, genesis_block: B256::repeat_byte(7), evm_fork: "osaka" };

/// From Capella to `last`, each fork two periods long.
pub fn forks_up_to(last: Form) -> Schedule {
    let mut schedule = Schedule::short(GENESIS, Form::Capella);
    for (form, epoch) in Form::ALL.into_iter().zip((0..).step_by(8)).skip(1) {
        if form <= last {
            schedule = schedule.fork(form, epoch);
        }
    }
    schedule
}

/// A light client, and the specification it goes by.
#[derive(Clone)]
pub struct Follower {
    pub spec: Specification,
    pub client: LightClient,
}

impl Follower {
    /// Begins from the block in `slot`.
    pub fn begin(chain: &BeaconChain, slot: u64) -> Self {
        let block = chain.block_at(slot).unwrap();
        let text = files::specification(&chain.schedule, &NETWORK, block);
        Self::with(&text, chain, block.root)
    }

    fn with(specification: &str, chain: &BeaconChain, root: B256) -> Self {
        let spec = Specification::parse(specification).unwrap();
        let bootstrap = Bootstrap::from_json(&text(&chain.bootstrap(root).unwrap())).unwrap();
        let client = LightClient::bootstrap(&spec, &spec.checkpoints()[0], &bootstrap).unwrap();
        Self { spec, client }
    }

    pub fn update(&mut self, message: &Value, now: u64) -> Result<Applied, Refused> {
        let update = Update::from_json(&text(message)).unwrap();
        self.client.apply_update(&self.spec, &update, now)
    }

    pub fn finality(&mut self, message: &Value, now: u64) -> Result<Applied, Refused> {
        let update = FinalityUpdate::from_json(&text(message)).unwrap();
        self.client.apply_finality(&self.spec, &update, now)
    }

    pub fn optimistic(&mut self, message: &Value, now: u64) -> Result<Applied, Refused> {
        let update = OptimisticUpdate::from_json(&text(message)).unwrap();
        self.client.apply_optimistic(&self.spec, &update, now)
    }

    /// Takes all there is: the committees of the periods it lacks, then the newest headers.
    pub fn catch_up(&mut self, chain: &BeaconChain) {
        let now = chain.head().unwrap().slot();
        while let Some(period) = self.client.wants(&self.spec, now) {
            let Some(update) = chain.update(period) else { break };
            match self.update(&update, now) {
                // Nothing of this period is final yet: its update says what is known.
                Err(it) if it.kind() == RefusalKind::NotUseful => break,
                Err(it) => panic!("update of period {period}: {it}"),
                Ok(_) if self.client.wants(&self.spec, now) == Some(period) => break,
                Ok(_) => {}
            }
        }
        if let Some(update) = chain.finality_update() {
            self.finality(&update, now).unwrap_or_else(|it| panic!("finality at {now}: {it}"));
        }
        let update = chain.optimistic_update().unwrap();
        self.optimistic(&update, now).unwrap_or_else(|it| panic!("head at {now}: {it}"));
    }

    /// All that it knows.
    pub fn state(&self) -> Vec<u8> {
        self.client.save(&self.spec)
    }

    fn stands_at(&self, chain: &BeaconChain) {
        let [.., attested, _] = chain.blocks() else { panic!("too short") };
        is(self.client.optimistic().unwrap(), attested);
        if let Some(finalized) = attested.finalized.and_then(|it| chain.block(it.root)) {
            is(self.client.finalized().unwrap(), finalized);
        }
    }
}

pub fn text(message: &Value) -> Vec<u8> {
    message.to_string().into_bytes()
}

fn is(head: &entitled_core::light_client::Head, block: &Block) {
    assert_eq!((head.slot, head.beacon_root), (block.slot(), block.root));
    assert_eq!(&*head.fork, block.form.name());
    if head.execution_number.is_some() {
        assert_eq!(head.execution_hash, block.execution.hash);
        assert_eq!(head.execution_number, Some(block.execution.number));
        assert_eq!(head.execution_state_root, Some(block.execution.state_root));
        assert_eq!(head.time.as_second(), i64::try_from(block.execution.timestamp).unwrap());
    } else if block.form == Form::Gloas {
        assert_eq!(head.execution_hash, block.execution_leaf);
    } else {
        assert_eq!(head.execution_hash, block.execution.hash);
    }
}

#[test]
fn follows_slot_by_slot_through_every_fork() {
    let mut chain = BeaconChain::made_up(forks_up_to(Form::Gloas), 12);
    let mut follower = Follower::begin(&chain, 4);
    for slot in 13..=5 * 32 + 4 {
        chain.grow_to(slot);
        follower.catch_up(&chain);
        follower.stands_at(&chain);
    }
}

#[test]
fn catches_up_with_many_periods_at_once() {
    let chain = BeaconChain::made_up(forks_up_to(Form::Gloas), 5 * 32 + 4);
    let mut follower = Follower::begin(&chain, 8);
    follower.catch_up(&chain);
    follower.stands_at(&chain);
}

#[test]
fn begins_in_every_fork() {
    let whole = BeaconChain::made_up(forks_up_to(Form::Gloas), 5 * 32);
    for slot in [4, 32, 36, 64, 96, 100, 128, 132] {
        let chain = whole.as_of(slot + 28);
        let mut follower = Follower::begin(&chain, slot);
        follower.catch_up(&chain);
        follower.stands_at(&chain);
    }
}

#[test]
fn generalized_indices_are_what_the_specification_says() {
    let odd = Indices {
        finalized_root: 1337,
        current_sync_committee: 4098,
        next_sync_committee: 70,
        execution: 5000,
    };
    let schedule = forks_up_to(Form::Gloas).indices(Form::Gloas, odd);
    let chain = BeaconChain::made_up(schedule, 5 * 32 + 4);
    let mut follower = Follower::begin(&chain, 132);
    follower.catch_up(&chain);
    follower.stands_at(&chain);
}

#[test]
fn slots_without_blocks_are_no_obstacle() {
    let schedule = Schedule { epochs_per_period: 8, ..Schedule::short(GENESIS, Form::Fulu) };
    let mut chain = BeaconChain::made_up(schedule, 20);
    let mut follower = Follower::begin(&chain, 4);
    for gap in [1, 3, 5, 2, 4, 1, 3, 1, 1, 4, 1, 2, 3] {
        let head = chain.head().unwrap();
        let slot = head.slot() + gap;
        let mut execution = head.execution.clone();
        execution.number += 1;
        execution.timestamp = chain.schedule.time_of(slot);
        execution.base_fee_per_gas = U256::from(slot) << 70;
        chain.append(execution);
        follower.catch_up(&chain);
        follower.stands_at(&chain);
    }
}

#[test]
fn without_finality_only_the_head_moves() {
    let mut chain = BeaconChain::made_up(Schedule::short(GENESIS, Form::Fulu), 29);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    let before = follower.client.finalized().unwrap().clone();
    chain.conduct.finality_stalls = true;
    chain.grow_to(31);
    follower.catch_up(&chain);
    assert_eq!(follower.client.finalized().unwrap().slot, before.slot);
    assert_eq!(follower.client.optimistic().unwrap().slot, 30);
}

#[test]
fn a_period_that_was_missed_has_to_be_made_up_for_in_order() {
    let chain = BeaconChain::made_up(Schedule::short(GENESIS, Form::Fulu), 70);
    let mut follower = Follower::begin(&chain, 4);
    let newest = chain.finality_update().unwrap();
    let refused = follower.finality(&newest, 70).unwrap_err();
    assert!(matches!(refused, Refused::NoCommittee { period: 4, .. }), "{refused}");
    for period in 0..4 {
        assert_eq!(follower.client.wants(&follower.spec, 70), Some(period));
        follower.update(&chain.update(period).unwrap(), 70).unwrap();
    }
    follower.finality(&newest, 70).unwrap();
    follower.catch_up(&chain);
    follower.stands_at(&chain);
}

#[test]
fn what_was_saved_goes_on() {
    let mut chain = BeaconChain::made_up(Schedule::short(GENESIS, Form::Fulu), 40);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    let saved = follower.state();
    follower.client = LightClient::restore(&follower.spec, &saved).unwrap();
    follower.stands_at(&chain);
    chain.grow_to(80);
    follower.catch_up(&chain);
    follower.stands_at(&chain);
}

#[test]
fn a_mirror_is_read_as_it_was_written() {
    let chain = BeaconChain::made_up(Schedule::short(GENESIS, Form::Fulu), 70);
    let folder = TempDir::new().unwrap();
    files::write_mirror(&chain, folder.path());
    let read = |file: &str| {
        let path = folder.path().join(LIGHT_CLIENT.trim_start_matches('/')).join(file);
        std::fs::read(path).unwrap()
    };
    let mut follower = Follower::begin(&chain, 4);
    for period in 0..4 {
        for update in Update::list_from_json(&read(&format!("updates/{period}.json"))).unwrap() {
            follower.client.apply_update(&follower.spec, &update, 70).unwrap();
        }
    }
    let finality = FinalityUpdate::from_json(&read("finality_update.json")).unwrap();
    follower.client.apply_finality(&follower.spec, &finality, 70).unwrap();
    follower.stands_at(&chain);
}

#[test]
fn the_blocks_of_a_real_node_come_out_as_they_are() {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
    let node = BeaconNode::over(&anvil.address(), |time| Schedule::short(time, Form::Fulu));
    node.advance(60);
    let specification = node.specification(4);
    let chain = node.chain();
    let root = chain.block_at(4).unwrap().root;
    let mut follower = Follower::with(&specification, &chain, root);
    follower.catch_up(&chain);
    for head in [follower.client.finalized(), follower.client.optimistic()] {
        let head = head.unwrap();
        let block = anvil.block(&format!("{:#x}", head.execution_number.unwrap()));
        assert_eq!(block["hash"], head.execution_hash.to_string());
        assert_eq!(block["stateRoot"], head.execution_state_root.unwrap().to_string());
    }
    let genesis = anvil.block("0x0")["hash"].clone();
    assert_eq!(genesis, follower.spec.genesis_block().to_string());
}

#[test]
fn the_state_of_a_finalized_head_proves_a_contract() {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
    let licence = Contract::licence(&anvil);
    let node = BeaconNode::over(&anvil.address(), |time| Schedule::short(time, Form::Fulu));
    node.advance(30);
    let specification = node.specification(4);
    let chain = node.chain();
    let mut follower = Follower::with(&specification, &chain, chain.block_at(4).unwrap().root);
    follower.catch_up(&chain);
    let head = follower.client.finalized().unwrap();

    let at = json!({"blockHash": head.execution_hash});
    let proof = anvil.call("eth_getProof", json!([licence.address, [], at]));
    let field = |name: &str| proof[name].as_str().unwrap().parse::<B256>().unwrap();
    let account = TrieAccount {
        nonce: 1,
        balance: U256::ZERO,
        storage_root: field("storageHash"),
        code_hash: field("codeHash"),
    };
    let nodes: Vec<Bytes> = serde_json::from_value(proof["accountProof"].clone()).unwrap();
    let path = Nibbles::unpack(keccak256(licence.address));
    let value = Some(alloy_rlp::encode(account));
    verify_proof(head.execution_state_root.unwrap(), path, value, &nodes).unwrap();
}
