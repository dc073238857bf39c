//! `entitlectl` at a real terminal: secrets that are typed, and what is asked before a key is destroyed.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pseudo_terminal::{CTRL_C, CTRL_Z, Terminal};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::fake::FakeDaemon;
use crate::support::settings::Settings;
use crate::support::{preloaded, prerequisites};

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

/// Says how its core limit is, and ends by the signal that asks for a core file.
const DUMPS: &str = "ulimit -c unlimited 2>/dev/null; exec \"$@\"";

#[test]
fn a_core_file_has_no_secret_that_was_given() {
    let home = TempDir::new().unwrap();
    let socket = home.path().join("silent.sock");
    // It takes what it is told, and never answers.
    let silent = UnixListener::bind(&socket).unwrap();
    let shell = |program: &[&OsStr]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", DUMPS, "sh"]).args(program).current_dir(home.path());
        shell.env("ENTITLED_SOCKET", &socket).stdin(Stdio::piped()).stderr(Stdio::null());
        shell.spawn().unwrap()
    };
    let mut other = shell(&["sleep".as_ref(), "1000".as_ref()]);
    eventually("the other program has been started", || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", other.id())).unwrap();
        if name.trim() == "sleep" { Ok(()) } else { Err(name) }
    });
    kill(pid(&other), Signal::SIGQUIT).unwrap();
    let are_made = other.wait().unwrap().core_dumped();

    let program = env!("CARGO_BIN_EXE_entitlectl");
    let arguments = ["wallet", "import", "--private-key", "--timeout", "600s"];
    let import = [&[program][..], &arguments].concat();
    let mut import = shell(&import.iter().map(OsStr::new).collect::<Vec<_>>());
    import.stdin.take().unwrap().write_all(format!("{KEY}\n").as_bytes()).unwrap();
    let (mut asked, _) = silent.accept().unwrap();
    let mut byte = [0];
    asked.read_exact(&mut byte).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", import.id())).unwrap();
    let core = limits.lines().find(|it| it.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    kill(pid(&import), Signal::SIGQUIT).unwrap();
    let ended = import.wait().unwrap();
    assert_eq!(ended.signal(), Some(Signal::SIGQUIT as i32));
    assert!(!ended.core_dumped(), "{ended}");
    if !are_made {
        prerequisites::skipped("core files of entitlectl", "a machine that makes core files");
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
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

#[test]
fn five_answers_make_a_product_file_that_is_right() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    command.args(["product", "new", "--output"]).arg(home.path().join("made.toml"));
    let mut terminal = Terminal::start(&command);
    let token = "eip155:1/erc721:0x00000000000000000000000000000000000000a1";
    // A wrong answer is asked for again, and Enter takes what is proposed.
    for (question, typed) in [
        ("1/5", "Acme CAD"),
        ("2/5", "0x1234"),
        ("2/5", token),
        ("3/5", "rent"),
        ("3/5", "rental"),
        ("4/5", ""),
        ("5/5", "3d"),
    ] {
        let before = if ["0x1234", "rent"].contains(&typed) || !["2/5", "3/5"].contains(&question) {
            1
        } else {
            2
        };
        terminal.wait_for(question, before);
        terminal.types(&format!("{typed}\n"));
    }
    assert!(terminal.wait().success(), "{}", terminal.shown());
    let text = std::fs::read_to_string(home.path().join("made.toml")).unwrap();
    for line in [
        "product = \"acme-cad\"",
        "rule  = \"user\"",
        "trust       = \"quorum\"",
        "grace       = \"3d\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let mut lint = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    let lint = lint.args(["product", "lint"]).arg(home.path().join("made.toml")).output().unwrap();
    assert!(lint.status.success(), "{lint:?}");
    // What is there is not written over.
    let mut again = Terminal::start(&command);
    for (at, typed) in ["Acme CAD", token, "", "", ""].iter().enumerate() {
        again.wait_for(&format!("{}/5", at + 1), 1);
        again.types(&format!("{typed}\n"));
    }
    assert_eq!(again.wait().code(), Some(2), "{}", again.shown());
    assert_eq!(std::fs::read_to_string(home.path().join("made.toml")).unwrap(), text);
}

#[test]
fn what_takes_long_shows_that_it_goes_on_and_can_be_given_up() {
    let slow = |delay: &str| {
        format!("[products.acme-cad]\ncode = \"VALID\"\ntier = \"pro\"\ndelay = \"{delay}\"\n")
    };
    let fake = FakeDaemon::start(&slow("2s"));
    let check = |fake: &FakeDaemon| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        command
            .args(["check", "acme-cad", "--timeout", "30s"])
            .env("ENTITLED_SOCKET", fake.socket());
        command.env_remove("TERM");
        command
    };
    let mut terminal = Terminal::start(&check(&fake));
    terminal.wait_for("| waiting for entitled", 1);
    terminal.wait_for("/ waiting for entitled", 1);
    assert!(terminal.wait().success(), "{}", terminal.shown());
    // The line is gone before the answer.
    let shown = terminal.shown();
    let (_, after) = shown.rsplit_once("waiting for entitled").unwrap();
    assert!(after.contains("\r\u{1b}[K") && after.contains("says a fake daemon"), "{shown:?}");
    // A program is shown nothing.
    let output = check(&fake).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");

    let fake = FakeDaemon::start(&slow("30s"));
    let mut terminal = Terminal::start(&check(&fake));
    terminal.wait_for("waiting for entitled", 1);
    terminal.types(CTRL_C);
    assert_eq!(terminal.wait().signal(), Some(Signal::SIGINT as i32), "{}", terminal.shown());
}

/// Puts so much into a store that it is copied in several pieces.
fn with_padding(store: &Path) {
    const PADDING: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("padding");
    let database = redb::Database::open(store).unwrap();
    let change = database.begin_write().unwrap();
    {
        let mut table = change.open_table(PADDING).unwrap();
        for row in 0..8_u64 {
            table.insert(row, vec![7_u8; 1 << 20].as_slice()).unwrap();
        }
    }
    change.commit().unwrap();
}

/// Begins to restore, at a terminal, and waits until a part of the backup is copied. No more of it is while `hold` is there.
fn halfway(daemon: &Daemon, backup: &Path, slow: &Path, hold: &Path) -> Terminal {
    let state = daemon.home().join("state");
    std::fs::write(hold, "").unwrap();
    let mut command = daemon.entitlectl();
    command.args(["store", "restore", "--config"]).arg(daemon.config()).arg(backup);
    command.env("LD_PRELOAD", slow).env("HELD_COPY", hold).env_remove("TERM");
    let mut terminal = Terminal::of_width(&command, 80);
    let whole = backup.metadata().unwrap().len();
    let length = |name: String| state.join(name).metadata().map_or(0, |it| it.len());
    eventually("a part is copied", || {
        assert!(!terminal.has_ended(), "{}", terminal.shown());
        let found = drafts(&state).into_iter().map(length).find(|it| (1..whole).contains(it));
        found.ok_or_else(|| terminal.shown())
    });
    terminal
}

/// What is half written in a folder of state.
fn drafts(state: &Path) -> Vec<String> {
    names(state).into_iter().filter(|it| it.ends_with(".tmp")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn restoring_a_large_backup_shows_how_far_it_is_and_loses_nothing_when_it_is_interrupted() {
    let mut daemon = offline();
    daemon.admin("customer_create", json!({"name": "of the backup", "uids": []}));
    daemon.admin("store_backup", json!({"path": "before.redb"}));
    daemon.admin("customer_create", json!({"name": "since then", "uids": []}));
    assert!(daemon.stop().success());
    let state = daemon.home().join("state");
    let (store, backup) = (state.join("ledger.redb"), state.join("before.redb"));
    with_padding(&backup);

    let tools = tempfile::TempDir::with_prefix("entitled-slow-").unwrap();
    let Some(slow) = preloaded::build("held_copy", tools.path(), "restoring a large backup") else {
        return;
    };
    let hold = tools.path().join("hold");

    let kept = std::fs::read(&store).unwrap();
    let mut terminal = halfway(&daemon, &backup, &slow, &hold);
    terminal.types(CTRL_C);
    assert_eq!(terminal.wait().signal(), Some(Signal::SIGINT as i32), "{}", terminal.shown());
    assert_eq!(std::fs::read(&store).unwrap(), kept, "the store is that of before");
    assert_eq!(drafts(&state).len(), 1);
    daemon.resume();
    let customers = |daemon: &Daemon| daemon.admin("customer_list", json!({})).to_string();
    assert!(customers(&daemon).contains("since then"));
    assert!(drafts(&state).is_empty(), "the daemon takes away what was half written");

    assert!(daemon.stop().success());
    let mut terminal = halfway(&daemon, &backup, &slow, &hold);
    terminal.wait_for("], ", 1);
    std::fs::remove_file(&hold).unwrap();
    assert!(terminal.wait().success(), "{}", terminal.shown());
    for part in ["copying the backup [", " s (Ctrl-C gives up)", "is in the place of"] {
        assert!(terminal.shown().contains(part), "{part} is not in {:?}", terminal.shown());
    }
    daemon.resume();
    assert!(!customers(&daemon).contains("since then"));
}
