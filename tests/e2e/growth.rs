//! What a user can make the ledger keep: nothing twice, not fast, and not without end.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::Instant;

use serde_json::{Value, json};

use crate::seats;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};

const KEY: &str = "b5f1c9c9e2e3d4a59687786a5b4c3d2e1f00112233445566778899aabbccddee";
const NOBODY: u32 = 65_534;

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

fn audited(daemon: &Daemon, action: &str) -> usize {
    let entries = daemon.admin("audit_list", json!({"limit": 1_000}))["items"].clone();
    entries.as_array().unwrap().iter().filter(|it| it["action"] == action).count()
}

#[test]
fn a_key_that_is_here_already_is_not_written_again() {
    let daemon = offline();
    let import = |daemon: &Daemon, label: Option<&str>| {
        daemon.call("wallet_import", json!({"private_key": KEY, "label": label}))
    };
    let first = import(&daemon, Some("mine"));
    let changes = daemon.admin("store_stats", json!({}))["commits"].clone();
    for label in [Some("mine"), None] {
        assert_eq!(import(&daemon, label), first);
    }
    assert_eq!(audited(&daemon, "wallet_imported"), 1);
    assert_eq!(daemon.admin("store_stats", json!({}))["commits"], changes);
    // What is not as it was is written: another label, a wallet that was taken away. A record that does not open is
    // the affair of `custody`.
    assert_eq!(import(&daemon, Some("other"))["label"], "other");
    assert_eq!(audited(&daemon, "wallet_imported"), 2);
    daemon.call("wallet_unlink", json!({"address": first["address"]}));
    assert_eq!(import(&daemon, None)["active"], json!(true));
    assert_eq!(audited(&daemon, "wallet_imported"), 3);
}

#[test]
fn an_ownership_that_is_recorded_is_not_written_again() {
    let stage = Stage::linked();
    // Of a collection that no product names, so that nobody else looks.
    let other = Contract::licence(&stage.anvil);
    let transaction = other.mint(&stage.anvil, stage.holder(), 1);
    let claim = |transaction: Option<&str>| {
        let given =
            json!({"token": other.token(1), "wallet": stage.holder(), "transaction": transaction});
        stage.daemon.call("ownership_record", given)
    };
    let first = claim(Some(&transaction));
    for again in [Some(transaction.as_str()), None] {
        stage.anvil.mine(1);
        assert_eq!(claim(again), first, "what was recorded is not recorded anew");
    }
    // It is proven all the same.
    let gone = other.burn(&stage.anvil, 1);
    assert!(gone.starts_with("0x"));
    let given = json!({"token": other.token(1), "wallet": stage.holder()});
    assert!(stage.daemon.try_call("ownership_record", given).is_err());
}

/// What `entitlectl` says as another user of the machine. Only root can become one.
fn as_nobody(daemon: &Daemon, arguments: &[&str]) -> (bool, Value) {
    let mut command = daemon.entitlectl();
    command.arg("--json").args(arguments).uid(NOBODY).gid(NOBODY);
    let output = command.output().unwrap();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(text).into_owned();
    (output.status.success(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// One of the daemon's figures, as a user reads them.
fn figure(daemon: &Daemon, name: &str) -> f64 {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let value = page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// Only so many answers are looked at again by themselves, over all users.
fn takes_no_place_among_what_is_looked_at_again(name: impl Fn(&mut Line, String)) {
    let stage = Stage::linked();
    let mut line = Line::connect(&stage.daemon.socket());
    for number in 0..4_200 {
        name(&mut line, format!("nothing-{number}"));
    }
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let looks = || figure(&stage.daemon, "entitled_look_seconds_count");
    let before = looks();
    eventually("what was asked is looked at again", || {
        if looks() > before + 1.0 { Ok(()) } else { Err(format!("{} looks", looks())) }
    });
}

#[test]
fn names_of_products_that_are_not_there_take_no_place_among_what_is_looked_at_again() {
    takes_no_place_among_what_is_looked_at_again(|line, product| {
        line.call("entitlement_check", &json!({"product": product, "wait_ms": 0})).unwrap();
    });
}

#[test]
fn who_subscribed_to_products_that_are_not_there_takes_no_place_among_what_is_looked_at_again() {
    takes_no_place_among_what_is_looked_at_again(|line, product| {
        let id = line.call("entitlement_subscribe", &json!({"product": product})).unwrap();
        line.call("entitlement_unsubscribe", &json!({"subscription": id})).unwrap();
    });
}

#[test]
fn who_subscribed_to_a_product_before_it_was_there_is_told_when_it_is() {
    let stage = Stage::entitled();
    let mut told = stage.daemon.subscribe("later");
    told.until("NO_PRODUCT");
    let product = ProductFile::acme(&stage.licence.collection()).named("later");
    stage.daemon.write_product(&product);
    stage.daemon.admin("system_reload", json!({}));
    told.until("VALID");
    stage.give_away(7);
    told.until("NOT_HELD");
}

#[test]
fn a_user_changes_a_handful_of_things_a_minute_and_others_are_not_touched() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: the rate of another user: only root can be two users");
        return;
    }
    let daemon = offline();
    fs::set_permissions(daemon.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let outcomes: Vec<_> = (0..30).map(|_| as_nobody(&daemon, &["wallet", "create"])).collect();
    let made = outcomes.iter().filter(|it| it.0).count();
    assert!((6..=20).contains(&made), "{made} were made: {:?}", outcomes.last());
    let refused = outcomes.iter().find(|it| !it.0).unwrap();
    assert!(refused.1.to_string().contains("-32005"), "{refused:?}");
    let counted = figure(&daemon, "entitled_requests_limited_total");
    assert!(counted >= 10.0, "{counted} of {} refusals are counted", outcomes.len() - made);
    assert!(as_nobody(&daemon, &["wallet", "list"]).0, "reading is another matter");
    for _ in 0..30 {
        daemon.call("wallet_create", json!({}));
    }
}

#[test]
fn who_signs_without_end_fills_no_log() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let wallet = daemon.call("wallet_create", json!({}))["address"].clone();
    let mut line = Line::connect(&daemon.socket());
    let begun = Instant::now();
    for _ in 0..300 {
        line.call("wallet_sign", &json!({"address": wallet, "message": "hello"})).unwrap();
    }
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap() + 1;
    let log = daemon.log();
    let told = log.lines().filter(|it| it.contains("message_signed")).count();
    assert!((1..=10 * minutes).contains(&told), "{told} records in {minutes} minutes");
}

#[test]
fn who_asks_for_seats_without_end_fills_no_log() {
    let stage = seats::stage(seats::two_seats);
    let (mut one, mut full) = (seats::holder(&stage), seats::holder(&stage));
    let begun = Instant::now();
    for _ in 0..300 {
        let seat = one.acquire(json!({"count": 2}));
        assert_eq!(seat["code"], "GRANTED", "{seat}");
        assert_eq!(full.acquire(json!({}))["code"], "SEATS_FULL");
        one.call("seat_release", &json!({"seat": seat["seat"]}));
    }
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap() + 1;
    let log = stage.daemon.log();
    let told = log.lines().filter(|it| it.contains("seat_")).count();
    assert!((1..=60 * minutes).contains(&told), "{told} records in {minutes} minutes");
}
