//! What comes with a request: in its time, not too long, and read as the daemon reads it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::crowded::wait_for_the_chain;
use crate::support::gateway::{EVERYTHING, GatewayStage, TOKEN, client, everything};
use crate::support::{PATIENCE, eventually};

/// The head of a request with a body of so many bytes.
fn head(length: usize, more: &str) -> String {
    format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

fn send(stage: &GatewayStage, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn whoever_sends_slowly_has_no_turn_that_others_wait_for() {
    let stage = GatewayStage::start(&everything());
    // Twice as many as one client is answered at a time.
    let slow: Vec<TcpStream> =
        (0..24).map(|_| send(&stage, &format!("{}{{", head(60_000, "")))).collect();
    for _ in 0..5 {
        let told = stage.gateway.get("/api/v1/tiers");
        assert_eq!(told.status, 200, "{told:?}");
    }
    drop(slow);
}

#[test]
fn one_address_sends_so_many_bodies_at_a_time_and_others_do_meanwhile() {
    // Thirty-two on their way, of which an address has eight.
    let stage =
        GatewayStage::start(&format!("{}[limits]\nin_flight = 8\nhead = \"300s\"\n", everything()));
    let slow: Vec<TcpStream> =
        (0..8).map(|_| send(&stage, &format!("{}{{", head(60_000, "")))).collect();
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "system_version"});
    let limited = eventually("the address has sent as much as it may", || {
        let told = stage.gateway.post("/rpc", &ask);
        if told.status == 429 { Ok(told) } else { Err(told.text) }
    });
    assert!(limited.text.contains("this address sends too many bodies"), "{limited:?}");
    assert_eq!(stage.gateway.get("/api/v1/tiers").status, 200, "without a body it may ask");
    let other = stage.gateway.post_as(TOKEN, "/rpc", &ask, &["--interface", "127.0.0.9"]);
    assert_eq!(other.status, 200, "{other:?}");
    drop(slow);
    eventually("it may send again", || match stage.gateway.post("/rpc", &ask) {
        told if told.status == 200 => Ok(()),
        told => Err(told.text),
    });
}

/// Each takes as much memory as one that is on its way.
#[test]
fn a_body_has_its_place_until_its_request_has_a_turn() {
    let few = "[limits]\nin_flight = 16\n";
    let more = format!("scopes = {EVERYTHING}\nrate = 100000\n");
    let second = client("second", "second", 2, &more);
    let stage = GatewayStage::entitled(&format!("{}{second}{few}", everything()));
    stage.anvil.hang();
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"system_version"}"#;
    let head = head(ask.len(), "Connection: close\r\n").replace(TOKEN, "second");
    let text = format!("{head}{ask}");
    // Those that are to wait may come before those that have the turns, and find one.
    eventually("eight wait for a turn, and others are refused", || {
        let waiting = wait_for_the_chain(&stage, "second");
        let mut asked: Vec<TcpStream> = (0..20).map(|_| send(&stage, &text)).collect();
        let said = asked.iter_mut().map(|it| {
            let mut said = String::new();
            it.read_to_string(&mut said).unwrap();
            said
        });
        let refused = said.filter(|it| it.contains("this address sends too many bodies")).count();
        drop(waiting);
        if refused > 0 { Ok(()) } else { Err("none is refused".to_owned()) }
    });
}

#[test]
fn what_is_too_long_is_refused_by_its_head() {
    let stage = GatewayStage::start(&everything());
    for length in [65_537, 1 << 30] {
        let mut stream = send(&stage, &head(length, "Expect: 100-continue\r\n"));
        let mut said = [0; 4_096];
        let count = stream.read(&mut said).unwrap();
        let said = String::from_utf8_lossy(&said[..count]);
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    }
}

#[test]
fn a_request_is_read_as_the_daemon_reads_it() {
    let stage = GatewayStage::start(&everything());
    let ask = |text: &str| {
        let mut stream =
            send(&stage, &format!("{}{text}", head(text.len(), "Connection: close\r\n")));
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    let id = "123456789012345678901234567890";
    let version = |more: &str| format!(r#"{{"jsonrpc":"2.0","method":"system_version"{more}}}"#);
    for id in [id, "1.50", r#""\u00e9""#, "null"] {
        let said = ask(&version(&format!(r#","id":{id}"#)));
        assert!(said.contains(&format!(r#""id":{id},"result""#)), "{said}");
        let said = ask(&format!("[{}]", version(&format!(r#","id":{id},"params":[1]"#))));
        assert!(said.contains(&format!(r#""id":{id},"error""#)), "{said}");
    }
    for text in [version(r#","id":1,"id":2"#), version(r#","id":1,"method":"system_health""#)] {
        let said = ask(&text);
        assert!(said.contains("once each") && said.contains("INVALID_REQUEST"), "{said}");
    }
    let said = ask(&version(r#","id":1,"parms":{}"#));
    assert!(said.contains("`parms` is no member of a request"), "{said}");
    let twice = r#""customer":"customer:2","customer":"customer:1""#;
    let said =
        ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"wallet_list","params":{{{twice}}}}}"#));
    assert!(said.contains("`customer` is given twice"), "{said}");
    let twice = r#"{"label":"a","label":"b"}"#;
    let said = ask_address(&stage, "/api/v1/wallets", twice);
    assert!(said.contains("`label` is given twice"), "{said}");
}

/// What is said of a body that is sent to an address.
fn ask_address(stage: &GatewayStage, path: &str, body: &str) -> String {
    let head = head(body.len(), "Connection: close\r\n").replace("/rpc", path);
    let mut said = String::new();
    send(stage, &format!("{head}{body}")).read_to_string(&mut said).unwrap();
    said
}
