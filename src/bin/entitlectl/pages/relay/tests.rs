use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use super::{ADMIN, LINK, PUBLIC, Relay};
use crate::session::{Behalf, Door, Session};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    behalf: Behalf,
}

/// A relay to a daemon that is not there: what it passes on is answered by `UNREACHABLE`.
fn relay() -> Relay {
    let session =
        Session::new(Some(PathBuf::from("/nonexistent/socket")), Duration::from_secs(1), false);
    let (linked, _) = tokio::sync::mpsc::unbounded_channel();
    Relay::new(&session, &Line::parse_from(["entitlectl"]).behalf, linked)
}

fn code(door: Door, method: &str, params: &Value) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let reply: Value = serde_json::from_str(&relay().answer(door, body.as_bytes())).unwrap();
    reply["error"]["data"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_page_reads_and_links_and_nothing_else() {
    // Written out, so that a new method is thought about twice.
    let changes = ["create", "import", "export", "sign", "unlink", "record", "acquire", "release"];
    let more = ["update", "deactivate", "install", "trust", "remove", "suspend", "reinstate"];
    let others = ["unlock", "rotate", "backup", "acknowledge", "sync", "reload", "revoke", "adopt"];
    for allowed in PUBLIC.iter().chain(ADMIN) {
        for verb in changes.iter().chain(&more).chain(&others) {
            assert!(!allowed.method.ends_with(&format!("_{verb}")), "{}", allowed.method);
        }
        assert!(!allowed.params.contains(&"customer"), "{}", allowed.method);
    }
    let linking = PUBLIC.iter().filter(|it| [LINK, "wallet_challenge"].contains(&it.method));
    assert_eq!(linking.count(), 2);
}

#[test]
fn what_is_not_on_the_list_does_not_reach_the_daemon() {
    let none = json!({});
    for method in
        ["wallet_export", "wallet_sign", "wallet_create", "wallet_unlink", "customer_list"]
    {
        assert_eq!(code(Door::Public, method, &none), "METHOD_NOT_FOUND", "{method}");
    }
    assert_eq!(code(Door::Admin, "customer_create", &none), "METHOD_NOT_FOUND");
    assert_eq!(
        code(Door::Admin, "customer_list", &none),
        "METHOD_NOT_FOUND",
        "for no administrator"
    );
    let other = json!({"address": "0x0", "customer": "machine"});
    assert_eq!(code(Door::Public, "wallet_challenge", &other), "INVALID_PARAMS");
    assert_eq!(code(Door::Public, "wallet_list", &none), "UNREACHABLE");
}

#[test]
fn what_is_no_request_is_told_so() {
    for body in ["", "[]", "{}", r#"{"jsonrpc":"2.0","id":1,"method":"wallet_list","more":1}"#] {
        let reply: Value =
            serde_json::from_str(&relay().answer(Door::Public, body.as_bytes())).unwrap();
        assert_eq!(reply["error"]["data"]["code"], "INVALID_REQUEST", "{body}");
    }
}
