//! What a program reads of its environment to find the daemon is its caller's to say, and nobody else's: in each library, and
//! in `entitlectl`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::readme::{Examples, answers};
use crate::support::prerequisites;
use crate::support::stage::{ACME, Stage};

const ANOTHER: u32 = 65_534;

/// Whether this can be tried: to be another takes root. Elsewhere says what was not.
fn can_be_another(what: &str) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        prerequisites::skipped(what, "root");
    }
    is_root && prerequisites::has("setpriv", what)
}

/// The same program with our rights, started by somebody else.
fn started_by_another(command: &Command) -> Command {
    let mut started = Command::new("setpriv");
    started.args(["--ruid", &ANOTHER.to_string(), "--"]);
    started.arg(command.get_program()).args(command.get_args());
    started.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    started
}

/// Programs that ask without being told where: with each library, and `entitlectl`.
fn programs(examples: &Examples) -> Vec<(&'static str, Command)> {
    let mut check = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    check.args(["check", ACME]);
    examples.with_libraries().chain([("entitlectl", check)]).collect()
}

/// What each of them comes to: `entitlectl` says so by its exit code.
fn say(programs: Vec<(&'static str, Command)>, entitled: bool) {
    for (title, mut command) in programs {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let told = match title {
            "entitlectl" => output.status.code() == Some(0),
            _ => answers(&output) == ["entitled"],
        };
        assert_eq!(told, entitled, "{title}: {output:?}");
    }
}

#[test]
fn a_program_with_rights_that_its_caller_has_not_is_not_led_by_the_environment() {
    if !can_be_another("programs with another user's rights") {
        return;
    }
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    let named = |(title, mut command): (&'static str, Command)| {
        command.env("ENTITLED_SOCKET", &socket);
        (title, command)
    };
    let examples = Examples::at(&socket);
    say(programs(&examples).into_iter().map(named).collect(), true);
    let theirs = |it: (&'static str, Command)| (it.0, started_by_another(&named(it).1));
    say(programs(&examples).into_iter().map(theirs).collect(), false);
}

/// A directory that looks like one of a session, with our daemon's socket in it.
fn runtime(home: &TempDir, socket: &Path) -> PathBuf {
    let runtime = home.path().join("runtime");
    std::fs::create_dir_all(runtime.join("entitled")).unwrap();
    symlink(socket, runtime.join("entitled/entitled.sock")).unwrap();
    runtime
}

#[test]
fn a_runtime_directory_counts_where_nobody_else_can_have_put_anything() {
    if !can_be_another("a runtime directory of somebody else") {
        return;
    }
    let (stage, home) = (Stage::entitled(), TempDir::new().unwrap());
    let runtime = runtime(&home, &stage.daemon.socket());
    let examples = Examples::at(&stage.daemon.socket());
    let found = |(title, mut command): (&'static str, Command)| {
        command.env("ENTITLED_SOCKET", "").env("XDG_RUNTIME_DIR", &runtime);
        (title, command)
    };
    for (owner, mode, counts) in [(0, 0o700, true), (0, 0o770, false), (ANOTHER, 0o700, false)] {
        nix::unistd::chown(&runtime, Some(owner.into()), None).unwrap();
        std::fs::set_permissions(&runtime, PermissionsExt::from_mode(mode)).unwrap();
        say(programs(&examples).into_iter().map(found).collect(), counts);
    }
}
