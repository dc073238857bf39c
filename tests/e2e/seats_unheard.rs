//! Seats that nobody is there for: whoever asked has ended, or hears no answer any more.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::seats::{holder, pool, stage, two_seats, wait_until_used, wait_until_waiting};
use crate::support::eventually;
use crate::support::stage::{ACME, Stage};

const A_MINUTE: u64 = 60_000;

#[test]
fn who_has_ended_is_given_no_seat() {
    let stage = stage(two_seats);
    for has_asked in [false, true] {
        let mut program = holder(&stage);
        if has_asked {
            program.call("seat_list", &json!({}));
        }
        let child = program.fork_and_exit();
        for bind in ["process", "session"] {
            let refused = program.refused("seat_acquire", &json!({"product": ACME, "bind": bind}));
            assert_eq!(refused["data"]["code"], "CONFLICT", "{bind}: {refused}");
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains("connect again"), "{refused}");
        }
        assert_eq!(pool(&stage)["used"], 0);
        let held = program.acquire(json!({"bind": "connection"}));
        assert_eq!(held["code"], "GRANTED", "its connection is there: {held}");
        program.reconnect();
        let own = program.acquire(json!({}));
        assert_eq!((&own["code"], &own["bind"]), (&json!("GRANTED"), &json!("process")), "{own}");
        kill(child, Signal::SIGKILL).unwrap();
        wait_until_used(&stage, 0);
    }
}

#[test]
fn who_ends_while_it_waits_is_answered_on_the_connection_that_it_left() {
    let stage = stage(two_seats);
    let (mut first, mut second) = (holder(&stage), holder(&stage));
    assert_eq!(first.acquire(json!({"count": 2}))["code"], "GRANTED");
    second.send_for_seat(&json!({"product": ACME, "wait_ms": A_MINUTE}));
    wait_until_waiting(&stage, 1);
    second.fork_and_exit();
    let reply = second.next_line();
    assert_eq!(reply["error"]["data"]["code"], "BUSY", "{reply}");
    wait_until_waiting(&stage, 0);
}

fn body(id: u64) -> String {
    let params = json!({"product": ACME, "wait_ms": A_MINUTE});
    json!({"jsonrpc": "2.0", "id": id, "method": "seat_acquire", "params": params}).to_string()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// By HTTP/2 (RFC 9113): its preface, a request in `stream`, and the end of that stream alone.
fn http2_request(stream: u32) -> Vec<u8> {
    let literal = |name: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).unwrap();
        // A name of the static table that is beyond what four bits hold (RFC 7541, 5.1).
        let name: &[u8] = if name < 15 { &[name] } else { &[15, name - 15] };
        [name, &[length], value].concat()
    };
    let mut head = vec![0x83, 0x86, 0x84];
    head.extend(literal(1, b"localhost"));
    head.extend(literal(31, b"application/json"));
    let body = body(1);
    [frame(1, 4, stream, &head), frame(0, 1, stream, body.as_bytes())].concat()
}

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn http1_request() -> Vec<u8> {
    let body = body(1);
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The text of a WebSocket message, masked with zeros (RFC 6455, 5.2).
fn websocket_message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat()
}

fn open_websocket(stream: &mut UnixStream) {
    let ask = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
}

/// This process waits for a seat in this way, gives that up, and lives on.
fn assert_withdrawn(
    stage: &Stage,
    way: &str,
    ask: impl FnOnce(&mut UnixStream),
    give_up: impl FnOnce(&mut UnixStream),
) {
    let mut stream = UnixStream::connect(stage.daemon.socket()).unwrap();
    ask(&mut stream);
    wait_until_waiting(stage, 1);
    give_up(&mut stream);
    eventually(&format!("{way}: nobody waits"), || {
        let pool = pool(stage);
        if pool["waiting"] == 0 { Ok(()) } else { Err(pool.to_string()) }
    });
    drop(stream);
}

#[test]
fn who_hears_no_answer_any_more_waits_no_more() {
    let stage = stage(two_seats);
    let mut first = holder(&stage);
    let seat = first.acquire(json!({"count": 2}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let by = |bytes: Vec<u8>| move |stream: &mut UnixStream| stream.write_all(&bytes).unwrap();
    let half = |stream: &mut UnixStream| stream.shutdown(Shutdown::Write).unwrap();
    let http2 = [HTTP2_PREFACE, &http2_request(1)].concat();
    let reset = frame(3, 0, 1, &8_u32.to_be_bytes());
    assert_withdrawn(&stage, "a stream of HTTP/2 that is reset", by(http2), by(reset));
    assert_withdrawn(&stage, "HTTP/1.1, closed", by(http1_request()), |it| {
        it.shutdown(Shutdown::Both).unwrap();
    });
    let line = format!("{}\n", body(1)).into_bytes();
    assert_withdrawn(&stage, "a raw connection, half closed", by(line), half);
    let batch = format!("[{}]\n", body(1)).into_bytes();
    assert_withdrawn(&stage, "a batch, half closed", by(batch), half);
    let websocket = |stream: &mut UnixStream| {
        open_websocket(stream);
        stream.write_all(&websocket_message(&body(1))).unwrap();
    };
    let close = vec![0x88, 0x80, 0, 0, 0, 0];
    assert_withdrawn(&stage, "a WebSocket that is closed", websocket, by(close));
    first.call("seat_release", &json!({"seat": seat["seat"]}));
    assert_eq!(pool(&stage)["used"], 0, "and is given none");
}

/// Of several requests on a connection one is given up, and the others wait on.
#[test]
fn who_gives_up_one_request_keeps_the_others() {
    let stage = stage(two_seats);
    let mut first = holder(&stage);
    let seat = first.acquire(json!({"count": 2}));
    let mut stream = UnixStream::connect(stage.daemon.socket()).unwrap();
    let all = [HTTP2_PREFACE, &http2_request(1), &http2_request(3)].concat();
    stream.write_all(&all).unwrap();
    wait_until_waiting(&stage, 2);
    stream.write_all(&frame(3, 0, 1, &8_u32.to_be_bytes())).unwrap();
    wait_until_waiting(&stage, 1);
    first.call("seat_release", &json!({"seat": seat["seat"]}));
    wait_until_used(&stage, 1);
    let list: Value = stage.daemon.admin("seat_list", json!({}));
    assert_eq!(list["items"][0]["pid"], std::process::id(), "{list}");
}
