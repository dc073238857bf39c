//! The simulated chain, judged as mainnet's is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use alloy_primitives::{B256, hex};
use blst::min_pk::{AggregateSignature, PublicKey, Signature};
use serde_json::Value;

use crate::naive::{self, Rules};
use crate::support::beacon::chain::BeaconChain;
use crate::support::beacon::committee::{Committee, SIZE, Signers};
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::beacon::tamper;

/// All forks one after the other, each two periods long.
fn all_forks() -> Schedule {
    let mut schedule = Schedule::short(1_700_000_000, Form::Capella);
    for (form, epoch) in Form::ALL.into_iter().zip((0..).step_by(8)).skip(1) {
        schedule = schedule.fork(form, epoch);
    }
    schedule
}

/// What the naive judge has to know of a message whose attested header is in `slot`.
fn rules(schedule: &Schedule, slot: u64, signature_slot: u64) -> Rules {
    let indices = schedule.fork_at(slot).indices;
    Rules {
        genesis_validators_root: schedule.genesis_validators_root.0,
        version: schedule.fork_at(signature_slot - 1).version,
        state: [
            indices.finalized_root,
            indices.current_sync_committee,
            indices.next_sync_committee,
        ],
        execution: indices.execution,
    }
}

/// Judges everything in a message except a next committee.
fn judge(chain: &BeaconChain, message: &Value) {
    let (schedule, data) = (&chain.schedule, &message["data"]);
    let slot = naive::number(&data["attested_header"]["beacon"]["slot"]);
    let signature_slot = naive::number(&data["signature_slot"]);
    let rules_here = rules(schedule, slot, signature_slot);
    assert_eq!(message["version"], schedule.fork_at(slot).form.name());
    let committee = chain.committee(schedule.period_of(signature_slot)).json();
    naive::judge_signature(&rules_here, data, &committee);
    for header in ["attested_header", "finalized_header"] {
        let Some(header) = data.get(header) else { continue };
        let own = schedule.fork_at(naive::number(&header["beacon"]["slot"]));
        let mut rules = rules(schedule, slot, signature_slot);
        if schedule.fork_at(slot).form == Form::Gloas {
            // The place of the hash itself: consensus-specs, gloas/light-client/sync-protocol.md.
            rules.execution = match own.form {
                Form::Capella => 412,
                Form::Deneb | Form::Electra | Form::Fulu => 812,
                Form::Gloas => 2856,
            };
            let mut short = header.clone();
            let branch = short["execution_branch"].as_array_mut().unwrap();
            assert_eq!(branch.len(), 11);
            let filled_up = 11 - rules.execution.ilog2() as usize;
            let zeros = branch.drain(..filled_up);
            assert!(zeros.into_iter().all(|it| it == hex::encode_prefixed([0; 32])));
            naive::judge_header(&rules, &short, true);
        } else {
            naive::judge_header(&rules, header, own.form >= Form::Deneb);
        }
    }
    if data.get("finalized_header").is_some() {
        naive::judge_finality(&rules_here, data);
    }
}

#[test]
fn every_message_of_every_fork_and_across_them_is_true() {
    let chain = BeaconChain::made_up(all_forks(), 5 * 32 + 2);
    let mut seen = BTreeSet::new();
    // Some of all slots, and all around a boundary.
    let wanted = |slot: u64| slot.is_multiple_of(3) || matches!(slot % 32, 0 | 1 | 30 | 31);
    for block in chain.blocks().iter().filter(|it| wanted(it.slot())) {
        let Some(message) = chain.finality_update_at(block.slot()) else { continue };
        judge(&chain, &message);
        let finalized = &message["data"]["finalized_header"]["beacon"]["slot"];
        seen.insert((chain.schedule.fork_at(naive::number(finalized)).form, block.form));
    }
    let expected = [
        (Form::Capella, Form::Capella),
        (Form::Capella, Form::Deneb),
        (Form::Deneb, Form::Deneb),
        (Form::Deneb, Form::Electra),
        (Form::Electra, Form::Electra),
        (Form::Electra, Form::Fulu),
        (Form::Fulu, Form::Fulu),
        (Form::Fulu, Form::Gloas),
        (Form::Gloas, Form::Gloas),
    ];
    assert_eq!(seen, BTreeSet::from(expected), "pairs of finalized and attested forks");
}

#[test]
fn the_first_header_of_gloas_shows_the_hash_of_the_block_before() {
    let chain = BeaconChain::made_up(all_forks(), 4 * 32 + 3);
    let message = chain.optimistic_update().unwrap();
    assert_eq!(message["version"], "gloas");
    judge(&chain, &message);
    let shown = &message["data"]["attested_header"]["execution_block_hash"];
    let before = chain.block_at(4 * 32 + 1).unwrap();
    assert_eq!(shown, &before.execution.hash.to_string());
}

#[test]
fn each_period_has_an_update_that_names_the_committee_which_then_signs() {
    let chain = BeaconChain::made_up(all_forks(), 5 * 32 - 1);
    let updates = chain.updates(0, 100);
    assert_eq!(updates.len(), 10);
    for (period, update) in (0..).zip(&updates) {
        let data = &update["data"];
        let slot = naive::number(&data["attested_header"]["beacon"]["slot"]);
        assert_eq!(chain.schedule.period_of(slot), period);
        judge(&chain, update);
        naive::judge_next_committee(&rules(&chain.schedule, slot, slot + 1), data);
        assert_eq!(data["next_sync_committee"], chain.committee(period + 1).json());
    }
}

#[test]
fn a_bootstrap_holds_the_committee_of_its_period() {
    let chain = BeaconChain::made_up(all_forks(), 5 * 32 - 1);
    for slot in (4..5 * 32).step_by(16) {
        let block = chain.block_at(slot).unwrap();
        let message = chain.bootstrap(block.root).unwrap();
        let data = &message["data"];
        naive::judge_bootstrap(&rules(&chain.schedule, slot, slot + 1), data);
        assert_eq!(B256::from(naive::header_root(&data["header"]["beacon"])), block.root);
        let period = chain.schedule.period_of(slot);
        assert_eq!(data["current_sync_committee"], chain.committee(period).json());
    }
}

#[test]
fn one_signature_with_the_sum_is_the_aggregate_of_many() {
    let committee = Committee::numbered(3);
    let message = B256::repeat_byte(9);
    let some = Signers::count(20);
    let alone = |member: usize| {
        let mut bits = [0_u8; SIZE / 8];
        bits[member / 8] |= 1 << (member % 8);
        let signature = committee.sign(&Signers::from_bits(bits), message);
        Signature::from_bytes(&signature).unwrap()
    };
    let many: Vec<Signature> = (0..SIZE).filter(|it| some.includes(*it)).map(alone).collect();
    assert_eq!(many.len(), 20);
    let aggregate = AggregateSignature::aggregate(&many.iter().collect::<Vec<_>>(), true).unwrap();
    assert_eq!(aggregate.to_signature().compress(), committee.sign(&some, message));
}

#[test]
fn the_keys_of_committees_are_good_and_all_different() {
    let mut all = BTreeSet::new();
    for number in 0..3 {
        for key in Committee::numbered(number).public_keys {
            PublicKey::key_validate(&key).unwrap();
            all.insert(key);
        }
    }
    assert_eq!(all.len(), 3 * SIZE);
}

#[test]
fn exactly_as_many_sign_as_are_told_to() {
    for count in [0, 1, 341, 342, 511, 512] {
        assert_eq!(Signers::count(count).len(), count);
    }
    let mut chain = BeaconChain::made_up(all_forks(), 16);
    chain.conduct.participation = 341;
    chain.grow_to(18);
    let message = chain.finality_update().unwrap();
    let data = &message["data"];
    let committee = chain.committee(1).json();
    let rules = rules(&chain.schedule, 17, 18);
    assert_eq!(naive::judge_signature(&rules, data, &committee), 341);
}

#[test]
fn of_a_period_the_best_signed_update_is_given() {
    let mut chain = BeaconChain::made_up(all_forks(), 26);
    chain.conduct.participation = 512;
    chain.grow_to(27);
    chain.conduct.participation = 300;
    chain.grow_to(40);
    let update = chain.update(1).unwrap();
    assert_eq!(update["data"]["attested_header"]["beacon"]["slot"], "26");
}

#[test]
fn finality_that_stalls_stays_where_it_is() {
    let mut chain = BeaconChain::made_up(all_forks(), 20);
    let before = chain.finalized().unwrap().slot();
    chain.conduct.finality_stalls = true;
    chain.grow_to(60);
    assert_eq!(chain.finalized().unwrap().slot(), before);
    judge(&chain, &chain.finality_update().unwrap());
    chain.conduct.finality_stalls = false;
    chain.grow_to(61);
    assert_eq!(chain.finalized().unwrap().slot(), 52);
}

#[test]
fn two_histories_are_both_signed_and_differ_from_there_on() {
    let chain = BeaconChain::made_up(all_forks(), 60);
    let other = chain.equivocating_after(40);
    for slot in 1..=60 {
        let same = chain.block_at(slot).unwrap().root == other.block_at(slot).unwrap().root;
        assert_eq!(same, slot <= 40, "slot {slot}");
    }
    for history in [&chain, &other] {
        judge(history, &history.finality_update().unwrap());
    }
}

#[test]
fn a_false_next_committee_is_proven_by_the_state_and_does_not_sign() {
    let mut chain = BeaconChain::new(all_forks());
    chain.conduct.false_committees.insert(2, 77);
    chain.grow_to(36);
    let update = chain.update(1).unwrap();
    let data = &update["data"];
    let slot = naive::number(&data["attested_header"]["beacon"]["slot"]);
    naive::judge_next_committee(&rules(&chain.schedule, slot, slot + 1), data);
    assert_eq!(data["next_sync_committee"], Committee::numbered(77).json());
    judge(&chain, &chain.finality_update().unwrap()); // signed by committee 2
}

#[test]
fn a_slot_without_a_block_changes_nothing_but_the_numbers() {
    let mut chain = BeaconChain::made_up(all_forks(), 22);
    let execution = chain.head().unwrap().execution.clone();
    let time = chain.schedule.time_of(25); // slot 24, an epoch's first, has none
    chain
        .append(crate::support::beacon::execution::ExecutionBlock { timestamp: time, ..execution });
    chain.grow_to(34);
    assert_eq!(chain.finalized().unwrap().slot(), 22);
    judge(&chain, &chain.finality_update().unwrap());
}

#[test]
fn every_value_of_a_message_can_be_altered() {
    let chain = BeaconChain::made_up(all_forks(), 20);
    let message = chain.finality_update().unwrap();
    let leaves = tamper::leaves(&message);
    assert!(leaves.len() > 50, "{}", leaves.len());
    for leaf in leaves {
        let altered = tamper::tampered(&message, &leaf);
        assert_ne!(altered.pointer(&leaf), message.pointer(&leaf), "{leaf}");
    }
}

// ---- mainnet

/// A recorded answer of a mainnet beacon node. `None`, with a word about it, where the recordings are not.
fn mainnet(file: &str) -> Option<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    match std::fs::read_to_string(folder.join(file)) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            eprintln!("skipped: there is no {file}: {error}");
            None
        }
    }
}

fn mainnet_rules(version: u8) -> Rules {
    let root = "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95";
    Rules {
        genesis_validators_root: hex::decode(root).unwrap().try_into().unwrap(),
        version: [version, 0, 0, 0],
        state: [105, 54, 55],
        execution: 25,
    }
}

#[test]
fn the_judge_takes_mainnets_messages_for_true() {
    for (folder, blobs, [bootstrap, updates, finality]) in [
        ("mainnet-capella", false, ["lc_bootstrap.json", "lc_updates.json", "lc_finality.json"]),
        ("mainnet-deneb", true, ["bootstrap.json", "update.json", "finality_update.json"]),
    ] {
        let rules = mainnet_rules(if blobs { 4 } else { 3 });
        let Some(bootstrap) = mainnet(&format!("{folder}/{bootstrap}")) else { return };
        naive::judge_bootstrap(&rules, &bootstrap["data"]);
        naive::judge_header(&rules, &bootstrap["data"]["header"], blobs);
        let mut committee = bootstrap["data"]["current_sync_committee"].clone();
        let period = |data: &Value| naive::number(&data["signature_slot"]) / 8192;
        let started = naive::number(&bootstrap["data"]["header"]["beacon"]["slot"]) / 8192;
        let updates = mainnet(&format!("{folder}/{updates}")).unwrap();
        let mut last = started;
        for update in updates.as_array().unwrap() {
            let data = &update["data"];
            naive::judge_finality(&rules, data);
            naive::judge_next_committee(&rules, data);
            assert_eq!(period(data), last, "the recordings are of one period after the other");
            assert!(naive::judge_signature(&rules, data, &committee) > 341);
            committee = data["next_sync_committee"].clone();
            last += 1;
        }
        let finality = &mainnet(&format!("{folder}/{finality}")).unwrap()["data"];
        naive::judge_finality(&rules, finality);
        for header in ["attested_header", "finalized_header"] {
            naive::judge_header(&rules, &finality[header], blobs);
        }
        if period(finality) == last {
            naive::judge_signature(&rules, finality, &committee);
        }
    }
}

/// Names, kinds and sizes, without what they say.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(all) => all.iter().map(|(name, it)| (name.clone(), shape(it))).collect(),
        Value::Array(all) => {
            let shapes: Vec<Value> = all.iter().map(shape).collect();
            let uniform = shapes.iter().all(|it| *it == shapes[0]);
            assert!(uniform, "an array of different things");
            serde_json::json!([shapes.len(), shapes.first()])
        }
        Value::String(text) if text.starts_with("0x") && text.len() < 66 => "short bytes".into(),
        Value::String(text) if text.starts_with("0x") => format!("{} digits", text.len()).into(),
        Value::String(text) if text.parse::<u128>().is_ok() => "number".into(),
        Value::String(_) => "name".into(),
        other => panic!("{other} is not in any message"),
    }
}

#[test]
fn messages_have_the_shape_of_mainnets() {
    let chain = |form| BeaconChain::made_up(Schedule::short(1_700_000_000, form), 40);
    let (capella, deneb) = (chain(Form::Capella), chain(Form::Deneb));
    let root = deneb.block_at(4).unwrap().root;
    for (file, message) in [
        ("mainnet-capella/lc_optimistic.json", capella.optimistic_update().unwrap()),
        ("mainnet-capella/lc_finality.json", capella.finality_update().unwrap()),
        ("mainnet-deneb/bootstrap.json", deneb.bootstrap(root).unwrap()),
        ("mainnet-deneb/finality_update.json", deneb.finality_update().unwrap()),
        ("mainnet-deneb/update.json", Value::Array(deneb.updates(0, 1))),
    ] {
        let Some(recorded) = mainnet(file) else { return };
        assert_eq!(shape(&message), shape(&recorded), "{file}");
    }
}
