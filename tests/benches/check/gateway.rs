//! An entitlement over HTTP from the gateway, beside hyper, which answers as many bytes and asks nobody.
//!
//! The gateway is a process before the daemon, so that of two round trips the second is in what it costs. It finds out who
//! asks, makes a tag of the evidence, and works out how long the answer may be kept.

use nix::sched::sched_getaffinity;
use nix::unistd::Pid;
use serde_json::json;

use crate::asking::{Connection, Question, ask_all};
use crate::peers::Peer;
use crate::rounds::{Plan, Side};
use crate::support::anvil::Anvil;
use crate::support::eventually;
use crate::support::gateway::{Gateway, TOKEN, client, let_ask};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;
use crate::{CONNECTIONS, WARM, all_but_the_last, keep_on, last_of, prepare};

pub fn measure() {
    let (anvil, wallet) = (Anvil::start(), Wallet::numbered(1));
    let mut daemon = prepare(&anvil, &wallet, "");
    let_ask(&daemon);
    daemon.resume();
    daemon.admin("customer_create", json!({"name": "who asks"}));
    daemon.link_for(&wallet, "customer:1");
    eventually("the customer is entitled", || {
        let params = json!({"product": ACME, "customer": "customer:1"});
        let verdict = daemon.admin("entitlement_check", params);
        if verdict["code"] == "VALID" { Ok(()) } else { Err(verdict.to_string()) }
    });
    let more = "scopes = [\"entitlements\"]\nrate = 1000000\n";
    let gateway = Gateway::start(daemon.home(), &daemon.socket(), &client("all", TOKEN, 1, more));
    let path = format!("/api/v1/products/{ACME}/entitlement");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let ours = Question::new(gateway.port, request.clone().into_bytes(), &WARM);
    let (echo, port) = Peer::tcp_echo(ours.reply_bytes());
    let floor = Question::new(port, request.into_bytes(), &["xxx"]);

    let everywhere = sched_getaffinity(Pid::this()).unwrap();
    for pid in [daemon.pid(), gateway.pid(), echo.pid(), Pid::this().as_raw()] {
        keep_on(pid, &last_of(&everywhere));
    }
    let side = |pid, go| Side { pid, go };
    let (mut one, mut other) = (ours.connect(1), floor.connect(1));
    Plan { rounds: 7, blocks: 8, block: 300, requests: 1 }
        .play(
            side(gateway.pid(), Box::new(|| one.ask())),
            side(echo.pid(), Box::new(|| other.ask())),
        )
        .tell_latency("gateway");

    keep_on(Pid::this().as_raw(), &all_but_the_last(&everywhere));
    let mut here: Vec<Connection> = ours.connections(CONNECTIONS, 1);
    let mut there = floor.connections(CONNECTIONS, 1);
    Plan { rounds: 7, blocks: 6, block: 100, requests: CONNECTIONS }
        .play(
            side(gateway.pid(), Box::new(|| ask_all(&mut here))),
            side(echo.pid(), Box::new(|| ask_all(&mut there))),
        )
        .tell_throughput("gateway_sixteen");
    keep_on(Pid::this().as_raw(), &everywhere);
}
