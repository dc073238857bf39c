//! Following a chain: what wakes a look, and what does without being woken. And several chains at once.

use std::time::Duration;

use serde_json::json;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

/// A chain with a licence of which the wallet holds token 7.
fn scene() -> (Anvil, Contract, Wallet) {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    anvil.finalize();
    (anvil, licence, wallet)
}

fn with_poll(settings: &Settings, poll: &str) -> Daemon {
    let mut daemon = Daemon::prepare(settings);
    let text = settings.text(daemon.home());
    daemon.write_config(&text.replace("poll = \"100ms\"", &format!("poll = {poll:?}")));
    daemon.resume();
    daemon
}

/// Nothing is polled and nothing looked at again during this test: only the notice can tell.
#[test]
fn a_notice_over_websocket_is_a_reason_to_poll_at_once() {
    let (anvil, licence, wallet) = scene();
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""1h""#);
    let url = format!("ws://{}", anvil.address());
    let daemon = with_poll(&Settings::new([url]).product(product), "1h");
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn without_the_notices_polling_goes_on() {
    let (mut anvil, licence, wallet) = scene();
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""1h""#);
    let urls = [format!("ws://{}", anvil.address()), anvil.url()];
    let daemon = with_poll(&Settings::new(urls).product(product), "100ms");
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    // The subscription dies with the connection; the chain is the same afterwards.
    anvil.stop();
    anvil.resume();
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_chain_nobody_cares_for_is_polled_rarely_until_somebody_does() {
    let (anvil, licence, wallet) = scene();
    let proxy = Proxy::start(&anvil.address());
    let daemon = Daemon::start(&Settings::new([proxy.url()]));
    let polled = |time: Duration| {
        let before = proxy.calls("eth_getBlockByNumber");
        // How often it polls is a count in a time.
        std::thread::sleep(time);
        proxy.calls("eth_getBlockByNumber") - before
    };
    // A poll in a tenth of a second would be thirty; and now and then it is examined.
    eventually("it is polled rarely", || match polled(Duration::from_secs(3)) {
        few @ 0..=8 => Ok(few),
        many => Err(many.to_string()),
    });
    daemon.write_product(&ProductFile::acme(&licence.collection()));
    daemon.admin("system_reload", json!({}));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    // Of thirty, on a machine that has time.
    eventually("it is polled often", || match polled(Duration::from_secs(3)) {
        few @ 0..=15 => Err(few.to_string()),
        many => Ok(many),
    });
}

/// Otherwise each change from one endpoint to another would be a reason to look at everything again.
#[test]
fn an_endpoint_a_block_late_is_no_reorganisation() {
    let (anvil, licence, wallet) = scene();
    let (prompt, late) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    late.fault(Fault::Behind { blocks: 1 });
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""1h""#);
    let daemon = Daemon::start(&Settings::new([prompt.url(), late.url()]).product(product));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    anvil.mine(1);
    prompt.fault(Fault::Drop.every(2));
    let proofs = || prompt.calls("eth_getProof") + late.calls("eth_getProof");
    // What is examined is examined once a minute at most.
    let before = proofs();
    // Many heads of either endpoint, in turns.
    let polls = || prompt.calls("eth_getBlockByNumber").min(late.calls("eth_getBlockByNumber"));
    let polled = polls();
    eventually("both are polled", || match polls() - polled {
        few @ 0..10 => Err(few.to_string()),
        many => Ok(many),
    });
    assert!(proofs() - before <= 8, "{} proofs of what did not change", proofs() - before);
}

/// No event tells of it; the proof that comes round does.
#[test]
fn a_contract_that_tells_nothing_is_caught_by_the_next_proof() {
    let (anvil, licence, wallet) = scene();
    let proxy = Proxy::start(&anvil.address());
    let daemon = Daemon::start(
        &Settings::new([proxy.url()]).product(ProductFile::acme(&licence.collection())),
    );
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    proxy.fault_in("eth_getLogs", Fault::Error { code: -32000, message: "no events here" });
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
}

/// Two chains: one of its own and one behind a proxy that can hang.
struct TwoChains {
    daemon: Daemon,
    here: (Anvil, Contract),
    there: (Anvil, Contract),
    proxy: Proxy,
    wallet: Wallet,
}

const THERE: &str = "eip155:31338";

fn on(chain: &str, licence: &Contract) -> String {
    format!("{chain}/erc721:{}", licence.address)
}

impl TwoChains {
    fn new() -> Self {
        let (anvil, licence, wallet) = scene();
        let other = Anvil::with(&["--chain-id", "31338"]);
        let other_licence = Contract::licence(&other);
        other_licence.mint(&other, wallet.address(), 7);
        other.finalize();
        let proxy = Proxy::start(&other.address());
        let both = ProductFile::new("both")
            .tier("pro", 20, "")
            .grant("pro", &licence.collection(), r#"tokens_of = "enumerable""#)
            .grant("pro", &on(THERE, &other_licence), r#"tokens_of = "enumerable""#);
        let there = ProductFile::new("there").tier("pro", 20, "").grant(
            "pro",
            &on(THERE, &other_licence),
            r#"tokens_of = "enumerable""#,
        );
        let chain = format!(
            "[[chain]]\nid = {THERE:?}\nrpc = [{:?}]\npoll = \"100ms\"\ntrust = \"single\"",
            proxy.url()
        );
        let settings = Settings::new([anvil.url()])
            .product(ProductFile::acme(&licence.collection()))
            .product(both)
            .product(there)
            .more(&chain);
        let daemon = Daemon::start(&settings);
        daemon.link(&wallet);
        Self { daemon, here: (anvil, licence), there: (other, other_licence), proxy, wallet }
    }
}

#[test]
fn a_chain_that_hangs_affects_only_its_own_products() {
    let it = TwoChains::new();
    for product in [ACME, "both", "there"] {
        it.daemon.wait_for_code(product, "VALID");
    }
    it.proxy.fault(Fault::Delay(Duration::from_secs(60)));
    let (anvil, licence) = &it.here;
    licence.transfer(anvil, it.wallet.address(), stranger(), 7);
    it.daemon.wait_for_code(ACME, "NOT_HELD");
    licence.transfer(anvil, stranger(), it.wallet.address(), 7);
    it.daemon.wait_for_code(ACME, "VALID");
    // What was proven there stays true as long as it may.
    assert_eq!(it.daemon.check("there")["valid"], json!(true));
}

#[test]
fn what_one_chain_proves_holds_while_another_hangs() {
    let it = TwoChains::new();
    it.daemon.wait_for_code("both", "VALID");
    it.proxy.fault(Fault::Delay(Duration::from_secs(60)));
    let (anvil, licence) = &it.here;
    licence.transfer(anvil, it.wallet.address(), stranger(), 7);
    it.daemon.wait_for_code(ACME, "NOT_HELD");
    // The token over there still counts: it was proven, and is not proven gone.
    it.daemon.never_answers("both", &["NOT_HELD"], Duration::from_secs(2));
    it.proxy.heal();
    let (other, other_licence) = &it.there;
    other_licence.transfer(other, it.wallet.address(), stranger(), 7);
    it.daemon.wait_for_code("both", "NOT_HELD");
}

/// Nothing is looked at again because time has passed: events alone can tell, those since the newest block that was known.
fn patient(settings: Settings, licence: &Contract) -> Settings {
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""1h""#);
    settings.more("[cache]\nrefresh = \"1h\"").product(product)
}

#[test]
fn what_happened_while_the_daemon_was_down_is_noticed_when_it_is_back() {
    let (anvil, licence, wallet) = scene();
    let mut daemon = Daemon::start(&patient(Settings::new([anvil.url()]), &licence));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    daemon.stop();
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    anvil.mine(5);
    daemon.resume();
    daemon.wait_for_code(ACME, "NOT_HELD");
    daemon.stop();
    licence.transfer(&anvil, stranger(), wallet.address(), 7);
    // More than are read at once.
    anvil.mine(2_500);
    daemon.resume();
    daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn an_older_ledger_in_the_place_of_the_one_that_knows_of_a_sale_hides_it_for_no_longer_than_a_poll()
{
    let (anvil, licence, wallet) = scene();
    let mut daemon = Daemon::start(&patient(Settings::new([anvil.url()]), &licence));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    daemon.stop();
    let ledger = daemon.home().join("state/ledger.redb");
    let older = std::fs::read(&ledger).unwrap();
    daemon.resume();
    licence.transfer(&anvil, wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
    daemon.stop();
    // The newest block is read by whoever begins.
    anvil.mine(3);
    std::fs::write(&ledger, older).unwrap();
    daemon.resume();
    daemon.wait_for_code(ACME, "NOT_HELD");
}
