use revm::primitives::hardfork::SpecId;
use std::collections::BTreeMap;
use std::sync::Mutex;

use alloy_consensus::Header;
use alloy_primitives::{Bytes, keccak256};
use proptest::prelude::*;

use super::*;
use crate::chain::evm::run_loop::RunLoop;
use entitled_core::evm::execute::execute;
use entitled_core::evm::gas_meter::Limits;
use entitled_core::proof::account_proof::ProvenAccount;
use entitled_core::proof::state::Library;

const AT: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::repeat_byte(0xaa);

/// What a block may say and what may be stored at it, of which contracts look at some.
#[derive(Debug, Clone, PartialEq)]
struct World {
    number: u64,
    timestamp: u64,
    code: Vec<u8>,
    slots: BTreeMap<u64, u64>,
    other: Option<u64>,
}

impl World {
    /// A block at which all of this is proven. The roots name what is stored, as real ones do.
    fn block(&self) -> Pinned {
        let header = Header {
            number: self.number,
            timestamp: self.timestamp,
            base_fee_per_gas: Some(1),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        let block = RunLoop::new(1).pin(header.hash_slow(), header, Rules::exactly(SpecId::OSAKA));
        let storage_root = keccak256(format!("{:?}", self.slots));
        let code_hash = keccak256(&self.code);
        let account = TrieAccount { storage_root, code_hash, ..TrieAccount::default() };
        let slot =
            |it: u64| (U256::from(it), U256::from(self.slots.get(&it).copied().unwrap_or(0)));
        let proven = ProvenAccount { account: Some(account), slots: (0..4).map(slot).collect() };
        block.facts().learn(AT, proven);
        let rich = |it| TrieAccount { balance: U256::from(it), ..TrieAccount::default() };
        let other = ProvenAccount { account: self.other.map(rich), slots: Vec::new() };
        block.facts().learn(OTHER, other);
        block
    }

    fn run(&self, outcomes: &Mutex<OutcomeCache>) -> Attempt {
        let block = self.block();
        let library = Mutex::new(Library::default());
        locked(&library).learn(AT, keccak256(&self.code), Bytes::from(self.code.clone()));
        let limits = Limits { gas: u64::MAX, go_on: &|| true };
        let attempt =
            execute((1, block.rules), &block.header, (&block.facts, &library), &call(), limits);
        cache_outcome(outcomes, &block, &call(), &attempt);
        attempt
    }

    fn recall(&self, outcomes: &Mutex<OutcomeCache>) -> Option<Outcome> {
        let known = locked(outcomes).get(&call());
        known.and_then(|it| it.recall(&self.block()))
    }
}

fn call() -> Call {
    Call { to: AT, data: Bytes::new() }
}

/// What a contract adds up: slots by number, the time, the number, somebody's balance. One that reads a slot
/// may read another one depending on it.
#[derive(Debug, Clone, Copy)]
enum Reads {
    Slot(u8),
    SlotNamedBySlot(u8),
    Number,
    Timestamp,
    Balance,
    SizeOfOther,
    GasLeft,
}

fn code(reads: &[Reads]) -> Vec<u8> {
    let mut code = vec![0x5f];
    for read in reads {
        match read {
            Reads::Slot(slot) => code.extend([0x60, *slot, 0x54]),
            Reads::SlotNamedBySlot(slot) => code.extend([0x60, *slot, 0x54, 0x60, 3, 0x16, 0x54]),
            Reads::Number => code.push(0x43),
            Reads::Timestamp => code.push(0x42),
            Reads::Balance => code.extend([&[0x73], OTHER.as_slice(), &[0x31]].concat()),
            Reads::SizeOfOther => code.extend([&[0x73], OTHER.as_slice(), &[0x3b]].concat()),
            Reads::GasLeft => code.push(0x5a),
        }
        code.push(0x01);
    }
    code.extend([0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    code
}

fn reads() -> impl Strategy<Value = Reads> {
    prop_oneof![
        (0_u8..4).prop_map(Reads::Slot),
        (0_u8..4).prop_map(Reads::SlotNamedBySlot),
        Just(Reads::Number),
        Just(Reads::Timestamp),
        Just(Reads::Balance),
        Just(Reads::SizeOfOther),
        Just(Reads::GasLeft),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let codes = prop_oneof![Just(0_usize), Just(1)];
    let programs =
        [proptest::collection::vec(reads(), 0..4), proptest::collection::vec(reads(), 0..4)];
    let slots = proptest::collection::btree_map(0_u64..4, 0_u64..3, 0..4);
    (1_u64..3, 1_u64..3, codes, programs, slots, proptest::option::of(1_u64..3)).prop_map(
        |(number, timestamp, which, programs, slots, other)| {
            let code = code(&programs[which]);
            World { number, timestamp, code, slots, other }
        },
    )
}

/// A world, and one that differs from it in some of what there is.
fn worlds() -> impl Strategy<Value = (World, World)> {
    (world(), world(), any::<[bool; 5]>()).prop_map(|(one, other, changes)| {
        let mut two = one.clone();
        if changes[0] {
            two.number = other.number;
        }
        if changes[1] {
            two.timestamp = other.timestamp;
        }
        if changes[2] {
            two.slots = other.slots;
        }
        if changes[3] {
            two.other = other.other;
        }
        if changes[4] {
            two.code = other.code;
        }
        (one, two)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_recalled_is_what_executing_now_gives((before, now) in worlds()) {
        let outcomes = Mutex::new(OutcomeCache::default());
        prop_assert!(before.run(&outcomes).ended.is_ok());
        if let Some(recalled) = now.recall(&outcomes) {
            let fresh = now.run(&Mutex::default());
            prop_assert_eq!(Ok(recalled), fresh.ended);
        }
        prop_assert_eq!(before.recall(&outcomes), before.run(&Mutex::default()).ended.ok());
    }
}

fn reading(reads: &[Reads]) -> World {
    World { number: 1, timestamp: 1, code: code(reads), slots: BTreeMap::new(), other: Some(1) }
}

/// Whether a call that ended in one world is recalled in the other.
fn survives(before: &World, now: &World) -> bool {
    let outcomes = Mutex::new(OutcomeCache::default());
    assert!(before.run(&outcomes).ended.is_ok());
    now.recall(&outcomes).is_some()
}

#[test]
fn an_unchanged_contract_is_not_run_again_in_the_next_block() {
    let before = reading(&[Reads::Slot(1), Reads::Balance]);
    assert!(survives(&before, &World { number: 2, timestamp: 2, ..before.clone() }));
}

#[test]
fn another_slot_of_the_same_contract_changes_nothing() {
    let before = reading(&[Reads::Slot(1)]);
    assert!(survives(&before, &World { slots: BTreeMap::from([(2, 9)]), ..before.clone() }));
    assert!(!survives(&before, &World { slots: BTreeMap::from([(1, 9)]), ..before.clone() }));
}

#[test]
fn who_reads_the_time_is_run_again_in_every_block() {
    let before = reading(&[Reads::Timestamp]);
    assert!(survives(&before, &before), "but not twice in one");
    assert!(!survives(&before, &World { number: 2, ..before.clone() }));
}

#[test]
fn a_balance_that_was_read_counts() {
    let before = reading(&[Reads::Balance]);
    assert!(!survives(&before, &World { other: Some(2), ..before.clone() }));
    assert!(!survives(&before, &World { other: None, ..before.clone() }));
}

#[test]
fn other_code_is_another_contract() {
    let before = reading(&[Reads::Slot(1)]);
    assert!(!survives(&before, &World { code: code(&[Reads::Slot(2)]), ..before.clone() }));
}

#[test]
fn what_is_not_proven_now_is_not_recalled() {
    let outcomes = Mutex::new(OutcomeCache::default());
    let world = reading(&[Reads::Slot(1)]);
    assert!(world.run(&outcomes).ended.is_ok());
    let header = Header { state_root: B256::repeat_byte(5), ..world.block().header };
    let nothing_proven =
        RunLoop::new(1).pin(header.hash_slow(), header, Rules::exactly(SpecId::OSAKA));
    let cached = locked(&outcomes).get(&call()).unwrap();
    assert_eq!(cached.recall(&nothing_proven), None);
    let (accounts, slots) = cached.wants(&mut nothing_proven.facts());
    assert_eq!((accounts, slots), (vec![AT], vec![(AT, U256::from(1))]));
}
