//! Machines without a way to a beacon node: files, brought by hand or served by anything.

use super::scene::{Ground, chain_id, entitlectl, said, sync, wait_for_sync};
use crate::support::beacon::files::write_mirror;
use crate::support::daemon::Daemon;
use crate::support::stage::ACME;

#[test]
fn a_directory_of_files_is_a_source_like_any_other() {
    let ground = Ground::new();
    let mirror = ground.folder.path().join("mirror");
    write_mirror(&ground.beacon.chain(), &mirror);
    let settings = ground.settings_with(&format!("beacon = [{mirror:?}]\nsilence = \"1h\""));
    let daemon = Daemon::start(&settings.product(ground.product()));
    daemon.link(&ground.wallet);
    assert_eq!(daemon.wait_for_code(ACME, "VALID")["trust"], "consensus");
}

#[test]
fn an_administrator_can_bring_the_files() {
    let ground = Ground::new();
    let mirror = ground.folder.path().join("mirror");
    write_mirror(&ground.beacon.chain(), &mirror);
    let settings = ground.settings_with("silence = \"1h\"").product(ground.product());
    let daemon = Daemon::start(&settings);
    daemon.link(&ground.wallet);
    let waiting = daemon.wait_for_code(ACME, "UNDETERMINED");
    assert!(waiting["detail"].as_str().unwrap().contains("not caught up"), "{waiting}");
    let brought = entitlectl(&daemon, &["chain", "sync", "--from", mirror.to_str().unwrap()]);
    assert!(brought.status.success(), "{}", said(&brought));
    assert!(said(&brought).contains(&format!("{}: synced", chain_id())), "{}", said(&brought));
    assert_eq!(daemon.wait_for_code(ACME, "VALID")["trust"], "consensus");
    assert_eq!(sync(&daemon)["participation"], 503);
}

#[test]
fn what_an_administrator_brings_is_judged_like_everything_else() {
    let ground = Ground::new();
    let mirror = ground.folder.path().join("mirror");
    write_mirror(&ground.beacon.chain(), &mirror);
    let settings = ground.settings_with("silence = \"1h\"").product(ground.product());
    let daemon = Daemon::start(&settings);
    let path = mirror.join("eth/v1/beacon/light_client/updates/0.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let signature = text.split("sync_committee_signature\":\"0x").nth(1).unwrap();
    std::fs::write(
        &path,
        text.replace(&signature[..8], &signature[..8].chars().rev().collect::<String>()),
    )
    .unwrap();
    let brought = entitlectl(&daemon, &["chain", "sync", "--from", mirror.to_str().unwrap()]);
    assert_eq!(brought.status.code(), Some(3), "{}", said(&brought));
    assert!(said(&brought).contains("it is refused"), "{}", said(&brought));
}

#[test]
fn waiting_for_it_ends_when_it_has_caught_up() {
    let ground = Ground::new();
    let daemon = ground.daemon();
    let synced = entitlectl(&daemon, &["chain", "sync", chain_id()]);
    assert!(synced.status.success(), "{}", said(&synced));
    assert!(said(&synced).contains("503 signed"), "{}", said(&synced));
}

#[test]
fn without_a_checkpoint_it_says_which_files_are_wanted() {
    let ground = Ground::new();
    let settings = ground.settings_with("silence = \"1h\"").product(ground.product());
    let daemon = Daemon::start(&settings);
    wait_for_sync(&daemon, "it waits", |it| it["state"] == "beginning");
    let empty = ground.folder.path();
    let brought = entitlectl(&daemon, &["chain", "sync", "--from", empty.to_str().unwrap()]);
    assert_eq!(brought.status.code(), Some(3));
    let wanted = format!("wanted: bootstrap/{}.json", ground.checkpoint());
    assert!(said(&brought).contains(&wanted), "{}", said(&brought));
}
