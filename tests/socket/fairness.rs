//! Turns are by user: how many connections somebody has makes others wait for hardly longer.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;

use super::*;

/// `nobody`.
const ANOTHER_USER: u32 = 65534;

/// A connection of another user. `None` unless we are root, who alone can be somebody else.
fn connect_as_another(house: &House) -> Option<StdUnixStream> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: turns between users: needs root");
        return None;
    }
    for open in [house.home.path().to_owned(), house.path()] {
        std::fs::set_permissions(open, Permissions::from_mode(0o777)).unwrap();
    }
    let path = house.path();
    // The kernel tells who connected; a thread may be somebody else than its process, and this one ends.
    let connecting = std::thread::spawn(move || {
        let uid = Uid::from_raw(ANOTHER_USER);
        set_thread_res_uid(uid, uid, uid).unwrap();
        StdUnixStream::connect(path).unwrap()
    });
    Some(connecting.join().unwrap())
}

/// How many requests are answered until the first of one who asks now and then is, and until `asked` more are, one after
/// the other, while `flooders` connections of one user have each sent `sent`. Who asks is of the same user or `another`.
async fn answered_meanwhile(
    (flooders, another): (usize, bool),
    sent: &[u8],
    asked: usize,
) -> Option<(u64, u64)> {
    let many = Limits { connections: 256, connections_per_uid: 64, ..limits() };
    let house = House::open(many);
    let connect = || StdUnixStream::connect(house.path()).unwrap();
    let other = if another { connect_as_another(&house)? } else { connect() };
    let mut flooding = Vec::new();
    for _ in 0..flooders {
        let mut flooder = connect();
        flooder.write_all(sent).unwrap();
        flooding.push(flooder);
    }
    other.set_nonblocking(true).unwrap();
    let mut other = Client::new(UnixStream::from_std(other).unwrap());
    let mut answered = Vec::new();
    for _ in 0..=asked {
        answered.push(other.ask(call(1, "count")).await["result"].as_u64().unwrap());
    }
    let (first, last) = (answered[0], answered[asked]);
    Some((first, last - first))
}

/// Who is there is heard by its first question; from then on turns are by user.
async fn assert_fair(framing: &str, sent: &[u8]) {
    let Some((_, few)) = answered_meanwhile((4, true), sent, 12).await else { return };
    let (_, many) = answered_meanwhile((60, true), sent, 12).await.unwrap();
    assert!(few > 4, "{framing}: {few} were answered");
    assert!(many < few * 6, "{framing}: {many} with sixty connections, {few} with four");
}

/// Between connections of one user there is nothing to divide.
#[tokio::test]
async fn who_asks_alone_has_whole_turns() {
    let sent = call(1, "count").repeat(2_000);
    // First, since others who have asked may ask again.
    let (_, alone) = answered_meanwhile((4, false), sent.as_bytes(), 4).await.unwrap();
    let Some((_, among)) = answered_meanwhile((4, true), sent.as_bytes(), 4).await else { return };
    assert!(alone > among * 2, "{alone} alone, {among} while another asks");
}

/// However many connections somebody has who asked alone, sixteen turns go before who comes then.
#[tokio::test]
async fn who_comes_to_one_who_asks_alone_waits_for_one_round() {
    let sent = call(1, "count").repeat(2_000);
    let (_, four) = answered_meanwhile((4, false), sent.as_bytes(), 1).await.unwrap();
    let (_, sixty) = answered_meanwhile((60, false), sent.as_bytes(), 1).await.unwrap();
    assert!(sixty < four * 8, "{sixty} with sixty connections, {four} with four");
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
    let (first, more) = answered_meanwhile((1, false), &upgraded(&sent), 1).await.unwrap();
    assert_eq!((first, more), (0, 1), "another's was answered before it");
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
