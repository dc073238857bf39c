//! Beacon nodes, endpoints and committees that do not do what they should.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::scene::{Ground, sync, wait_for_sync};
use crate::support::anvil::Anvil;
use crate::support::beacon::node::{BeaconFault, BeaconNode};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::{self, Fault};
use crate::support::stage::{ACME, stranger};

#[test]
fn an_endpoint_that_lies_is_refused_and_the_next_one_asked() {
    let ground = Ground::new();
    ground.proxy.fault(faults::slots_zero_with_cut_proofs());
    let daemon = ground.daemon();
    daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(2));
    ground.proxy.heal();
    daemon.wait_for_code(ACME, "VALID");
}

/// The machine's owner brings a chain of their own, of the same id, on which they hold everything.
#[test]
fn a_chain_that_no_validator_signed_is_worth_nothing() {
    let ground = Ground::new();
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.finalize();
    let own = Anvil::start_in_the_past(Duration::from_secs(900));
    let licence = Contract::licence(&own);
    assert_eq!(licence.address, ground.licence.address, "it looks the same");
    licence.mint(&own, ground.wallet.address(), 7);
    own.mine(60);
    ground.proxy.lead_to(&own.address());
    let daemon = ground.daemon();
    daemon.never_answers(ACME, &["VALID"], Duration::from_secs(3));
    assert_eq!(daemon.code(ACME), "UNDETERMINED");
    ground.proxy.lead_to(&ground.anvil.address());
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn too_few_signatures_are_none() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let slot = sync(&daemon)["finalized_slot"].clone();
    ground.beacon.chain().conduct.participation = 341;
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.finalize();
    daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(2));
    assert_eq!(sync(&daemon)["finalized_slot"], slot);
    ground.beacon.chain().conduct.participation = 342;
    ground.finalize();
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn two_histories_signed_by_one_committee_do_not_take_back_the_first() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let before = sync(&daemon);
    let other = ground.beacon.chain().equivocating_after(12);
    ground.beacon.show(other);
    let after = wait_for_sync(&daemon, "it noticed", |it| !it["trouble"].is_null());
    assert_eq!(after["finalized_slot"], before["finalized_slot"], "{after}");
    assert!(after["trouble"].as_str().unwrap().contains("two headers"), "{after}");
    assert_eq!(daemon.code(ACME), "VALID");
    daemon.wait_for_log("signed two histories");
}

#[test]
fn a_beacon_node_that_lies_is_left_alone_and_the_next_one_asked() {
    let ground = Ground::new();
    let liar = BeaconNode::serve(ground.beacon.chain().clone());
    let lie = BeaconFault::tampered("/data/finalized_header/execution/state_root");
    liar.fault_in("finality_update", lie);
    let sources = [liar.url(), ground.beacon.url()];
    let settings = ground.settings_with(&format!("beacon = {sources:?}\nsilence = \"1h\""));
    let daemon = Daemon::start(&settings.product(ground.product()));
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
    let sync = wait_for_sync(&daemon, "the lie is noted", |it| it["sources"][0]["faults"] != 0);
    assert_eq!(sync["sources"][0]["state"], "quarantined", "{sync}");
    assert_eq!(sync["sources"][1]["state"], "ok", "{sync}");
    daemon.wait_for_log("gave what no committee signed");
}

#[test]
fn a_beacon_node_that_withholds_is_found_out_by_the_next_one() {
    let ground = Ground::new();
    let stale = BeaconNode::serve(ground.beacon.chain().as_of(20));
    let sources = [stale.url(), ground.beacon.url()];
    let settings = ground.settings_with(&format!("beacon = {sources:?}\nsilence = \"1h\""));
    let daemon = Daemon::start(&settings.product(ground.product()));
    daemon.link(&ground.wallet);
    let slot = ground.beacon.chain().finalized().unwrap().slot();
    wait_for_sync(&daemon, "the newest is known", |it| it["finalized_slot"] == slot);
}

#[test]
fn trouble_with_a_beacon_node_costs_time_and_nothing_else() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let is_asked = |what: &str| {
        let before = ground.beacon.requests("").len();
        eventually(what, || match ground.beacon.requests("").len() - before {
            0 => Err("not asked yet".to_owned()),
            times => Ok(times),
        });
    };
    for fault in [
        BeaconFault::garbage(),
        BeaconFault::Status(500),
        BeaconFault::Status(429),
        BeaconFault::Cut,
        BeaconFault::Drop,
        BeaconFault::oversized(9 << 20),
        BeaconFault::version("phase0"),
    ] {
        ground.beacon.fault(fault);
        is_asked("the daemon meets the fault");
        assert_eq!(daemon.code(ACME), "VALID");
        // A node that goes on failing is asked ever more rarely.
        ground.beacon.heal();
        is_asked("the daemon is answered again");
    }
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.finalize();
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn when_validators_fall_silent_the_last_truth_holds_for_a_while_and_no_longer() {
    let ground = Ground::new();
    // As young as it can be, so that it is silence that makes it old.
    ground.beacon.catch_up(Duration::from_secs(1));
    let keys = format!("beacon = [{:?}]\nsilence = \"20s\"", ground.beacon.url());
    let product = ground.product().set("grace", r#""30s""#).set("refresh", r#""1s""#);
    let daemon = Daemon::start(&ground.settings_with(&keys).product(product));
    daemon.link(&ground.wallet);
    let goes_on_until_valid = || {
        daemon.wait_for(ACME, "VALID while the chain goes on", |it| {
            ground.beacon.catch_up(Duration::ZERO);
            it["code"] == "VALID"
        });
    };
    goes_on_until_valid();
    ground.beacon.freeze();
    // While the daemon is asking once more, it is catching up, for as long as the question takes.
    daemon.wait_for(ACME, "GRACE, for want of validators", |it| {
        let detail = it["detail"].as_str().unwrap();
        it["code"] == "GRACE" && detail.contains("have not been heard of")
    });
    wait_for_sync(&daemon, "silent", |it| it["state"] == "silent");
    let last = sync(&daemon)["finalized_slot"].clone();
    let over = daemon.wait_for_code(ACME, "UNDETERMINED");
    assert!(over["detail"].as_str().unwrap().contains("its grace is over"), "{over}");
    assert_eq!(sync(&daemon)["finalized_slot"], last);
    ground.beacon.heal();
    goes_on_until_valid();
}

/// Committees are wanted, and nobody has signed anything: that is no way on, however it began.
#[test]
fn where_nothing_is_signed_any_more_it_is_silent_also_after_a_restart() {
    let ground = Ground::new();
    let keys = format!("beacon = [{:?}]\nsilence = \"1s\"", ground.beacon.url());
    let mut daemon = Daemon::start(&ground.settings_with(&keys).product(ground.product()));
    for _ in 0..2 {
        let sync = wait_for_sync(&daemon, "silent", |it| it["state"] == "silent");
        assert!(sync["wants_period"].is_u64(), "{sync}");
        daemon.restart();
    }
    let sync = wait_for_sync(&daemon, "silent", |it| it["state"] == "silent");
    let slot = ground.beacon.chain().finalized().unwrap().slot();
    assert_eq!(sync["finalized_slot"], slot, "{sync}");
}

#[test]
fn an_endpoint_without_the_signed_block_is_passed_over() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    ground
        .proxy
        .fault_in("eth_getBlockByHash", Fault::Answer(Arc::new(|_, _, it| *it = json!(null))));
    daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(1));
    ground.proxy.heal();
    daemon.wait_for_code(ACME, "VALID");
}
