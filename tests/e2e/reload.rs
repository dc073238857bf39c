//! Chains that come, change and go while the daemon runs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::{Line, result_of};
use crate::support::stage::{ACME, Stage};
use crate::support::{CHAIN, PATIENCE, eventually};

const CONFLICT: i64 = -32003;

/// The same configuration with these chains in place of the usual one.
fn configured(daemon: &Daemon, chains: &str) {
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    let (before, _) = text.split_once("[[chain]]").unwrap_or((&text, ""));
    daemon.write_config(&format!("{before}{chains}\n"));
}

fn chain(rpc: &str) -> String {
    format!(
        "[[chain]]\nid = \"{CHAIN}\"\nrpc = [\"{rpc}\"]\ntrust = \"single\"\npoll = \"100ms\"\n"
    )
}

fn reload(daemon: &Daemon) -> Value {
    daemon.admin("system_reload", json!({}))
}

fn endpoints(daemon: &Daemon) -> Vec<String> {
    let status = daemon.admin("chain_status", json!({}));
    let endpoints = status.as_array().unwrap().iter().flat_map(|it| it["endpoints"].as_array());
    endpoints.flatten().map(|it| it["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_chain_is_added_changed_and_taken_away_by_a_reload() {
    let mut stage = Stage::entitled();
    let pid = stage.daemon.pid();

    configured(&stage.daemon, "");
    let told = reload(&stage.daemon);
    assert_eq!(told["needs_restart"], json!([]), "{told}");
    assert_eq!(told["applied"], json!(["chain.eip155:31337"]), "{told}");
    assert_eq!(endpoints(&stage.daemon), [""; 0]);
    // What was proven counts on; what is not known is not known, and no "no".
    stage.give_away(7);
    let verdict = stage.daemon.wait_for_code(ACME, "GRACE");
    assert_eq!(verdict["valid"], json!(true), "{verdict}");

    configured(&stage.daemon, &chain(&stage.anvil.url()));
    let told = reload(&stage.daemon);
    assert_eq!(told["needs_restart"], json!([]), "{told}");
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(endpoints(&stage.daemon), [stage.anvil.url()]);

    let proxy = Proxy::start(&stage.anvil.address());
    configured(&stage.daemon, &chain(&proxy.url()));
    reload(&stage.daemon);
    assert_eq!(endpoints(&stage.daemon), [proxy.url()]);
    stage.give_back(7);
    stage.daemon.wait_for_code(ACME, "VALID");
    assert!(proxy.all_calls() > 0);
    assert_eq!(stage.daemon.pid(), pid, "it was never restarted");
}

/// Its contracts are followed as those of a chain that was there from the start.
#[test]
fn a_chain_that_was_added_is_followed() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let product = ProductFile::acme(&licence.collection()).set("refresh", r#""1h""#);
    let settings = Settings::new([anvil.url()]).more("[cache]\nrefresh = \"1h\"").product(product);
    let daemon = Daemon::prepare(&settings);
    let whole = std::fs::read_to_string(daemon.config()).unwrap();
    let (before, _) = whole.split_once("[[chain]]").unwrap();
    daemon.write_config(before);
    let mut stage =
        Stage { daemon, licence, anvil, wallet: crate::support::wallet::Wallet::numbered(1) };
    stage.daemon.resume();
    stage.daemon.link(&stage.wallet);
    assert_eq!(stage.daemon.code(ACME), "UNDETERMINED");
    let mut told = stage.daemon.subscribe(ACME);

    stage.daemon.write_config(&whole);
    stage.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    told.until("NOT_HELD");
    stage.mint(7);
    told.until("VALID");
    stage.give_away(7);
    told.until("NOT_HELD");
}

#[test]
fn a_look_at_a_chain_that_is_taken_away_ends_as_not_known() {
    let stage = Stage::start();
    let proxy = Proxy::start(&stage.anvil.address());
    configured(&stage.daemon, &chain(&proxy.url()));
    reload(&stage.daemon);
    proxy.fault(Fault::Delay(Duration::from_secs(60)));
    stage.daemon.link(&stage.wallet);
    let mut line = Line::connect(&stage.daemon.socket());
    line.ask("entitlement_check", &json!({"product": ACME, "wait_ms": 30_000}));
    let token = stage.licence.token(7);
    let mut other = Line::connect(&stage.daemon.socket());
    other.ask("token_verify", &json!({"token": token}));
    // A delayed answer is a look under way; without a delay it could be over before the chain is gone.
    eventually("the node is asked", || match proxy.all_calls() {
        0 => Err("no call".to_owned()),
        _ => Ok(()),
    });
    let none_yet = line.hear_within(Duration::from_millis(300));
    assert!(none_yet.is_none(), "it waits for the chain: {none_yet:?}");

    configured(&stage.daemon, "");
    reload(&stage.daemon);
    let answer = line.hear_within(PATIENCE * 2 / 3).expect("an answer without a chain");
    assert_eq!(answer["result"]["code"], "UNDETERMINED", "{answer}");
    let answer = other.hear_within(PATIENCE * 2 / 3).expect("an answer without a chain");
    assert_eq!(answer["error"]["data"]["code"], "CHAIN_UNAVAILABLE", "{answer}");
}

/// What a look has proven when its chain is exchanged is recorded, and the chain that follows names no older block after it.
/// Waits until the head has been asked for a few times, and nothing else.
fn quiet(proxy: &Proxy) {
    let (mut proofs, mut calls) = (usize::MAX, 0);
    eventually("nothing is looked at", || {
        let now = (proxy.calls("eth_getProof"), proxy.all_calls());
        if now.0 != proofs {
            (proofs, calls) = now;
        }
        if now.1 >= calls + 10 { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

#[test]
fn a_reload_during_a_look_does_not_bring_back_what_was_sold() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let (prompt, late) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    late.fault(Fault::Behind { blocks: 8 });
    // It looks when it is told something, and not because time has passed.
    let product =
        ProductFile::acme(&licence.collection()).finality("finalized").set("refresh", r#""1h""#);
    let settings = Settings::new([prompt.url()]).more("[cache]\nrefresh = \"1h\"").product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.mint(7);
    stage.anvil.finalize();
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(ACME, "VALID");

    let unheard = Fault::Error { code: -32000, message: "later" };
    // No look that has begun goes on meanwhile: its blocks would be from before the sale and from after it.
    quiet(&prompt);
    prompt.fault(unheard);
    stage.anvil.mine(10);
    stage.give_away(7);
    stage.anvil.mine(4);
    // The sale is final. The look sees that, and is held where it goes on to the newest block.
    let newest = stage.anvil.block("latest");
    let named = [&newest["hash"], &newest["number"]].map(ToString::to_string);
    let (tell, held) = mpsc::channel();
    let (release, released) = mpsc::channel::<Infallible>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    prompt.fault_only_in(
        "eth_getProof",
        Fault::Answer(Arc::new(move |_, params, _| {
            if named.iter().any(|it| params.to_string().contains(it)) {
                let _ = tell.lock().unwrap().send(());
                let _ = released.lock().unwrap().recv();
            }
        })),
    );
    held.recv_timeout(PATIENCE).expect("a look at the newest block");
    configured(&stage.daemon, &chain(&late.url()));
    reload(&stage.daemon);
    drop(release);
    stage.daemon.wait_for(ACME, "no longer valid", |it| it["valid"] == false);
    stage.daemon.never_answers(ACME, &["VALID", "GRACE"], Duration::from_secs(3));
    stage.anvil.mine(8);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_chain_that_cannot_be_opened_changes_nothing() {
    let stage = Stage::entitled();
    let wrong = format!("{}genesis = \"nonsense\"\n", chain(&stage.anvil.url()));
    for chains in [wrong, chain("http://")] {
        configured(&stage.daemon, &chains);
        let mut line = Line::connect(&stage.daemon.admin_socket());
        line.ask("system_reload", &json!({}));
        let refused = result_of(line.hear().unwrap()).unwrap_err();
        assert_eq!(refused.code, CONFLICT, "{refused:?}");
        assert_eq!(endpoints(&stage.daemon), [stage.anvil.url()]);
    }
    assert_eq!(stage.daemon.code(ACME), "VALID");
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn reloads_that_race_end_with_what_is_configured_last() {
    let stage = Stage::entitled();
    let proxy = Proxy::start(&stage.anvil.address());
    let urls = [stage.anvil.url(), proxy.url()];
    // In one step, so that nobody reads half of it.
    let configure = |url: &str| {
        let text = std::fs::read_to_string(stage.daemon.config()).unwrap();
        let (before, _) = text.split_once("[[chain]]").unwrap();
        let next = stage.daemon.home().join("next.toml");
        std::fs::write(&next, format!("{before}{}", chain(url))).unwrap();
        std::fs::rename(&next, stage.daemon.config()).unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| drop(reload(&stage.daemon))));
        }
        urls.iter().cycle().take(20).for_each(|url| {
            configure(url);
            assert_eq!(stage.daemon.check(ACME)["valid"], json!(true));
        });
    });
    for url in urls {
        configure(&url);
        reload(&stage.daemon);
        assert_eq!(endpoints(&stage.daemon), [url]);
    }
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let log = stage.daemon.log();
    assert!(!log.contains("panic") && !log.contains("restarted"), "{log}");
}
