//! Beginning, catching up, keeping pace, and going on after a crash.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Ground, entitlectl, said, sync, wait_for_sync};
use crate::support::beacon::node::BeaconFault;
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::daemon::Daemon;
use crate::support::stage::{ACME, stranger};

#[test]
fn what_validators_signed_for_is_proven_and_valid() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert_eq!((&verdict["trust"], &verdict["tier"]), (&json!("consensus"), &json!("pro")));
    assert_eq!(verdict["anchor"]["finality"], "finalized");
    let block = ground.beacon.chain().finalized().unwrap().execution.hash;
    assert_eq!(verdict["anchor"]["hash"], json!(block), "not one passed on the way");
    let sync = sync(&daemon);
    assert_eq!((&sync["state"], &sync["trouble"]), (&json!("synced"), &json!(null)), "{sync}");
    assert_eq!(sync["checkpoint"], json!(ground.checkpoint()));
    assert_eq!(sync["participation"], 503);
}

#[test]
fn why_leads_down_to_the_committee_and_the_checkpoint() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let why = said(&entitlectl(&daemon, &["why", ACME]));
    let head = ground.beacon.chain().finalized().unwrap().slot();
    for part in [
        "block 0x".to_owned(),
        "signed by the chain's validators (consensus), finalized".to_owned(),
        "committee of period".to_owned(),
        "503 of 512 signed at slot".to_owned(),
        format!("for the beacon block of slot {head}"),
        format!("checkpoint {}", ground.checkpoint()),
        format!("sha256:{}", ground.spec_digest()),
    ] {
        assert!(why.contains(&part), "{part:?} is not in\n{why}");
    }
}

#[test]
fn a_sale_ends_the_entitlement_as_soon_as_it_is_signed() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.beacon.advance(2);
    let verdict = daemon.wait_for(ACME, "no longer valid", |it| it["valid"] == false);
    assert_eq!(verdict["trust"], "consensus", "{verdict}");
}

#[test]
fn a_purchase_counts_once_it_is_final() {
    let ground = Ground::new();
    let daemon =
        Daemon::start(&ground.settings().product(ground.product().set("provisional", "true")));
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.finalize();
    daemon.wait_for_code(ACME, "NOT_HELD");
    ground.licence.transfer(&ground.anvil, stranger(), ground.wallet.address(), 7);
    ground.beacon.advance(2);
    let early = daemon.wait_for_code(ACME, "VALID");
    assert_eq!(early["provisional"], true, "{early}");
    ground.finalize();
    daemon.wait_for(ACME, "final", |it| it["valid"] == true && it["provisional"] == false);
}

#[test]
fn periods_and_a_fork_pass_while_it_runs() {
    // Electra moves the leaves of the state at slot 48, in the fourth period.
    let schedule = |genesis| {
        Schedule::short(genesis, Form::Deneb).fork(Form::Electra, 12).fork(Form::Fulu, 16)
    };
    let ground = Ground::with(schedule, 36);
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let before = sync(&daemon)["period"].as_u64().unwrap();
    for _ in 0..12 {
        ground.beacon.advance(4);
        let slot = ground.beacon.chain().finalized().unwrap().slot();
        wait_for_sync(&daemon, "it keeps pace", |it| it["finalized_slot"] == slot);
    }
    let after = sync(&daemon);
    assert!(after["period"].as_u64().unwrap() >= before + 3, "{after}");
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.finalize();
    let verdict = daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(verdict["trust"], "consensus");
}

#[test]
fn gloas_names_its_execution_block_by_hash_alone() {
    let ground =
        Ground::with(|genesis| Schedule::short(genesis, Form::Fulu).fork(Form::Gloas, 6), 48);
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.beacon.advance(4);
    daemon.wait_for(ACME, "no longer valid", |it| it["valid"] == false);
}

#[test]
fn killed_while_catching_up_it_goes_on_where_it_was() {
    let ground = Ground::with(|genesis| Schedule::short(genesis, Form::Fulu), 330);
    // One update at a time, so that there is time to be killed in.
    ground.beacon.fault_in("updates?", BeaconFault::Delay(Duration::from_millis(150)));
    let mut daemon = ground.daemon();
    wait_for_sync(&daemon, "some periods are learned", |it| it["period"].as_u64() > Some(4));
    daemon.kill();
    let asked = ground.beacon.requests("bootstrap").len();
    let updates = ground.beacon.requests("updates?").len();
    daemon.resume();
    daemon.wait_for_code(ACME, "VALID");
    assert_eq!(ground.beacon.requests("bootstrap").len(), asked, "it did not begin anew");
    let first = &ground.beacon.requests("updates?")[updates];
    let from: u64 =
        first.split("start_period=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
    assert!(from >= 4, "{first}");
}

#[test]
fn it_never_goes_back_behind_what_it_kept() {
    let ground = Ground::new();
    let mut daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let slot = sync(&daemon)["finalized_slot"].as_u64().unwrap();
    daemon.stop();
    let early = ground.beacon.chain().as_of(24);
    ground.beacon.show(early);
    daemon.resume();
    daemon.wait_for_code(ACME, "VALID");
    assert_eq!(sync(&daemon)["finalized_slot"].as_u64(), Some(slot));
}

/// As after a restart: what was kept is gone on from, and a specification is known by its text, not by its path.
#[test]
fn a_light_client_goes_on_after_a_reload_of_its_chain() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let before = wait_for_sync(&daemon, "synced", |it| it["state"] == "synced");
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    daemon.write_config(&text.replace("silence = \"1h\"", "silence = \"2h\""));
    let told = daemon.admin("system_reload", json!({}));
    assert_eq!(told["applied"], json!(["chain.eip155:31337.silence"]), "{told}");
    // At once: it is not begun again.
    let after = sync(&daemon);
    let of = |it: &Value| (it["checkpoint"].clone(), it["specification"].clone());
    assert_eq!(of(&after), of(&before), "{after}");
    assert_ne!(after["state"], "no_checkpoint", "{after}");
    wait_for_sync(&daemon, "synced again", |it| it["state"] == "synced");
    daemon.wait_for_code(ACME, "VALID");

    let spec = std::fs::read_to_string(ground.spec()).unwrap();
    std::fs::write(ground.spec(), format!("{spec}# another text\n")).unwrap();
    let told = daemon.admin("system_reload", json!({}));
    assert_eq!(told["applied"], json!(["chain.eip155:31337.spec"]), "{told}");
    let digest = format!("sha256:{}", ground.spec_digest());
    assert_eq!(sync(&daemon)["specification"], *digest);
    assert_ne!(before["specification"], *digest);
}
