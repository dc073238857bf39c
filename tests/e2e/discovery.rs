//! How the tokens of a wallet are found, and which of several counts.

use std::time::Duration;

use serde_json::json;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::faults::{self, Fault};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;

/// A scene in which `contract` grants `pro` in this way.
fn granting(contract: &str, more: &str) -> Stage {
    let anvil = Anvil::start();
    let argument = (contract == "ProxiedLicence").then(|| Contract::licence(&anvil).address);
    let licence = Contract::deploy(&anvil, contract, argument);
    let product =
        ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &licence.collection(), more);
    let settings = Settings::new([anvil.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage
}

#[test]
fn a_contract_that_lists_its_tokens_is_asked() {
    let stage = granting("Licence", r#"tokens_of = "enumerable""#).enter(31_415);
    let token = stage.licence.token(31_415);
    assert_eq!(stage.daemon.check(ACME)["token"], json!(token));
}

#[test]
fn a_contract_that_does_not_is_followed_by_its_events() {
    let stage = granting("PlainLicence", r#"tokens_of = "logs""#).enter(31_415);
    let token = stage.licence.token(31_415);
    assert_eq!(stage.daemon.check(ACME)["token"], json!(token));
    stage.give_away(31_415);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn events_that_one_endpoint_leaves_out_are_asked_of_the_next() {
    let anvil = Anvil::start();
    let licence = Contract::deploy(&anvil, "PlainLicence", None);
    let silent = Proxy::start(&anvil.address());
    silent.fault(faults::no_logs());
    let more = r#"tokens_of = "logs""#;
    let product =
        ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &licence.collection(), more);
    let settings = Settings::new([silent.url(), anvil.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.mint(31_415);
    stage.daemon.link(&stage.wallet);
    // The first look already finds it: were it only the next one, this would say UNDETERMINED.
    let patient = json!({"product": ACME, "wait_ms": 20_000});
    assert_eq!(stage.daemon.call("entitlement_check", patient)["code"], "VALID");
    assert!(silent.calls("eth_getLogs") > 0, "the silent one was asked first");
}

/// One of two endpoints, once: it leaves out the one event there is, and names as many other ids as are remembered.
#[test]
fn ids_that_an_endpoint_invented_once_take_no_room_from_those_that_count() {
    let anvil = Anvil::start();
    let licence = Contract::deploy(&anvil, "PlainLicence", None);
    let wallet = Wallet::numbered(1);
    let (inventing, honest) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    inventing.fault(faults::invented_ids(licence.address, wallet.address(), 10_000));
    honest.fault_only_in("eth_getLogs", Fault::unsupported());
    let more = r#"tokens_of = "logs""#;
    let product =
        ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &licence.collection(), more);
    let settings = Settings::new([inventing.url(), honest.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.mint(31_415);
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for(ACME, "the invented ids were read", |it| {
        it["code"] == "UNDETERMINED" && inventing.calls("eth_getLogs") > 0
    });
    // From here on both are honest.
    inventing.heal();
    honest.heal();
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["token"], json!(stage.licence.token(31_415)));
}

#[test]
fn tokens_minted_many_at_once_are_found_by_their_one_event() {
    let anvil = Anvil::start();
    let holder = Wallet::numbered(1).address();
    let licence = Contract::deploy(&anvil, "ConsecutiveLicence", Some(holder));
    let more = "tokens_of = \"logs\"\nids = [\"200-299\"]";
    let product =
        ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &licence.collection(), more);
    let settings = Settings::new([anvil.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["token"], json!(stage.licence.token(200)));
}

/// A contract that goes through 41 slots for an owner, and the node behind a proxy.
fn scanning() -> (Stage, Proxy) {
    let anvil = Anvil::start();
    let holder = Wallet::numbered(1).address();
    let licence = Contract::deploy(&anvil, "ScanningLicence", Some(holder));
    let proxy = Proxy::start(&anvil.address());
    let more = "tokens_of = \"ids\"\nids = [\"40\"]";
    let product =
        ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &licence.collection(), more);
    let settings = Settings::new([proxy.url()]).product(product);
    (Stage::on(anvil, licence, &settings), proxy)
}

#[test]
fn a_contract_that_goes_through_many_slots_takes_few_rounds() {
    let (stage, proxy) = scanning();
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(ACME, "VALID");
    assert!(proxy.calls("eth_createAccessList") > 0, "the node was asked for a hint");
    let proofs = proxy.calls("eth_getProof");
    assert!(proofs < 20, "{proofs}");
}

#[test]
fn a_node_that_gives_no_hint_is_asked_slot_by_slot() {
    let (stage, proxy) = scanning();
    let message = "the method eth_createAccessList does not exist/is not available";
    proxy.fault_in("eth_createAccessList", Fault::Error { code: -32601, message });
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(ACME, "VALID");
    // Some of them lead to nodes that are held by then.
    assert!(proxy.calls("eth_getProof") > 20, "{}", proxy.calls("eth_getProof"));
}

#[test]
fn listed_ids_are_proven_one_by_one() {
    let stage = granting("PlainLicence", "tokens_of = \"ids\"\nids = [\"1-9\", \"20\"]").enter(20);
    assert_eq!(stage.daemon.check(ACME)["token"], json!(stage.licence.token(20)));
}

#[test]
fn ids_outside_the_grant_do_not_count() {
    let stage = granting("PlainLicence", "tokens_of = \"ids\"\nids = [\"1-9\"]");
    stage.mint(10);
    stage.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    stage.mint(9);
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn an_upgradeable_proxy_is_executed_like_any_contract() {
    let stage = granting("ProxiedLicence", r#"tokens_of = "enumerable""#).enter(7);
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn of_several_tokens_one_is_enough_and_the_lowest_id_is_named() {
    let stage = Stage::linked();
    for id in [300, 20, 100] {
        stage.mint(id);
    }
    stage.daemon.wait_for(ACME, "by token 20", |it| it["token"] == stage.licence.token(20));
    stage.give_away(20);
    stage.daemon.wait_for(ACME, "by token 100", |it| it["token"] == stage.licence.token(100));
}

/// Ids 1-99 grant `starter`, 100-199 `pro`.
fn tiered() -> Stage {
    let stage = Stage::with(|licence| {
        ProductFile::new(ACME)
            .tier("starter", 10, "features = { export = false, seats_text = \"one\" }")
            .tier("pro", 20, "features = { export = true, quality = 0.5 }")
            .grant("starter", &licence.collection(), "tokens_of = \"enumerable\"\nids = [\"1-99\"]")
            .grant("pro", &licence.collection(), "tokens_of = \"enumerable\"\nids = [\"100-199\"]")
    });
    stage.daemon.link(&stage.wallet);
    stage
}

#[test]
fn the_highest_rank_wins() {
    let stage = tiered().enter(1);
    assert_eq!(stage.daemon.check(ACME)["tier"], "starter");
    stage.mint(100);
    stage.daemon.wait_for(ACME, "pro", |it| it["tier"] == "pro");
    stage.give_away(100);
    stage.daemon.wait_for(ACME, "starter again", |it| it["tier"] == "starter");
}

#[test]
fn features_are_those_of_the_tier() {
    let stage = tiered().enter(1);
    let check = |feature: &str| {
        let params = json!({"product": ACME, "feature": feature});
        stage.daemon.call("entitlement_check", params)
    };
    let starter = stage.daemon.check(ACME);
    assert_eq!(starter["features"], json!({"export": false, "seats_text": "one"}));
    assert_eq!(check("export")["code"], "FEATURE_MISSING", "false is not had");
    assert_eq!(check("no-such")["code"], "FEATURE_MISSING");
    assert_eq!(check("seats_text")["code"], "VALID");

    stage.mint(100);
    stage.daemon.wait_for(ACME, "pro", |it| it["tier"] == "pro");
    assert_eq!(check("export")["code"], "VALID");
    assert_eq!(stage.daemon.check(ACME)["features"]["quality"], json!(0.5));
}

#[test]
fn a_tier_ends_when_its_file_says_by_the_time_of_the_chain() {
    let stage = Stage::with(|licence| {
        ProductFile::new(ACME).tier("trial", 5, "expires_at = 2100-01-01T00:00:00Z").grant(
            "trial",
            &licence.collection(),
            r#"tokens_of = "enumerable""#,
        )
    });
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    assert_eq!(stage.daemon.check(ACME)["expires_at"], "2100-01-01T00:00:00Z");
    stage.anvil.increase_time(Duration::from_secs(80 * 366 * 24 * 3600));
    assert_eq!(stage.daemon.wait_for_code(ACME, "EXPIRED")["valid"], json!(false));
}

#[test]
fn the_explanation_leads_from_the_grant_to_the_anchor() {
    let stage = Stage::entitled();
    let explained = stage.daemon.call("entitlement_explain", json!({"product": ACME}));
    assert_eq!(explained["code"], "VALID", "{explained}");
    let steps: Vec<&str> = explained["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["step"].as_str().unwrap())
        .collect();
    for step in ["grant", "token", "wallet", "ownership", "block", "anchor"] {
        assert!(steps.contains(&step), "{step} is missing in {steps:?}");
    }
}
