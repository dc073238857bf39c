//! The product's light client on the simulated chain: what it refuses. Nothing that is refused changes anything.

use entitled_core::light_client::{
    Applied, Bootstrap, FinalityUpdate, LightClient, OptimisticUpdate, RefusalKind, Refused,
    Specification, Update,
};
use serde_json::Value;

use crate::support::beacon::chain::BeaconChain;
use crate::support::beacon::committee::Committee;
use crate::support::beacon::files::{self, Network};
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::beacon::tamper;
use crate::sync::{Follower, forks_up_to, text};

fn fulu() -> Schedule {
    Schedule::short(1_700_000_000, Form::Fulu)
}

/// Applies a message that must be refused; returns with what.
#[track_caller]
fn refused(
    follower: &mut Follower,
    apply: impl FnOnce(&mut Follower) -> Result<Applied, Refused>,
) -> Refused {
    let before = follower.state();
    let refused = apply(follower).expect_err("it was taken");
    assert_eq!(follower.state(), before, "what was refused has changed something: {refused}");
    refused
}

#[test]
fn two_headers_of_one_slot() {
    let chain = BeaconChain::made_up(fulu(), 60);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);

    for since in [58, 40] {
        let other = chain.equivocating_after(since);
        for message in [other.finality_update().unwrap(), other.update_at(59).unwrap()] {
            let why = refused(&mut follower, |it| it.finality(&message, 60));
            assert!(matches!(why, Refused::TwoHeaders { .. }), "since {since}: {why}");
            assert_eq!(why.kind(), RefusalKind::Equivocation);
        }
        let head = other.optimistic_update().unwrap();
        let why = refused(&mut follower, |it| it.optimistic(&head, 60));
        assert!(matches!(why, Refused::TwoHeaders { slot: 59, .. }), "since {since}: {why}");
    }
}

#[test]
fn two_committees_of_one_period() {
    let chain = BeaconChain::made_up(fulu(), 28);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    let mut other = chain.clone();
    other.conduct.false_committees.insert(2, 77);
    other.grow_to(31);
    let update = other.update_at(30).unwrap();
    let why = refused(&mut follower, |it| it.update(&update, 31));
    assert!(matches!(why, Refused::TwoCommittees { period: 2, .. }), "{why}");
    assert_eq!(why.kind(), RefusalKind::Equivocation);
}

#[test]
fn fewer_than_two_thirds() {
    let mut chain = BeaconChain::made_up(fulu(), 27);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    for (participation, enough) in [(0, false), (1, false), (341, false), (342, true)] {
        chain.conduct.participation = participation;
        let head = chain.head().unwrap().slot() + 1;
        chain.grow_to(head);
        let (finality, optimistic) =
            (chain.finality_update().unwrap(), chain.optimistic_update().unwrap());
        if enough {
            follower.finality(&finality, head).unwrap();
            assert_eq!(follower.client.optimistic().unwrap().participation, 342);
        } else {
            let why = refused(&mut follower, |it| it.finality(&finality, head));
            assert!(matches!(why, Refused::Participation { .. }), "{participation}: {why}");
            let why = refused(&mut follower, |it| it.optimistic(&optimistic, head));
            assert!(matches!(why, Refused::Participation { .. }), "{participation}: {why}");
        }
    }
}

#[test]
fn a_committee_other_than_the_one_that_was_announced() {
    let mut chain = BeaconChain::new(fulu());
    chain.conduct.false_committees.insert(2, 77);
    chain.grow_to(31);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    chain.grow_to(36);
    let message = chain.finality_update().unwrap();
    let why = refused(&mut follower, |it| it.finality(&message, 36));
    assert!(matches!(why, Refused::Signature { period: 2, .. }), "{why}");
    assert_eq!(why.kind(), RefusalKind::Invalid);
}

#[test]
fn a_next_committee_that_is_not_in_the_state() {
    let chain = BeaconChain::made_up(fulu(), 30);
    let mut follower = Follower::begin(&chain, 4);
    let update = chain.update(0).unwrap();
    let other = Committee::numbered(77).json();
    let update = tamper::replaced(&update, "/data/next_sync_committee", other);
    let why = refused(&mut follower, |it| it.update(&update, 30));
    assert!(matches!(why, Refused::Branch { .. }), "{why}");
}

#[test]
fn what_is_old_and_what_is_not_signed_yet() {
    let chain = BeaconChain::made_up(fulu(), 60);
    let mut follower = Follower::begin(&chain, 4);
    follower.catch_up(&chain);
    let before = follower.state();
    for slot in [20, 40, 58] {
        // Whatever it says of it: nothing goes back.
        let _outcome = follower.finality(&chain.finality_update_at(slot).unwrap(), 60);
        assert_eq!(follower.state(), before, "slot {slot}");
    }
    let later = BeaconChain::made_up(fulu(), 62);
    let message = later.finality_update().unwrap();
    let why = refused(&mut follower, |it| it.finality(&message, 61));
    assert!(matches!(why, Refused::TooEarly { signature: 62, now: 61 }), "{why}");
    follower.finality(&message, 62).unwrap();
}

#[test]
fn another_chains_signatures() {
    let chain = BeaconChain::made_up(forks_up_to(Form::Fulu), 4 * 32);
    let network =
        Network { chain_id: 31337, genesis_block: alloy_primitives::B256::ZERO, evm_fork: "osaka" };
    let checkpoint = chain.block_at(100).unwrap();
    let truth = files::specification(&chain.schedule, &network, checkpoint);
    let root = chain.schedule.genesis_validators_root.to_string();
    for (what, is, instead) in [
        ("fork version", "version = \"0x06000e57\"", "version = \"0x06000e58\""),
        ("fork epoch", "epoch = 24\nversion = \"0x06", "epoch = 30\nversion = \"0x06"),
        ("genesis validators root", &*root, &format!("0x{}", "22".repeat(32))),
    ] {
        assert!(truth.contains(is), "{what}");
        let text_of_other = truth.replace(is, instead);
        let spec = Specification::parse(&text_of_other).unwrap();
        let bootstrap = chain.bootstrap(checkpoint.root).unwrap();
        let bootstrap = Bootstrap::from_json(&text(&bootstrap)).unwrap();
        let client = LightClient::bootstrap(&spec, &spec.checkpoints()[0], &bootstrap).unwrap();
        let mut follower = Follower { spec, client };
        let message = chain.finality_update_at(110).unwrap();
        let why = refused(&mut follower, |it| it.finality(&message, 128));
        assert!(matches!(why, Refused::Signature { .. }), "{what}: {why}");
    }
}

// ---- one field at a time

/// The leaves of a message, and of its 512 keys only some: each is hashed like all others.
fn leaves(message: &Value) -> Vec<String> {
    let some = ["/0", "/1", "/255", "/256", "/511"];
    let keep = |it: &String| {
        let key = it.split_once("pubkeys").map(|(_, key)| key);
        key.is_none_or(|key| some.contains(&key))
    };
    tamper::leaves(message).into_iter().filter(keep).collect()
}

/// Which alterations of `message` `take` lets pass.
fn passing(message: &Value, take: impl Fn(&[u8]) -> bool) -> Vec<String> {
    assert!(take(&text(message)), "the message itself is refused");
    let all = leaves(message);
    assert!(all.len() > 20, "{all:?}");
    all.into_iter().filter(|it| take(&text(&tamper::tampered(message, it)))).collect()
}

/// What says nothing: the label of the fork, which the slot decides.
const UNCOVERED: [&str; 1] = ["/version"];

#[test]
fn any_field_altered_in_a_finality_or_optimistic_update() {
    for last in Form::ALL {
        // The newest header is of the fork `last`, the finalized one of the fork before it: then of its own.
        for slot in [32 * last as u64 + 3, 32 * last as u64 + 14] {
            let chain = BeaconChain::made_up(forks_up_to(last), slot.max(14));
            let now = chain.head().unwrap().slot();
            let mut follower = Follower::begin(&chain, 4);
            follower.catch_up(&chain.as_of(now - 2));
            let finality = passing(&chain.finality_update().unwrap(), |message| {
                let Ok(update) = FinalityUpdate::from_json(message) else { return false };
                follower.client.clone().apply_finality(&follower.spec, &update, now).is_ok()
            });
            assert_eq!(finality, UNCOVERED, "{} slot {now}", last.name());
            let optimistic = passing(&chain.optimistic_update().unwrap(), |message| {
                let Ok(update) = OptimisticUpdate::from_json(message) else { return false };
                follower.client.clone().apply_optimistic(&follower.spec, &update, now).is_ok()
            });
            assert_eq!(optimistic, UNCOVERED, "{} slot {now}", last.name());
        }
    }
}

#[test]
fn any_field_altered_in_an_update_or_a_bootstrap() {
    for last in Form::ALL {
        let chain = BeaconChain::made_up(forks_up_to(last), 32 * (last as u64 + 1) - 1);
        let start = 32 * last as u64 + 4;
        let follower = Follower::begin(&chain, start);
        let update = chain.update(2 * last as u64).unwrap();
        let now: u64 = update["data"]["signature_slot"].as_str().unwrap().parse().unwrap();
        let passed = passing(&update, |message| {
            let Ok(update) = Update::from_json(message) else { return false };
            follower.client.clone().apply_update(&follower.spec, &update, now).is_ok()
        });
        assert_eq!(passed, UNCOVERED, "{}: update", last.name());
        let bootstrap = chain.bootstrap(chain.block_at(start).unwrap().root).unwrap();
        let passed = passing(&bootstrap, |message| {
            let Ok(bootstrap) = Bootstrap::from_json(message) else { return false };
            let checkpoint = &follower.spec.checkpoints()[0];
            LightClient::bootstrap(&follower.spec, checkpoint, &bootstrap).is_ok()
        });
        assert_eq!(passed, UNCOVERED, "{}: bootstrap", last.name());
    }
}
