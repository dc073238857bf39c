//! The test bed itself: were a fault not to happen, the tests that rely on it would prove nothing.

use std::io::Read as _;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use crate::support::anvil::{Anvil, number};
use crate::support::contract::Contract;
use crate::support::faults::{self, Fault};
use crate::support::http;
use crate::support::proxy::Proxy;
use crate::support::wallet::Wallet;

fn ask(proxy: &Proxy, method: &str, params: Value) -> Result<Value, String> {
    http::call(proxy.url().trim_start_matches("http://"), method, &params)
}

#[test]
fn a_stopped_node_comes_back_with_its_chain() {
    let mut anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let owner = Wallet::numbered(1).address();
    licence.mint(&anvil, owner, 7);
    anvil.finalize();
    let before = (anvil.block("0x0")["hash"].clone(), anvil.block("latest")["hash"].clone());
    let proof = |anvil: &Anvil| {
        let slot = B256::ZERO;
        anvil.call("eth_getProof", json!([licence.address, [slot], "finalized"]))
    };
    let proven = proof(&anvil);

    anvil.stop();
    assert!(http::call(&anvil.address(), "eth_chainId", &json!([])).is_err());
    anvil.resume();

    assert_eq!((anvil.block("0x0")["hash"].clone(), anvil.block("latest")["hash"].clone()), before);
    assert_eq!(proof(&anvil), proven, "the state of older blocks is still there");
    assert!(
        anvil.call("eth_getCode", json!([licence.address, "latest"])).as_str().map(str::len)
            > Some(100)
    );
}

#[test]
fn a_chain_can_begin_in_the_past() {
    let past = Duration::from_secs(900);
    let anvil = Anvil::start_in_the_past(past);
    let began = number(&anvil.block("0x0")["timestamp"]);
    let now = Anvil::start().block("0x0")["timestamp"].clone();
    assert!(began + past.as_secs() <= number(&now));
}

#[test]
fn a_reorganised_chain_has_another_head_of_the_same_height() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, Wallet::numbered(1).address(), 7);
    let before = anvil.block("latest");
    anvil.reorg(1);
    let after = anvil.block("latest");
    assert_eq!(before["number"], after["number"]);
    assert_ne!(before["hash"], after["hash"]);
}

#[test]
fn tokens_move_as_told() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let (one, two) = (Wallet::numbered(1).address(), Wallet::numbered(2).address());
    licence.mint(&anvil, one, 7);
    licence.transfer(&anvil, one, two, 7);
    let owner = anvil.call(
        "eth_call",
        json!([{"to": licence.address, "data": format!("0x6352211e{:064x}", 7)}, "latest"]),
    );
    assert_eq!(owner, json!(two.into_word()));
    licence.burn(&anvil, 7);
}

#[test]
fn a_proxy_without_faults_changes_nothing() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    assert_eq!(
        ask(&proxy, "eth_getBlockByNumber", json!(["latest", false])).unwrap(),
        anvil.block("latest")
    );
    assert_eq!((proxy.calls("eth_getBlockByNumber"), proxy.all_calls()), (1, 1));
    assert_eq!(proxy.last_header("content-type").as_deref(), Some("application/json"));
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber", "params": []},
    ]);
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let reply = http::post(&address, batch.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&reply).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn trouble_happens() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    let chain = || ask(&proxy, "eth_chainId", json!([]));

    for fault in [
        Fault::Drop,
        Fault::Cut,
        Fault::too_many_requests(),
        Fault::too_many_requests_for_a_minute(),
        Fault::body("<html>not the answer"),
        Fault::Error { code: -32000, message: "header not found" },
        Fault::GzipBomb { size: 1 << 20 },
        Fault::Truncated,
        Fault::unsupported(),
        Fault::pruned(),
    ] {
        proxy.fault(fault);
        assert!(chain().is_err());
    }
    proxy.fault(Fault::oversized(1 << 20));
    assert_eq!(chain().unwrap().as_str().unwrap().len(), (1 << 20) + 2);
    let begun = Instant::now();
    proxy.fault(Fault::Delay(Duration::from_millis(200)));
    assert!(chain().is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(200));
    proxy.heal();
    assert_eq!(chain().unwrap(), "0x7a69");
}

#[test]
fn some_trouble_comes_now_and_then() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(Fault::Drop.every(3));
    let well = (0..6).map(|_| ask(&proxy, "eth_chainId", json!([])).is_ok()).collect::<Vec<_>>();
    assert_eq!(well, [true, true, false, true, true, false]);
}

#[test]
fn a_trickling_answer_is_the_same_answer_later() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(Fault::Trickle { bytes: 8, rest: Duration::from_millis(20) });
    let begun = Instant::now();
    assert_eq!(ask(&proxy, "eth_chainId", json!([])).unwrap(), "0x7a69");
    assert!(begun.elapsed() >= Duration::from_millis(80));
}

#[test]
fn answers_may_come_under_other_ids() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(Fault::OtherIds);
    let question = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let reply = http::post(&address, question.to_string().as_bytes()).unwrap();
    assert_ne!(serde_json::from_slice::<Value>(&reply).unwrap()["id"], json!(1));
}

#[test]
fn an_endpoint_behind_moves_on_behind() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(Fault::Behind { blocks: 2 });
    let named = || {
        number(&ask(&proxy, "eth_getBlockByNumber", json!(["latest", false])).unwrap()["number"])
    };
    anvil.mine(5);
    assert_eq!(named() + 2, anvil.block_number());
    anvil.mine(5);
    assert_eq!(named() + 2, anvil.block_number());
}

#[test]
fn two_chains_may_stand_behind_one_name() {
    let (one, other) = (Anvil::start(), Anvil::start());
    other.mine(3);
    let proxy = Proxy::start(&one.address());
    proxy.alternate_with(&other.address());
    let head = || number(&ask(&proxy, "eth_blockNumber", json!([])).unwrap());
    assert_eq!([head(), head(), head()], [0, 3, 0]);
}

#[test]
fn the_gzip_bomb_is_one() {
    let size = 10 << 20;
    let bomb = faults::gzip_bomb(size);
    assert!(bomb.len() < size / 150, "{} bytes", bomb.len());
    // The checksum is wrong, so whoever unpacks it gets the zeros first and an error at the end.
    let mut child = std::process::Command::new("gzip")
        .args(["-dc"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut input, &bomb));
    let mut unpacked = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut unpacked).unwrap();
    child.wait().unwrap();
    assert!(unpacked.len() > size - 300, "{} bytes", unpacked.len());
    assert!(unpacked.iter().all(|it| *it == 0));
}

#[test]
fn every_lie_alters_what_it_is_about() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let other = Contract::licence(&anvil);
    licence.mint(&anvil, Wallet::numbered(1).address(), 7);
    let proxy = Proxy::start(&anvil.address());
    let slot = B256::ZERO; // a name, so never zero
    let proof = ("eth_getProof", json!([licence.address, [slot], "latest"]));
    let code = ("eth_getCode", json!([licence.address, "latest"]));
    let block = ("eth_getBlockByNumber", json!(["latest", false]));
    let logs = ("eth_getLogs", json!([{"fromBlock": "0x0", "address": licence.address}]));
    let renamed = faults::other_account_renamed(other.address, licence.address);

    for (name, (method, params), fault) in [
        ("slot value", &proof, faults::owned_by(Address::repeat_byte(1))),
        ("slot zero, cut", &proof, faults::slots_zero_with_cut_proofs()),
        ("slot zero, no proof", &proof, faults::slots_zero_without_proofs()),
        ("storage hash", &proof, faults::storage_hash()),
        ("code hash", &proof, faults::code_hash()),
        ("account absent", &proof, faults::account_absent()),
        ("other account", &proof, faults::other_account(other.address)),
        ("renamed account", &proof, renamed[1].clone()),
        ("code byte", &code, faults::code_byte()),
        ("state root", &block, faults::state_root()),
        ("header time", &block, faults::header_time()),
        ("block hash", &block, faults::block_hash()),
        ("logs", &logs, faults::no_logs()),
        ("a named field", &block, faults::field("eth_getBlockByNumber", "/gasUsed", json!("0x1"))),
    ] {
        let truth = ask(&proxy, method, params.clone()).unwrap();
        proxy.fault(fault);
        if name == "renamed account" {
            proxy.fault_in("eth_getProof", renamed[0].clone());
        }
        assert_ne!(ask(&proxy, method, params.clone()).unwrap(), truth, "{name}");
        proxy.heal();
    }

    proxy.fault(faults::syncing());
    assert!(ask(&proxy, "eth_syncing", json!([])).unwrap().is_object());
    proxy.fault(faults::chain_id("0x1"));
    assert_eq!(ask(&proxy, "eth_chainId", json!([])).unwrap(), "0x1");
    proxy.fault(faults::head_stays_at(1));
    assert_eq!(number(&ask(&proxy, block.0, block.1).unwrap()["number"]), 1);
}
