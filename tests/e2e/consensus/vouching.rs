//! Whose word the trust rests on: the vendor's, never the machine owner's alone.

use serde_json::{Value, json};

use super::scene::{Ground, entitlectl, said, sync, wait_for_sync};
use crate::support::daemon::Daemon;
use crate::support::settings::Settings;
use crate::support::stage::ACME;

fn detail(verdict: &Value) -> &str {
    verdict["detail"].as_str().unwrap()
}

fn linked(ground: &Ground, settings: &Settings) -> Daemon {
    let daemon = Daemon::start(settings);
    daemon.link(&ground.wallet);
    daemon
}

#[test]
fn one_endpoints_word_is_too_little_for_a_product_that_demands_consensus() {
    let ground = Ground::new();
    let settings = Settings::new([ground.proxy.url()]).product(ground.product().finality("latest"));
    let verdict = linked(&ground, &settings).wait_for_code(ACME, "TRUST_TOO_LOW");
    assert!(detail(&verdict).contains("asks for consensus"), "{verdict}");
}

#[test]
fn a_specification_the_vendor_did_not_name_is_the_owners_word() {
    let ground = Ground::new();
    let product = ground.demanding().checkpoint(&ground.checkpoint(), &"00".repeat(32), "");
    let daemon = linked(&ground, &ground.settings().product(product));
    let verdict = daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    assert!(detail(&verdict).contains("does not vouch"), "{verdict}");
    let why = said(&entitlectl(&daemon, &["why", ACME]));
    assert!(why.contains("does not vouch"), "{why}");
}

#[test]
fn a_product_that_names_no_checkpoint_does_not_accept_the_owners() {
    let ground = Ground::new();
    let settings = ground.settings().product(ground.demanding());
    let verdict = linked(&ground, &settings).wait_for_code(ACME, "TRUST_TOO_LOW");
    assert!(detail(&verdict).contains("does not vouch"), "{verdict}");
}

#[test]
fn for_a_product_that_asks_for_less_the_owners_word_will_do() {
    let ground = Ground::new();
    let product = ground.demanding().set("trust", r#""quorum""#);
    let verdict = linked(&ground, &ground.settings().product(product)).wait_for_code(ACME, "VALID");
    assert_eq!(verdict["trust"], "consensus");
}

#[test]
fn a_checkpoint_that_is_too_old_is_not_begun_from() {
    let ground = Ground::new();
    let spec = std::fs::read_to_string(ground.spec()).unwrap();
    let (before, rest) = spec.split_once("[[checkpoints]]").unwrap();
    let (_, after) = rest.split_once("[[forks]]").unwrap();
    std::fs::write(ground.spec(), format!("{before}[[forks]]{after}")).unwrap();
    let digest = ground.spec_digest();
    let old =
        ground.demanding().checkpoint(&ground.checkpoint(), &digest, "slot = 4\nmax_age = \"10s\"");
    let daemon = linked(&ground, &ground.settings().product(old));
    let verdict = daemon.wait_for_code(ACME, "UNDETERMINED");
    assert!(detail(&verdict).contains("no checkpoint young enough"), "{verdict}");
    assert_eq!(sync(&daemon)["state"], "no_checkpoint");
    // The vendor's next version brings a younger one.
    let root = ground.root(30).to_string();
    daemon.write_product(&ground.demanding().checkpoint(&root, &digest, "slot = 30"));
    daemon.admin("system_reload", json!({}));
    daemon.wait_for_code(ACME, "VALID");
}

/// Two vendors on one machine: the light client begins from one's checkpoint, and finds that the other's leads
/// to the same committee.
#[test]
fn checkpoints_of_two_vendors_serve_both() {
    let ground = Ground::new();
    let other = ground.demanding().named("other-cad");
    let other = other.checkpoint(&ground.root(20).to_string(), &ground.spec_digest(), "");
    let mut daemon = linked(&ground, &ground.settings().product(ground.product()).product(other));
    daemon.wait_for_code(ACME, "VALID");
    daemon.wait_for_code("other-cad", "VALID");
    let agreed =
        wait_for_sync(&daemon, "they agree", |it| it["agreed"] != json!([]))["agreed"].clone();
    daemon.restart();
    assert_eq!(sync(&daemon)["agreed"], agreed, "it is kept");
    daemon.wait_for_code(ACME, "VALID");
    daemon.wait_for_code("other-cad", "VALID");
}

/// A product file of the owner's own, with a checkpoint of the owner's own, does not serve another product.
#[test]
fn a_checkpoint_serves_only_the_product_that_names_it() {
    let ground = Ground::new();
    let own = ground.product().named("own");
    let nowhere = format!("0x{}", "00".repeat(32));
    let demanding = ground.demanding().checkpoint(&nowhere, &ground.spec_digest(), "");
    let daemon = linked(&ground, &ground.settings().product(own).product(demanding));
    daemon.wait_for_code("own", "VALID");
    daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
}

/// How old a checkpoint may be is each vendor's own word, also where another one allows more of the same root.
#[test]
fn another_product_does_not_make_a_checkpoint_younger() {
    let ground = Ground::new();
    let (root, digest) = (ground.checkpoint(), ground.spec_digest());
    let strict = ground.demanding().checkpoint(&root, &digest, "max_age = \"10s\"");
    let patient = ground.demanding().named("patient");
    let patient = patient.checkpoint(&root, &digest, "max_age = \"90d\"");
    let daemon = linked(&ground, &ground.settings().product(strict).product(patient));
    daemon.wait_for_code("patient", "VALID");
    let verdict = daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    assert!(detail(&verdict).contains("old when it was begun from"), "{verdict}");
    // The next version of the strict one's file brings a root that is young enough; it is found to agree.
    let younger = ground.root(30).to_string();
    daemon.write_product(&ground.demanding().checkpoint(&younger, &digest, ""));
    daemon.admin("system_reload", json!({}));
    daemon.wait_for_code(ACME, "VALID");
}

/// A clock that is behind the checkpoint makes it no younger than it is: it is not begun from until the clock is right.
#[test]
fn a_checkpoint_of_a_slot_that_has_not_come_is_not_begun_from() {
    let ground = Ground::new();
    let text = std::fs::read_to_string(ground.spec()).unwrap();
    let genesis = ground.beacon.chain().schedule.genesis_time;
    let (now, later) = (format!("genesis_time = {genesis}"), genesis + 86_400);
    assert!(text.contains(&now), "{text}");
    std::fs::write(ground.spec(), text.replace(&now, &format!("genesis_time = {later}"))).unwrap();
    let mut daemon = linked(&ground, &ground.settings().product(ground.product()));
    let sync = wait_for_sync(&daemon, "it says why", |it| !it["trouble"].is_null());
    assert_eq!(sync["checkpoint"], Value::Null, "{sync}");
    assert!(sync["trouble"].as_str().unwrap().contains("has not come"), "{sync}");
    assert_eq!(daemon.code(ACME), "UNDETERMINED");

    assert!(daemon.stop().success());
    std::fs::write(ground.spec(), text).unwrap();
    daemon.write_product(&ground.product());
    daemon.resume();
    daemon.wait_for_code(ACME, "VALID");
}
