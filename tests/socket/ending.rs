//! Accepting, stopping, and the admin door.

use std::os::fd::OwnedFd;

use entitled::rpc::socket::doors::{SocketSettings, open_doors};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::*;

#[tokio::test]
async fn stopping_answers_what_was_asked_and_then_closes() {
    let mut house = House::open(limits());
    let mut waiting = house.connect().await;
    let mut idle = house.connect().await;
    let mut http = house.connect().await;
    waiting.send(call(1, "wait")).await;
    idle.ask(call(2, "hot")).await;
    let body = call(3, "wait");
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    http.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    house.until(|it| it.requests.get() == 3).await;
    house.tell_to_stop();
    assert_eq!(idle.rest().await, "");
    house.stage.gate.add_permits(2);
    assert_eq!(waiting.reply().await["result"], "waited");
    assert!(http.rest().await.ends_with(r#""result":"waited"}"#));
    let summary = within(house.serving).await.unwrap();
    assert_eq!((summary.connections, summary.requests, summary.cut_off), (3, 3, 0));
}

#[tokio::test]
async fn who_has_just_connected_may_still_ask() {
    let mut house = House::open(limits());
    let mut client = house.connect().await;
    house.until(|it| it.connections_total.get() == 1).await;
    house.tell_to_stop();
    assert_eq!(client.ask(call(1, "hot")).await["id"], 1);
    assert_eq!(client.rest().await, "");
    assert_eq!(within(house.serving).await.unwrap().cut_off, 0);
}

/// So whoever asks knows that it was heard by nobody: an answer that never comes would not say.
#[tokio::test]
async fn a_question_that_comes_too_late_fails_at_the_sender() {
    let mut house = House::open(limits());
    let mut client = house.connect().await;
    client.send(call(1, "wait")).await;
    house.until(|it| it.requests.get() == 1).await;
    house.tell_to_stop();
    let error = within(async {
        loop {
            // Blanks between requests, which nobody answers.
            match client.0.get_mut().write_all(b" ").await {
                // A closed pipe shows at a write, so one is tried again and again.
                Ok(()) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => break error,
            }
        }
    })
    .await;
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    house.stage.gate.add_permits(1);
    assert_eq!(client.reply().await["result"], "waited");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let house = House::open(Limits { drain: Duration::from_millis(50), ..limits() });
    let mut client = house.connect().await;
    client.send(call(1, "wait")).await;
    house.until(|it| it.requests.get() == 1).await;
    assert_eq!(house.stop().await.cut_off, 1);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn nobody_is_let_in_after_the_stop() {
    let house = House::open(limits());
    let path = house.path();
    house.connect().await.ask(call(1, "hot")).await;
    let keep = UnixStream::connect(&path).await.unwrap();
    house.stop().await;
    assert!(UnixStream::connect(&path).await.is_err());
    drop(keep);
}

#[tokio::test]
async fn a_door_that_cannot_accept_does_not_stop_the_other() {
    let home = tempfile::tempdir().unwrap();
    // Accepting on a socket that does not listen fails every time, as it does without file descriptors.
    let broken: OwnedFd =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let admin = UnixListener::bind(home.path().join("admin.sock")).unwrap();
    let house = House::with(home, Doors::of(broken.into(), admin, None), limits());
    let mut client = house.admin().await;
    for id in 0..50 {
        assert_eq!(client.ask(call(id, "echo")).await["id"], id);
    }
    house.stop().await;
}

#[tokio::test]
async fn real_doors_are_opened_served_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let settings = SocketSettings {
        path: home.path().join("entitled.sock"),
        admin_path: home.path().join("admin.sock"),
        admin_group: None,
        delegates: Vec::new(),
        public_mode: 0o666,
        admin_mode: 0o600,
        metrics: None,
        threads: 1,
    };
    let doors = open_doors(&settings).unwrap();
    let house = House::with(home, doors, limits());
    assert_eq!(house.connect().await.ask(call(1, "hot")).await["id"], 1);
    assert_eq!(house.admin().await.ask(call(2, "whoami")).await["result"]["door"], "admin");
    house.stop().await;
    assert!(!settings.path.exists() && !settings.admin_path.exists());
}
