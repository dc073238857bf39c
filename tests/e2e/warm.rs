//! The shortest way to an answer: what a connection was told is remembered, and yet is never older than a change, and
//! never another answer than on the way everything else goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::changes::move_user;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::http::Message;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::{PATIENCE, eventually};

/// How often a change is made and asked after.
const CHANGES: usize = 40;

/// VALID by token 7, and fresh for longer than any test.
fn entitled() -> Stage {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let product = ProductFile::acme(&licence.collection()).set("refresh", "\"1h\"");
    let settings = Settings::new([anvil.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    stage.enter(7)
}

fn check(line: &mut Line) -> Value {
    line.call("entitlement_check", &json!({"product": ACME})).unwrap()
}

#[test]
fn a_change_is_in_the_next_answer_of_a_connection_that_was_just_answered() {
    let stage = entitled();
    let token = stage.licence.token(7);
    let mut line = Line::connect(&stage.daemon.socket());
    for change in 0..CHANGES {
        assert_eq!(check(&mut line)["code"], "VALID", "before change {change}");
        stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
        assert_eq!(check(&mut line)["code"], "SUSPENDED", "change {change}");
        assert_eq!(check(&mut line)["code"], "SUSPENDED", "change {change}, asked again");
        stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
    }
    assert_eq!(check(&mut line)["code"], "VALID");
    let engineering = move_user(&stage.daemon);
    let verdict = check(&mut line);
    assert_eq!((&verdict["code"], &verdict["customer"]), (&json!("NO_WALLET"), &engineering));
    stage.daemon.admin("customer_deactivate", json!({"customer": engineering}));
    assert_eq!(check(&mut line)["code"], "SUSPENDED");
}

/// The reply to one request, as it was written but for the seconds that pass.
fn reply(daemon: &Daemon, http: bool, request: &str) -> String {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    if http {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{request}", request.len()).unwrap();
        let reply = Message::read(&mut BufReader::new(stream)).unwrap().unwrap();
        text = String::from_utf8(reply.body).unwrap();
    } else {
        stream.write_all(request.as_bytes()).unwrap();
        BufReader::new(stream).read_line(&mut text).unwrap();
    }
    without_seconds(&text)
}

fn without_seconds(text: &str) -> String {
    let (said, seconds) = text.split_once("\"seconds_until_change\":").unwrap_or((text, "none}}"));
    format!("{said}{}", seconds.trim_start_matches(|it: char| it.is_ascii_digit()))
}

#[test]
fn both_ways_to_an_answer_come_to_the_same_bytes() {
    let stage = entitled();
    let long = "x".repeat(65);
    for product in [ACME, "not-installed", "No Name", "", &long] {
        for id in ["1", "\"a b\"", "000", "-1", "null"] {
            let usual = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"entitlement_check","params":{{"product":"{product}"}}}}"#
            );
            // No program writes so; the JSON reader does not mind.
            let unusual = usual.replace("\"params\":", "\"params\" :");
            for http in [false, true] {
                // Unless the chain was looked at in between, of which an answer tells.
                let [usually, unusually] = eventually("an answer is the same twice", || {
                    let all = [&usual, &unusual, &usual].map(|it| reply(&stage.daemon, http, it));
                    let [first, other, again] = all;
                    if first == again { Ok([first, other]) } else { Err(again) }
                });
                assert_eq!(usually, unusually, "{usual}");
            }
        }
    }
}

/// The figures there are now, by name and labels.
fn figures(daemon: &Daemon) -> BTreeMap<String, f64> {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let reply = Message::read(&mut BufReader::new(stream)).unwrap().unwrap();
    let text = String::from_utf8(reply.body).unwrap();
    let lines = text.lines().filter(|it| !it.starts_with('#'));
    let split = |it: &str| it.rsplit_once(' ').map(|(a, b)| (a.to_owned(), b.parse().unwrap()));
    lines.map(|it| split(it).unwrap()).collect()
}

#[test]
fn each_answer_is_counted_on_either_way() {
    let stage = entitled();
    let mut line = Line::connect(&stage.daemon.socket());
    check(&mut line);
    let counted = |asked: &mut dyn FnMut()| {
        let before = figures(&stage.daemon);
        asked();
        let after = figures(&stage.daemon);
        let grown = |name: &str| after[name] - before.get(name).copied().unwrap_or(0.0);
        [
            "entitled_cache_hits_total",
            "entitled_requests_total",
            "entitled_requests_at_once_total",
            "entitled_checks_total{product=\"acme-cad\",code=\"VALID\"}",
        ]
        .map(grown)
    };
    let warm = counted(&mut || (0..10).for_each(|_| drop(check(&mut line))));
    let general = counted(&mut || {
        let params = json!({"product": ACME, "wait_ms": 0});
        (0..10).for_each(|_| drop(line.call("entitlement_check", &params).unwrap()));
    });
    assert_eq!(warm, general);
    assert!(warm.iter().all(|it| *it >= 10.0), "{warm:?}");
}

/// What is answered together is answered as of one moment, and each as if it had been asked alone.
#[test]
fn many_at_once_are_answered_as_each_would_be_alone() {
    let stage = entitled();
    let request = |id: usize, product: &str| {
        let params = json!({"product": product});
        let ask =
            json!({"jsonrpc": "2.0", "id": id, "method": "entitlement_check", "params": params});
        format!("{ask}\n")
    };
    // What is not installed is never at hand, and of what is not, few may be under way: a quarter.
    let products = [ACME, ACME, "not-installed", ACME, ACME, ACME, ACME, "not-installed"];
    let asked: Vec<String> =
        (0..100).map(|id| request(id, products[id % products.len()])).collect();
    let mut stream = UnixStream::connect(stage.daemon.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    // Until a look that was under way has landed: the verdicts before and after it differ.
    for _ in 0..50 {
        stream.write_all(asked.concat().as_bytes()).unwrap();
        let mut told = BTreeMap::new();
        for _ in &asked {
            let line = lines.next().unwrap().unwrap();
            let id = serde_json::from_str::<Value>(&line).unwrap()["id"].as_u64().unwrap();
            told.insert(usize::try_from(id).unwrap(), without_seconds(&format!("{line}\n")));
        }
        let alone = asked.iter().map(|it| reply(&stage.daemon, false, it));
        let alone: BTreeMap<usize, String> = alone.enumerate().collect();
        let verified = |of: &BTreeMap<usize, String>| -> BTreeSet<String> {
            of.values().filter_map(|it| Some(it.split_once("verified_at")?.1.to_owned())).collect()
        };
        if verified(&told) == verified(&alone) {
            assert_eq!(told, alone);
            return;
        }
    }
    panic!("looks land again and again");
}
