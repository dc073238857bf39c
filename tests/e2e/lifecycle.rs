//! Starting and stopping: configuration, sockets, signals, hand-over.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::descriptors::refuses_descriptors;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::prerequisites;
use crate::support::process::Process;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::{Line, Subscription};
use crate::support::stage::{ACME, Stage};

fn offline() -> Settings {
    Settings::new(["http://127.0.0.1:9".to_owned()])
}

/// What `entitled --check` says to this configuration: its exit code, and both streams.
fn check_config(text: &str) -> (Option<i32>, String) {
    let daemon = Daemon::prepare(&offline());
    daemon.write_config(text);
    let output = daemon.command().arg("--check").output().unwrap();
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).join("");
    (output.status.code(), said)
}

#[test]
fn a_right_configuration_passes_the_check_and_nothing_starts() {
    let daemon = Daemon::prepare(&offline());
    let output = daemon.command().arg("--check").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!daemon.socket().exists());
}

/// What the check passes, the start takes; what stops the start is named by both.
#[test]
fn what_stands_in_the_place_of_a_file_or_socket_fails_the_check_as_it_fails_the_start() {
    type Put = fn(&Path);
    let directory: Put = |it| std::fs::create_dir(it).unwrap();
    let link: Put = |it| std::os::unix::fs::symlink("/dev/null", it).unwrap();
    let pipe: Put = |it| nix::unistd::mkfifo(it, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket: Put = |it| drop(UnixListener::bind(it).unwrap());
    let file: Put = |it| std::fs::write(it, "dear diary").unwrap();
    for (place, key, stands, what) in [
        ("state/ledger.redb", "store.path", directory, "a directory"),
        ("state/ledger.redb", "store.path", link, "a symbolic link"),
        ("state/ledger.redb", "store.path", pipe, "a pipe"),
        ("state/ledger.redb", "store.path", socket, "a socket"),
        ("state/machine-id", "store.path", directory, "a directory"),
        ("run/entitled.sock", "socket.path", directory, "a directory"),
        ("run/entitled.sock", "socket.path", file, "a regular file"),
        ("run/admin.sock", "socket.admin_path", link, "a symbolic link"),
        ("run/admin.sock.lock", "socket.admin_path", directory, "a directory"),
    ] {
        let daemon = Daemon::prepare(&offline());
        stands(&daemon.home().join(place));
        let output = daemon.command().arg("--check").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{place}, {what}: {said}");
        for part in [place, key, what] {
            assert!(said.contains(part), "{part} is not named: {said}");
        }
        let mut started = Process::start(daemon.command());
        assert!(!started.wait().success(), "{place}, {what}: {}", started.output().text());
    }
    let daemon = Daemon::prepare(&offline());
    std::fs::remove_dir(daemon.home().join("state")).unwrap();
    file(&daemon.home().join("state"));
    let output = daemon.command().arg("--check").output().unwrap();
    assert!(!output.status.success(), "what should be a directory is a file: {output:?}");
}

#[test]
fn what_keeps_the_fleet_from_starting_fails_the_check_as_well() {
    let fleet = "[fleet]\nendpoints = [\"http://127.0.0.1:9\"]\n";
    for (more, left, named) in [
        ("ca = \"/nowhere/ca.pem\"\n", "", "/nowhere/ca.pem"),
        ("user = \"one\"\npassword = \"file:/nowhere/password\"\n", "", "/nowhere/password"),
        ("", "{\"epoch\":", "state/fleet.json"),
    ] {
        let daemon = Daemon::prepare(&offline());
        if !left.is_empty() {
            std::fs::write(daemon.home().join("state/fleet.json"), left).unwrap();
        }
        let before = std::fs::read_to_string(daemon.config()).unwrap();
        daemon.write_config(&format!("{before}\n{fleet}{more}"));
        let output = daemon.command().arg("--check").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{named}: {said}");
        assert!(said.contains(named), "{named} is not named: {said}");
        let mut started = Process::start(daemon.command());
        assert!(!started.wait().success(), "{named}: {}", started.output().text());
    }
}

/// Everything but managed wallets works all the same.
#[test]
fn a_key_file_that_is_none_is_warned_of_by_the_check() {
    let daemon = Daemon::prepare(&offline());
    std::fs::create_dir(daemon.home().join("state/kek")).unwrap();
    let output = daemon.command().arg("--check").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warning: `keys.source`") && said.contains("locked"), "{said}");
}

#[test]
fn a_wrong_configuration_is_named_by_file_line_and_key() {
    let chain =
        "[[chain]]\nid = \"eip155:1\"\nrpc = [\"http://127.0.0.1:9\"]\ntrust = \"single\"\n";
    for (text, line, key) in [
        (format!("{chain}\n[socket]\npaht = \"/x\"\n"), "7", "paht"),
        (format!("{chain}[cache]\ncapacity = \"many\"\n"), "6", "capacity"),
        (format!("{chain}poll = \"12 parsecs\"\n"), "5", "poll"),
        ("[[chain]]\nid = \"mainnet\"\nrpc = []\n".to_owned(), "2", "id"),
        (chain.replace("single", "blind"), "4", "trust"),
        (format!("{chain}[nonsense]\n"), "5", "nonsense"),
    ] {
        let (code, said) = check_config(&text);
        assert_ne!(code, Some(0), "{text}\n{said}");
        for part in ["entitled.toml", key] {
            assert!(said.contains(part), "{part} is not named:\n{text}\n{said}");
        }
        assert!(said.contains(&format!(":{line}")), "line {line} is not named:\n{text}\n{said}");
    }
}

#[test]
fn broken_toml_is_named_by_file_and_line() {
    let (code, said) = check_config("[socket\npath = 1");
    assert_ne!(code, Some(0));
    assert!(said.contains("entitled.toml:1"), "{said}");
}

#[test]
fn a_quorum_of_more_endpoints_than_there_are_is_refused() {
    let settings = offline().quorum(2);
    let daemon = Daemon::prepare(&settings);
    let output = daemon.command().arg("--check").output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start(&offline());
    let mut second = Process::start(daemon.command());
    let status = second.wait();
    assert!(!status.success(), "{status}");
    let path = daemon.socket().display().to_string();
    let said = second.output().text();
    assert!(said.contains(&path) || said.contains("ledger.redb"), "it says where: {said}");
    daemon.call("system_version", json!({}));
}

#[test]
fn a_socket_left_behind_is_replaced() {
    let mut daemon = Daemon::prepare(&offline());
    drop(UnixListener::bind(daemon.socket()).unwrap());
    assert!(daemon.socket().exists());
    daemon.resume();
    daemon.call("system_version", json!({}));
}

#[test]
fn a_file_that_is_no_socket_is_not_removed() {
    let daemon = Daemon::prepare(&offline());
    std::fs::write(daemon.socket(), "dear diary").unwrap();
    let mut process = Process::start(daemon.command());
    assert!(!process.wait().success());
    assert_eq!(std::fs::read_to_string(daemon.socket()).unwrap(), "dear diary");
}

#[test]
fn the_public_socket_is_for_everybody_and_the_admin_socket_is_not() {
    let daemon = Daemon::start(&offline());
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(daemon.socket()), 0o666);
    assert_eq!(mode(daemon.admin_socket()) & 0o007, 0);
}

#[test]
fn sigterm_ends_it_cleanly_and_its_sockets_with_it() {
    let mut daemon = Daemon::start(&offline());
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(!daemon.socket().exists() && !daemon.admin_socket().exists());
}

#[test]
fn sigint_ends_it_cleanly_too() {
    let mut daemon = Daemon::start(&offline());
    assert_eq!(daemon.end(Signal::SIGINT).code(), Some(0));
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let stage = Stage::linked();
    let proxy = Proxy::start(&stage.anvil.address());
    let settings = Settings::new([proxy.url()])
        .product(ProductFile::acme(&stage.licence.collection()).set("refresh", r#""1h""#));
    let mut daemon = Daemon::start(&settings);
    daemon.link(&stage.wallet);
    daemon.wait_for_code(ACME, "NOT_HELD");
    proxy.fault_in("eth_getProof", Fault::Delay(std::time::Duration::from_millis(700)));
    // Of a new block, so that there is something to be proven. Nothing else asks for proofs in this hour.
    stage.anvil.mine(1);
    let before = proxy.calls("eth_getProof");
    let mut line = Line::connect(&daemon.socket());
    let params = json!({"token": stage.licence.token(7), "wallet": stage.holder()});
    let id = line.ask("token_verify", &params);
    eventually("the question is at the node", || match proxy.calls("eth_getProof") {
        calls if calls > before => Ok(()),
        calls => Err(calls.to_string()),
    });
    assert_eq!(daemon.stop().code(), Some(0));
    let reply = line.hear().expect("an answer, be it an error, before the connection closes");
    assert_eq!(reply["id"], json!(id), "{reply}");
}

#[test]
fn open_subscriptions_do_not_hold_up_the_end() {
    let mut stage = Stage::entitled();
    let mut told = Subscription::new(&stage.daemon.socket(), ACME);
    told.next();
    assert_eq!(stage.daemon.stop().code(), Some(0));
}

#[test]
fn sigkill_leaves_nothing_that_stops_the_next_start() {
    let mut daemon = Daemon::start(&offline());
    daemon.kill();
    daemon.resume();
    daemon.call("system_version", json!({}));
}

#[test]
fn sighup_with_a_broken_configuration_changes_nothing() {
    let mut daemon = Daemon::start(&offline());
    daemon.write_config("[socket\n");
    daemon.signal(Signal::SIGHUP);
    eventually("the log names the file", || {
        let log = daemon.log();
        if log.contains("entitled.toml") { Ok(()) } else { Err(log) }
    });
    daemon.call("system_version", json!({}));
}

/// Binds both sockets, hands them over as descriptors 3 and 4 as systemd does, and becomes the daemon.
const HAND_OVER: &str = r#"
import os, socket, sys
paths, program = sys.argv[1:3], sys.argv[3:]
held = []
for path in paths:
    it = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    it.bind(path)
    it.listen(16)
    held.append(os.dup(it.fileno()))
high = [os.dup2(fd, 50 + n, inheritable=True) for n, fd in enumerate(held)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="entitled:admin", LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
"#;

#[test]
fn sockets_handed_over_are_served_and_left_in_place() {
    if !prerequisites::has("python3", "the hand-over of sockets") {
        return;
    }
    let daemon = Daemon::prepare(&offline());
    let handed = daemon.home().join("handed.sock");
    let handed_admin = daemon.home().join("handed-admin.sock");
    let mut command = crate::support::process::command("/usr/bin/env".as_ref());
    command.args(["python3", "-c", HAND_OVER]).args([&handed, &handed_admin]);
    command.arg(env!("CARGO_BIN_EXE_entitled")).arg("--config").arg(daemon.config());
    let mut process = Process::start(command);
    eventually("the daemon answers on the sockets it was handed", || {
        if let Some(status) = process.ended() {
            panic!("it ended with {status}:\n{}", process.output().text());
        }
        Line::try_connect(&handed).map_err(|it| it.to_string())
    });
    Line::connect(&handed).call("system_version", &json!({})).unwrap();
    Line::connect(&handed_admin).call("customer_list", &json!({})).unwrap();
    assert!(!daemon.socket().exists(), "it made no socket of its own");
    refuses_descriptors(&handed);
    refuses_descriptors(&handed_admin);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait().code(), Some(0));
    assert!(handed.exists(), "who made it removes it");
}

/// A product file or its name must not be able to move an administrator's cursor, or to write a line of the log.
#[test]
fn nothing_from_a_file_reaches_a_terminal_or_the_log_as_a_control_character() {
    const EVIL: &str = "\u{1b}[2J\u{9b}31m\u{7}\rready";
    let toml = r"\u001b[2J\u009b31m\u0007\rready";
    let daemon = Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let text = format!("product = \"{toml}\"\n\"{toml}\" = 1\ntrust = \"{toml}\"\n");
    let file = daemon.home().join("vendor").join(format!("{EVIL}.toml"));
    std::fs::write(&file, text).unwrap();
    let is_wild = |text: &str| text.chars().any(|it| it.is_control() && it != '\n');

    let output = daemon.command().arg("--check").output().unwrap();
    let said = text_of(&output.stdout) + &text_of(&output.stderr);
    assert!(said.contains("ready") && !is_wild(&said), "{said:?}");
    let output = daemon.entitlectl().args(["product", "lint"]).arg(&file).output().unwrap();
    let said = text_of(&output.stdout) + &text_of(&output.stderr);
    assert!(said.contains("ready") && !is_wild(&said), "{said:?}");

    let wrong = daemon.home().join(format!("{EVIL}.toml"));
    std::fs::write(&wrong, format!("[log]\nlevel = \"{toml}\"\n")).unwrap();
    let mut entitled = Command::new(env!("CARGO_BIN_EXE_entitled"));
    let output = entitled.arg("--config").arg(&wrong).output().unwrap();
    let said = text_of(&output.stdout) + &text_of(&output.stderr);
    assert!(said.contains("ready") && !is_wild(&said), "{said:?}");

    let mut daemon = daemon;
    daemon.resume();
    let log = eventually("the log names the file", || {
        let log = daemon.log();
        if log.contains(r"\rready") { Ok(log) } else { Err(log) }
    });
    assert!(!is_wild(&log), "{log:?}");
    let told = daemon.entitlectl().arg("reload").output().unwrap();
    let said = text_of(&told.stdout) + &text_of(&told.stderr);
    assert!(said.contains("ready") && !is_wild(&said), "{said:?}");
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
