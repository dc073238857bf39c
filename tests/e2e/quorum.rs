//! Several endpoints that have to agree.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::anvil::{Anvil, number};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::{self, Fault};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

struct Quorum {
    daemon: Daemon,
    proxies: Vec<Proxy>,
    licence: Contract,
    wallet: Wallet,
    anvil: Anvil,
}

/// `of` endpoints before one chain, of which `quorum` must agree; the wallet holds token 7.
fn quorum(quorum: usize, of: usize) -> Quorum {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.finalize();
    let proxies: Vec<Proxy> = (0..of).map(|_| Proxy::start(&anvil.address())).collect();
    let product = ProductFile::acme(&licence.collection()).set("trust", r#""quorum""#);
    let settings = Settings::new(proxies.iter().map(Proxy::url)).quorum(quorum).product(product);
    let daemon = Daemon::start(&settings);
    Quorum { daemon, proxies, licence, wallet, anvil }
}

#[test]
fn endpoints_that_agree_are_believed() {
    let it = quorum(2, 2);
    it.daemon.link(&it.wallet);
    assert_eq!(it.daemon.wait_for_code(ACME, "VALID")["trust"], "quorum");
}

#[test]
fn endpoints_that_disagree_are_not() {
    let it = quorum(2, 2);
    // The other one is on a fork of its own: honest blocks, all of them other ones.
    let fork = Anvil::start();
    Contract::licence(&fork);
    fork.mine(5);
    it.proxies[1].lead_to(&fork.address());
    it.daemon.link(&it.wallet);
    it.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(2));
    assert_eq!(it.daemon.code(ACME), "UNDETERMINED");
}

#[test]
fn one_of_three_may_be_down() {
    let it = quorum(2, 3);
    it.proxies[0].fault(Fault::Drop);
    it.daemon.link(&it.wallet);
    it.daemon.wait_for_code(ACME, "VALID");
    it.licence.transfer(&it.anvil, it.wallet.address(), stranger(), 7);
    it.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn one_of_three_may_lie() {
    let it = quorum(2, 3);
    it.proxies[0].fault(faults::slots_zero_with_cut_proofs());
    it.daemon.link(&it.wallet);
    it.daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(1));
    it.daemon.wait_for_code(ACME, "VALID");
}

/// Nothing is looked at again by itself during this test: only what an endpoint tells can be the reason.
#[test]
fn one_of_three_hides_no_sale_from_those_who_follow() {
    hides_a_sale(|_| faults::no_logs());
    hides_a_sale(|anvil| faults::head_stays_at(anvil.block_number()));
}

fn hides_a_sale(lie: impl Fn(&Anvil) -> Fault) {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.finalize();
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::start(&anvil.address())).collect();
    // The liar is the fastest, which is asked first.
    proxies[0].fault(lie(&anvil));
    for honest in &proxies[1..] {
        honest.fault(Fault::Delay(Duration::from_millis(200)));
    }
    let product = ProductFile::acme(&licence.collection()).set("trust", r#""quorum""#);
    let product = product.set("refresh", r#""1h""#);
    let settings = Settings::new(proxies.iter().map(Proxy::url)).quorum(2).product(product);
    let daemon = Daemon::start(&settings);
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn one_of_two_is_too_few() {
    let it = quorum(2, 2);
    it.proxies[1].fault(Fault::Drop);
    it.daemon.link(&it.wallet);
    it.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(1));
    it.proxies[1].heal();
    it.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn a_single_endpoint_is_too_little_for_a_product_that_wants_a_quorum() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    let product = ProductFile::acme(&licence.collection()).set("trust", r#""quorum""#);
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
    daemon.link(&wallet);
    let verdict = daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    assert_eq!(verdict["valid"], json!(false));
}

#[test]
fn with_one_endpoint_down_the_next_one_serves() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    let (first, second) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    first.fault(Fault::Drop);
    let product = ProductFile::acme(&licence.collection());
    let daemon = Daemon::start(&Settings::new([first.url(), second.url()]).product(product));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    first.heal();
    second.fault(Fault::Drop);
    anvil.mine(1);
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

/// No genesis block is configured, and the one that is on another chain is the fastest.
#[test]
fn whoever_answers_first_does_not_say_for_all_which_chain_it_is() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.finalize();
    let other = Anvil::start_in_the_past(Duration::from_secs(600));
    let proxies = [&other, &anvil, &anvil].map(|it| Proxy::start(&it.address()));
    for honest in &proxies[1..] {
        honest.fault(Fault::Delay(Duration::from_millis(500)));
    }
    let product = ProductFile::acme(&licence.collection()).set("trust", r#""quorum""#);
    let settings = Settings::new(proxies.iter().map(Proxy::url)).quorum(2).product(product);
    let daemon = Daemon::prepare(&settings);
    let text = settings.text(daemon.home());
    daemon.write_config(&text.replace("poll =", "retry = \"200ms\"\npoll ="));
    let mut daemon = daemon;
    daemon.resume();
    daemon.link(&wallet);
    daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(2));
    for honest in &proxies[1..] {
        honest.heal();
    }
    daemon.wait_for_code(ACME, "VALID");
}

/// It begins with the same block, so that it passes for the chain, and goes on as no chain can.
#[test]
fn a_huge_number_that_is_named_first_makes_nobody_late() {
    for (demanded, seconds) in [(1, "0x0"), (1, "0x1"), (2, "0x0"), (2, "0x1")] {
        huge_number(demanded, seconds);
    }
}

fn huge_number(demanded: usize, seconds: &str) {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
    let genesis = number(&anvil.block("0x0")["timestamp"]).to_string();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    // A second apart, so that there is a time between blocks to go by.
    anvil.call("anvil_mine", json!(["0x20", "0x1"]));
    let other = Anvil::with(&["--timestamp", &genesis]);
    assert_eq!(other.block("0x0")["hash"], anvil.block("0x0")["hash"]);
    assert_eq!(Contract::licence(&other), licence, "of which nobody has a token");
    other.call("anvil_mine", json!(["0x800", seconds]));
    let proxies = [&other, &anvil, &anvil].map(|it| Proxy::start(&it.address()));
    let product = ProductFile::acme(&licence.collection());
    let (settings, product) = match demanded {
        1 => (Settings::new(proxies.iter().map(Proxy::url)), product),
        _ => (
            Settings::new(proxies.iter().map(Proxy::url)).quorum(demanded),
            product.set("trust", r#""quorum""#),
        ),
    };
    for honest in &proxies[1..] {
        honest.fault(Fault::Delay(Duration::from_millis(500)));
    }
    let daemon = Daemon::start(&settings.product(product));
    daemon.link(&wallet);
    let asked = || match proxies[0].calls("eth_getBlockByNumber") {
        0 | 1 => Err("nothing".to_owned()),
        _ => Ok(()),
    };
    eventually("the other one has named its blocks", asked);
    daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    proxies[0].fault(Fault::Drop);
    proxies[1..].iter().for_each(Proxy::heal);
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert!(verdict["anchor"]["number"].as_u64() < Some(100), "{verdict}");
    assert!(!daemon.log().contains("chain_reset"), "one of three says nothing for all");
}

/// Where one's word is enough: a liar goes on at the chain's own pace, step by step, to half an hour from now. What it
/// says is final raises the floor under the chain's time, and yet it is not what tells the present.
#[test]
fn one_that_goes_ahead_in_small_steps_makes_the_honest_late_by_no_more_than_a_minute() {
    goes_ahead_in_small_steps(|_| {});
}

/// Neither the floor nor the newest blocks that are kept do it for the liar.
#[test]
fn one_that_went_ahead_in_small_steps_makes_nobody_late_after_a_restart_either() {
    goes_ahead_in_small_steps(Daemon::restart);
}

fn goes_ahead_in_small_steps(then: impl FnOnce(&mut Daemon)) {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(60));
    let genesis = number(&anvil.block("0x0")["timestamp"]).to_string();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.call("anvil_mine", json!(["0x20", "0x1"]));
    let other = Anvil::with(&["--timestamp", &genesis]);
    assert_eq!(Contract::licence(&other), licence, "of which nobody has a token");
    other.call("anvil_mine", json!(["0x20", "0x1"]));
    let (liar, honest) = (Proxy::start(&other.address()), Proxy::start(&anvil.address()));
    honest.fault(Fault::Delay(Duration::from_millis(500)));
    let product = ProductFile::acme(&licence.collection());
    let settings = Settings::new([liar.url(), honest.url()]).product(product);
    let mut daemon = Daemon::start(&settings);
    daemon.link(&wallet);
    for _ in 0..6 {
        other.call("anvil_mine", json!(["0x12c", "0x1"]));
        let ahead = other.block_number();
        let is_there = |it: &Value| it["anchor"]["number"].as_u64() == Some(ahead);
        daemon.wait_for(ACME, &format!("at the liar's block {ahead}"), is_there);
    }
    liar.fault(Fault::Drop);
    honest.heal();
    then(&mut daemon);
    // Past what is less than a minute ahead, and a third of the liar's way.
    anvil.call("anvil_mine", json!(["0x200", "0x1"]));
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert!(verdict["anchor"]["number"].as_u64() <= Some(anvil.block_number()), "{verdict}");
    assert!(!daemon.log().contains("chain_reset"), "one of two says nothing for both");
}
