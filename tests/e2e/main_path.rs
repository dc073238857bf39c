//! The story of a licence: bought, used, sold, got back, and the chain away for a while.

use std::time::Duration;

use serde_json::json;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage, own_customer};

#[test]
fn without_a_wallet_the_answer_says_so() {
    let stage = Stage::start();
    let verdict = stage.daemon.check(ACME);
    assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!("NO_WALLET")));
}

#[test]
fn an_unknown_product_is_no_product() {
    let stage = Stage::start();
    let verdict = stage.daemon.check("no-such-product");
    assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!("NO_PRODUCT")));
}

#[test]
fn a_linked_wallet_without_a_token_is_proven_not_to_hold() {
    let stage = Stage::linked();
    let verdict = stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(verdict["valid"], json!(false), "{verdict}");
}

#[test]
fn a_minted_token_entitles_to_its_tier() {
    let stage = Stage::entitled();
    let verdict = stage.daemon.check(ACME);
    let wallet = format!("eip155:31337:{}", stage.holder());
    for (key, wanted) in [
        ("product", json!(ACME)),
        ("valid", json!(true)),
        ("code", json!("VALID")),
        ("tier", json!("pro")),
        ("rank", json!(20)),
        ("features", json!({"export": true, "max_projects": 50})),
        ("customer", json!(own_customer())),
        ("wallet", json!(wallet)),
        ("token", json!(stage.licence.token(7))),
        ("provisional", json!(false)),
        ("trust", json!("single")),
        ("expires_at", json!(null)),
    ] {
        assert_eq!(verdict[key], wanted, "{key} of {verdict}");
    }
    assert!(["fresh", "stale"].contains(&verdict["freshness"].as_str().unwrap()), "{verdict}");
    assert_eq!(verdict["anchor"]["chain"], "eip155:31337", "{verdict}");
    assert_eq!(verdict["anchor"]["finality"], "latest", "{verdict}");
    let tag = format!("{:#x}", verdict["anchor"]["number"].as_u64().unwrap());
    assert_eq!(verdict["anchor"]["hash"], stage.anvil.block(&tag)["hash"], "{verdict}");
}

#[test]
fn a_token_given_away_entitles_no_more_and_got_back_does_again() {
    let stage = Stage::entitled();
    stage.give_away(7);
    assert_eq!(stage.daemon.wait_for_code(ACME, "NOT_HELD")["valid"], json!(false));
    stage.give_back(7);
    assert_eq!(stage.daemon.wait_for_code(ACME, "VALID")["tier"], "pro");
}

#[test]
fn a_burnt_token_entitles_no_more() {
    let stage = Stage::entitled();
    stage.licence.burn(&stage.anvil, 7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_subscriber_is_told_of_each_change_once() {
    let stage = Stage::entitled();
    let mut told = stage.daemon.subscribe(ACME);
    assert_eq!(told.next()["code"], "VALID", "the state at the beginning comes at once");

    stage.give_away(7);
    let gone = told.until("NOT_HELD");
    assert_eq!(gone["valid"], json!(false));
    let again = told.next_within(Duration::from_secs(2));
    assert!(again.is_none(), "nothing changed since: {again:?}");

    stage.give_back(7);
    assert_eq!(told.until("VALID")["tier"], "pro");
}

#[test]
fn an_unsubscribed_client_is_told_nothing() {
    let stage = Stage::entitled();
    let mut line = Line::connect(&stage.daemon.socket());
    let id = line.call("entitlement_subscribe", &json!({"product": ACME})).unwrap();
    assert_eq!(line.hear().unwrap()["method"], "entitlement_changed");
    line.call("entitlement_unsubscribe", &json!({"subscription": id})).unwrap();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert!(line.hear_within(Duration::from_millis(500)).is_none());
}

#[test]
fn without_the_chain_the_grace_holds_also_over_a_restart() {
    let mut stage = Stage::entitled();
    stage.anvil.stop();
    let verdict = stage.daemon.wait_for_code(ACME, "GRACE");
    assert_eq!(verdict["valid"], json!(true), "{verdict}");
    assert_eq!(verdict["freshness"], "grace", "{verdict}");
    assert!(verdict["grace_until"].is_string(), "{verdict}");

    stage.daemon.restart();
    let again = stage.daemon.wait_for_code(ACME, "GRACE");
    assert_eq!(again["grace_until"], verdict["grace_until"], "a restart buys no time");
    assert_eq!(again["tier"], "pro", "{again}");

    stage.anvil.resume();
    stage
        .daemon
        .wait_for(ACME, "fresh again", |it| it["code"] == "VALID" && it["freshness"] == "fresh");
}

#[test]
fn past_the_grace_nothing_is_known() {
    let stage = Stage::with(|it| ProductFile::acme(&it.collection()).set("grace", r#""2s""#));
    stage.daemon.link(&stage.wallet);
    let mut stage = stage.enter(7);
    stage.anvil.stop();
    let verdict = stage.daemon.wait_for_code(ACME, "UNDETERMINED");
    assert_eq!(verdict["valid"], json!(false), "{verdict}");
    stage.daemon.restart();
    assert_eq!(stage.daemon.code(ACME), "UNDETERMINED");
    stage.anvil.resume();
    // The grace counts from the block's own time: only new blocks are young enough, as a living chain has.
    stage.daemon.wait_for(ACME, "valid again", |it| {
        stage.anvil.mine(1);
        it["valid"] == json!(true)
    });
}

#[test]
fn what_was_proven_not_held_gets_no_grace() {
    let mut stage = Stage::entitled();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.anvil.stop();
    stage.daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(2));
    stage.daemon.restart();
    stage.daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(1));
}

#[test]
fn a_daemon_killed_in_the_middle_knows_what_it_acknowledged() {
    let mut stage = Stage::entitled();
    stage.anvil.stop();
    stage.daemon.kill();
    stage.daemon.resume();
    assert_eq!(stage.daemon.wait_for_code(ACME, "GRACE")["tier"], "pro");
    let wallets = stage.daemon.call("wallet_list", json!({}));
    assert_eq!(wallets["items"][0]["address"], json!(stage.holder().to_string()), "{wallets}");
}

#[test]
fn a_token_sold_while_the_daemon_was_off_is_noticed() {
    let mut stage = Stage::entitled();
    assert!(stage.daemon.stop().success());
    stage.give_away(7);
    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_chain_that_comes_later_is_waited_for() {
    let mut stage = Stage::linked();
    stage.mint(7);
    assert!(stage.daemon.stop().success());
    stage.anvil.stop();
    stage.daemon.resume();
    stage.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(1));
    stage.anvil.resume();
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn a_warm_answer_asks_nothing_of_the_chain() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""10m""#);
    let settings = Settings::new([proxy.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    let proofs = proxy.calls("eth_getProof");
    assert!(proofs > 0, "what was answered was proven");
    for _ in 0..200 {
        assert_eq!(stage.daemon.code(ACME), "VALID");
    }
    let more = proxy.calls("eth_getProof") - proofs;
    assert!(more < 20, "{more} proofs for 200 answers about an unchanged chain");
}

/// Many ask at once while the chain is slow; the first of them hangs up.
#[test]
fn who_hangs_up_cancels_nothing_for_the_others_and_one_look_serves_all() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""10m""#);
    let stage = Stage::on(anvil, licence, &Settings::new([proxy.url()]).product(product));
    stage.mint(7);
    stage.daemon.link(&stage.wallet);
    proxy.fault_in("eth_getProof", Fault::Delay(Duration::from_millis(400)));

    let ask = || {
        let mut line = Line::connect(&stage.daemon.socket());
        line.ask("entitlement_check", &json!({"product": ACME, "wait_ms": 30_000}));
        line
    };
    let impatient = ask();
    eventually("its question is at the node", || match proxy.calls("eth_getProof") {
        0 => Err("no call".to_owned()),
        calls => Ok(calls),
    });
    let patient: Vec<Line> = (0..8).map(|_| ask()).collect();
    drop(impatient);
    for mut line in patient {
        assert_eq!(line.hear().unwrap()["result"]["code"], "VALID");
    }
    let rounds = proxy.calls("eth_getProof");
    assert!(rounds < 12, "{rounds} rounds of proofs for what one look could answer");
}
