//! What programs should not say on the socket, and what they hear then. Nobody else is harmed.

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::settings::Settings;
use crate::support::socket::{Line, result_of};
use crate::support::stage::Stage;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const NOT_FOUND: i64 = -32002;

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

/// Says one thing on a connection of its own; the error's code.
fn code_for(daemon: &Daemon, bytes: &[u8]) -> i64 {
    let mut line = Line::connect(&daemon.socket());
    line.say(bytes);
    let reply = line.hear().unwrap_or_else(|| panic!("{}: no answer", clip(bytes)));
    result_of(reply).expect_err(&clip(bytes)).code
}

fn clip(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}

#[test]
fn what_is_no_json_is_a_parse_error() {
    let daemon = offline();
    for text in ["{\"jsonrpc\":}\n", "{]\n", "{\"a\":1,}\n", "[1,\n}\n", "\u{1}\n", "\u{7f}ELF\n"] {
        assert_eq!(code_for(&daemon, text.as_bytes()), PARSE_ERROR, "{text}");
    }
    assert_eq!(code_for(&daemon, b"{\"id\":1,\"method\":\"\xff\xfe\"}\n"), PARSE_ERROR);
    daemon.call("system_version", json!({}));
}

#[test]
fn json_that_is_no_request_is_an_invalid_request() {
    let daemon = offline();
    for text in [
        "{}",
        "[]",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"system_version\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
    ] {
        assert_eq!(code_for(&daemon, format!("{text}\n").as_bytes()), INVALID_REQUEST, "{text}");
    }
}

#[test]
fn unknown_methods_and_wrong_parameters_are_named() {
    let daemon = offline();
    assert_eq!(daemon.refused("entitlement_chekc", json!({})).code, METHOD_NOT_FOUND);
    for (method, params, named) in [
        ("entitlement_check", json!({}), "product"),
        ("entitlement_check", json!({"product": "a", "produkt": 1}), "produkt"),
        ("entitlement_check", json!({"product": 7}), "product"),
        ("entitlement_check", json!({"product": "Not A Name"}), "Not A Name"),
        ("entitlement_check", json!({"product": "a", "wait_ms": -1}), "wait_ms"),
        ("token_verify", json!({"token": "7"}), "7"),
        ("wallet_challenge", json!({"address": "0x1234"}), "0x1234"),
        ("wallet_create", json!({"label": 3}), "label"),
        ("ownership_list", json!({"limit": "all"}), "limit"),
    ] {
        let refused = daemon.refused(method, params.clone());
        assert_eq!(refused.code, INVALID_PARAMS, "{method} {params}: {refused:?}");
        let said = format!("{} {}", refused.message, refused.data);
        assert!(said.contains(named), "{method} {params} does not name {named}: {said}");
    }
}

#[test]
fn parameters_are_taken_by_position_too() {
    let daemon = offline();
    let verdict = daemon.call("entitlement_check", json!(["no-such-product"]));
    assert_eq!(verdict["code"], "NO_PRODUCT");
}

#[test]
fn a_wrong_checksum_is_an_error_that_says_the_right_one() {
    let daemon = offline();
    let right = "0x52908400098527886E0F7030069857D2E4169EE7";
    let wrong = right.replace("27886E", "27886e");
    let refused = daemon.refused("wallet_challenge", json!({"address": wrong}));
    assert_eq!(refused.code, INVALID_PARAMS);
    assert!(format!("{} {}", refused.message, refused.data).contains(right), "{refused:?}");
    daemon.call("wallet_challenge", json!({"address": right.to_lowercase()}));
}

#[test]
fn a_chain_that_is_not_configured_is_unknown_not_absent() {
    let stage = Stage::linked();
    let token = stage.licence.token(7).replace("eip155:31337", "eip155:10");
    let params = json!({"token": token, "wallet": stage.holder()});
    match stage.daemon.try_call("token_verify", params) {
        Ok(sighting) => assert_eq!(sighting["holding"], "unknown", "{sighting}"),
        Err(refused) => assert!([NOT_FOUND, -32006, INVALID_PARAMS].contains(&refused.code)),
    }
}

#[test]
fn too_much_at_once_is_refused() {
    let daemon = offline();
    let long = "x".repeat(70 << 10);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "entitlement_check", "params": {"product": long}});
    let mut line = Line::connect(&daemon.socket());
    line.say(format!("{request}\n").as_bytes());
    if let Some(reply) = line.hear() {
        assert!(reply.get("error").is_some(), "{reply}");
    }
    daemon.call("system_version", json!({}));
}

#[test]
fn deep_nesting_is_refused() {
    let daemon = offline();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}\n", open.repeat(5000), close.repeat(5000));
        let code = code_for(&daemon, deep.as_bytes());
        assert!([PARSE_ERROR, INVALID_REQUEST, -32005].contains(&code), "{code}");
    }
    daemon.call("system_version", json!({}));
}

#[test]
fn a_batch_is_answered_in_full_and_bounded() {
    let daemon = offline();
    let one = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "system_version"});
    let mut line = Line::connect(&daemon.socket());
    let batch: Vec<Value> = (0..5).map(one).collect();
    line.say(format!("{}\n", json!(batch)).as_bytes());
    let replies = line.hear().unwrap();
    let ids: Vec<u64> =
        replies.as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);

    let many: Vec<Value> = (0..33).map(one).collect();
    line.say(format!("{}\n", json!(many)).as_bytes());
    let reply = line.hear().unwrap();
    assert!(reply.get("error").is_some(), "{}", clip(reply.to_string().as_bytes()));
}

#[test]
fn notifications_get_no_reply() {
    let daemon = offline();
    let mut line = Line::connect(&daemon.socket());
    line.say(b"{\"jsonrpc\":\"2.0\",\"method\":\"system_version\"}\n");
    assert_eq!(
        line.call("system_version", &json!({})).unwrap()["version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn requests_may_come_in_pieces_and_several_in_one() {
    let daemon = offline();
    let mut line = Line::connect(&daemon.socket());
    let request = br#"{"jsonrpc":"2.0","id":"a","method":"system_version"}"#;
    for piece in request.chunks(7) {
        line.say(piece);
        // So that the pieces are read one by one; together they would be taken as well.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(line.hear().unwrap()["id"], "a", "no separator is needed");
    line.say(&request.repeat(3));
    for _ in 0..3 {
        assert_eq!(line.hear().unwrap()["id"], "a");
    }
}

#[test]
fn a_hundred_unfinished_connections_stop_nobody() {
    let daemon = offline();
    let held: Vec<Line> = (0..100)
        .map(|number| {
            let mut line = Line::connect(&daemon.socket());
            line.say([&b""[..], b"{", b"{\"jsonrpc\":\"2.0\",", b"POST / HT"][number % 4]);
            line
        })
        .collect();
    // Connections are counted per user; a user who is not root has used up its own.
    if nix::unistd::getuid().is_root() {
        daemon.call("system_version", json!({}));
    }
    daemon.admin_answers();
    drop(held);
    daemon.call("system_version", json!({}));
}

#[test]
fn a_client_that_never_reads_stops_nobody() {
    let daemon = offline();
    let mut deaf = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc_discover\"}\n".repeat(100);
    for _ in 0..200 {
        if std::io::Write::write(&mut deaf, &request).is_err() {
            break;
        }
    }
    for _ in 0..20 {
        daemon.call("system_version", json!({}));
    }
}

#[test]
fn an_error_says_a_code_a_detail_and_what_to_do() {
    let daemon = offline();
    let refused = daemon.refused("customer_list", json!({}));
    for key in ["code", "detail", "help"] {
        assert!(refused.data[key].is_string(), "{key} in {refused:?}");
    }
}

#[test]
fn who_says_nothing_is_hung_up_on_while_places_are_scarce() {
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()])
        .more("[socket.limits]\nfirst_byte = \"300ms\"\nconnections = 8");
    let daemon = Daemon::start(&settings);
    let mut inside: Vec<Line> = (0..4).map(|_| Line::connect(&daemon.socket())).collect();
    for line in &mut inside {
        line.call("system_version", &json!({})).unwrap();
    }
    assert!(Line::connect(&daemon.socket()).is_closed());
}
