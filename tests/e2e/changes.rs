//! Once a change is acknowledged, no answer on any connection rests on what was before it: also while a look
//! at a chain that does not answer is under way, and when nobody changed anything but the time.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::licences::{Rentals, chain_time};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::{Line, result_of};
use crate::support::stage::{ACME, Stage, own_customer, stranger};
use crate::support::wallet::Wallet;
use crate::support::{PATIENCE, eventually};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(600);
/// How long it is asked on after a change. What was published before a look comes back at once or not at all.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// The usual scene, with a proxy in front of the node.
pub struct Scene {
    pub stage: Stage,
    pub proxy: Proxy,
}

impl Scene {
    pub fn linked() -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let proxy = Proxy::start(&anvil.address());
        let product = ProductFile::acme(&licence.collection());
        let settings = Settings::new([proxy.url()]).product(product);
        let stage = Stage::on(anvil, licence, &settings);
        stage.daemon.link(&stage.wallet);
        Self { stage, proxy }
    }

    /// VALID by token 7, with the endpoint silent and a look under way.
    pub fn looking() -> Self {
        let scene = Self::linked();
        let stage = scene.stage.enter(7);
        let scene = Self { stage, ..scene };
        hang(&scene.stage.daemon, &scene.proxy);
        scene
    }

    pub fn daemon(&self) -> &Daemon {
        &self.stage.daemon
    }

    /// Every answer from now on, on connections of their own, has this code: at once, and after waiting a little.
    fn answers_only(&self, code: &str) {
        only(self.daemon(), |verdict| {
            if verdict["code"] == code { Ok(()) } else { Err(format!("{code} it should be")) }
        });
    }
}

/// From now on the endpoint is silent. Returns when a look waits for it: an answer goes stale only while one does.
pub fn hang(daemon: &Daemon, proxy: &Proxy) {
    proxy.fault(Fault::Delay(FOR_EVER));
    eventually("a look is under way", || {
        let verdict = known(daemon);
        if verdict["freshness"] == "stale" { Ok(()) } else { Err(verdict.to_string()) }
    });
}

/// What is known now.
fn known(daemon: &Daemon) -> Value {
    daemon.call("entitlement_check", json!({"product": ACME, "wait_ms": 0}))
}

/// Who runs the tests stands for another customer from now on, whose id this is.
pub fn move_user(daemon: &Daemon) -> Value {
    let uid = nix::unistd::getuid().as_raw();
    daemon.admin("customer_update", json!({"customer": own_customer(), "uids": []}));
    daemon.admin("customer_create", json!({"name": "Engineering", "uids": [uid]}))["id"].clone()
}

fn only(daemon: &Daemon, judge: impl Fn(&Value) -> Result<(), String>) {
    let begun = Instant::now();
    while begun.elapsed() < AFTERWARDS {
        for wait_ms in [0, 100] {
            let params = json!({"product": ACME, "wait_ms": wait_ms});
            for verdict in [
                daemon.call("entitlement_check", params),
                daemon.call("entitlement_explain", json!({"product": ACME})),
            ] {
                judge(&verdict).unwrap_or_else(|why| panic!("{why}: {verdict}"));
            }
        }
    }
}

#[test]
fn a_suspension_holds_while_a_look_is_under_way() {
    let scene = Scene::looking();
    let token = scene.stage.licence.token(7);
    scene.daemon().admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    scene.answers_only("SUSPENDED");
    scene.daemon().admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
    assert_eq!(known(scene.daemon())["code"], "VALID", "what the ledger proves holds again");
}

#[test]
fn a_deactivation_holds_while_a_look_is_under_way() {
    let scene = Scene::looking();
    scene.daemon().admin("customer_deactivate", json!({"customer": own_customer()}));
    scene.answers_only("SUSPENDED");
}

#[test]
fn an_unlinked_wallet_counts_no_more_while_a_look_is_under_way() {
    let scene = Scene::looking();
    scene.daemon().call("wallet_unlink", json!({"address": scene.stage.holder()}));
    scene.answers_only("NO_WALLET");
    scene.daemon().link(&scene.stage.wallet);
    assert_eq!(known(scene.daemon())["code"], "VALID", "what the ledger proves holds again");
}

#[test]
fn a_removed_product_is_gone_while_a_look_is_under_way() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let stage = Stage::on(anvil, licence, &Settings::new([proxy.url()]));
    let scene = Scene { stage, proxy };
    scene.daemon().link(&scene.stage.wallet);
    let product = ProductFile::acme(&scene.stage.licence.collection());
    scene.daemon().admin("product_install", json!({"toml": product.text()}));
    let scene = Scene { stage: scene.stage.enter(7), ..scene };
    hang(scene.daemon(), &scene.proxy);
    scene.daemon().admin("product_remove", json!({"product": ACME}));
    scene.answers_only("NO_PRODUCT");
}

/// The product, granted by tokens of a contract that nobody has looked at yet.
fn elsewhere(scene: &Scene) -> ProductFile {
    ProductFile::acme(&Contract::licence(&scene.stage.anvil).collection())
}

#[test]
fn another_contract_counts_alone_once_installed_while_a_look_is_under_way() {
    let scene = Scene::looking();
    let product = elsewhere(&scene).text();
    scene.daemon().admin("product_install", json!({"toml": product}));
    scene.answers_only("UNDETERMINED");
}

#[test]
fn another_contract_counts_alone_after_a_reload_while_a_look_is_under_way() {
    let scene = Scene::looking();
    scene.daemon().write_product(&elsewhere(&scene));
    scene.daemon().admin("system_reload", json!({}));
    scene.answers_only("UNDETERMINED");
}

/// What a request was begun for is not answered to somebody else's question.
#[test]
fn a_moved_user_is_answered_for_the_new_customer_while_a_look_is_under_way() {
    let scene = Scene::looking();
    let uid = nix::unistd::getuid().as_raw();
    let id = move_user(scene.daemon());
    scene.answers_only("NO_WALLET");
    assert_eq!(known(scene.daemon())["customer"], id);
    scene.daemon().admin("customer_update", json!({"customer": id, "uids": []}));
    assert_eq!(known(scene.daemon())["code"], "VALID", "of the customer before");
    scene.daemon().admin("customer_update", json!({"customer": id, "uids": [uid]}));
    scene.answers_only("NO_WALLET");
}

#[test]
fn who_waited_while_its_user_was_moved_is_answered_for_the_new_customer() {
    let scene = Scene::linked();
    scene.daemon().wait_for_code(ACME, "NOT_HELD");
    scene.proxy.fault(Fault::Delay(FOR_EVER));
    // Nobody has looked at it for this one, so that the answer waits.
    let product = elsewhere(&scene).text();
    scene.daemon().admin("product_install", json!({"toml": product}));
    let mut waiting = Line::connect(&scene.daemon().socket());
    waiting.ask("entitlement_check", &json!({"product": ACME, "wait_ms": 1_500}));
    assert_eq!(waiting.hear_within(Duration::from_millis(300)), None, "it waits");
    let id = move_user(scene.daemon());
    let verdict = result_of(waiting.hear().unwrap()).unwrap();
    assert_eq!((&verdict["customer"], &verdict["code"]), (&id, &json!("NO_WALLET")), "{verdict}");
}

/// With an endpoint of ordinary latency, again and again: whatever the look was busy with, and on connections
/// that ask without a pause meanwhile.
#[test]
fn a_suspension_holds_at_whatever_moment_it_comes() {
    let scene = Scene::linked();
    let scene = Scene { stage: scene.stage.enter(7), ..scene };
    scene.proxy.fault(Fault::Delay(Duration::from_millis(120)));
    let token = scene.stage.licence.token(7);
    for turn in 0..8 {
        scene.daemon().wait_for_code(ACME, "VALID");
        // The moment of the change is what is tried: another one in each turn.
        std::thread::sleep(Duration::from_millis(170 * turn % 900));
        scene.daemon().admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            for wait_ms in [0, 50] {
                let params = json!({"product": ACME, "wait_ms": wait_ms});
                let verdict = scene.daemon().call("entitlement_check", params);
                assert_eq!(verdict["valid"], json!(false), "turn {turn}: {verdict}");
            }
        }
        scene.daemon().admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
    }
}

// ---- time alone

/// While a look is under way, until `limit` of the verdict and some time beyond: no yes is given past it.
fn ends_at(daemon: &Daemon, proxy: &Proxy, limit: &str) {
    let first = daemon.wait_for_code(ACME, "VALID");
    let mut told = daemon.subscribe(ACME);
    told.until("VALID");
    proxy.fault(Fault::Delay(FOR_EVER));
    let mut end: Timestamp = first[limit].as_str().unwrap().parse().unwrap();
    let over = |end: Timestamp| Timestamp::now().duration_since(end).as_millis() > 1_500;
    let mut asked_often = 0;
    while !over(end) {
        for wait_ms in [0, 50] {
            let asked_at = Timestamp::now();
            let params = json!({"product": ACME, "wait_ms": wait_ms});
            let verdict = daemon.call("entitlement_check", params);
            if verdict["valid"] == json!(true) {
                // A look that was finished before the endpoint fell silent may have moved it.
                end = verdict[limit].as_str().unwrap().parse().unwrap();
                assert!(asked_at < end, "a yes at {asked_at}: {verdict}");
                asked_often += 1;
            }
        }
    }
    assert!(asked_often > 0, "it was valid for a while");
    assert_eq!(known(daemon)["valid"], json!(false));
    let news =
        (0..5).find_map(|_| told.next_within(PATIENCE).filter(|it| it["valid"] == json!(false)));
    assert!(news.is_some(), "who subscribed is told, too");
}

fn limited(product: impl FnOnce(&Contract) -> ProductFile) -> Scene {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let settings = Settings::new([proxy.url()]).product(product(&licence));
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    stage.mint(7);
    Scene { stage, proxy }
}

#[test]
fn grace_ends_when_it_ends_while_a_look_is_under_way() {
    let scene = limited(|it| ProductFile::acme(&it.collection()).set("grace", r#""8s""#));
    // Grace counts from the block's time: there is always a young one.
    scene.stage.anvil.mine(1);
    ends_at(scene.daemon(), &scene.proxy, "grace_until");
}

#[test]
fn a_tier_ends_when_it_ends_while_a_look_is_under_way() {
    let end = Timestamp::now() + Duration::from_secs(15);
    let tier = format!("expires_at = \"{end}\"");
    let scene = limited(|it| {
        let collection = it.collection();
        ProductFile::new(ACME).tier("pro", 20, &tier).grant("pro", &collection, "")
    });
    ends_at(scene.daemon(), &scene.proxy, "expires_at");
}

#[test]
fn a_rental_ends_when_it_ends_while_a_look_is_under_way() {
    let anvil = Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    rentals.0.mint(&anvil, stranger(), 7);
    let proxy = Proxy::start(&anvil.address());
    let collection = rentals.0.collection();
    let grant = "rule = \"user\"\nids = [7]";
    let product = ProductFile::new(ACME).tier("pro", 20, "").grant("pro", &collection, grant);
    let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
    let wallet = Wallet::numbered(1);
    daemon.link(&wallet);
    rentals.rent(&anvil, 7, wallet.address(), chain_time(&anvil) + 15);
    ends_at(&daemon, &proxy, "expires_at");
}
