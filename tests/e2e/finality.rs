//! How settled a block must be, and what happens when blocks are taken back.
//!
//! On the test chain the finalized block is two behind the newest.

use std::time::Duration;

use serde_json::json;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage, stranger};
use crate::support::wallet::Wallet;

fn finalized(provisional: bool) -> Stage {
    let stage = Stage::with(|licence| {
        ProductFile::acme(&licence.collection())
            .finality("finalized")
            .set("provisional", &provisional.to_string())
    });
    stage.anvil.finalize();
    stage.daemon.link(&stage.wallet);
    stage
}

#[test]
fn a_purchase_counts_once_it_is_final() {
    let stage = finalized(false);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.mint(7);
    stage.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    stage.anvil.finalize();
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["provisional"], json!(false), "{verdict}");
    assert_eq!(verdict["anchor"]["finality"], "finalized", "{verdict}");
}

#[test]
fn where_the_product_allows_it_a_purchase_counts_provisionally() {
    let stage = finalized(true);
    stage.mint(7);
    let early = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(early["provisional"], json!(true), "{early}");
    stage.anvil.finalize();
    stage.daemon.wait_for(ACME, "final", |it| it["code"] == "VALID" && it["provisional"] == false);
}

/// Who has something already does not wait for the next look by time until the better thing counts.
#[test]
fn a_better_licence_counts_once_it_is_final_though_a_lesser_one_counts_already() {
    let stage = Stage::with(|licence| {
        let collection = licence.collection();
        ProductFile::new(ACME)
            .finality("finalized")
            .set("refresh", r#""10m""#)
            .tier("starter", 10, "")
            .tier("pro", 20, "")
            .grant("starter", &collection, "ids = [\"1-9\"]\ntokens_of = \"enumerable\"")
            .grant("pro", &collection, "ids = [\"10-19\"]\ntokens_of = \"enumerable\"")
    });
    stage.mint(1);
    stage.anvil.finalize();
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for(ACME, "the lesser tier", |it| it["tier"] == "starter");
    stage.mint(10);
    eventually("it is seen before it is final", || {
        let history = json!({"token": stage.licence.token(10)});
        let history = stage.daemon.admin("ownership_history", history);
        if history["items"] == json!([]) { Err(history.to_string()) } else { Ok(()) }
    });
    stage.anvil.finalize();
    stage.daemon.wait_for(ACME, "the better tier", |it| it["tier"] == "pro");
}

#[test]
fn a_sale_ends_the_entitlement_before_it_is_final() {
    let stage = finalized(false);
    stage.mint(7);
    stage.anvil.finalize();
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.give_away(7);
    stage.daemon.wait_for(ACME, "no longer valid", |it| it["valid"] == false);
}

#[test]
fn a_purchase_taken_back_by_a_reorganisation_counts_no_more() {
    let stage = Stage::entitled();
    stage.anvil.reorg(1);
    stage.anvil.mine(1);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_sale_taken_back_by_a_reorganisation_is_undone() {
    let stage = Stage::entitled();
    stage.anvil.mine(1);
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.anvil.reorg(1);
    stage.daemon.wait_for_code(ACME, "VALID");
}

/// Back, but not below what was final: that would be no head.
#[test]
fn a_head_that_goes_back_is_followed() {
    let stage = Stage::entitled();
    let before = stage.anvil.snapshot();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.anvil.revert(before);
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.daemon.wait_for_log("did not come back");
}

/// The first block after that shows that those before are gone: nobody has to wait.
#[test]
fn a_head_that_goes_back_and_goes_on_is_followed_at_once() {
    let stage = Stage::entitled();
    let before = stage.anvil.snapshot();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let gone = stage.anvil.block_number();
    stage.anvil.revert(before);
    stage.anvil.mine(gone - 1 - stage.anvil.block_number());
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["anchor"]["number"], json!(gone - 1), "{verdict}");
    assert!(!stage.daemon.log().contains("did not come back"), "nobody had to wait");
}

#[test]
fn a_late_endpoint_does_not_bring_back_what_was_sold() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.mine(3);
    let (prompt, late) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    late.fault(Fault::Behind { blocks: 2 });
    let product = ProductFile::acme(&licence.collection());
    let daemon = Daemon::start(&Settings::new([prompt.url(), late.url()]).product(product));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
    prompt.fault(Fault::too_many_requests_for_a_minute());
    daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(4));
    // It need not be asked again: the late one gets there by itself.
    anvil.mine(2);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

/// Of looks that race, some wait for an old head while others are done with a new one.
#[test]
fn looks_that_race_do_not_bring_back_what_was_sold() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    let uneven = Proxy::start(&anvil.address());
    let delay = Fault::Delay(Duration::from_millis(400));
    uneven.fault_in("eth_getBlockByNumber", delay.every(2));
    let products: Vec<String> = (0..6).map(|it| format!("product-{it}")).collect();
    let mut settings = Settings::new([uneven.url()]);
    for id in &products {
        settings = settings.product(ProductFile::acme(&licence.collection()).named(id));
    }
    let daemon = Daemon::start(&settings);
    daemon.link(&wallet);
    for id in 1..=4 {
        licence.mint(&anvil, wallet.address(), id);
        products.iter().for_each(|it| drop(daemon.wait_for_code(it, "VALID")));
        licence.transfer(&anvil, wallet.address(), stranger(), id);
        let sold = anvil.block_number();
        let mut seen = vec![false; products.len()];
        crate::support::never(Duration::from_secs(3), || {
            for (product, seen) in products.iter().zip(&mut seen) {
                let verdict =
                    daemon.call("entitlement_check", json!({ "product": product, "wait_ms": 0 }));
                let valid = verdict["valid"] == true;
                if *seen && valid {
                    return Err(format!("sold at {sold}, and valid again: {verdict}"));
                }
                *seen |= verdict["code"] == "NOT_HELD";
            }
            Ok(())
        });
    }
}

/// Without a genesis block that is configured, as after a restart of the daemon.
/// Waits until the daemon knows what it finds out of its endpoint in the background. Were that of two chains, the time
/// between their blocks would seem to be long.
fn examined(daemon: &Daemon) {
    eventually("the endpoint is examined", || {
        let status = daemon.admin("chain_status", json!({}));
        let batch = &status[0]["endpoints"][0]["abilities"]["batch"];
        if batch.is_u64() { Ok(()) } else { Err(status.to_string()) }
    });
}

#[test]
fn a_chain_that_begins_anew_is_noticed_and_told() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.finalize();
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let daemon = Daemon::prepare(&Settings::new([proxy.url()]).product(product));
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    daemon.write_config(&config.replace("poll =", "retry = \"200ms\"\npoll ="));
    let mut daemon = daemon;
    daemon.resume();
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    examined(&daemon);
    let anew = Anvil::start_in_the_past(Duration::from_secs(600));
    assert_eq!(Contract::licence(&anew), licence, "the same contract, of which nobody has a token");
    proxy.lead_to(&anew.address());
    daemon.wait_for_code(ACME, "NOT_HELD");
    daemon.wait_for_log("another genesis block");
    licence.mint(&anew, wallet.address(), 7);
    daemon.wait_for_code(ACME, "VALID");
}

/// What was seen of the old chain is at higher blocks, and of a finality that nobody asks for any more.
#[test]
fn what_was_held_on_a_chain_that_is_gone_counts_no_more() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.mine(60);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let settings = Settings::new([proxy.url()]).product(product.clone().finality("finalized"));
    let mut daemon = Daemon::prepare(&settings);
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    daemon.write_config(&config.replace("poll =", "retry = \"200ms\"\npoll ="));
    daemon.resume();
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    daemon.write_product(&product);
    daemon.admin("system_reload", json!({}));
    daemon.wait_for_code(ACME, "VALID");
    examined(&daemon);
    let anew = Anvil::start_in_the_past(Duration::from_secs(600));
    assert_eq!(Contract::licence(&anew), licence, "the same contract, of which nobody has a token");
    assert!(anew.block_number() < 60, "the chain that is gone was higher");
    proxy.lead_to(&anew.address());
    daemon.wait_for_code(ACME, "NOT_HELD");
    daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(2));
    licence.mint(&anew, wallet.address(), 7);
    daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn what_a_test_chain_forges_behind_its_header_is_not_believed() {
    let stage = Stage::linked();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    // Every low slot: somewhere in there are the balance and the owner, were they guessed.
    for slot in 0..12 {
        let word = stage.holder().into_word().to_string();
        stage.anvil.set_storage(
            &stage.licence.address.to_string(),
            &format!("{slot:#066x}"),
            &word,
        );
    }
    stage.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
}

#[test]
fn a_late_endpoint_does_not_bring_back_what_was_sold_after_a_restart_either() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.mine(3);
    let endpoint = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let mut daemon = Daemon::start(&Settings::new([endpoint.url()]).product(product));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
    endpoint.fault(Fault::Behind { blocks: 1 });
    daemon.restart();
    daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(3));
    anvil.mine(2);
    daemon.wait_for_code(ACME, "NOT_HELD");
}
