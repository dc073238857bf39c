//! The pages of `entitlectl` in a real browser: linking a wallet, and seeing what there is; and who is kept out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use alloy_primitives::{U256, hex};
use alloy_sol_types::{SolCall as _, sol};
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::page::{Page, has_browser, play};
use crate::support::prerequisites;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{Stage, stranger};
use crate::support::wallet::Wallet;
use crate::support::{CHAIN, eventually};

sol! {
    function mint(address to, uint256 id);
    function transferFrom(address from, address to, uint256 id);
}

/// The keys of `Wallet::numbered`, for wallets in the browser.
fn key(number: u8) -> String {
    format!("0x{}{number:02x}", "11".repeat(31))
}

fn stage() -> Stage {
    Stage::with(acme)
}

fn acme(licence: &Contract) -> ProductFile {
    ProductFile::acme(&licence.collection()).set("name", "\"Acme CAD\"")
}

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

fn linked(daemon: &Daemon) -> Vec<Value> {
    daemon.call("wallet_list", json!({}))["items"].as_array().unwrap().clone()
}

#[test]
fn a_wallet_is_linked_in_the_browser_and_the_page_says_what_it_is_good_for() {
    if !has_browser("linking a wallet in the browser") {
        return;
    }
    let stage = stage();
    stage.mint(7);
    let mut page = Page::open(&stage.daemon, &["wallet", "link"]);
    play("link", &page, json!({"key": key(1)}));
    let (status, text) = page.ended();
    assert!(status.success(), "{status}: {text}");
    assert!(text.contains(&stage.holder().to_string()), "{text}");
    let wallets = linked(&stage.daemon);
    assert_eq!(wallets.len(), 1, "{wallets:?}");
    assert_eq!(wallets[0]["address"], json!(stage.holder().to_string()));
}

#[test]
fn a_wallet_that_is_a_contract_is_linked_in_the_browser() {
    if !has_browser("linking a contract wallet in the browser") {
        return;
    }
    let stage = stage();
    let wallet = Contract::deploy(&stage.anvil, "OwnedWallet", Some(stage.holder())).address;
    stage.licence.mint(&stage.anvil, wallet, 7);
    let mut page = Page::open(&stage.daemon, &["--json", "wallet", "link"]);
    play("link", &page, json!({"key": key(1), "contract": wallet}));
    assert!(page.ended().0.success());
    let made = &linked(&stage.daemon)[0];
    assert_eq!(
        (&made["address"], &made["chain"]),
        (&json!(wallet.to_string()), &json!(CHAIN)),
        "{made}"
    );
}

#[test]
fn what_goes_wrong_while_linking_says_what_to_do_and_lets_one_try_again() {
    if !has_browser("what goes wrong while a wallet is linked in the browser") {
        return;
    }
    let stage = stage();
    let other = stage.daemon.admin("customer_create", json!({"name": "Somebody else"}));
    stage.daemon.link_for(&Wallet::numbered(2), other["id"].as_str().unwrap());
    let mut page = Page::open(&stage.daemon, &["wallet", "link"]);
    play(
        "failures",
        &page,
        json!({"key": key(1), "stranger": key(2), "socket": stage.daemon.socket()}),
    );
    // In the end it was linked beside the page, of which the command heard nothing.
    page.end();
    assert_eq!(linked(&stage.daemon)[0]["address"], json!(stage.holder().to_string()));
}

#[test]
fn a_page_hears_nobody_who_has_the_port_after_the_command_has_ended() {
    if !has_browser("a page whose command has ended in the browser") {
        return;
    }
    let daemon = offline();
    for silently in [false, true] {
        let mut page = Page::open(&daemon, &["wallet", "link"]);
        play("taken", &page, json!({"key": key(1), "silently": silently}));
        page.end();
    }
}

#[test]
fn a_browser_without_a_wallet_says_how_to_go_on() {
    if !has_browser("a browser without a wallet") {
        return;
    }
    let daemon = offline();
    let page = Page::open(&daemon, &["wallet", "link"]);
    play("none", &page, json!({}));
    assert!(linked(&daemon).is_empty());
}

#[test]
fn names_that_turn_text_around_do_nothing_on_a_page() {
    if !has_browser("names that turn text around in the browser") {
        return;
    }
    let name = "Mal\u{202e}<i>reh</i>";
    let stage = Stage::with(|licence| {
        acme(licence).set("name", &format!("{name:?}").replace("\\u{202e}", "\\u202e"))
    });
    let uid = nix::unistd::getuid().as_raw();
    stage.daemon.admin("customer_create", json!({"name": name, "uids": [uid]}));
    for (scene, arguments) in [("link", &["wallet", "link"][..]), ("ui", &["ui"])] {
        let page = Page::open(&stage.daemon, arguments);
        play("names", &page, json!({"key": key(1), "page": scene}));
    }
}

/// A machine with two products, customers, a linked wallet and a licence for sale.
fn for_sale() -> (Stage, Value) {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let other = Contract::licence(&anvil);
    let plugin = ProductFile::new("acme-render").set("name", "\"Acme Render\"");
    let plugin = plugin.tier(
        "team",
        10,
        "features = { gpu = true }\nseats = 5\nexpires_at = \"2046-03-31T00:00:00Z\"",
    );
    let plugin = plugin.grant("team", &other.collection(), r#"tokens_of = "enumerable""#);
    let settings = Settings::new([anvil.url()]).product(acme(&licence)).product(plugin);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    stage.daemon.admin("customer_create", json!({"name": "Acme AG", "uids": [70_001]}));
    other.mint(&stage.anvil, stage.holder(), 1);
    stage.daemon.wait_for_code("acme-render", "VALID");
    // For as long as this process lasts.
    stage.daemon.call("seat_acquire", json!({"product": "acme-render"}));
    let (from, to, id) = (stage.holder(), stranger(), U256::from(7));
    let transaction = |from: &str, data: &[u8]| json!({"from": from, "to": stage.licence.address, "data": hex::encode_prefixed(data)});
    let pays = stage.anvil.account(0);
    let sale = transferFromCall { from, to, id }.abi_encode();
    // Whoever sells pays for the transaction.
    let gas = json!({"from": pays, "to": from, "value": "0xde0b6b3a7640000"});
    stage.anvil.call("eth_sendTransaction", json!([gas]));
    let given = json!({
        "node": stage.anvil.url(),
        "mint": transaction(&pays, &mintCall { to: from, id }.abi_encode()),
        "sale": transaction(&from.to_string(), &sale),
    });
    (stage, given)
}

#[test]
fn a_purchase_and_a_sale_are_seen_live_by_an_administrator() {
    if !has_browser("the overview of an administrator in the browser") {
        return;
    }
    let (mut stage, mut given) = for_sale();
    let page = Page::open(&stage.daemon, &["ui"]);
    given["admin"] = json!(true);
    given["daemon"] = json!(stage.daemon.pid());
    play("ui", &page, given);
}

#[test]
fn a_person_sees_the_own_licences_and_nothing_of_others() {
    if !has_browser("the overview of a person in the browser") {
        return;
    }
    let (mut stage, mut given) = for_sale();
    let mut command = stage.daemon.entitlectl();
    command.arg("ui").env("ENTITLED_ADMIN_SOCKET", "/nonexistent/admin.sock");
    let page = Page::of(command);
    given["daemon"] = json!(stage.daemon.pid());
    play("ui", &page, given);
}

#[test]
fn the_page_closes_itself_and_says_that_nothing_was_linked() {
    let daemon = offline();
    let mut page = Page::open(&daemon, &["wallet", "link", "--open-for", "1s"]);
    let (status, text) = page.ended();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("no wallet was linked"), "{text}");
    let mut page = Page::open(&daemon, &["ui", "--open-for", "1s"]);
    let (status, text) = page.ended();
    assert!(status.success(), "{text}");
}

#[test]
fn where_no_daemon_answers_no_page_is_opened() {
    let mut daemon = offline();
    assert!(daemon.stop().success());
    for arguments in [&["ui"][..], &["wallet", "link"]] {
        let output = daemon.entitlectl().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("http://"), "{output:?}");
    }
}

#[test]
fn an_address_opens_the_page_once_and_what_follows_needs_the_session() {
    let daemon = offline();
    let page = Page::open(&daemon, &["wallet", "link"]);
    let (host, query) = page.parts();
    // On no other address of this machine, such as one that others on a network could reach.
    let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!(
        std::net::TcpStream::connect(("127.0.0.2", port)).is_err(),
        "it listens beside 127.0.0.1"
    );
    let own = [("Host", host)];
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"wallet_list","params":{}}"#;
    let origin = format!("http://{host}");
    let post = |more: &[(&str, &str)]| {
        let usual = [("Host", host), ("Content-Type", "application/json")];
        page.request("POST /rpc", &[&usual[..], more].concat(), ask)
    };
    for path in ["/", "/link", "/ui", "/opened", "/live", "/?token=", "/?token=00"] {
        assert!(
            page.request(&format!("GET {path}"), &own, "").starts_with("HTTP/1.1 403"),
            "{path}"
        );
    }
    assert!(post(&[("Origin", &origin)]).starts_with("HTTP/1.1 403"), "without a session");

    // Another page's tries do not spend the token, and neither does a browser that only looks ahead.
    let enter = format!("GET /{query}");
    for other in [
        &[("Host", "evil.example")][..],
        &[("Host", host), ("Origin", "http://evil.example")],
        &[("Host", host), ("Sec-Fetch-Site", "cross-site")],
        &[("Host", host), ("Sec-Purpose", "prefetch")],
    ] {
        assert!(page.request(&enter, other, "").starts_with("HTTP/1.1 403"), "{other:?}");
    }
    let entered = page.request(&enter, &own, "");
    assert!(entered.starts_with("HTTP/1.1 303"), "{entered}");
    assert!(entered.contains("location: /link\r\n"), "no token stays in the address: {entered}");
    let again = page.request(&enter, &own, "");
    assert!(again.starts_with("HTTP/1.1 403") && again.contains("used already"), "{again}");

    let (_, cookie) = entered.split_once("set-cookie: ").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();
    // By the name in which the daemon asks wallets to sign.
    let machine = daemon.call("system_version", json!({}))["machine"].clone();
    assert_eq!(host.split_once(':').unwrap().0, machine.as_str().unwrap());
    let shown = page.request("GET /link", &[("Host", host), ("Cookie", cookie)], "");
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    for header in ["default-src 'none'", "frame-ancestors 'none'", "no-store", "no-referrer"] {
        assert!(shown.contains(header), "{header}: {shown}");
    }
    assert!(!shown.contains("unsafe-inline") && !shown.contains("https:"), "{shown}");

    // With the cookie, but from elsewhere: as a page of another origin, or of another port of this machine, would send it.
    for from in ["http://evil.example", "http://127.0.0.1:1", "null"] {
        let sent = post(&[("Cookie", cookie), ("Origin", from)]);
        assert!(sent.starts_with("HTTP/1.1 403"), "{from}: {sent}");
    }
    assert!(post(&[("Cookie", cookie)]).starts_with("HTTP/1.1 403"), "without an origin");
    let form =
        [("Host", host), ("Cookie", cookie), ("Origin", &origin), ("Content-Type", "text/plain")];
    assert!(page.request("POST /rpc", &form, ask).starts_with("HTTP/1.1 415"));
    let answered = post(&[("Cookie", cookie), ("Origin", &origin)]);
    assert!(answered.ends_with(r#""result":{"items":[],"next_cursor":null}}"#), "{answered}");
}

#[test]
fn connections_that_say_nothing_keep_no_browser_out_and_end_no_page() {
    let daemon = offline();
    let page = Page::open(&daemon, &["ui"]);
    let many = || -> Vec<TcpStream> { (0..40).map(|_| page.connect()).collect() };
    let _silent = many();
    let (host, query) = page.parts();
    let entered = page.request(&format!("GET /{query}"), &[("Host", host)], "");
    assert!(entered.starts_with("HTTP/1.1 303"), "{entered:?}");
    let (_, cookie) = entered.split_once("set-cookie: ").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();

    let mut live = page.connect();
    write!(live, "GET /live HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").unwrap();
    // Whatever happens, something is told every two seconds.
    let mut hear = |times: usize| {
        for _ in 0..times {
            assert!(live.read(&mut [0; 4096]).unwrap() > 0, "the page was hung up on");
        }
    };
    hear(1);
    let _more = many();
    let shown = page.request("GET /ui", &[("Host", host), ("Cookie", cookie)], "");
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown:?}");
    hear(6);
}

#[test]
fn another_user_of_the_machine_is_let_in_by_nothing() {
    if !nix::unistd::geteuid().is_root() || !prerequisites::has("curl", "another user at a page") {
        prerequisites::skipped("another user at a page", "root, who can be somebody else,");
        return;
    }
    let daemon = offline();
    let page = Page::open(&daemon, &["ui"]);
    let asked = |uid: u32| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        command.arg(&page.url).uid(uid).current_dir("/");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(asked(65_534), "000", "with the token, which the list of processes shows");
    assert_eq!(asked(0), "303", "and the token was not spent");
}

#[test]
fn the_browser_is_opened_where_there_is_a_screen() {
    let daemon = offline();
    let folder = tempfile::tempdir().unwrap();
    let (opener, opened) = (folder.path().join("xdg-open"), folder.path().join("opened"));
    std::fs::write(&opener, format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", opened.display()))
        .unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = daemon.entitlectl();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    command.arg("ui").env("DISPLAY", ":0").env("PATH", path).env_remove("SUDO_UID");
    let page = Page::of(command);
    eventually("the browser is opened", || match std::fs::read_to_string(&opened) {
        Ok(address) if address == page.url => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
