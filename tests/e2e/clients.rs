//! Clients that others wrote, each in its own framing, and our own command line.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use entitled_client::{AsyncClient, Code, SocketPath};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::prerequisites;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage, own_customer};

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// curl's status code and body, or nothing when there is no curl.
fn curl(socket: &Path, arguments: &[&str]) -> Option<(String, String)> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"])
        .arg("--unix-socket")
        .arg(socket)
        .args(arguments)
        .output();
    let Ok(output) = output else {
        prerequisites::skipped("HTTP as curl speaks it", "curl");
        return None;
    };
    let said = text(&output.stdout);
    let (body, status) = said.rsplit_once('\n').unwrap();
    Some((status.to_owned(), body.to_owned()))
}

const JSON: [&str; 2] = ["-H", "Content-Type: application/json"];
const CHECK: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"acme-cad"}}"#;

#[test]
fn curl_asks_over_http() {
    let stage = Stage::entitled();
    for extra in [&[][..], &["--http2-prior-knowledge"]] {
        for url in ["http://localhost/", "http://entitled/"] {
            let arguments = [&JSON, extra, &["-d", CHECK, url]].concat();
            let Some((status, body)) = curl(&stage.daemon.socket(), &arguments) else { return };
            let reply: Value =
                serde_json::from_str(&body).unwrap_or_else(|it| panic!("{it}: {status} {body}"));
            assert_eq!(
                (status.as_str(), &reply["result"]["tier"]),
                ("200", &json!("pro")),
                "{body}"
            );
        }
    }
}

#[test]
fn pages_for_people_and_monitors_are_there() {
    let daemon = offline();
    for (path, word) in
        [("healthz", "status"), ("metrics", "# "), ("openrpc.json", "entitlement_check")]
    {
        let Some((status, body)) = curl(&daemon.socket(), &[&format!("http://localhost/{path}")])
        else {
            return;
        };
        assert!(["200", "503"].contains(&status.as_str()), "{path}: {status}");
        assert!(body.contains(word), "{path}: {body}");
    }
    let (status, _) = curl(&daemon.socket(), &["http://localhost/etc/passwd"]).unwrap();
    assert_eq!(status, "404");
}

#[test]
fn web_pages_are_kept_out() {
    let daemon = offline();
    for header in
        ["Origin: https://evil.example", "Referer: https://evil.example/", "Host: evil.example"]
    {
        let arguments = [&JSON[..], &["-H", header, "-d", CHECK, "http://localhost/"]].concat();
        let Some((status, _)) = curl(&daemon.socket(), &arguments) else { return };
        assert_eq!(status, "403", "{header}");
    }
}

#[test]
fn web3_py_asks_over_ipc() {
    let Some(python) = prerequisites::python_with_web3("asking over IPC") else { return };
    let stage = Stage::entitled();
    let script = r#"
import json, sys
from web3 import IPCProvider
provider = IPCProvider(sys.argv[1], timeout=30)
for _ in range(3):
    reply = provider.make_request("entitlement_check", {"product": "acme-cad"})
print(json.dumps(reply["result"]))
"#;
    let output =
        Command::new(python).args(["-c", script]).arg(stage.daemon.socket()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["tier"], "pro");
}

#[tokio::test]
async fn alloy_asks_over_ipc() {
    use alloy_provider::Provider as _;
    let stage = tokio::task::spawn_blocking(Stage::entitled).await.unwrap();
    let ipc = alloy_transport_ipc::IpcConnect::new(stage.daemon.socket());
    let client = alloy_rpc_client::ClientBuilder::default().ipc(ipc).await.unwrap();
    let provider: alloy_provider::RootProvider = alloy_provider::RootProvider::new(client);
    let verdict: Value =
        provider.raw_request("entitlement_check".into(), json!({"product": ACME})).await.unwrap();
    assert_eq!(verdict["tier"], "pro");
    let refused = provider.raw_request::<_, Value>("no_such".into(), json!([])).await.unwrap_err();
    assert_eq!(refused.as_error_resp().unwrap().code, -32601);
}

#[tokio::test]
async fn a_websocket_is_told_of_changes() {
    let stage = tokio::task::spawn_blocking(Stage::entitled).await.unwrap();
    let stream = tokio::net::UnixStream::connect(stage.daemon.socket()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap();
    let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "entitlement_subscribe", "params": {"product": ACME}});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();

    let mut heard = Vec::new();
    let mut given_away = false;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(line) = message else { continue };
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["method"] == "entitlement_changed" {
            let code = line["params"]["result"]["code"].as_str().unwrap().to_owned();
            heard.push(code.clone());
            if code == "VALID" && !given_away {
                given_away = true;
                stage.give_away(7);
            }
            if code == "NOT_HELD" {
                break;
            }
        }
    }
    assert_eq!(heard.first().map(String::as_str), Some("VALID"));
    assert_eq!(heard.last().map(String::as_str), Some("NOT_HELD"));
    tokio::task::spawn_blocking(move || drop(stage)).await.unwrap();
}

#[tokio::test]
async fn the_asynchronous_client_checks_explains_and_is_told_of_changes() {
    let stage = tokio::task::spawn_blocking(Stage::entitled).await.unwrap();
    let path = SocketPath::at(stage.daemon.socket());
    let mut client = AsyncClient::connect(&path).await.unwrap();
    let verdict = client.check(ACME).await.unwrap();
    assert_eq!((verdict.code, verdict.tier.as_deref()), (Code::Valid, Some("pro")));
    let explanation = client.explain(ACME).await.unwrap();
    assert!(explanation.verdict.valid);
    assert!(explanation.steps.iter().any(|it| it.step == "grant" && it.outcome == "yes"));

    let mut told = client.subscribe(ACME).await.unwrap();
    told.set_wait(Some(Duration::from_secs(60)));
    assert_eq!(told.next().await.unwrap().unwrap().code, Code::Valid);
    stage.give_away(7);
    while told.next().await.unwrap().unwrap().code != Code::NotHeld {}
    tokio::task::spawn_blocking(move || drop(stage)).await.unwrap();
}

fn entitlectl(daemon: &Daemon, arguments: &[&str]) -> Output {
    daemon.entitlectl().args(arguments).output().unwrap()
}

fn exit_code(daemon: &Daemon, arguments: &[&str]) -> Option<i32> {
    entitlectl(daemon, arguments).status.code()
}

#[test]
fn entitlectl_says_by_its_exit_code_whether_one_is_entitled() {
    let stage = Stage::linked();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(exit_code(&stage.daemon, &["check", ACME]), Some(1), "not held");
    assert_eq!(exit_code(&stage.daemon, &["check", "no-such"]), Some(1), "no product");
    let mut stage = stage.enter(7);
    let entitled = entitlectl(&stage.daemon, &["check", ACME]);
    assert_eq!(entitled.status.code(), Some(0));
    assert!(text(&entitled.stdout).starts_with("entitled: pro"), "{}", text(&entitled.stdout));
    assert_eq!(exit_code(&stage.daemon, &["check", ACME, "--feature", "no-such"]), Some(1));
    assert_eq!(exit_code(&stage.daemon, &["chekc"]), Some(2), "usage");
    stage.anvil.stop();
    stage.daemon.wait_for_code(ACME, "GRACE");
    assert_eq!(exit_code(&stage.daemon, &["check", ACME]), Some(0), "grace entitles");
    stage.daemon.stop();
    assert_eq!(
        exit_code(&stage.daemon, &["--timeout", "1s", "check", ACME]),
        Some(4),
        "unreachable"
    );
}

#[test]
fn entitlectl_tells_undetermined_from_not_entitled() {
    let mut stage = Stage::start();
    stage.anvil.stop();
    stage.daemon.link(&stage.wallet);
    assert_eq!(stage.daemon.code(ACME), "UNDETERMINED");
    assert_eq!(exit_code(&stage.daemon, &["check", ACME]), Some(3));
}

#[test]
fn entitlectl_gives_json_as_the_socket_gave_it() {
    let daemon = offline();
    let output = entitlectl(&daemon, &["--json", "check", "no-such"]);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&verdict["code"], output.status.code()), (&json!("NO_PRODUCT"), Some(1)));
    let output = entitlectl(&daemon, &["--json", "customer", "list"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("machine"));
}

#[test]
fn entitlectl_is_refused_what_only_the_admin_socket_gives() {
    let daemon = offline();
    let socket = daemon.socket().display().to_string();
    let output = entitlectl(&daemon, &["--socket", &socket, "customer", "list"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
}

#[test]
fn entitlectl_explains_and_watches() {
    let stage = Stage::entitled();
    let why = entitlectl(&stage.daemon, &["why", ACME]);
    assert_eq!(why.status.code(), Some(0), "{}", text(&why.stderr));
    assert!(text(&why.stdout).contains("pro"), "{}", text(&why.stdout));
    let watch = stage.daemon.entitlectl().args(["--json", "watch", ACME, "--count", "1"]).output();
    let first: Value = serde_json::from_slice(&watch.unwrap().stdout).unwrap();
    assert_eq!(first["code"], "VALID");
}

#[test]
fn entitlectl_lints_a_product_file_without_a_daemon() {
    let daemon = Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let file = daemon.home().join("p.toml");
    std::fs::write(&file, "product = \"x\"\n[tiers.pro]\nrnk = 1\n").unwrap();
    let path = file.display().to_string();
    let output = entitlectl(&daemon, &["product", "lint", &path]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains(&format!("{path}:3")) && said.contains("rnk"), "{said}");
}

#[test]
fn a_full_daemon_is_not_taken_for_one_that_is_down() {
    let settings =
        Settings::new(["http://127.0.0.1:9".to_owned()]).more("[socket.limits]\nconnections = 1");
    let daemon = Daemon::start(&settings);
    // Until those who saw it start have left.
    let mut inside = eventually("there is a place", || {
        let mut line = Line::connect(&daemon.socket());
        line.call("system_version", &json!({})).map(|_| line).map_err(|it| it.message)
    });
    for arguments in [&["check", ACME][..], &["--json", "wallet", "list"]] {
        let output = daemon.entitlectl().args(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "neither yes nor no: {said}");
        assert!(said.contains("at most 1 connections"), "{said}");
        assert!(!said.contains("is it running"), "{said}");
    }
    inside.call("system_version", &json!({})).unwrap();
}

#[test]
fn entitlectl_says_what_an_administrator_did() {
    let stage = Stage::entitled();
    let ask = |arguments: &[&str]| {
        let output = entitlectl(&stage.daemon, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let file = stage.daemon.home().join("bolt.toml");
    let product = ProductFile::acme(&stage.licence.collection()).named("bolt-cam");
    std::fs::write(&file, product.text()).unwrap();
    assert_eq!(ask(&["product", "install", file.to_str().unwrap()]), "bolt-cam is installed\n");
    let held = stage.licence.token(7);
    let suspend = |token: &str| ask(&["ownership", "suspend", token, "--reason", "unpaid"]);
    let said = suspend(&held);
    assert!(said.contains(&held) && said.contains("unpaid"), "{said}");
    let said = ask(&["ownership", "reinstate", &held, "--reason", "paid"]);
    assert!(said.contains(&held) && !said.contains("unpaid"), "{said}");
    let me = own_customer();
    assert!(ask(&["customer", "deactivate", &me]).contains("active   no"));
    assert_eq!(stage.daemon.code(ACME), "SUSPENDED");
    assert!(ask(&["customer", "activate", &me]).contains("active   yes"));
    stage.daemon.wait_for_code(ACME, "VALID");
    let created = ask(&["customer", "create", "Ada", "--uid", "4001"]);
    assert!(created.contains("4001"), "{created}");
    let emptied = ask(&["customer", "update", "customer:1", "--no-uids"]);
    assert!(!emptied.contains("4001"), "{emptied}");
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(suspend(&held), "done; no wallet known here holds it now\n");
}

#[test]
fn entitlectl_says_what_is_wrong_once() {
    let daemon = offline();
    let create = ["customer", "create", "Ada", "--uid", "4001"];
    assert!(entitlectl(&daemon, &create).status.success());
    let said = text(&entitlectl(&daemon, &create).stderr);
    assert_eq!(said.matches("with uid 4001").count(), 1, "{said}");
}
