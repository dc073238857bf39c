//! The files around the ledger: backups, what was lost, what others laid in the way, what errors say of them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::settings::Settings;
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::{eventually, preloaded};

const CONFLICT: i64 = -32003;
const BUSY: i64 = -32009;
const INVALID_PARAMS: i64 = -32602;

/// A daemon whose chain nobody answers for.
fn settings() -> Settings {
    Settings::new(["http://127.0.0.1:9".to_owned()])
}

fn offline() -> Daemon {
    Daemon::start(&settings())
}

fn recovered(daemon: &Daemon) -> Value {
    daemon.call("system_health", json!({}))["store"]["recovered"].clone()
}

fn ledger(daemon: &Daemon) -> std::path::PathBuf {
    daemon.home().join("state/ledger.redb")
}

/// Ends the daemon's start if it takes too long: what waits for the other end of a pipe waits for ever.
fn ends_soon(daemon: &Daemon, arguments: &[&str]) -> String {
    let mut command = daemon.command();
    command
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it still waits: {:?}", child.wait_with_output());
        }
        // A process has no event that can be waited for with a limit.
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn an_emptied_or_missing_ledger_is_told_until_an_administrator_acknowledges_it() {
    for lost in [true, false] {
        let mut daemon = offline();
        assert_eq!(recovered(&daemon), json!(null), "a first start loses nothing");
        daemon.stop();
        match lost {
            true => fs::remove_file(ledger(&daemon)).unwrap(),
            false => fs::write(ledger(&daemon), "").unwrap(),
        }
        daemon.resume();
        let said = recovered(&daemon);
        assert!(said.as_str().is_some_and(|it| it.contains("a fresh store was begun")), "{said}");
        daemon.restart();
        assert_eq!(recovered(&daemon), said, "a restart acknowledges nothing");
        let shown = daemon.entitlectl().arg("status").output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("a fresh store was begun"), "{shown}");
        let refused = daemon.refused("store_acknowledge", json!({}));
        assert_eq!(refused.code, -32001, "the public door: {refused:?}");
        let acknowledged = daemon.admin("store_acknowledge", json!({}));
        assert_eq!(acknowledged["acknowledged"], json!([said]), "{acknowledged}");
        assert_eq!(recovered(&daemon), json!(null));
        daemon.restart();
        assert_eq!(recovered(&daemon), json!(null));
        let again = daemon.admin("store_acknowledge", json!({}));
        assert_eq!(again["acknowledged"], json!([]), "{again}");
        let audit = daemon.admin("audit_list", json!({}));
        let entries = audit["items"].as_array().unwrap();
        let of = |action: &str| entries.iter().filter(|it| it["action"] == action).count();
        assert_eq!((of("store_recovered"), of("store_recovery_acknowledged")), (1, 1), "{audit}");
    }
}

/// What never was a store is not missed.
#[test]
fn a_first_start_that_is_killed_at_any_moment_has_lost_no_store() {
    let what = "a first start that is killed";
    let tools = tempfile::tempdir().unwrap();
    let Some(library) = preloaded::build("dies_early", tools.path(), what) else { return };
    let mut killed = 0;
    for moment in 1..=40 {
        let mut daemon = Daemon::prepare(&settings());
        let mut first = daemon.command();
        first.env("LD_PRELOAD", &library).env("DIES_AT", moment.to_string());
        let mut first = first.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let ended = eventually("it is killed, or serves", || {
            match (first.try_wait().unwrap(), Line::try_connect(&daemon.admin_socket())) {
                (Some(status), _) => Ok(Some(status)),
                (None, Ok(_)) => Ok(None),
                (None, Err(error)) => Err(error.to_string()),
            }
        });
        if ended.is_none() {
            first.kill().unwrap();
            first.wait().unwrap();
            break;
        }
        killed += 1;
        daemon.resume();
        assert_eq!(recovered(&daemon), json!(null), "killed at change {moment}");
        let left = fs::read_dir(daemon.home().join("state")).unwrap();
        let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
        assert!(!left.iter().any(|it| it.to_string_lossy().contains("corrupt")), "{left:?}");
    }
    assert!(killed > 5, "{killed}");
}

#[test]
fn an_older_backup_in_the_stores_place_says_what_may_be_undone() {
    let mut stage = Stage::entitled();
    stage.daemon.admin("store_backup", json!({}));
    let token = stage.licence.token(7);
    stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    stage.daemon.wait_for_code(ACME, "SUSPENDED");
    stage.daemon.stop();
    fs::write(ledger(&stage.daemon), "").unwrap();
    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "VALID");
    let said = recovered(&stage.daemon).as_str().unwrap_or_default().to_owned();
    for part in
        ["backup-1 was restored", "set aside as ledger.redb.corrupt-1", "suspensions", "were lent"]
    {
        assert!(said.contains(part), "{said}");
    }
    // By hand it is no different.
    stage.daemon.admin("store_acknowledge", json!({}));
    stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    stage.daemon.stop();
    let backup = stage.daemon.home().join("state/ledger.redb.backup-1");
    let mut restore = stage.daemon.entitlectl();
    restore.args(["store", "restore", "--config"]).arg(stage.daemon.config()).arg(backup);
    let output = restore.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    stage.daemon.resume();
    let said = recovered(&stage.daemon).as_str().unwrap_or_default().to_owned();
    assert!(said.contains("suspensions"), "{said}");
    let audit = stage.daemon.admin("audit_list", json!({}));
    assert!(audit.to_string().contains("store_restored"), "{audit}");
    assert_eq!(stage.daemon.admin("audit_verify", json!({}))["ok"], json!(true));
}

#[test]
fn backups_asked_for_at_once_are_made_one_at_a_time_and_whole() {
    let daemon = offline();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let ask = |worker: usize| {
            let daemon = &daemon;
            scope.spawn(move || {
                let name = |turn| format!("copy-{}.redb", (worker * 3 + turn) % 12);
                (0..8)
                    .map(|turn| daemon.try_admin("store_backup", json!({"path": name(turn)})))
                    .collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..6).map(ask).collect();
        workers.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    let mut made = 0;
    for outcome in outcomes {
        match outcome {
            Ok(reply) => {
                made += 1;
                let path = Path::new(reply["path"].as_str().unwrap());
                let length = fs::metadata(path).unwrap().len();
                assert_eq!(reply["bytes"], json!(length), "{reply}");
            }
            Err(refused) => assert!([BUSY, CONFLICT].contains(&refused.code), "{refused:?}"),
        }
    }
    assert!((1..=12).contains(&made), "{made}");
    let names = fs::read_dir(daemon.home().join("state")).unwrap();
    let names: Vec<_> = names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|it| it.starts_with("copy-")).count(), made, "{names:?}");
    assert!(!names.iter().any(|it| it.ends_with(".tmp")), "{names:?}");
}

#[test]
fn a_backup_takes_no_name_that_somebody_else_uses() {
    let mut daemon = offline();
    let state = daemon.home().join("state");
    let taken = [
        "monday.tmp",
        "kek",
        "kek.next",
        "kek.old",
        "kek.passphrase",
        "machine-id",
        "x.next",
        "x.old",
        "x.lock",
        "x.new",
        "ledger.redb",
        "ledger.redb.backup-9",
        "ledger.redb.corrupt-1",
    ];
    for name in taken {
        let refused = daemon.try_admin("store_backup", json!({"path": name}));
        let refused = refused.expect_err(name);
        assert!([CONFLICT, INVALID_PARAMS].contains(&refused.code), "{name}: {refused:?}");
    }
    symlink("elsewhere", state.join("tuesday")).unwrap();
    let refused = daemon.try_admin("store_backup", json!({"path": "tuesday"})).unwrap_err();
    assert_eq!(refused.code, CONFLICT, "{refused:?}");
    assert!(!state.join("elsewhere").exists(), "it was written through a link");
    daemon.admin("store_backup", json!({"path": "monday"}));
    daemon.restart();
    assert!(state.join("monday").exists());
}

#[test]
fn a_finished_backup_is_copied_to_wherever_the_administrator_wants_it() {
    let daemon = offline();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("copy.redb");
    let back_up = |to: &Path| {
        let mut command = daemon.entitlectl();
        command.args(["store", "backup", "--to"]).arg(to).output().unwrap()
    };
    let output = back_up(&target);
    assert!(output.status.success(), "{output:?}");
    let kept = fs::read(daemon.home().join("state/ledger.redb.backup-1")).unwrap();
    assert!(fs::read(&target).unwrap() == kept, "the copy is another file");
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
    let again = back_up(&target);
    assert!(!again.status.success(), "it overwrote what was there");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("cannot write"), "{said}");
    let output = back_up(Path::new("-"));
    // What could not be copied did not push an older backup out.
    let kept = fs::read(daemon.home().join("state/ledger.redb.backup-2")).unwrap();
    assert!(output.stdout == kept, "standard output is another file");
    let refused = daemon.home().join("no-such-directory/copy.redb");
    assert!(!back_up(&refused).status.success());
    assert!(!daemon.home().join("state/ledger.redb.backup-3").exists());
}

#[test]
fn errors_of_files_name_no_directory() {
    let daemon = offline();
    let home = daemon.home().to_str().unwrap().to_owned();
    let without_path = |refused: crate::support::socket::Refused, part: &str| {
        let said = format!("{} {}", refused.message, refused.data);
        assert!(!said.contains(&home) && !said.contains("/state"), "{said}");
        assert!(said.contains(part), "{said}");
    };
    daemon.admin("store_backup", json!({"path": "monday"}));
    let again = daemon.try_admin("store_backup", json!({"path": "monday"})).unwrap_err();
    without_path(again, "monday");
    let unlocked = daemon.try_admin("keys_unlock", json!({"passphrase": "a long passphrase"}));
    without_path(unlocked.unwrap_err(), "passphrase");
    let right = fs::read_to_string(daemon.config()).unwrap();
    daemon.write_config(&format!("{right}\n[log]\nlevle = 3\n"));
    without_path(daemon.try_admin("system_reload", json!({})).unwrap_err(), "entitled.toml");
    fs::remove_file(daemon.config()).unwrap();
    without_path(daemon.try_admin("system_reload", json!({})).unwrap_err(), "entitled.toml");
}

#[test]
fn a_damaged_file_of_the_passphrase_is_refused_without_its_path() {
    let daemon = Daemon::prepare(&settings());
    let text = fs::read_to_string(daemon.config()).unwrap();
    let kek = format!("file:{}/state/kek", daemon.home().display());
    daemon.write_config(&text.replace(&kek, "passphrase"));
    let path = daemon.home().join("state/kek.passphrase");
    fs::write(&path, "{}").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut daemon = daemon;
    daemon.resume();
    let refused = daemon.try_admin("keys_unlock", json!({"passphrase": "a long passphrase"}));
    let refused = refused.unwrap_err();
    let said = format!("{} {}", refused.message, refused.data);
    assert!(said.contains("kek.passphrase") && !said.contains("/state"), "{said}");
}

#[test]
fn a_pipe_or_a_link_in_a_files_place_neither_holds_the_start_up_nor_is_followed() {
    let pipe = |path: &Path| mkfifo(path, Mode::from_bits_truncate(0o600)).unwrap();
    let daemon = Daemon::prepare(&settings());
    let home = daemon.home().to_owned();

    let lock = home.join("run/entitled.sock.lock");
    pipe(&lock);
    let said = ends_soon(&daemon, &[]);
    assert!(said.contains("is not a regular file"), "{said}");
    fs::remove_file(&lock).unwrap();
    symlink(home.join("made"), &lock).unwrap();
    let said = ends_soon(&daemon, &[]);
    assert!(said.contains("is a symbolic link"), "{said}");
    assert!(!home.join("made").exists(), "the link's target was made");
    fs::remove_file(&lock).unwrap();

    fs::create_dir(home.join("entitled.d")).unwrap();
    pipe(&home.join("entitled.d/pipe.toml"));
    assert!(ends_soon(&daemon, &["--check"]).contains("is not a regular file"));
    assert!(ends_soon(&daemon, &[]).contains("is not a regular file"));
    fs::remove_file(home.join("entitled.d/pipe.toml")).unwrap();

    pipe(&home.join("spec.toml"));
    let consensus =
        format!("spec = \"{}/spec.toml\"\nbeacon = [\"http://127.0.0.1:9\"]\n", home.display());
    daemon.write_config(&settings().consensus(&consensus).text(&home));
    assert!(ends_soon(&daemon, &[]).contains("is not a regular file"));
    daemon.write_config(&settings().text(&home));

    // Left by the start before, which got that far.
    fs::remove_file(ledger(&daemon)).unwrap();
    pipe(&ledger(&daemon));
    assert!(ends_soon(&daemon, &[]).contains("is not a regular file"));
    fs::remove_file(ledger(&daemon)).unwrap();
    symlink(home.join("made"), ledger(&daemon)).unwrap();
    assert!(ends_soon(&daemon, &[]).contains("is a symbolic link"));
    assert!(!home.join("made").exists(), "the link's target was made");
}

/// The text that once took a thousand times its size: a list of tables, each sixteen deep.
fn nested(bytes: usize) -> String {
    let one = "{a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1},";
    format!("a=[{}]\n", one.repeat(bytes / one.len()))
}

/// As much as a small text can hold: values of one byte.
fn flat(bytes: usize) -> String {
    format!("a=[{}]\n", "1,".repeat(bytes / 2 - 4))
}

#[test]
fn a_vendors_text_takes_no_more_than_a_small_multiple_of_its_size() {
    const MIB: usize = 1 << 20;
    let mut plain = Daemon::start(&settings());
    plain.call("product_list", json!({}));
    let usual = plain.peak_memory();
    for (what, text) in [
        ("nested", nested(MIB - 64)),
        ("nested, short", nested(250_000)),
        ("flat", flat(250_000)),
        ("tables", "[[a]]\n".repeat(40_000)),
        ("long keys", format!("{}=1\n", vec!["a"; 100_000].join("."))),
    ] {
        let mut daemon = Daemon::prepare(&settings());
        fs::write(daemon.home().join("vendor/hungry.toml"), &text).unwrap();
        daemon.resume();
        // An answer comes once the product files are read.
        daemon.call("product_list", json!({}));
        let more = daemon.peak_memory().saturating_sub(usual);
        assert!(more < 24 * MIB, "{what}: {} bytes became {more}", text.len());
        for _ in 0..3 {
            let short: String = text.chars().take(480_000).collect();
            assert!(daemon.try_admin("product_install", json!({"toml": short})).is_err());
        }
        let more = daemon.peak_memory().saturating_sub(usual);
        assert!(more < 32 * MIB, "{what}, installed: {} bytes became {more}", text.len());
    }
}
