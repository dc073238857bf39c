//! The client against a daemon that is a thread and says what it is told to.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, connect, listen, socket,
};
use serde_json::{Value, json};

use crate::connection::last_words;
use crate::deadline::Deadline;
use crate::wire::Wire;
use crate::{Client, ClientError, SocketPath};

pub(super) const VERDICT: &str = r#"{ "valid":true,"product":"acme-cad", "code":"VALID","tier":"pro","features":{"export":true}}"#;

/// A listener, and the thread that serves one conversation after the other on it.
pub(super) struct Daemon {
    pub(super) path: SocketPath,
    pub(super) served: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

pub(super) type Conversation = fn(Talk);

pub(super) struct Talk(BufReader<UnixStream>);

impl Talk {
    pub(super) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(super) fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    #[cfg(feature = "tokio")]
    /// Whether it could be said.
    pub(super) fn try_say(&mut self, text: &str) -> bool {
        self.0.get_mut().write_all(text.as_bytes()).is_ok()
    }

    #[cfg(feature = "tokio")]
    /// Whether the other side has not hung up. What it says meanwhile is passed over.
    pub(super) fn is_open(&mut self) -> bool {
        let mut line = String::new();
        self.0.read_line(&mut line).is_ok_and(|it| it > 0)
    }
}

pub(super) fn daemon(conversations: &[Conversation]) -> Daemon {
    let conversations = conversations.iter().map(|it| -> Script { Box::new(*it) }).collect();
    daemon_of(conversations)
}

pub(super) type Script = Box<dyn FnOnce(Talk) + Send>;

pub(super) fn daemon_of(conversations: Vec<Script>) -> Daemon {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        for conversation in conversations {
            conversation(Talk(BufReader::new(listener.accept().unwrap().0)));
        }
    });
    Daemon { path: SocketPath::at(path), served, _directory: directory }
}

pub(super) fn reply(id: &Value, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n")
}

pub(super) fn answer_one(mut talk: Talk) {
    let request = talk.hear();
    talk.say(&reply(&request["id"], VERDICT));
}

#[test]
fn a_check_is_one_request_by_name() {
    let daemon = daemon(&[|mut talk| {
        let request = talk.hear();
        assert_eq!(request["method"], "entitlement_check");
        assert_eq!(request["params"], json!({"product": "acme-cad"}));
        talk.say(&reply(&request["id"], VERDICT));
    }]);
    let verdict = Client::connect(&daemon.path).unwrap().check("acme-cad").unwrap();
    assert!(verdict.valid && verdict.has("export"));
    daemon.served.join().unwrap();
}

#[test]
fn a_raw_result_is_as_it_came_however_it_is_cut() {
    let daemon = daemon(&[|mut talk| {
        let request = talk.hear();
        for byte in reply(&request["id"], VERDICT).chars() {
            talk.say(&byte.to_string());
        }
    }]);
    let result = Client::connect(&daemon.path).unwrap().call_raw("m", &()).unwrap();
    assert_eq!(result.get(), VERDICT);
}

#[test]
fn a_refusal_without_id_is_ours() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        talk.say(
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32005,\"message\":\"full\"}}\n",
        );
    }]);
    let error = Client::connect(&daemon.path).unwrap().check("acme-cad").unwrap_err();
    assert!(matches!(error, ClientError::Refused { code: -32005, .. }), "{error:?}");
}

#[test]
fn an_answer_to_another_question_is_not_taken() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        talk.say(&reply(&json!(77), VERDICT));
    }]);
    let error = Client::connect(&daemon.path).unwrap().check("acme-cad").unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        let chunk = [b' '; 65536];
        // The client hangs up in the middle.
        while talk.0.get_mut().write_all(&chunk).is_ok() {}
    }]);
    let error = Client::connect(&daemon.path).unwrap().check("acme-cad").unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    daemon.served.join().unwrap();
}

#[test]
fn a_silent_daemon_is_a_timeout_and_its_late_answer_is_nobodys() {
    let daemon = daemon(&[
        |mut talk| {
            let request = talk.hear();
            // Waits until the client has given up and asks on another connection.
            let mut rest = String::new();
            talk.0.read_line(&mut rest).unwrap();
            let _ = talk.0.get_mut().write_all(reply(&request["id"], "\"late\"").as_bytes());
        },
        answer_one,
    ]);
    let mut client = Client::connect_within(&daemon.path, Duration::from_millis(50)).unwrap();
    let error = client.check("acme-cad").unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    client.set_timeout(Duration::from_secs(30));
    assert!(client.check("acme-cad").unwrap().valid);
}

#[test]
fn a_restarted_daemon_is_found_again() {
    let daemon = daemon(&[answer_one, answer_one]);
    let mut client = Client::connect(&daemon.path).unwrap();
    client.check("acme-cad").unwrap();
    // The first conversation's end closes the connection, sooner or later.
    while client.is_connected_for_test() {
        std::thread::yield_now();
    }
    assert!(client.check("acme-cad").unwrap().valid);
}

#[test]
fn a_daemon_that_goes_away_in_the_middle_is_unreachable() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        talk.say("{\"jsonrpc\":");
    }]);
    let error = Client::connect(&daemon.path).unwrap().check("acme-cad").unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn nobody_there_is_unreachable() {
    let directory = tempfile::tempdir().unwrap();
    let path = SocketPath::at(directory.path().join("nothing"));
    let error = Client::connect(&path).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_full_queue_is_a_timeout_and_not_a_hang() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let path = SocketPath::at(path);
    let limit = Duration::from_millis(20);
    let mut connected = Vec::new();
    let error = (0..100)
        .find_map(|_| match Client::connect_within(&path, limit) {
            Ok(client) => {
                connected.push(client);
                None
            }
            Err(error) => Some(error),
        })
        .unwrap();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
}

/// What docs/rpc.md tells those who connect without waiting.
#[test]
fn who_finds_the_queue_full_is_told_to_come_again_and_gets_in_by_the_same_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let own = || {
        let flags = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
        socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap()
    };
    let (listener, address) = (own(), UnixAddr::new(&path).unwrap());
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let one = own();
        match connect(one.as_raw_fd(), &address) {
            Ok(()) => waiting.push(one),
            Err(error) => break (one, error),
        }
        assert!(waiting.len() < 100, "a queue of one takes everybody");
    };
    let (late, error) = refused;
    assert_eq!(error, Errno::EAGAIN);
    assert_eq!(connect(late.as_raw_fd(), &address), Err(Errno::EAGAIN), "still full");
    accept(listener.as_raw_fd()).unwrap();
    assert_eq!(connect(late.as_raw_fd(), &address), Ok(()));
}

/// Answers a subscription to one product, and tells of it and of other things.
pub(super) fn tell_of_changes(mut talk: Talk) {
    let request = talk.hear();
    assert_eq!(request["method"], "entitlement_subscribe");
    let notice = |method: &str, id: u32, valid: bool| {
        let verdict = json!({"product": "acme-cad", "valid": valid, "code": "X"});
        let params = json!({"subscription": id, "result": verdict});
        format!("{}\n", json!({"jsonrpc": "2.0", "method": method, "params": params}))
    };
    // The first may overtake the answer.
    talk.say(&notice("entitlement_changed", 5, true));
    talk.say(&reply(&request["id"], "5"));
    talk.say(&notice("entitlement_changed", 6, true));
    talk.say(&notice("of_the_future", 5, true));
    talk.say(&notice("entitlement_changed", 5, false));
}

#[test]
fn a_subscription_gives_what_is_its_own_and_ends_with_the_connection() {
    let daemon = daemon(&[tell_of_changes]);
    let subscription = Client::connect(&daemon.path).unwrap().subscribe("acme-cad").unwrap();
    let heard: Vec<bool> = subscription.map(|it| it.unwrap().valid).collect();
    assert_eq!(heard, [true, false]);
}

#[test]
fn waiting_for_a_change_can_be_given_up_and_taken_up_again() {
    let daemon = daemon(&[|mut talk| {
        let request = talk.hear();
        talk.say(&reply(&request["id"], "\"a\""));
        let (half, rest) = (
            "{\"method\":\"entitlement_changed\",\"params\":{\"subscr",
            "iption\":\"a\",\"result\":{\"product\":\"acme-cad\",\"valid\":true,\"code\":\"VALID\"}}}\n",
        );
        talk.say(half);
        // Whatever the client sends says that it gave up waiting once.
        talk.hear();
        talk.say(rest);
    }]);
    let mut subscription = Client::connect(&daemon.path).unwrap().subscribe("acme-cad").unwrap();
    subscription.set_wait(Some(Duration::from_millis(50)));
    assert!(matches!(subscription.next(), Some(Err(ClientError::Timeout { .. }))));
    subscription.set_wait(Some(Duration::from_secs(30)));
    subscription.send_for_test("1\n");
    assert!(subscription.next().unwrap().unwrap().valid);
}

#[test]
fn a_connection_that_was_closed_with_a_reason_gives_it() {
    const FULL: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"limit exceeded","data":{"code":"LIMIT_EXCEEDED","detail":"a user has at most 64 connections","help":"close some"}}}"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(FULL.as_bytes()).unwrap();
        stream.write_all(b"\n").unwrap();
    });
    let deadline = Deadline::after(Duration::from_secs(30));
    let mut wire = Wire::connect(&SocketPath::at(path), deadline).unwrap();
    // Now its end is closed, and every write fails.
    served.join().unwrap();
    assert!(matches!(wire.send(b"{}\n", deadline), Err(ClientError::Unreachable { .. })));
    let error = last_words(&mut wire, deadline).unwrap();
    assert_eq!(error.name(), Some("LIMIT_EXCEEDED"), "{error}");
    assert_eq!(error.detail(), Some("a user has at most 64 connections"));
}

#[test]
fn what_has_arrived_is_read_without_waiting() {
    let (told, tell) = std::sync::mpsc::channel();
    let daemon = daemon_of(vec![Box::new(move |mut talk: Talk| {
        let request = talk.hear();
        talk.say(&reply(&request["id"], "\"a\""));
        let notice = |valid: bool| {
            let verdict = json!({"product": "acme-cad", "valid": valid, "code": "X"});
            let params = json!({"subscription": "a", "result": verdict});
            format!("{}\n", json!({"method": "entitlement_changed", "params": params}))
        };
        // Whatever the client sends asks for more.
        talk.hear();
        let two = notice(true) + &notice(false);
        let (first, rest) = two.split_at(two.len() - 9);
        talk.say(first);
        told.send(()).unwrap();
        talk.hear();
        talk.say(rest);
        told.send(()).unwrap();
    })]);
    let mut subscription = Client::connect(&daemon.path).unwrap().subscribe("acme-cad").unwrap();
    assert_eq!(subscription.try_next().unwrap(), None);
    subscription.send_for_test("1\n");
    tell.recv().unwrap();
    assert!(subscription.try_next().unwrap().unwrap().valid);
    assert_eq!(subscription.try_next().unwrap(), None, "half a notice is none");
    subscription.send_for_test("1\n");
    tell.recv().unwrap();
    assert!(!subscription.try_next().unwrap().unwrap().valid);
    daemon.served.join().unwrap();
    let ended = subscription.try_next().unwrap_err();
    assert!(matches!(ended, ClientError::Unreachable { .. }), "{ended:?}");
}

#[test]
fn a_flood_of_what_is_not_ours_does_not_keep_a_caller_that_does_not_wait() {
    let daemon = daemon(&[|mut talk| {
        let request = talk.hear();
        talk.say(&reply(&request["id"], "\"a\""));
        let others = json!({"method": "of_the_future", "params": {"text": "x".repeat(1000)}});
        // Until the client hangs up.
        while talk.0.get_mut().write_all(format!("{others}\n").as_bytes()).is_ok() {}
    }]);
    let mut subscription = Client::connect(&daemon.path).unwrap().subscribe("acme-cad").unwrap();
    for _ in 0..10 {
        assert_eq!(subscription.try_next().unwrap(), None);
    }
    drop(subscription);
    daemon.served.join().unwrap();
}

#[test]
fn a_client_that_is_not_connected_connects_when_it_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut client = Client::unconnected(&SocketPath::at(&path), Duration::from_secs(30));
    assert!(matches!(client.check("acme-cad"), Err(ClientError::Unreachable { .. })));
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        answer_one(Talk(BufReader::new(listener.accept().unwrap().0)));
    });
    assert!(client.check("acme-cad").unwrap().valid);
    served.join().unwrap();
}
