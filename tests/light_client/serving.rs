//! The simulated beacon node: over a real EVM node, on HTTP, as files, and with each of its faults.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::anvil::Anvil;
use crate::support::beacon::api::LIGHT_CLIENT;
use crate::support::beacon::chain::BeaconChain;
use crate::support::beacon::files;
use crate::support::beacon::node::{BeaconFault, BeaconNode, seconds_now};
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::eventually;
use crate::support::http::Message;

fn fulu(genesis_time: u64) -> Schedule {
    Schedule::short(genesis_time, Form::Fulu)
}

fn made_up(head: u64) -> BeaconNode {
    BeaconNode::serve(BeaconChain::made_up(fulu(1_700_000_000), head))
}

/// Status and body, or `None` when the connection was closed too soon.
fn get(node: &BeaconNode, target: &str) -> Option<(u16, Vec<u8>)> {
    let stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(&stream, "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", node.address()).unwrap();
    let reply = Message::read(&mut BufReader::new(stream)).ok()??;
    let status = reply.first.split(' ').nth(1)?.parse().unwrap();
    Some((status, reply.body))
}

fn light_client(node: &BeaconNode, rest: &str) -> Option<(u16, Value)> {
    let (status, body) = get(node, &format!("{LIGHT_CLIENT}/{rest}"))?;
    Some((status, serde_json::from_slice(&body).unwrap()))
}

#[test]
fn answers_as_the_beacon_api_says() {
    let node = made_up(40);
    let root = node.chain().block_at(4).unwrap().root;
    let (bootstrap, updates, finality, optimistic) = {
        let chain = node.chain();
        (
            chain.bootstrap(root).unwrap(),
            chain.updates(0, 2),
            chain.finality_update().unwrap(),
            chain.optimistic_update().unwrap(),
        )
    };
    for (rest, expected) in [
        (format!("bootstrap/{root}"), bootstrap),
        ("updates?start_period=0&count=2".to_owned(), json!(updates)),
        ("updates?start_period=1&count=1000000".to_owned(), {
            let all = node.chain().updates(1, 128);
            json!(all)
        }),
        ("updates?start_period=900&count=1".to_owned(), json!([])),
        ("finality_update".to_owned(), finality),
        ("optimistic_update".to_owned(), optimistic),
    ] {
        assert_eq!(light_client(&node, &rest).unwrap(), (200, expected), "{rest}");
    }
    let genesis = get(&node, "/eth/v1/beacon/genesis").unwrap();
    let genesis: Value = serde_json::from_slice(&genesis.1).unwrap();
    assert_eq!(genesis["data"]["genesis_time"], "1700000000");
}

#[test]
fn refuses_as_the_beacon_api_says() {
    let node = BeaconNode::serve(BeaconChain::made_up(fulu(0), 5)); // nothing is final yet
    for (rest, status, message) in [
        ("bootstrap/0x12", 400, "Invalid block root value"),
        (&format!("bootstrap/0x{}", "1".repeat(64)), 404, "LC bootstrap unavailable"),
        ("updates?count=1", 400, "Missing `start_period` value"),
        ("updates?start_period=1", 400, "Missing `count` value"),
        ("updates?start_period=-1&count=1", 400, "Invalid sync committee period requested"),
        ("finality_update", 404, "LC finality update unavailable"),
        ("nothing", 404, "Not found"),
    ] {
        let expected = json!({"code": status, "message": message});
        assert_eq!(light_client(&node, rest).unwrap(), (status, expected), "{rest}");
    }
}

#[test]
fn faults_happen_where_they_are_told_to() {
    let node = made_up(40);
    let finality = || light_client(&node, "finality_update");
    let truth = finality().unwrap();

    node.fault_in("finality_update", BeaconFault::Status(503));
    assert_eq!(finality().unwrap().0, 503);
    assert_eq!(light_client(&node, "optimistic_update").unwrap().0, 200);
    node.heal();
    for fault in [BeaconFault::Drop, BeaconFault::Cut] {
        node.fault(fault);
        assert!(finality().is_none());
    }
    let target = format!("{LIGHT_CLIENT}/finality_update");
    node.fault(BeaconFault::garbage());
    assert!(get(&node, &target).unwrap().1.starts_with(b"<html>"));
    node.fault(BeaconFault::oversized(1 << 20));
    assert!(get(&node, &target).unwrap().1.len() > 1 << 20);
    let begun = Instant::now();
    node.fault(BeaconFault::Delay(Duration::from_millis(200)));
    assert_eq!(finality().unwrap(), truth);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    node.fault(BeaconFault::version("capella"));
    assert_eq!(finality().unwrap().1["version"], "capella");
    node.fault(BeaconFault::tampered("/data/finalized_header/execution/state_root"));
    let altered = finality().unwrap().1;
    assert_ne!(altered, truth.1);
    node.heal();
    assert_eq!(finality().unwrap(), truth);
    assert_eq!(node.requests("optimistic_update").len(), 1);
}

#[test]
fn what_is_frozen_goes_on_unseen() {
    let node = made_up(40);
    let before = light_client(&node, "finality_update");
    node.freeze();
    node.advance(30);
    assert_eq!(light_client(&node, "finality_update"), before);
    node.heal();
    assert_ne!(light_client(&node, "finality_update"), before);
}

#[test]
fn signs_the_blocks_of_a_real_node() {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
    let node = BeaconNode::over(&anvil.address(), fulu);
    node.advance(30);
    anvil.send(Some(&anvil.account(1)), "0x");
    node.skip(3);
    node.advance(2);
    let chain = node.chain();
    assert_eq!(chain.head().unwrap().slot(), 37);
    assert_eq!(chain.blocks().len(), 34);
    let slots: Vec<u64> = chain.blocks().iter().map(|it| it.slot()).collect();
    assert_eq!(slots[29..33], [30, 31, 35, 36]);
    for block in chain.blocks() {
        let tag = format!("{:#x}", block.execution.number);
        let known = anvil.block(&tag);
        assert_eq!(known["hash"], block.execution.hash.to_string());
        assert_eq!(known["stateRoot"], block.execution.state_root.to_string());
    }
    let time = chain.schedule.time_of(chain.head().unwrap().slot());
    assert!(time < seconds_now(), "nothing is in the future");
}

#[test]
fn follows_a_reorganisation_of_what_is_not_final() {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
    let node = BeaconNode::over(&anvil.address(), fulu);
    node.advance(20);
    anvil.send(Some(&anvil.account(1)), "0x");
    node.follow();
    let before = node.chain().head().unwrap().clone();
    anvil.reorg(1);
    node.follow();
    node.advance(1);
    let chain = node.chain();
    let after = chain.block_at(before.slot()).unwrap();
    assert_ne!(after.execution.hash, before.execution.hash);
    assert_eq!(anvil.block("latest")["hash"], chain.head().unwrap().execution.hash.to_string());
}

#[test]
fn keeps_pace_with_the_clock() {
    let anvil = Anvil::start_in_the_past(Duration::from_secs(60));
    let node = BeaconNode::over(&anvil.address(), fulu);
    node.keep_pace(Duration::from_secs(20));
    let reached = |slot: u64| {
        eventually("the chain gets on", || {
            let head = node.chain().head().map_or(0, |it| it.slot());
            if head >= slot { Ok(head) } else { Err(format!("slot {head}")) }
        })
    };
    let head = reached(40);
    reached(head + 2);
}

#[test]
fn a_mirror_holds_what_the_node_answers() {
    let node = made_up(70);
    let folder = TempDir::new().unwrap();
    files::write_mirror(&node.chain(), folder.path());
    let root = node.chain().block_at(64).unwrap().root;
    for (file, target) in [
        (format!("bootstrap/{root}.json"), format!("bootstrap/{root}")),
        ("updates/2.json".to_owned(), "updates?start_period=2&count=1".to_owned()),
        ("finality_update.json".to_owned(), "finality_update".to_owned()),
        ("optimistic_update.json".to_owned(), "optimistic_update".to_owned()),
    ] {
        let path = folder.path().join(LIGHT_CLIENT.trim_start_matches('/')).join(&file);
        let text = std::fs::read_to_string(path).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(light_client(&node, &target).unwrap(), (200, written), "{file}");
    }
    node.become_mirror();
    let served = light_client(&node, "updates/2.json").unwrap();
    assert_eq!(served, (200, json!(node.chain().updates(2, 1))));
    for absent in ["updates/900.json", "updates?start_period=2&count=1", "finality_update"] {
        assert_eq!(light_client(&node, absent).unwrap().0, 404, "{absent}");
    }
    let updates = folder.path().join("eth/v1/beacon/light_client/updates");
    assert_eq!(std::fs::read_dir(updates).unwrap().count(), 5, "of all periods begun");
}
