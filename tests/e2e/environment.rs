//! What a program reads of its environment to find the daemon is its caller's to say, and nobody else's: in each library, and
//! in `entitlectl`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::readme::{Examples, answers};
use crate::support::c_library::succeed;
use crate::support::prerequisites;
use crate::support::stage::{ACME, Stage};

const ANOTHER: u32 = 65_534;
/// The exit code of `entitlectl` where there is nobody to ask.
const UNREACHABLE: i32 = 4;
/// What they say where the environment leads them to our daemon, and where it does not: the machine may have one of its own.
const LED: &[&str] = &["entitled"];
const NOT_LED: &[&str] = &["not known", "not entitled"];

/// Whether this can be tried: to be another takes root. Elsewhere says what was not.
fn can_be_another(what: &str) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        prerequisites::skipped(what, "root");
    }
    is_root && prerequisites::has("setpriv", what)
}

/// Programs that ask without being told where: with each library, and `entitlectl`.
fn programs(examples: &Examples) -> Vec<(&'static str, Command)> {
    let mut check = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    check.args(["check", ACME]);
    examples.with_libraries().chain([("entitlectl", check)]).collect()
}

/// What a program comes to, and nothing if it says nothing: `entitlectl` says so by its exit code.
fn told(title: &str, output: &Output) -> Option<String> {
    let code = match output.status.code() {
        Some(0) => "entitled",
        Some(1) => "not entitled",
        Some(UNREACHABLE) => "not known",
        _ => "",
    };
    match title {
        "entitlectl" => Some(code.to_owned()).filter(|it| !it.is_empty()),
        _ => answers(output).pop(),
    }
}

/// What each of them comes to: one of these.
fn say(programs: Vec<(&'static str, Command)>, right: &[&str]) {
    let said = programs.into_iter().map(|(title, mut command)| {
        let output = command.stdin(Stdio::null()).output().unwrap();
        (title, told(title, &output), format!("{command:?}: {output:?}"))
    });
    let is_right = |told: &Option<String>| told.as_ref().is_some_and(|it| right.contains(&&**it));
    let wrong: Vec<_> = said.filter(|(_, told, _)| !is_right(told)).collect();
    assert!(wrong.is_empty(), "not {right:?}: {wrong:#?}");
}

/// Each program, with the environment that leads it to a daemon which says yes.
fn led<'a>(
    examples: &'a Examples,
    socket: &'a Path,
) -> impl Iterator<Item = (&'static str, Command)> + 'a {
    programs(examples).into_iter().map(move |(title, mut command)| {
        command.env("ENTITLED_SOCKET", socket);
        (title, command)
    })
}

/// The same program with `before` in front of it, found where it lies.
fn behind(command: &Command, before: Command) -> Command {
    let mut whole = before;
    whole.arg(program_of(command)).args(command.get_args());
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole
}

/// The file of a program. What `pyenv` puts in the place of Python is a script, which a loader cannot start.
fn program_of(command: &Command) -> PathBuf {
    let name = command.get_program();
    if name == "python3" {
        let mut ask = Command::new(name);
        let output = ask.args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        return PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    }
    let folders = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&folders).map(|it| it.join(name));
    let found = places.find(|it| it.is_file()).unwrap_or_else(|| name.into());
    found.canonicalize().unwrap()
}

/// What starts a program with our rights for somebody else.
fn for_another() -> Command {
    let mut started = Command::new("setpriv");
    started.args(["--ruid", &ANOTHER.to_string(), "--"]);
    started
}

#[test]
fn a_program_with_rights_that_its_caller_has_not_is_not_led_by_the_environment() {
    if !can_be_another("programs with another user's rights") {
        return;
    }
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    let examples = Examples::at(&socket);
    say(led(&examples, &socket).collect(), LED);
    let theirs = |(title, it): (&'static str, Command)| (title, behind(&it, for_another()));
    say(led(&examples, &socket).map(theirs).collect(), NOT_LED);
}

/// The ids of such a program are its caller's. A copy of the loader has the capabilities, and loads the program; Go is not
/// loaded, and has them itself.
#[test]
fn a_program_with_capabilities_of_its_file_is_not_led_by_the_environment() {
    const CAPABILITIES: &str = "cap_dac_override,cap_dac_read_search=ep";
    const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let what = "programs with capabilities of their files";
    let loader = LOADERS.iter().find(|it| Path::new(it).exists());
    if !can_be_another(what) || !prerequisites::has("setcap", what) {
        return;
    }
    let Some(loader) = loader else { return prerequisites::skipped(what, "the loader of glibc") };
    let home = TempDir::new().unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copied = |from: &Path, to: &str| {
        let copy = home.path().join(to);
        std::fs::copy(from, &copy).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
        copy
    };
    let loading = copied(Path::new(loader), "loader");
    // The JVM's own folder is one that the loader finds by the program's name, which is another now.
    let loaded = |(title, it): (&'static str, Command), with: &dyn Fn(&Path) -> Command| {
        let program = program_of(&it);
        let mut before = with(if title == "Go" { &program } else { &loading });
        if title == "Java" {
            let libraries = program.parent().unwrap().with_file_name("lib");
            before.arg("--library-path").arg(libraries);
        }
        if title != "Go" {
            return (title, behind(&it, before));
        }
        before.args(it.get_args());
        before.envs(it.get_envs().filter_map(|(name, value)| Some((name, value?))));
        (title, before)
    };
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    let examples = Examples::at(&socket);
    let plain = |it| loaded(it, &|program| Command::new(program));
    say(led(&examples, &socket).map(plain).collect(), LED);

    let setcap = |file: &Path| {
        let mut setcap = Command::new("setcap");
        succeed(setcap.arg(CAPABILITIES).arg(file));
    };
    setcap(&loading);
    let capable = |it| {
        loaded(it, &|program| {
            let program = match program == loading {
                true => program.to_owned(),
                false => copied(program, "capable"),
            };
            setcap(&program);
            let mut started = Command::new("setpriv");
            let another = ANOTHER.to_string();
            started.args(["--reuid", &another, "--regid", &another, "--clear-groups", "--"]);
            // Of an environment that it may not believe, the loader takes some away, and stumbles over what it moved.
            started.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            started.arg(program);
            started
        })
    };
    say(led(&examples, &socket).map(capable).collect(), NOT_LED);
}

/// Programs that become the user whose rights they have, or whoever started them, before they ask: the four ids are one then.
#[test]
fn nor_is_one_that_has_become_a_single_user_before_it_asks() {
    if !can_be_another("programs with another user's rights that become that user") {
        return;
    }
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    for folder in [socket.parent().unwrap(), stage.daemon.home()] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let examples = Examples::at(&socket);
    // The other user is entitled to nothing: a daemon of the machine's own would say what ours does.
    for (becomes, is_told, else_told) in
        [(0, LED, NOT_LED), (ANOTHER, &["not entitled"][..], &["not known"][..])]
    {
        // Started by ourselves it is our environment, whoever it becomes; in Rust such a one asks where before it does.
        for (title, command) in examples.that_become(becomes) {
            let led = |mut it: Command| {
                it.env("ENTITLED_SOCKET", &socket);
                it
            };
            if becomes == 0 || title != "Rust" {
                say(vec![(title, led(behind(&command, Command::new("env"))))], is_told);
            }
            say(vec![(title, led(behind(&command, for_another())))], else_told);
        }
    }
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
        let is_told = if counts { LED } else { NOT_LED };
        say(programs(&examples).into_iter().map(found).collect(), is_told);
    }
}
