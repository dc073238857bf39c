//! Places that the gateway's clients share: few of them take none from the others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::streams::Stream;
use crate::support::gateway::{EVERYTHING, GatewayStage, TOKEN, client, everything, gateway_uid};
use crate::support::{CHAIN, PATIENCE, eventually};

/// So many clients of customer two.
fn others(count: usize) -> String {
    let more = format!("scopes = {EVERYTHING}\nrate = 100000\n");
    let one = |it: usize| client(&format!("other-{it}"), &format!("other-{it}"), 2, &more);
    (0..count).map(one).collect()
}

/// Sends a request, whose answer is not waited for.
fn begin(stage: &GatewayStage, token: &str, path: &str, body: &Value) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let head = format!("{head}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    (&stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn who_asks_for_very_many_flags_keeps_nobody_from_an_answer_and_no_probe() {
    let stage = GatewayStage::start(&format!("{}{}", everything(), others(7)));
    stage.anvil.hang();
    // What it is entitled to cannot be found out now.
    stage.gateway.post_as("other-0", "/api/v1/wallets", &json!({"label": "new"}), &[]).ok();
    let flag = "/ofrep/v1/evaluate/flags/acme-cad";
    let ask = |it: usize| begin(&stage, &format!("other-{}", it % 7), flag, &json!({}));
    let asked: Vec<TcpStream> = (0..84).map(ask).collect();
    for _ in 0..10 {
        // Until the gateway asks the daemon, which nothing tells.
        std::thread::sleep(Duration::from_millis(50));
        let told = stage.gateway.get("/api/v1/tiers");
        assert_eq!(told.status, 200, "{told:?}");
        let ready = stage.gateway.probe("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
    }
    for stream in asked {
        let said = answer(stream);
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("UNKNOWN"), "{said}");
    }
}

/// By which the gateway finds out whether there is anything to wait for.
#[test]
fn who_says_how_long_a_flag_may_wait_is_told_whether_waiting_would_help() {
    let stage = GatewayStage::entitled(&format!("{}{}", everything(), others(1)));
    stage.anvil.hang();
    stage.gateway.post_as("other-0", "/api/v1/wallets", &json!({"label": "new"}), &[]).ok();
    let socket = stage.daemon.socket();
    let flag = |customer: u32, more: &[&str]| {
        let customer = format!("Entitled-Customer: customer:{customer}");
        let mut asked = Command::new("curl");
        asked.args(["-sS", "-i", "--max-time", "60", "--unix-socket"]).arg(&socket);
        asked.args(["-H", "Content-Type: application/json", "-d", "{}", "-H", &customer]);
        asked.args(more).arg("http://localhost/ofrep/v1/evaluate/flags/acme-cad");
        let said = asked.uid(gateway_uid()).gid(gateway_uid()).output().unwrap().stdout;
        String::from_utf8(said).unwrap()
    };
    let at_once = ["-H", "Entitled-Wait-Ms: 0"];
    let unknown = flag(2, &at_once);
    assert!(
        unknown.contains("UNKNOWN") && unknown.contains("entitled-unsettled: 1\r\n"),
        "{unknown}"
    );
    let known = flag(1, &at_once);
    assert!(known.contains("TARGETING_MATCH") && !known.contains("unsettled"), "{known}");
    let unasked = flag(2, &[]);
    assert!(unasked.contains("UNKNOWN") && !unasked.contains("unsettled"), "{unasked}");
    for wrong in ["Entitled-Wait-Ms: soon", "Entitled-Wait-Ms: 30001"] {
        let refused = flag(1, &["-H", wrong]);
        assert!(refused.starts_with("HTTP/1.1 400 "), "{wrong}: {refused}");
    }
}

#[test]
fn clients_whose_changes_wait_for_a_chain_leave_places_for_those_of_others() {
    let stage = GatewayStage::entitled(&format!("{}{}", everything(), others(4)));
    stage.anvil.hang();
    let body = json!({"token": stage.token(), "wallet": stage.wallet.address()});
    let verify = |token: &str| begin(&stage, token, "/api/v1/tokens/verify", &body);
    let mut asked = Vec::new();
    for token in ["other-0", "other-1", "other-2"] {
        // As many as one client may ask at a time.
        asked.extend((0..12).map(|_| verify(token)));
    }
    for _ in 0..10 {
        // Until the gateway asks the daemon, which nothing tells.
        std::thread::sleep(Duration::from_millis(50));
        let made = stage.gateway.post("/api/v1/wallets/challenges", &challenge(&stage));
        assert_eq!(made.status, 201, "{made:?}");
    }
    // The first of them had more than it may have, and is told so.
    asked.iter().for_each(|it| it.set_nonblocking(true).unwrap());
    let limited = eventually("one is told", || {
        let mut said = [0; 2_048];
        let counts = asked.iter_mut().filter_map(|it| it.read(&mut said).ok());
        let count = counts.max().ok_or("nothing is said")?;
        Ok::<_, String>(String::from_utf8_lossy(&said[..count]).into_owned())
    });
    assert!(
        limited.starts_with("HTTP/1.1 429 ") && limited.contains("LIMIT_EXCEEDED"),
        "{limited}"
    );
    assert!(limited.contains("retry-after: 1\r\n"), "{limited}");
}

fn challenge(stage: &GatewayStage) -> Value {
    json!({"address": stage.wallet.address(), "chain": CHAIN})
}

#[test]
fn clients_that_hold_all_streams_they_may_leave_some_for_another() {
    let stage = GatewayStage::start(&format!("{}{}", everything(), others(4)));
    let url = stage.gateway.url("/api/v1/events?product=acme-cad");
    let mut held = Vec::new();
    for token in ["other-0", "other-1", "other-2", "other-3"] {
        let streams = (0..8).map(|_| Stream::open(token, &[&url]));
        for mut stream in streams.collect::<Vec<_>>() {
            // The head of an event, or of a refusal.
            let line = stream.line().unwrap();
            held.push((stream, line));
        }
    }
    let refused: Vec<&String> =
        held.iter().map(|(_, it)| it).filter(|it| !it.starts_with("event: ")).collect();
    assert!(refused.iter().all(|it| it.contains("LIMIT_EXCEEDED")), "{refused:?}");
    let mut own = Stream::open(TOKEN, &[&url]);
    assert_eq!(own.line().as_deref(), Some("event: entitlement_changed\n"));
}
