//! Several endpoints of one chain: who is asked, who is left alone and for how long, and what is told about it.

use std::time::Duration;

use alloy_primitives::B256;
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::{self, Fault};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

/// A chain with a licence of which the wallet holds token 7, and two endpoints in front of it.
struct Scene {
    first: Proxy,
    second: Proxy,
    licence: Contract,
    wallet: Wallet,
    anvil: Anvil,
}

impl Scene {
    fn new() -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let wallet = Wallet::numbered(1);
        licence.mint(&anvil, wallet.address(), 7);
        anvil.finalize();
        let (first, second) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
        Self { first, second, licence, wallet, anvil }
    }

    fn settings(&self) -> Settings {
        Settings::new([self.first.url(), self.second.url()])
            .product(ProductFile::acme(&self.licence.collection()))
    }

    /// A daemon to which the wallet is linked. Breakers rest for a moment only.
    fn daemon(&self) -> Daemon {
        self.daemon_with(&self.settings())
    }

    fn daemon_with(&self, settings: &Settings) -> Daemon {
        let daemon = Daemon::prepare(settings);
        let text = settings.text(daemon.home());
        daemon.write_config(&text.replace("poll =", "retry = \"200ms\"\npoll ="));
        let mut daemon = daemon;
        daemon.resume();
        daemon.link(&self.wallet);
        daemon
    }
}

/// One endpoint's part of `chain_status`.
fn endpoint(daemon: &Daemon, index: usize) -> Value {
    daemon.admin("chain_status", json!({}))[0]["endpoints"][index].clone()
}

/// Nothing is wrong with it; but on a slow machine the chain of a test may have stood still for a minute.
fn is_well(endpoint: &Value) -> bool {
    ["ok", "stale"].iter().any(|it| endpoint["state"] == *it)
}

fn endpoint_becomes(
    daemon: &Daemon,
    index: usize,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    eventually(what, || {
        let it = endpoint(daemon, index);
        if wanted(&it) { Ok(it) } else { Err(it.to_string()) }
    })
}

#[test]
fn what_an_endpoint_can_do_and_costs_is_told() {
    let scene = Scene::new();
    scene.second.fault_in("eth_createAccessList", Fault::unsupported());
    scene.second.fault_in("eth_chainId", Fault::RefuseBatches);
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let examined = |it: &Value| it["abilities"]["batch"].is_u64();
    let first = endpoint_becomes(&daemon, 0, "the first is examined", examined);
    let able = json!({"synced": true, "proofs": true, "finalized": true, "finalized_proofs": true,
        "oldest_proof": null, "access_lists": true, "block_hashes": true, "batch": 10});
    assert_eq!(first["abilities"], able, "{first}");
    assert_eq!((&first["state"], &first["breaker"]), (&json!("ok"), &json!("closed")), "{first}");
    for figure in ["requests", "units", "bytes"] {
        assert!(first["cost"][figure].as_u64() > Some(0), "{first}");
    }
    assert!(first["latency"]["p95_ms"].is_u64(), "{first}");
    let second = endpoint_becomes(&daemon, 1, "the second is examined", examined);
    assert_eq!(second["abilities"]["access_lists"], json!(false), "{second}");
    assert_eq!(second["abilities"]["batch"], json!(1), "{second}");
    let health = daemon.call("system_health", json!({}));
    let chain = &health["chains"][0];
    assert_eq!((&chain["status"], &chain["available"]), (&json!("ok"), &json!(2)), "{chain}");
}

#[test]
fn a_silent_endpoint_delays_nobody() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    scene.first.fault(Fault::Delay(Duration::from_secs(40)));
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    // Within the patience of the tests, which is less than the silence.
    daemon.wait_for_code(ACME, "NOT_HELD");
    let asked_beside = |it: &Value| it["cost"]["beside"].as_u64() > Some(0);
    endpoint_becomes(&daemon, 1, "the second was asked beside the first", asked_beside);
    endpoint_becomes(&daemon, 0, "the first is down", |it| it["state"] == "down");
}

#[test]
fn an_endpoint_that_keeps_failing_is_left_alone_and_comes_back_by_itself() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    scene.first.fault(Fault::Drop);
    let open = endpoint_becomes(&daemon, 0, "its breaker opens", |it| it["breaker"] != "closed");
    assert!(open["faults"]["down"].as_u64() >= Some(5), "{open}");
    assert_eq!(open["last_fault"]["kind"], json!("down"), "{open}");
    assert!(open["last_fault"]["at"].as_str().is_some_and(|it| it.ends_with('Z')), "{open}");
    daemon.wait_for_code(ACME, "VALID");
    scene.first.heal();
    endpoint_becomes(&daemon, 0, "it is asked again", |it| {
        it["breaker"] == "closed" && is_well(it)
    });
}

#[test]
fn a_lie_heals_but_its_evidence_stays() {
    let scene = Scene::new();
    scene.first.fault(faults::slots_zero_with_cut_proofs());
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    // By what stays: a busy machine may look when the first, short rest is over.
    let lying = endpoint_becomes(&daemon, 0, "it is found out", |it| {
        it["faults"]["lying"].as_u64() >= Some(1)
    });
    assert!(lying["state"] != "quarantined" || lying["retry_at"].is_string(), "{lying}");
    assert!(lying["evidence"]["asked"].to_string().contains("eth_getProof"), "{lying}");
    scene.first.heal();
    let healed = endpoint_becomes(&daemon, 0, "it is forgiven", is_well);
    for part in ["asked", "finding", "proof"] {
        assert!(healed["evidence"][part].is_string(), "{healed}");
    }
    daemon.wait_for_log("refuted by its own proof");
}

/// As on Gnosis: only its hash is looked at, which names the chain.
#[test]
fn a_chain_whose_first_block_has_another_form_is_identified() {
    let scene = Scene::new();
    scene.first.fault(faults::first_block_of_aura());
    scene.second.fault(faults::first_block_of_aura());
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    for index in 0..2 {
        let endpoint = endpoint_becomes(&daemon, index, "it is well", is_well);
        assert_eq!(endpoint["evidence"], json!(null), "{endpoint}");
        assert_eq!(endpoint["faults"], json!({}), "{endpoint}");
    }
}

#[test]
fn an_endpoint_with_headers_of_a_newer_fork_is_no_liar() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    scene.first.fault(faults::headers_of_a_newer_fork());
    let it = endpoint_becomes(&daemon, 0, "it cannot be read", |it| it["state"] == "unreadable");
    assert!(it["faults"]["unreadable"].as_u64() >= Some(1), "{it}");
    assert!(it["last_fault"]["message"].to_string().contains("newer fork; upgrade"), "{it}");
    assert_eq!((&it["faults"]["lying"], &it["evidence"]), (&json!(null), &json!(null)), "{it}");
    daemon.wait_for_log("fields that this version does not know");
    // Where all have them, nothing is known.
    scene.second.fault(faults::headers_of_a_newer_fork());
    endpoint_becomes(&daemon, 1, "nor can the other", |it| it["state"] == "unreadable");
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(1));
    assert!(!daemon.log().contains("refuted by its own proof"), "{}", daemon.log());
    scene.first.heal();
    scene.second.heal();
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn retry_after_is_obeyed() {
    let scene = Scene::new();
    scene.first.fault(Fault::too_many_requests_for_a_minute());
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let limited = endpoint(&daemon, 0);
    assert_eq!(limited["state"], json!("rate_limited"), "{limited}");
    let before = scene.first.all_calls();
    daemon.never_answers(ACME, &["NOT_HELD", "UNDETERMINED"], Duration::from_secs(2));
    assert_eq!(scene.first.all_calls(), before, "it wanted a minute");
}

#[test]
fn a_budget_is_kept() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    settings.endpoints.truncate(1);
    let daemon = Daemon::prepare(&settings);
    let thrifty = format!(
        "rpc = [{{ url = {:?}, budget = \"1 CU/s\", burst = 120 }}, {:?}]",
        scene.first.url(),
        scene.second.url()
    );
    let text = settings.text(daemon.home());
    let line = text.lines().find(|it| it.starts_with("rpc = ")).unwrap();
    daemon.write_config(&text.replace(line, &thrifty));
    let mut daemon = daemon;
    daemon.resume();
    daemon.link(&scene.wallet);
    daemon.wait_for_code(ACME, "VALID");
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
    let first = endpoint(&daemon, 0);
    let second = endpoint(&daemon, 1);
    assert!(first["cost"]["units"].as_u64() < Some(200), "{first}");
    assert!(first["cost"]["units"].as_u64() < second["cost"]["units"].as_u64(), "{second}");
    assert_eq!(first["faults"], json!({}), "our thrift is no fault of it: {first}");
}

#[test]
fn a_key_in_a_header_is_sent_and_shown_nowhere() {
    let scene = Scene::new();
    let settings = scene.settings();
    let daemon = Daemon::prepare(&settings);
    let table = format!(
        "rpc = [{{ url = \"{}/v3/S3CRET-PATH\", headers = {{ X-Api-Key = \"S3CRET-HEADER\" }} }}]",
        scene.first.url()
    );
    let text = settings.text(daemon.home());
    let line = text.lines().find(|it| it.starts_with("rpc = ")).unwrap();
    daemon.write_config(&text.replace(line, &table).replace("\"info\"", "\"trace\""));
    let mut daemon = daemon;
    daemon.resume();
    daemon.link(&scene.wallet);
    daemon.wait_for_code(ACME, "VALID");
    assert_eq!(scene.first.last_header("x-api-key").as_deref(), Some("S3CRET-HEADER"));
    scene.first.fault(Fault::Status { status: 403, headers: &[] });
    endpoint_becomes(&daemon, 0, "it refuses", |it| it["state"] == "down");
    let told = format!(
        "{} {} {}",
        daemon.admin("chain_status", json!({})),
        daemon.call("system_health", json!({})),
        daemon.log()
    );
    assert!(told.contains(&scene.first.url()) && !told.contains("S3CRET"), "{told}");
}

#[test]
fn a_fork_with_the_same_genesis_is_told_by_a_pinned_block() {
    let scene = Scene::new();
    let start = |hash: &Value| {
        let settings = scene.settings();
        let daemon = Daemon::prepare(&settings);
        let pinned = format!("pinned = [{{ number = 1, hash = {hash} }}]\npoll =");
        daemon.write_config(&settings.text(daemon.home()).replace("poll =", &pinned));
        let mut daemon = daemon;
        daemon.resume();
        daemon.link(&scene.wallet);
        daemon
    };
    let right = start(&scene.anvil.block("0x1")["hash"]);
    right.wait_for_code(ACME, "VALID");
    let wrong = start(&json!(B256::repeat_byte(1)));
    wrong.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(1));
    let refused =
        endpoint_becomes(&wrong, 0, "the fork is seen", |it| it["state"] == "wrong_chain");
    assert!(refused["last_fault"]["message"].to_string().contains("block 1"), "{refused}");
}

#[test]
fn an_endpoint_that_is_late_is_asked_after_the_others() {
    let scene = Scene::new();
    scene.first.fault(Fault::Behind { blocks: 4 });
    let daemon = scene.daemon();
    scene.anvil.increase_time(Duration::from_secs(600));
    scene.anvil.mine(3);
    let late = endpoint_becomes(&daemon, 0, "it is seen to be late", |it| it["state"] == "stale");
    assert!(late["head"].as_u64() < endpoint(&daemon, 1)["head"].as_u64(), "{late}");
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    // Late is who is behind in time, and the blocks above follow each other within seconds.
    scene.anvil.increase_time(Duration::from_secs(600));
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn an_endpoint_without_proofs_is_told_and_asked_last() {
    let scene = Scene::new();
    scene.first.fault_in("eth_getProof", Fault::unsupported());
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    endpoint_becomes(&daemon, 0, "it has no proofs", |it| it["state"] == "unsupported");
    let before = scene.first.calls("eth_getLogs");
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(scene.first.calls("eth_getLogs"), before, "the second serves for everything");
}

#[test]
fn one_of_three_that_hangs_does_not_hold_up_a_quorum() {
    let scene = Scene::new();
    let third = Proxy::start(&scene.anvil.address());
    let urls = [scene.first.url(), scene.second.url(), third.url()];
    let product = ProductFile::acme(&scene.licence.collection()).set("trust", r#""quorum""#);
    let daemon = Daemon::start(&Settings::new(urls).quorum(2).product(product));
    daemon.link(&scene.wallet);
    daemon.wait_for_code(ACME, "VALID");
    scene.first.fault(Fault::Delay(Duration::from_secs(40)));
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    assert_eq!(daemon.wait_for_code(ACME, "NOT_HELD")["trust"], "quorum");
}

#[test]
fn the_command_line_shows_each_endpoint() {
    let scene = Scene::new();
    scene.first.fault(Fault::Status { status: 502, headers: &[] });
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let output = daemon.entitlectl().args(["chain", "status"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["eip155:31337: degraded", "HTTP status 502", &scene.second.url(), "down"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let output = daemon.entitlectl().args(["--json", "chain", "status"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status[0]["endpoints"][1]["url"], json!(scene.second.url()));
}

/// Whoever invents a head could otherwise take from every honest endpoint that it is asked by hash.
#[test]
fn a_head_that_was_invented_says_nothing_of_who_takes_hashes() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.wait_for_code(ACME, "VALID");
    for index in [0, 1] {
        let examined = |it: &Value| it["abilities"]["block_hashes"] == true;
        endpoint_becomes(&daemon, index, "it is examined", examined);
    }
    // Of its state each has proofs, but at its number only: as those that call a hash they do not know a mistake.
    for proxy in [&scene.first, &scene.second] {
        proxy.fault(faults::invented_head(|it| it.extra_data = "invented".into()));
        proxy.add(Fault::RefuseBlockHashes);
    }
    let since = scene.anvil.block_number();
    scene.licence.transfer(&scene.anvil, scene.wallet.address(), stranger(), 7);
    let verdict = daemon.wait_for_code(ACME, "NOT_HELD");
    let number = verdict["anchor"]["number"].as_u64().unwrap();
    assert!(number > since, "{verdict}");
    let named = json!([format!("{number:#x}"), false]);
    let block = scene.anvil.call("eth_getBlockByNumber", named);
    assert_ne!(verdict["anchor"]["hash"], block["hash"], "it is the invented one");
    for index in [0, 1] {
        let endpoint = endpoint(&daemon, index);
        assert_eq!(endpoint["abilities"]["block_hashes"], true, "{endpoint}");
    }
}
