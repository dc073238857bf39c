//! Every example of docs/start.md, run as it stands there: with a daemon, without one, with a full one and with one that
//! is silent. The README has one of them.

#![allow(clippy::print_stdout, reason = "the Rust example says its answer there")]

use std::iter;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::prerequisites;
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::toolchain;

const SOCKET: &str = "/run/entitled/entitled.sock";
/// Set for the child that plays the Rust example.
const ROLE: &str = "ENTITLED_TEST_README";
/// Who that child becomes before it asks.
const BECOMES: &str = "ENTITLED_TEST_BECOMES";
/// More connections than this are not tried to make a daemon full.
const MANY: usize = 200;

/// The Rust example, compiled as it stands in the document.
mod rust {
    include!("readme/example.rs");

    pub fn run() {
        main();
    }
}

fn document(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The one block of code that follows `**title**`.
fn block(title: &str) -> String {
    let document = document("docs/start.md");
    let (_, after) = document.split_once(&format!("\n**{title}**")).expect(title);
    let (_, code) = after.split_once("```").expect(title);
    let (_, code) = code.split_once('\n').expect(title);
    code.split_once("```").expect(title).0.to_owned()
}

/// The examples, ready to be run against one socket.
pub struct Examples {
    home: TempDir,
    socket: PathBuf,
    c: Option<PathBuf>,
    /// Those that have a library of their language: what runs the program that the document shows.
    languages: Vec<(&'static str, Command)>,
}

impl Examples {
    pub fn at(socket: &Path) -> Self {
        let home = TempDir::new().unwrap();
        let languages = [
            ("Python", toolchain::python("example.py")),
            ("Node", toolchain::node("example.js")),
            ("Go", toolchain::go_program("./example", home.path())),
            ("Java", toolchain::java("src/example/java/Example.java", "Example", home.path())),
            ("C++", toolchain::cpp("example.cpp", home.path())),
        ];
        // As other programs are told of a socket.
        let named = format!("unix://{}", socket.display());
        let ready = languages.into_iter().filter_map(|(title, command)| {
            let mut command = command?;
            command.env("ENTITLED_SOCKET", &named);
            Some((title, command))
        });
        let languages = ready.collect();
        let mut examples = Self { home, socket: socket.to_owned(), c: None, languages };
        examples.c = examples.compile();
        examples
    }

    /// The code of the document, asking our socket.
    fn code(&self, title: &str) -> String {
        let code = block(title);
        assert!(code.contains(SOCKET), "{title}: {code}");
        code.replace(SOCKET, self.socket.to_str().unwrap())
    }

    fn compile(&self) -> Option<PathBuf> {
        let (source, program) = (self.home.path().join("ask.c"), self.home.path().join("ask"));
        let cc = |text: &str| {
            std::fs::write(&source, text).unwrap();
            let strict = ["-Wall", "-Wextra", "-Werror", "-o"];
            Command::new("cc").args(strict).arg(&program).arg(&source).arg("-lcjson").output()
        };
        if !prerequisites::has_cc_with_cjson() {
            prerequisites::skipped("the example in C", "cc with libcjson-dev");
            return None;
        }
        let built = cc(&self.code("C")).unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Some(program)
    }

    fn shell(&self) -> Command {
        let mut shell = Command::new("sh");
        let programs = Path::new(env!("CARGO_BIN_EXE_entitlectl")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        shell.args(["-c", &block("Shell")]).env("PATH", path).env("ENTITLED_SOCKET", &self.socket);
        shell
    }

    fn rust(&self) -> Command {
        let mut rust = Command::new(std::env::current_exe().unwrap());
        rust.args(["--exact", "readme::the_rust_example_is_that_of_the_document", "--nocapture"]);
        rust.env(ROLE, "1").env("ENTITLED_SOCKET", &self.socket);
        rust
    }

    fn interpreted(&self, title: &str, program: &str, option: &str) -> Command {
        let mut command = Command::new(program);
        command.args([option, &self.code(title)]);
        command
    }

    /// Those that find the socket themselves, by the library of their language.
    pub fn with_libraries(&self) -> impl Iterator<Item = (&'static str, Command)> {
        let others = self.languages.iter().map(|(title, command)| (*title, again(command)));
        iter::once(("Rust", self.rust())).chain(others)
    }

    /// Those of them that can become another user, for good, who ask as that user. The library is loaded by then.
    pub fn that_become(&self, uid: u32) -> Vec<(&'static str, Command)> {
        const PYTHON: &str = "import entitled, os, sys; text = open(sys.argv[2]).read(); \
            uid = int(sys.argv[1]); os.setresuid(uid, uid, uid); exec(text)";
        const NODE: &str = "const [uid, file] = process.argv.slice(1); \
            const load = require('module').createRequire(file); load('entitled'); \
            const text = require('fs').readFileSync(file, 'utf8'); \
            process.setuid(Number(uid)); new Function('require', text)(load)";
        let mut rust = self.rust();
        rust.env(BECOMES, uid.to_string());
        let interpreted = self.languages.iter().filter_map(|(title, plain)| {
            let (option, code) = match *title {
                "Python" => ("-c", PYTHON),
                "Node" => ("-e", NODE),
                _ => return None,
            };
            let mut command = Command::new(plain.get_program());
            command.args([option, code, &uid.to_string()]).args(plain.get_args());
            command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
            Some((*title, command))
        });
        iter::once(("Rust", rust)).chain(interpreted).collect()
    }

    /// Runs all of them side by side; each must come to this answer, and to no other.
    fn say(&mut self, answer: &str) {
        let mut commands = vec![("Shell", self.shell()), ("Rust", self.rust())];
        commands.extend(self.c.as_ref().map(|it| ("C", Command::new(it))));
        let own = commands.iter_mut().map(|(title, command)| (*title, command));
        let languages = self.languages.iter_mut().map(|(title, command)| (*title, command));
        let started = own.chain(languages).map(|(title, command)| {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            (title, command.spawn().unwrap())
        });
        for (title, child) in started.collect::<Vec<_>>() {
            let output = child.wait_with_output().unwrap();
            let said = answers(&output);
            assert_eq!(said, [answer], "{title}: {output:?}");
            assert!(output.status.success(), "{title}: {output:?}");
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(title == "Shell" || complaint.is_empty(), "{title}: {complaint}");
        }
    }

    /// What curl's example gives: its exit code, and the reply if there is one.
    fn curl(&self) -> Option<(i32, Option<Value>)> {
        if !prerequisites::has("curl", "the example for curl") {
            return None;
        }
        let output = self.interpreted("curl", "sh", "-c").output().unwrap();
        Some((output.status.code().unwrap(), serde_json::from_slice(&output.stdout).ok()))
    }
}

/// The same command once more.
fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args());
    again.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    again
}

/// The answers among the lines a program wrote; a test harness writes others.
pub fn answers(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_answer = |it: &&str| ["entitled", "not entitled", "not known"].contains(it);
    text.lines().filter(is_answer).map(str::to_owned).collect()
}

/// Started again with [`ROLE`], it plays the example.
#[test]
fn the_rust_example_is_that_of_the_document() {
    if std::env::var_os(ROLE).is_some() {
        // On a line of its own, whatever the harness wrote before.
        println!();
        if let Ok(uid) = std::env::var(BECOMES) {
            let uid = nix::unistd::Uid::from_raw(uid.parse().unwrap());
            nix::unistd::setresuid(uid, uid, uid).unwrap();
        }
        return rust::run();
    }
    assert_eq!(block("Rust"), include_str!("readme/example.rs"));
}

#[test]
fn the_readme_has_the_example_of_the_document() {
    assert!(document("README.md").contains(&format!("```python\n{}```\n", block("Python"))));
}

#[test]
fn each_example_says_what_the_daemon_says() {
    let mut stage = Stage::linked();
    let mut examples = Examples::at(&stage.daemon.socket());
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    examples.say("not entitled");
    stage = stage.enter(7);
    examples.say("entitled");
    if let Some((code, reply)) = examples.curl() {
        assert_eq!((code, &reply.unwrap()["result"]["valid"]), (0, &json!(true)));
    }
    stage.anvil.stop();
    stage.daemon.wait_for_code(ACME, "GRACE");
    examples.say("entitled");
}

#[test]
fn what_cannot_be_determined_is_not_known_in_each_example() {
    let mut stage = Stage::start();
    stage.anvil.stop();
    stage.daemon.link(&stage.wallet);
    Examples::at(&stage.daemon.socket()).say("not known");
}

#[test]
fn without_a_daemon_it_is_not_known_in_each_example() {
    let home = TempDir::new().unwrap();
    let socket = home.path().join("entitled.sock");
    let mut examples = Examples::at(&socket);
    examples.say("not known");
    // The socket of a daemon that is gone.
    drop(UnixListener::bind(&socket).unwrap());
    examples.say("not known");
    if let Some((code, reply)) = examples.curl() {
        assert!(code != 0 && reply.is_none(), "{code}: {reply:?}");
    }
}

#[test]
fn a_full_daemon_is_not_known_in_each_example() {
    let mut stage = Stage::entitled();
    let text = std::fs::read_to_string(stage.daemon.config()).unwrap();
    stage.daemon.write_config(&format!("{text}\n[socket.limits]\nconnections = 4\n"));
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "VALID");
    let mut examples = Examples::at(&stage.daemon.socket());
    let _held = fill(&stage.daemon.socket());
    examples.say("not known");
    if let Some((code, reply)) = examples.curl() {
        assert!(code != 0 || reply.is_none_or(|it| it.get("error").is_some()), "{code}");
    }
}

/// Takes connections until there are no more: then the next one is refused.
fn fill(socket: &Path) -> Vec<Line> {
    let mut held = Vec::new();
    while held.len() < MANY {
        let mut line = Line::connect(socket);
        line.ask("system_version", &json!({}));
        match line.hear() {
            Some(reply) if reply.get("result").is_some() => held.push(line),
            _ => return held,
        }
    }
    panic!("{MANY} connections, and the daemon is still not full");
}

#[test]
fn a_silent_daemon_is_not_known_in_each_example() {
    let mut stage = Stage::entitled();
    let mut examples = Examples::at(&stage.daemon.socket());
    stage.daemon.signal(Signal::SIGSTOP);
    let pid = stage.daemon.pid();
    eventually("the daemon is stopped", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        if status.contains(") T ") { Ok(()) } else { Err(status) }
    });
    examples.say("not known");
    if let Some((code, reply)) = examples.curl() {
        assert_eq!((code, reply), (28, None), "curl's code for a time-out");
    }
    stage.daemon.signal(Signal::SIGCONT);
    examples.say("entitled");
}
