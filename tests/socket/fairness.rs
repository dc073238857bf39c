//! Turns are by user: how many connections somebody has makes others wait for hardly longer.

use std::io::Write as _;
use std::os::unix::net::UnixStream as StdUnixStream;

use super::*;

/// How many requests are answered until another user has `asked` so often, one after the other, while `flooders` have each
/// sent `sent`.
async fn answered_meanwhile(flooders: usize, sent: &[u8], asked: usize) -> u64 {
    let many = Limits { connections: 256, connections_per_uid: 64, ..limits() };
    let house = House::open(many);
    let connect = || StdUnixStream::connect(house.path()).unwrap();
    let mut flooding = Vec::new();
    for _ in 0..flooders {
        let mut flooder = connect();
        flooder.write_all(sent).unwrap();
        flooding.push(flooder);
    }
    let other = connect();
    other.set_nonblocking(true).unwrap();
    let mut other = Client::new(UnixStream::from_std(other).unwrap());
    let mut last = 0;
    for _ in 0..asked {
        last = other.ask(call(1, "count")).await["result"].as_u64().unwrap();
    }
    last
}

async fn assert_fair(framing: &str, sent: &[u8]) {
    let few = answered_meanwhile(4, sent, 13).await;
    let many = answered_meanwhile(60, sent, 13).await;
    assert!(few > 4, "{framing}: {few} were answered");
    assert!(many < few * 6, "{framing}: {many} with sixty connections, {few} with four");
}

#[tokio::test]
async fn who_has_many_connections_has_no_more_turns() {
    assert_fair("raw JSON", call(1, "count").repeat(2_000).as_bytes()).await;
}

#[tokio::test]
async fn who_has_many_connections_by_http_has_no_more_turns() {
    let body = call(1, "count");
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let post = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    assert_fair("HTTP/1.1", post.repeat(300).as_bytes()).await;
}

#[tokio::test]
async fn who_has_many_connections_by_http2_has_no_more_turns() {
    assert_fair("HTTP/2", &http2::posts(30, &call(1, "count"))).await;
}

#[tokio::test]
async fn who_has_many_connections_by_websocket_has_no_more_turns() {
    assert_fair("WebSocket", &upgraded(&websocket_frame(0x81, &call(1, "count")).repeat(1_000)))
        .await;
}

/// What comes is work, be it no message yet.
#[tokio::test]
async fn who_sends_what_is_no_message_by_websocket_keeps_nobody_waiting_for_all_of_it() {
    let (begin, part) = (websocket_frame(0x01, ""), websocket_frame(0x00, ""));
    let asks = websocket_frame(0x81, &call(1, "count"));
    let sent = [begin, part.repeat(10_000), websocket_frame(0x80, ""), asks].concat();
    let before = answered_meanwhile(1, &upgraded(&sent), 3).await;
    assert_eq!(before, 2, "another's was answered before it");
}

fn upgraded(frames: &[u8]) -> Vec<u8> {
    let head =
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    [head, frames].concat()
}

/// With a mask of zeros.
fn websocket_frame(first: u8, payload: &str) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126, "a longer frame has another head");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload.as_bytes()].concat()
}
