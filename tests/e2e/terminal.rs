//! `entitlectl` at a real terminal: secrets that are typed, and what is asked before a key is destroyed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::pseudo_terminal::{CTRL_C, CTRL_Z, Terminal};
use crate::support::daemon::Daemon;
use crate::support::settings::Settings;

/// A private key, and the address that is its.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ITS_ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

fn at_a_terminal(daemon: &Daemon, arguments: &[&str]) -> Terminal {
    let mut command = daemon.entitlectl();
    command.args(arguments);
    Terminal::start(&command)
}

fn wallets(daemon: &Daemon) -> Vec<Value> {
    daemon.call("wallet_list", json!({}))["items"].as_array().unwrap().clone()
}

#[test]
fn a_secret_is_not_shown_and_reaches_the_daemon_as_it_was_typed() {
    let daemon = offline();
    let mut terminal = at_a_terminal(&daemon, &["wallet", "import", "--private-key"]);
    terminal.wait_until_typing_is(false);
    terminal.types(&format!("{KEY}\n"));
    assert!(terminal.wait().success(), "{}", terminal.shown());
    assert!(!terminal.shown().contains(KEY), "{}", terminal.shown());
    assert!(terminal.shows_typing());
    assert_eq!(wallets(&daemon)[0]["address"], ITS_ADDRESS);
}

#[test]
fn ctrl_c_at_a_secret_ends_the_program_and_gives_the_terminal_back() {
    let daemon = offline();
    for half in ["", "half of a secret"] {
        let mut terminal = at_a_terminal(&daemon, &["wallet", "import", "--private-key"]);
        terminal.wait_until_typing_is(false);
        terminal.types(&format!("{half}{CTRL_C}"));
        let ended = terminal.wait();
        assert_eq!(ended.signal(), Some(Signal::SIGINT as i32), "{ended}: {}", terminal.shown());
        assert!(terminal.shows_typing(), "after `{half}`");
    }
    assert!(wallets(&daemon).is_empty());
}

#[test]
fn a_signal_at_a_secret_gives_the_terminal_back() {
    let daemon = offline();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGINT] {
        let mut terminal = at_a_terminal(&daemon, &["wallet", "import", "--private-key"]);
        terminal.wait_until_typing_is(false);
        terminal.signal(signal);
        assert_eq!(terminal.wait().signal(), Some(signal as i32), "{signal}");
        assert!(terminal.shows_typing(), "{signal}");
    }
}

/// A shell with job control, as people have one, stops the program and takes it up again.
#[test]
fn who_stops_at_a_secret_has_a_terminal_and_who_goes_on_types_unseen() {
    let daemon = offline();
    let client = daemon.entitlectl();
    let program = client.get_program().to_str().unwrap();
    let script = format!(
        "set -m; '{program}' wallet import --private-key; echo \"stopped with $?\"; read -r line; fg; echo \"ended with $?\""
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]);
    for (name, value) in client.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut terminal = Terminal::start(&shell);
    terminal.wait_until_typing_is(false);
    terminal.types(CTRL_Z);
    terminal.wait_for("stopped with 148", 1);
    assert!(terminal.shows_typing());
    terminal.types("\n");
    terminal.wait_until_typing_is(false);
    terminal.types(&format!("{KEY}\n"));
    terminal.wait_for("ended with 0", 1);
    assert!(!terminal.shown().contains(KEY), "{}", terminal.shown());
    assert_eq!(wallets(&daemon)[0]["address"], ITS_ADDRESS);
}

fn make_wallet(daemon: &Daemon) -> String {
    daemon.call("wallet_create", json!({}))["address"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_is_destroyed_at_a_terminal_only_after_a_yes() {
    let daemon = offline();
    let address = make_wallet(&daemon);
    for (typed, kept) in [("\n", true), ("y\n", true), ("no\n", true), ("yes\n", false)] {
        let unlink = ["wallet", "unlink", &address, "--destroy-key"];
        let mut terminal = at_a_terminal(&daemon, &unlink);
        terminal.wait_for("for ever", 1);
        assert!(terminal.shown().contains(&address), "{}", terminal.shown());
        terminal.types(typed);
        let ended = terminal.wait();
        assert_eq!(ended.success(), !kept, "{typed:?}: {}", terminal.shown());
        assert_eq!(wallets(&daemon)[0]["active"], json!(kept), "{typed:?}");
    }
}

#[test]
fn without_a_terminal_a_key_is_destroyed_only_with_yes() {
    let daemon = offline();
    let address = make_wallet(&daemon);
    let unlink = |more: &[&str]| {
        let mut command = daemon.entitlectl();
        command.args(["wallet", "unlink", &address, "--destroy-key"]).args(more);
        // What a script happens to write is no answer to a question that it does not know.
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"yes\n").ok();
        child.wait_with_output().unwrap()
    };
    let refused = unlink(&[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(wallets(&daemon)[0]["active"], json!(true));
    assert_eq!(unlink(&["--yes"]).status.code(), Some(0));
    assert_eq!(wallets(&daemon)[0]["active"], json!(false));
}
