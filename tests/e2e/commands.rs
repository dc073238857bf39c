//! The commands of the documents, run as they stand there: with a real daemon, and something in the place of what only a
//! reader has, such as a signature. What needs a machine that boots is run by `tests/packages`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::consensus::scene::Ground;
use crate::pseudo_terminal::Terminal;
use crate::publishers::{Vendor, install_signed};
use crate::support::daemon::Daemon;
use crate::support::document::{Commands, commands};
use crate::support::etcd::{self, Etcd};
use crate::support::fake;
use crate::support::gateway::{GatewayStage, TOKEN, everything};
use crate::support::page::{Page, has_browser, play};
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::{eventually, prerequisites};

/// Of a wallet of the documents.
const HOLDER: &str = "0x667fF918754239Bc5DfB39EfE943f29c735E7CB4";

fn only<const N: usize>(page: &str, test: &str) -> [Commands; N] {
    let found = commands(page, test);
    let count = found.len();
    found.try_into().unwrap_or_else(|_| panic!("{page}: {count} blocks for {test}"))
}

#[test]
fn a_fake_is_checked_started_and_asked() {
    let home = TempDir::new().unwrap();
    fake::write(home.path(), "[products.acme-cad]\ntier = \"pro\"\n");
    let [block] = only("docs/fake.md", "a_fake_is_checked_started_and_asked");
    // The second command goes on for ever: it is left running, and asked when it listens. Its file names a socket, as root's has to.
    let socket = home.path().join("fake.sock");
    let waits = "entitled --fake fake.toml > told 2>&1 &\nwhile ! grep -q 'export ENTITLED_SOCKET' told; do sleep 0.02; done #";
    let block = block
        .with("entitled --fake fake.toml            #", waits)
        .with("/run/user/1000/entitled-fake/entitled.sock", socket.to_str().unwrap())
        .with(
            "entitled --fake fake.toml --check",
            "trap 'kill $(jobs -p)' EXIT\nentitled --fake fake.toml --check",
        );
    let mut client = Command::new("env");
    client.env_remove("ENTITLED_SOCKET").env("NO_COLOR", "1");
    let said = block.run(&client, home.path());
    assert!(said.contains("entitled: pro, says a fake daemon"), "{said}");
    // What it says leads where the document says.
    let told = std::fs::read_to_string(home.path().join("told")).unwrap();
    assert!(told.contains(&format!("export ENTITLED_SOCKET={}", socket.display())), "{told}");
}

#[test]
fn curl_asks_the_gateway() {
    if !prerequisites::has("curl", "the commands of docs/gateway.md") {
        return;
    }
    let stage = GatewayStage::entitled(&everything());
    let [block] = only("docs/gateway.md", "curl_asks_the_gateway");
    let mut client = Command::new("env");
    client.env("TOKEN", TOKEN).env("no_proxy", "*");
    let block = block.with("127.0.0.1:8080", &format!("127.0.0.1:{}", stage.gateway.port));
    let said: Value = serde_json::from_str(&block.run(&client, stage.daemon.home())).unwrap();
    assert_eq!((&said["code"], &said["valid"]), (&json!("VALID"), &json!(true)), "{said}");
}

#[test]
fn curl_asks_the_daemon() {
    if !prerequisites::has("curl", "the commands of docs/rpc.md") {
        return;
    }
    let stage = Stage::entitled();
    let [block] = only("docs/rpc.md", "curl_asks_the_daemon");
    let block = block.with("/run/entitled/entitled.sock", stage.daemon.socket().to_str().unwrap());
    let said = block.run(&Command::new("env"), stage.daemon.home());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["result"]["code"], "VALID", "{said}");
}

#[test]
fn a_receipt_is_made_and_verified() {
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let daemon = Daemon::start(&ground.settings());
    install_signed(&daemon, &vendor, &ground.product().set("version", "3"));
    // A wallet whose key is here can sign the nonce.
    let wallet = daemon.call("wallet_create", json!({}));
    let address = wallet["address"].as_str().unwrap().parse().unwrap();
    ground.licence.mint(&ground.anvil, address, 8);
    ground.finalize();
    daemon.wait_for_code(ACME, "VALID");
    let [block] = only("docs/receipts.md", "a_receipt_is_made_and_verified");
    let block = block.with("RWQf6LRC…", &vendor.key());
    let said = block.run(&daemon.entitlectl(), daemon.home());
    assert!(said.contains("entitled: pro"), "{said}");
    let kept = std::fs::read_to_string(daemon.home().join("acme.receipt")).unwrap();
    assert!(!kept.is_empty());
}

#[test]
fn a_wallet_is_linked_by_copy_and_paste() {
    let stage = Stage::start();
    let (daemon, home) = (&stage.daemon, stage.daemon.home());
    let linked = || daemon.call("wallet_list", json!({}))["items"][0]["address"].clone();
    let [typed, script] = only("docs/pages.md", "a_wallet_is_linked_by_copy_and_paste");

    let mut terminal = Terminal::of_width(&typed.command(&daemon.entitlectl(), home), 80);
    terminal.wait_for("The wallet's address", 1);
    terminal.types(&format!("{HOLDER}\n"));
    let text = eventually("the text to be signed", || {
        let shown = terminal.shown().replace("\r\n", "\n");
        let (_, text) = shown.split_once("last character:\n\n").ok_or(shown.clone())?;
        let (text, _) = text.split_once("\n\nSignature").ok_or(shown.clone())?;
        Ok(text.to_owned())
    });
    terminal.types(&format!("{}\n", stage.wallet.sign(&text)));
    assert!(terminal.wait().success(), "{}", terminal.shown());
    assert_eq!(linked(), HOLDER);

    daemon.call("wallet_unlink", json!({"address": HOLDER}));
    let mut script = script.lines();
    let link = script.pop().unwrap();
    script.into_iter().for_each(|it| drop(it.run(&daemon.entitlectl(), home)));
    let text = std::fs::read_to_string(home.join("text")).unwrap();
    let link = link.with("0x…", &stage.wallet.sign(text.trim_end()));
    link.run(&daemon.entitlectl(), home);
    assert_eq!(daemon.call("wallet_list", json!({}))["items"][0]["active"], true);
}

#[test]
fn a_person_links_a_wallet_and_looks() {
    if !has_browser("the commands of docs/people.md") {
        return;
    }
    let test = "a_person_links_a_wallet_and_looks";
    let stage =
        Stage::with(|licence| ProductFile::acme(&licence.collection()).set("name", "\"Acme CAD\""));
    stage.mint(7);
    let (client, home) = (stage.daemon.entitlectl(), stage.daemon.home());
    let open = |block: &Commands| {
        let mut command = block.command(&client, home);
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        Page::of(command)
    };
    let [person] = only("docs/people.md", test);
    let [link, status, why, ui] = person.lines().try_into().ok().unwrap();
    let mut page = open(&link);
    play("link", &page, json!({"key": format!("0x{}01", "11".repeat(31))}));
    assert!(page.ended().0.success());
    assert!(status.run(&client, home).contains("acme-cad  tier pro"));
    let said = why.run(&client, home);
    assert!(said.starts_with("Yes"), "{said}");
    // The guide to the pages has the same two commands.
    let [again, look] = only("docs/pages.md", test);
    for block in [&ui, &again, &look] {
        let mut page = open(block);
        assert!(page.url.starts_with("http://"), "{}", page.text());
        page.end();
    }
}

#[test]
fn a_user_of_etcd_with_the_role_of_the_document_is_enough() {
    let untested = "the commands of docs/fleet.md";
    let Some(etcdctl) = etcd::client() else {
        return prerequisites::skipped(untested, "etcdctl");
    };
    let Some(etcd) = Etcd::start(1) else { return };
    let home = TempDir::new().unwrap();
    let mut client = Command::new("env");
    let path =
        format!("{}:{}", etcdctl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    client.env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", etcd.endpoints().join(","));
    client.env("PATH", path);
    let [block] = only("docs/fleet.md", "a_user_of_etcd_with_the_role_of_the_document_is_enough");
    let mut terminal = Terminal::of_width(&block.command(&client, home.path()), 80);
    for (name, password) in [("root", "of root"), ("entitled", "of the fleet")] {
        terminal.wait_for(&format!("Password of {name}: "), 1);
        terminal.types(&format!("{password}\n"));
        terminal.wait_for("Type password", 1);
        terminal.types(&format!("{password}\n"));
        terminal.wait_for(&format!("User {name} created"), 1);
    }
    assert!(terminal.wait().success(), "{}", terminal.shown());

    let password = home.path().join("password");
    std::fs::write(&password, "of the fleet\n").unwrap();
    let fleet = |user: &str| {
        let more = format!(
            "[fleet]\nengine = \"etcd\"\nendpoints = {:?}\nttl = \"3s\"\n{user}",
            etcd.endpoints()
        );
        Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]).more(&more))
    };
    let known =
        fleet(&format!("user = \"entitled\"\npassword = \"file:{}\"\n", password.display()));
    let standing = |daemon: &Daemon| daemon.admin("fleet_status", json!({}))["standing"].clone();
    eventually("the machine is in", || match standing(&known) {
        it if it == "in" => Ok(()),
        it => Err(format!("{it}: {}", known.log())),
    });
    // Without a password nobody is in.
    let nobody = fleet("");
    crate::support::never(Duration::from_secs(1), || match standing(&nobody) {
        it if it == "in" => Err("it is in without a password".to_owned()),
        _ => Ok(()),
    });
}
