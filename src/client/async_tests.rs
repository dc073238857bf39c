//! The asynchronous client against the same daemon that is a thread and says what it is told to.

use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use serde_json::json;

use crate::tests::{VERDICT, answer_one, daemon, reply, tell_of_changes};
use crate::{AsyncClient, ClientError, SocketPath};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_check_is_one_request_by_name() {
    let daemon = daemon(&[|mut talk| {
        let request = talk.hear();
        assert_eq!(request["method"], "entitlement_check");
        assert_eq!(request["params"], json!({"product": "acme-cad"}));
        for byte in reply(&request["id"], VERDICT).chars() {
            talk.say(&byte.to_string());
        }
    }]);
    let mut client = AsyncClient::connect(&daemon.path).await.unwrap();
    let verdict = client.check("acme-cad").await.unwrap();
    assert!(verdict.valid && verdict.has("export"));
    daemon.served.join().unwrap();
}

#[tokio::test]
async fn a_silent_daemon_is_a_timeout_and_its_late_answer_is_nobodys() {
    let daemon = daemon(&[
        |mut talk| {
            let request = talk.hear();
            // Ends when the client has given the connection up.
            while talk.is_open() {}
            assert!(!talk.try_say(&reply(&request["id"], "\"late\"")), "nobody is there any more");
        },
        answer_one,
    ]);
    let limit = Duration::from_millis(50);
    let mut client = AsyncClient::connect_within(&daemon.path, limit).await.unwrap();
    let error = client.check("acme-cad").await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { after } if after == limit), "{error:?}");
    client.set_timeout(LONG);
    assert!(client.check("acme-cad").await.unwrap().valid);
}

#[tokio::test]
async fn a_call_given_up_leaves_its_answer_to_nobody() {
    let daemon = daemon(&[
        |mut talk| {
            talk.hear();
            while talk.is_open() {}
        },
        answer_one,
    ]);
    let mut client = AsyncClient::connect_within(&daemon.path, LONG).await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), client.check("acme-cad")).await;
    assert!(given_up.is_err());
    assert!(client.check("acme-cad").await.unwrap().valid);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        while talk.try_say(&" ".repeat(65_536)) {}
    }]);
    let mut client = AsyncClient::connect(&daemon.path).await.unwrap();
    let error = client.check("acme-cad").await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    daemon.served.join().unwrap();
}

#[tokio::test]
async fn a_refusal_and_a_stranger_are_what_they_are() {
    let daemon = daemon(&[|mut talk| {
        talk.hear();
        talk.say(
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32005,\"message\":\"full\"}}\n",
        );
    }]);
    let mut client = AsyncClient::connect(&daemon.path).await.unwrap();
    let error = client.check("acme-cad").await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { code: -32005, .. }), "{error:?}");
    let nowhere = SocketPath::at(daemon.path.as_path().with_file_name("nothing"));
    let error = AsyncClient::connect(&nowhere).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_queue_is_a_timeout_and_not_a_hang() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let path = SocketPath::at(path);
    let mut connected = Vec::new();
    for _ in 0..100 {
        match AsyncClient::connect_within(&path, Duration::from_millis(20)).await {
            Ok(client) => connected.push(client),
            Err(error) => {
                assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
                return;
            }
        }
    }
    panic!("a queue of one took {} connections", connected.len());
}

#[tokio::test]
async fn a_subscription_gives_what_is_its_own_and_ends_with_the_connection() {
    let daemon = daemon(&[tell_of_changes]);
    let client = AsyncClient::connect(&daemon.path).await.unwrap();
    let mut subscription = client.subscribe("acme-cad").await.unwrap();
    let mut heard = Vec::new();
    while let Some(verdict) = subscription.next().await {
        heard.push(verdict.unwrap().valid);
    }
    assert_eq!(heard, [true, false]);
}

#[tokio::test]
async fn waiting_for_a_change_can_be_given_up_and_taken_up_again() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let daemon = crate::tests::daemon_of(vec![Box::new(move |mut talk: crate::tests::Talk| {
        let request = talk.hear();
        talk.say(&reply(&request["id"], "\"a\""));
        talk.say("{\"method\":\"entitlement_changed\",\"params\":{\"subscr");
        // The rest comes once the client has given up waiting for it.
        receiver.lock().unwrap().recv().unwrap();
        talk.say(
            "iption\":\"a\",\"result\":{\"product\":\"acme-cad\",\"valid\":true,\"code\":\"VALID\"}}}\n",
        );
    })]);
    let client = AsyncClient::connect(&daemon.path).await.unwrap();
    let mut subscription = client.subscribe("acme-cad").await.unwrap();
    subscription.set_wait(Some(Duration::from_millis(50)));
    assert!(matches!(subscription.next().await, Some(Err(ClientError::Timeout { .. }))));
    subscription.set_wait(None);
    let given_up = tokio::time::timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(given_up.is_err());
    sender.send(()).unwrap();
    assert!(subscription.next().await.unwrap().unwrap().valid);
}
