//! The key-encryption key of the real daemon: rotated, cut off, lost, locked and unlocked.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::settings::Settings;
use crate::support::socket::{Line, result_of};

fn settings() -> Settings {
    let limits = "[socket.limits]\nrequests_per_second = 100000\nburst = 100000\n";
    Settings::new(["http://127.0.0.1:9".to_owned()]).more(limits)
}

/// The same question many times over one connection, some at a time.
fn ask_all(daemon: &Daemon, method: &str, params: &[Value]) -> Vec<Value> {
    let mut line = Line::connect(&daemon.socket());
    let mut results = Vec::new();
    for part in params.chunks(16) {
        for it in part {
            line.ask(method, it);
        }
        for _ in part {
            let reply = line.hear().expect("an answer");
            results.push(result_of(reply).unwrap_or_else(|it| panic!("{method}: {it:?}")));
        }
    }
    results
}

fn with_wallets(count: usize) -> (Daemon, Vec<String>) {
    let daemon = Daemon::start(&settings());
    let made = ask_all(&daemon, "wallet_create", &vec![json!({}); count]);
    let addresses = made.iter().map(|it| it["address"].as_str().unwrap().to_owned()).collect();
    (daemon, addresses)
}

fn all_sign(daemon: &Daemon, addresses: &[String]) {
    let asks: Vec<_> =
        addresses.iter().map(|it| json!({"address": it, "message": "still here"})).collect();
    assert_eq!(ask_all(daemon, "wallet_sign", &asks).len(), addresses.len());
}

fn status(daemon: &Daemon) -> Value {
    daemon.admin("keys_status", json!({}))
}

fn rotated(daemon: &Daemon) -> Value {
    eventually("the rotation ends", || {
        let status = status(daemon);
        match status["rotation"]["state"].as_str() {
            Some("under_way") => Err(status.to_string()),
            _ => Ok(status),
        }
    })
}

fn kek(daemon: &Daemon) -> PathBuf {
    daemon.home().join("state/kek")
}

fn beside(daemon: &Daemon, suffix: &str) -> PathBuf {
    daemon.home().join(format!("state/kek{suffix}"))
}

/// One key, all wallets under it, and nothing of a rotation left.
fn is_whole(daemon: &Daemon, wallets: usize) {
    let status = status(daemon);
    assert_eq!(status["state"], "OPEN", "{status}");
    assert_eq!(status["advice"], Value::Null, "{status}");
    assert_eq!(status["wallets"], json!(wallets), "{status}");
    assert_eq!(status["under_key"], json!(wallets), "{status}");
    for suffix in [".next", ".old"] {
        assert!(!beside(daemon, suffix).exists(), "kek{suffix} is left");
    }
}

fn write_key(path: &PathBuf, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs `entitlectl` with `input` as its standard input.
fn entitlectl(daemon: &Daemon, arguments: &[&str], input: &str) -> Output {
    let mut command = daemon.entitlectl();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_thousand_wallets_go_over_to_a_new_key() {
    let (mut daemon, addresses) = with_wallets(1_000);
    let (before, old) = (status(&daemon), fs::read(kek(&daemon)).unwrap());
    let output = entitlectl(&daemon, &["keys", "rotate"], "");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.starts_with("1000 wallets are under the new key "), "{said}");
    assert_ne!(status(&daemon)["key"], before["key"]);
    assert_ne!(fs::read(kek(&daemon)).unwrap(), old);
    let rotation = &status(&daemon)["rotation"];
    assert_eq!((&rotation["done"], &rotation["total"]), (&json!(1_000), &json!(1_000)));
    is_whole(&daemon, 1_000);
    daemon.restart();
    is_whole(&daemon, 1_000);
    all_sign(&daemon, &addresses);
    let audit = daemon.admin("audit_list", json!({"limit": 1000, "cursor": "1000"}));
    let noted =
        audit["items"].as_array().unwrap().iter().filter(|it| it["action"] == "keys_rotated");
    assert_eq!(noted.count(), 1);
}

#[test]
fn a_kill_at_any_moment_of_a_rotation_loses_no_wallet() {
    let (mut daemon, addresses) = with_wallets(300);
    for delay in [0_u64, 1, 2, 4, 6, 9, 13, 20, 30, 50, 80] {
        let mut line = Line::connect(&daemon.admin_socket());
        line.ask("keys_rotate", &json!({}));
        // The moment of the kill is what is tried.
        std::thread::sleep(Duration::from_millis(delay));
        daemon.kill();
        daemon.resume();
        is_whole(&daemon, addresses.len());
        all_sign(&daemon, &addresses);
    }
}

/// The moments at which a kill would have to hit exactly, laid out by hand from both keys.
#[test]
fn a_start_finishes_what_was_committed_from_each_of_its_moments() {
    let (mut daemon, addresses) = with_wallets(3);
    for moment in ["committed", "linked", "named"] {
        let old = fs::read(kek(&daemon)).unwrap();
        daemon.admin("keys_rotate", json!({}));
        assert_eq!(rotated(&daemon)["rotation"]["state"], "done");
        let new = fs::read(kek(&daemon)).unwrap();
        daemon.stop();
        if moment == "named" {
            write_key(&beside(&daemon, ".old"), &old);
        } else {
            write_key(&kek(&daemon), &old);
            write_key(&beside(&daemon, ".next"), &new);
        }
        if moment == "linked" {
            fs::hard_link(kek(&daemon), beside(&daemon, ".old")).unwrap();
        }
        daemon.resume();
        is_whole(&daemon, 3);
        assert_eq!(fs::read(kek(&daemon)).unwrap(), new, "{moment}");
        all_sign(&daemon, &addresses);
    }
}

#[test]
fn a_start_undoes_what_was_not_committed() {
    let (mut daemon, addresses) = with_wallets(3);
    let old = fs::read(kek(&daemon)).unwrap();
    daemon.stop();
    write_key(&beside(&daemon, ".next"), &[7; 32]);
    daemon.resume();
    is_whole(&daemon, 3);
    assert_eq!(fs::read(kek(&daemon)).unwrap(), old);
    all_sign(&daemon, &addresses);
}

/// What is mounted over the state of a running daemon, or restored in its place, is another's: its key is not the one that
/// the daemon has open.
#[test]
fn a_key_that_came_into_the_place_of_the_open_one_is_not_exchanged() {
    let (mut daemon, addresses) = with_wallets(2);
    daemon.stop();
    let (state, real) = (daemon.home().join("state"), daemon.home().join("real"));
    let own = fs::read(kek(&daemon)).unwrap();
    fs::rename(&state, &real).unwrap();
    fs::create_dir(&state).unwrap();
    daemon.resume();
    let other = daemon.call("wallet_create", json!({}))["address"].as_str().unwrap().to_owned();
    let beneath = daemon.home().join("beneath");
    fs::rename(&state, &beneath).unwrap();
    fs::rename(&real, &state).unwrap();
    let refused = daemon.try_admin("keys_rotate", json!({})).unwrap_err();
    assert!(refused.message.contains("not the one in use"), "{refused:?}");
    assert_eq!(fs::read(kek(&daemon)).unwrap(), own);
    all_sign(&daemon, std::slice::from_ref(&other));

    daemon.restart();
    is_whole(&daemon, 2);
    all_sign(&daemon, &addresses);
    daemon.stop();
    fs::rename(&state, &real).unwrap();
    fs::rename(&beneath, &state).unwrap();
    daemon.resume();
    is_whole(&daemon, 1);
    all_sign(&daemon, &[other]);
}

/// Restored in place, under a running daemon: the key is the same, and the ledger there has wallets under it.
#[test]
fn a_key_that_another_ledger_in_the_place_of_the_open_one_needs_is_not_exchanged() {
    let (mut daemon, addresses) = with_wallets(2);
    daemon.stop();
    let (ledger, restored) =
        (daemon.home().join("state/ledger.redb"), daemon.home().join("restored"));
    fs::copy(&ledger, &restored).unwrap();
    let own = fs::read(kek(&daemon)).unwrap();
    daemon.resume();
    fs::rename(&restored, &ledger).unwrap();
    daemon.admin("keys_rotate", json!({}));
    let why = rotated(&daemon)["rotation"].to_string();
    assert!(why.contains("is not the one that is open"), "{why}");
    assert_eq!(fs::read(kek(&daemon)).unwrap(), own);
    daemon.restart();
    is_whole(&daemon, 2);
    all_sign(&daemon, &addresses);
}

#[test]
fn a_key_that_is_gone_is_missed_and_not_made_anew() {
    let (mut daemon, addresses) = with_wallets(2);
    daemon.stop();
    let hidden = daemon.home().join("hidden");
    fs::rename(kek(&daemon), &hidden).unwrap();
    daemon.resume();
    let output = entitlectl(&daemon, &["keys", "status"], "");
    assert!(!kek(&daemon).exists());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("LOCKED") && said.contains("restore it from a backup"), "{said}");
    assert_eq!(daemon.refused("wallet_create", json!({})).code, -32004);
    let params = json!({"address": addresses[0], "message": "x"});
    assert_eq!(daemon.refused("wallet_sign", params).code, -32004);
    daemon.call("wallet_list", json!({}));

    daemon.stop();
    fs::rename(&hidden, kek(&daemon)).unwrap();
    daemon.resume();
    all_sign(&daemon, &addresses);
}

#[test]
fn another_key_in_the_place_of_the_right_one_locks() {
    let (mut daemon, _) = with_wallets(1);
    daemon.stop();
    write_key(&kek(&daemon), &[9; 32]);
    daemon.resume();
    let status = status(&daemon);
    assert_eq!(status["state"], "LOCKED", "{status}");
    assert_eq!(daemon.refused("wallet_create", json!({})).code, -32004);
    assert_eq!(fs::read(kek(&daemon)).unwrap(), [9; 32]);
}

#[test]
fn a_passphrase_is_set_given_after_a_start_and_changed() {
    let mut daemon = Daemon::prepare(&settings());
    let text = fs::read_to_string(daemon.config()).unwrap();
    let file = format!("file:{}/state/kek", daemon.home().display());
    daemon.write_config(&text.replace(&file, "passphrase"));
    daemon.resume();
    assert_eq!(status(&daemon)["wants_a_passphrase"], true);
    assert_eq!(daemon.refused("wallet_create", json!({})).code, -32004);
    let set = entitlectl(&daemon, &["keys", "unlock", "--set"], "first words\n");
    assert!(set.status.success(), "{set:?}");
    let address = daemon.call("wallet_create", json!({}))["address"].as_str().unwrap().to_owned();
    let addresses = [address];

    daemon.restart();
    assert_eq!(status(&daemon)["state"], "LOCKED");
    let wrong = entitlectl(&daemon, &["keys", "unlock"], "wrong words\n");
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("not the passphrase"), "{wrong:?}");
    assert!(entitlectl(&daemon, &["keys", "unlock"], "first words\n").status.success());
    all_sign(&daemon, &addresses);

    let changed = entitlectl(&daemon, &["keys", "rotate"], "other words\n");
    assert!(changed.status.success(), "{changed:?}");
    daemon.restart();
    assert!(!entitlectl(&daemon, &["keys", "unlock"], "first words\n").status.success());
    assert!(entitlectl(&daemon, &["keys", "unlock"], "other words\n").status.success());
    all_sign(&daemon, &addresses);
    assert!(!daemon.log().contains("words"), "a passphrase is in the log");
}

#[test]
fn the_keys_are_for_administrators() {
    let daemon = Daemon::start(&settings());
    for method in ["keys_status", "keys_rotate"] {
        assert_eq!(daemon.refused(method, json!({})).code, -32001, "{method}");
    }
    let refused = daemon.refused("keys_unlock", json!({"passphrase": "x"}));
    assert_eq!(refused.code, -32001);
}
