use std::sync::{Arc, Mutex};

use alloy_primitives::Bytes;
use alloy_trie::TrieAccount;

use super::*;
use entitled_core::proof::account_proof::ProvenAccount;

const AT: Address = Address::repeat_byte(1);

fn all_of(slots: u64) -> BTreeSet<Need> {
    (0..slots).map(|it| Need::Slot(AT, U256::from(it))).collect()
}

fn sizes(plan: &Plan) -> Vec<usize> {
    plan.proofs.iter().map(|it| it.slots.len()).collect()
}

#[test]
fn many_slots_of_one_account_take_few_requests() {
    let mut library = Library::default();
    library.weigh(AT, 100, 240_000);
    let plan = Plan::new(&all_of(2_500), &library);
    assert_eq!(sizes(&plan), [1_024, 1_024, 452]);
    assert!(plan.codes.is_empty());
}

#[test]
fn where_proofs_are_large_fewer_slots_go_into_a_request() {
    let mut library = Library::default();
    library.weigh(AT, 100, 1_000_000);
    let most = sizes(&Plan::new(&all_of(2_500), &library))[0];
    assert!((200..400).contains(&most), "{most}");
    library.weigh(AT, 100, usize::MAX);
    assert_eq!(sizes(&Plan::new(&all_of(3), &library)), [1, 1, 1]);
}

#[test]
fn bodies_are_bounded_and_nothing_is_lost() {
    let mut library = Library::default();
    library.weigh(AT, 100, 240_000);
    let mut needs = all_of(5_000);
    needs.extend((2..40).map(|it| Need::Account(Address::repeat_byte(it))));
    let plan = Plan::new(&needs, &library);
    let batches = plan.clone().batches();
    for batch in &batches {
        let bytes: usize = batch.proofs.iter().map(|it| it.bytes).sum();
        assert!(bytes + batch.codes.len() * CODE_BYTES <= ANSWER || batch.questions_count() == 1);
        assert!((1..=TOGETHER).contains(&batch.questions_count()));
    }
    let proofs: Vec<_> = batches.iter().flat_map(|it| it.proofs.clone()).collect();
    let codes: Vec<_> = batches.iter().flat_map(|it| it.codes.clone()).collect();
    assert_eq!(Plan { proofs, codes }, plan);
}

#[test]
fn a_plan_can_be_halved_down_to_single_questions() {
    let library = Library::default();
    let needs = all_of(5).into_iter().chain([Need::Account(Address::repeat_byte(2))]).collect();
    let (mut open, mut single) = (vec![Plan::new(&needs, &library)], Vec::new());
    while let Some(plan) = open.pop() {
        match plan.clone().halved() {
            Some((one, two)) => open.extend([one, two]),
            None => single.push(plan),
        }
    }
    let slots: usize = single.iter().map(Plan::slots).sum();
    let codes: usize = single.iter().map(|it| it.codes.len()).sum();
    assert_eq!((slots, codes), (5, 1));
    assert!(single.iter().all(|it| it.questions_count() == 1 && it.slots() <= 1));
}

#[test]
fn an_account_seen_for_the_first_time_brings_its_code() {
    let needs = BTreeSet::from([Need::Account(AT)]);
    let mut library = Library::default();
    assert_eq!(Plan::new(&needs, &library).codes, [AT]);
    library.learn(AT, B256::repeat_byte(3), Bytes::from_static(&[0]));
    assert!(Plan::new(&needs, &library).codes.is_empty());
}

#[test]
fn keys_have_32_bytes() {
    let needs = BTreeSet::from([Need::Slot(AT, U256::ZERO)]);
    let questions = Plan::new(&needs, &Library::default()).questions(&json!("latest"));
    assert_eq!(questions[0].1[1][0].as_str().map(str::len), Some(66));
}

fn wanted(count: u64) -> Vec<Wanted> {
    (0..count).map(|it| Wanted::new(AT, U256::from(it), false)).collect()
}

/// An account is proven, and nothing of its storage.
fn with_account() -> Facts {
    let mut facts = Facts::at(B256::ZERO, Arc::new(Mutex::default()));
    let account = TrieAccount { storage_root: B256::repeat_byte(9), ..TrieAccount::default() };
    facts.learn(AT, ProvenAccount { account: Some(account), slots: Vec::new() });
    facts
}

#[test]
fn a_few_slots_are_asked_for_along_with_their_account() {
    let (mut facts, library) = (Facts::default(), Library::default());
    assert_eq!(choose(&mut wanted(16), &mut facts, &library), all_of(16));
    let many = choose(&mut wanted(10_000), &mut facts, &library);
    assert_eq!(many.len(), 16, "one below each child of the root");
}

#[test]
fn few_are_asked_for_at_once_and_of_many_one_below_each_child_of_what_is_missing() {
    let library = Library::default();
    assert_eq!(choose(&mut wanted(256), &mut with_account(), &library).len(), 256);
    assert_eq!(choose(&mut wanted(2_000), &mut with_account(), &library).len(), 16);
}

#[test]
fn what_is_known_is_not_asked_for() {
    let (mut facts, mut slots) = (with_account(), wanted(3));
    let proven = ProvenAccount {
        account: facts.account(AT).unwrap(),
        slots: vec![(U256::ZERO, U256::from(7)), (U256::from(2), U256::ZERO)],
    };
    facts.learn(AT, proven);
    let needs = choose(&mut slots, &mut facts, &Library::default());
    assert_eq!(needs, BTreeSet::from([Need::Slot(AT, U256::ONE)]));
    assert_eq!(slots, [Wanted::new(AT, U256::ONE, false)]);
}

#[test]
fn of_many_those_that_events_named_come_first_once_the_storage_is_known_to_have_changed() {
    let library = Library::default();
    let mut slots = wanted(2_000);
    slots[7] = Wanted::new(AT, U256::from(7), true);
    let named = BTreeSet::from([Need::Slot(AT, U256::from(7))]);
    assert_eq!(choose(&mut slots, &mut with_account(), &library), named);
    assert_eq!(choose(&mut slots, &mut Facts::default(), &library).len(), 16);
}
