//! The C library: real programs, compiled by a C and a C++ compiler, asking the real daemon, one that hangs, one that is
//! somebody else's, and none.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::publishers::{Vendor, install, published};
use crate::support::anvil::Anvil;
use crate::support::c_library::{CLibrary, Linked, sources, succeed};
use crate::support::contract::Contract;
use crate::support::faults::Fault;
use crate::support::preloaded;
use crate::support::prerequisites::{has, skipped};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::tests_dir;

mod receipts;

const BOTH: [Linked; 2] = [Linked::Shared, Linked::Static];

fn source(name: &str) -> PathBuf {
    tests_dir().join("e2e/c_library").join(format!("{name}.c"))
}

/// What a program of ours says to a socket.
fn run(program: &Path, socket: &Path, arguments: &[&str]) -> String {
    succeed(Command::new(program).arg(socket).args(arguments))
}

/// The line of five lines, in C and in C++, with both libraries.
struct Five(Vec<PathBuf>);

impl Five {
    fn compiled() -> Option<Self> {
        let library = CLibrary::built("the example in C")?;
        let compilers = ["cc", "c++"].into_iter().filter(|it| has(it, "the example in C"));
        let compile =
            |it| BOTH.map(|linked| library.compile(it, &library.example("check"), linked));
        let programs = compilers.flat_map(compile).collect();
        // The programs are run where they were compiled.
        let _ = library.programs.keep();
        Some(Self(programs))
    }

    fn say(&self, socket: &Path, answer: &str) {
        let start = |it: &PathBuf| {
            let mut run = Command::new(it);
            run.env("ENTITLED_SOCKET", socket).stdout(Stdio::piped()).spawn().unwrap()
        };
        // Side by side: each may wait for as long as it may.
        for (program, child) in self.0.iter().zip(self.0.iter().map(start).collect::<Vec<_>>()) {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{}: {}", program.display(), output.status);
            assert_eq!(said.trim_end(), answer, "{}", program.display());
        }
    }
}

impl Drop for Five {
    fn drop(&mut self) {
        if let Some(directory) = self.0.first().and_then(|it| it.parent()) {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

#[test]
fn five_lines_say_what_the_daemon_says() {
    let Some(five) = Five::compiled() else { return };
    let mut stage = Stage::linked();
    let socket = stage.daemon.socket();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    five.say(&socket, "not entitled");
    stage = stage.enter(7);
    five.say(&socket, "entitled");
    stage.anvil.stop();
    stage.daemon.wait_for_code(ACME, "GRACE");
    five.say(&socket, "entitled");
    stage.daemon.signal(Signal::SIGSTOP);
    five.say(&socket, "not known");
    stage.daemon.signal(Signal::SIGCONT);
    five.say(&socket, "entitled");
    stage.daemon.stop();
    five.say(&socket, "not known");
}

#[test]
fn what_cannot_be_determined_is_not_known_in_five_lines() {
    let Some(five) = Five::compiled() else { return };
    let mut stage = Stage::start();
    stage.anvil.stop();
    stage.daemon.link(&stage.wallet);
    five.say(&stage.daemon.socket(), "not known");
    five.say(Path::new("/nowhere/entitled.sock"), "not known");
}

#[test]
fn a_verdict_in_c_is_the_daemons_and_its_features_are_read_by_kind() {
    let Some(library) = CLibrary::built("a verdict in C") else { return };
    let stage = Stage::entitled();
    let verdict = stage.daemon.check(ACME);
    for linked in BOTH {
        let ask = library.compile("cc", &source("ask"), linked);
        let said = run(&ask, &stage.daemon.socket(), &[ACME]);
        let token = verdict["token"].as_str().unwrap();
        let wanted = format!(
            "state: yes\nerror: there is no error\ncode: VALID\ntier: pro\nrank: 20\nseats: 0\ntrust: single\ntoken: {token}\n\
             publisher: \nproven: 1\nuntil: 1\nexport: yes\nmax_projects: yes 50\nas text: yes 50\ndetail: {}\n",
            verdict["detail"].as_str().unwrap()
        );
        assert_eq!(said, wanted);
        let said = run(&ask, &stage.daemon.socket(), &["no-such"]);
        assert!(
            said.starts_with("state: no\nerror: there is no error\ncode: NO_PRODUCT\n"),
            "{said}"
        );
        assert!(
            said.contains("export: no\nmax_projects: no -1\nas text: no untouched\n"),
            "{said}"
        );
        let said = run(&ask, &stage.daemon.socket(), &["NO PRODUCT'S NAME"]);
        assert!(said.starts_with("state: not known\nerror: the daemon declined\n"), "{said}");
        assert!(said.contains("export: not known\nmax_projects: not known -1\n"), "{said}");
    }
}

#[test]
fn a_program_in_c_takes_its_own_publishers_word_and_no_others() {
    let Some(library) = CLibrary::built("publishers in C") else { return };
    let stage = Stage::entitled();
    let (daemon, vendor, other) = (&stage.daemon, Vendor::new(), Vendor::new());
    let ask = library.compile("cc", &source("ask"), Linked::Shared);
    let mismatch = "state: no\nerror: there is no error\ncode: PUBLISHER_MISMATCH\n";
    let said = run(&ask, &daemon.socket(), &[ACME, &vendor.key()]);
    assert!(said.starts_with(mismatch), "of an unsigned file: {said}");
    install(daemon, &published(&stage, 1, &vendor, &vendor)).unwrap();
    daemon.wait_for_code(ACME, "VALID");
    let said = run(&ask, &daemon.socket(), &[ACME, &vendor.key()]);
    assert!(said.starts_with("state: yes\n"), "{said}");
    assert!(said.contains(&format!("publisher: {}\n", vendor.key())), "{said}");
    let said = run(&ask, &daemon.socket(), &[ACME, &other.key()]);
    assert!(said.starts_with(mismatch) && said.contains("export: no\n"), "{said}");
    let said = run(&ask, &daemon.socket(), &[ACME, "RW"]);
    assert!(said.contains("state: not known") && said.contains("minisign public key"), "{said}");
}

#[test]
fn a_daemon_that_hangs_costs_no_more_than_the_time_limit() {
    let Some(library) = CLibrary::built("a time limit in C") else { return };
    let ask = library.compile("cc", &source("ask"), Linked::Shared);
    let home = TempDir::new().unwrap();
    let socket = home.path().join("s");
    // Connections wait in its queue, and nobody takes them out of it.
    let _listener = UnixListener::bind(&socket).unwrap();
    let said = run(&ask, &socket, &[ACME, "", "50"]);
    assert!(
        said.starts_with("state: not known\nerror: the daemon did not answer in time\n"),
        "{said}"
    );
    assert!(said.contains("50ms"), "the limit is the program's: {said}");
}

#[test]
fn a_program_that_waits_for_less_than_the_daemon_is_told_that_it_does_not_know() {
    let Some(library) = CLibrary::built("a time limit in C") else { return };
    let ask = library.compile("cc", &source("ask"), Linked::Shared);
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let stage = Stage::on(anvil, licence, &Settings::new([proxy.url()]).product(product));
    // The endpoint says nothing for longer than anybody waits.
    proxy.fault(Fault::Delay(Duration::from_secs(600)));
    stage.daemon.link(&stage.wallet);
    let said = run(&ask, &stage.daemon.socket(), &[ACME, "", "1500"]);
    assert!(
        said.starts_with("state: not known\nerror: there is no error\ncode: UNDETERMINED\n"),
        "{said}"
    );
}

#[test]
fn a_broken_pipe_ends_no_program() {
    let Some(library) = CLibrary::built("a broken pipe in C") else { return };
    let home = TempDir::new().unwrap();
    for linked in BOTH {
        let program = library.compile("cc", &source("broken_pipe"), linked);
        let socket = home.path().join(format!("{linked:?}"));
        let listener = UnixListener::bind(&socket).unwrap();
        let served = std::thread::spawn(move || {
            // The question has begun, and is longer than what fits between the two.
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
        });
        let said = run(&program, &socket, &[]);
        assert_eq!(said, "the daemon cannot be reached\n");
        served.join().unwrap();
    }
}

#[test]
fn nothing_is_left_behind_in_the_program() {
    let Some(library) = CLibrary::built("what the C library leaves behind") else { return };
    let stage = Stage::entitled();
    for linked in BOTH {
        let quiet = library.compile("cc", &source("quiet"), linked);
        assert_eq!(run(&quiet, &stage.daemon.socket(), &[ACME]), "quiet\n");
    }
}

#[test]
fn of_the_environment_only_the_sockets_place_is_read() {
    let Some(library) = CLibrary::built("what the C library reads of the environment") else {
        return;
    };
    let stage = Stage::entitled();
    let Some(spy) = preloaded::build("spy", library.programs.path(), "what the C library reads")
    else {
        return;
    };
    for linked in BOTH {
        let program = library.compile("cc", &library.example("check"), linked);
        for socket in ["", stage.daemon.socket().to_str().unwrap()] {
            let mut command = Command::new(&program);
            let output =
                command.env("LD_PRELOAD", &spy).env("ENTITLED_SOCKET", socket).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let spied = String::from_utf8(output.stderr).unwrap();
            let spied: BTreeSet<&str> = spied.lines().collect();
            assert!(spied.contains("spy: getenv ENTITLED_SOCKET"), "{spied:?}");
            let allowed = ["spy: getenv ENTITLED_SOCKET", "spy: getenv XDG_RUNTIME_DIR"];
            assert!(spied.iter().all(|it| allowed.contains(it)), "{spied:?}");
        }
    }
}

#[test]
fn a_program_with_another_users_rights_is_not_led_by_the_environment() {
    let Some(library) = CLibrary::built("set-user-ID programs in C") else { return };
    if !nix::unistd::geteuid().is_root() {
        return skipped("set-user-ID programs in C", "being root");
    }
    let stage = Stage::entitled();
    let program = library.compile("cc", &source("set_user_id"), Linked::Static);
    let ask = || succeed(Command::new(&program).env("ENTITLED_SOCKET", stage.daemon.socket()));
    assert_eq!(ask(), "entitled\n");
    nix::unistd::chown(&program, Some(65_534.into()), None).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let said = ask();
    assert!(said.contains("/run/entitled/entitled.sock"), "{said}");
}

#[test]
fn somebody_elses_daemon_is_not_believed() {
    let Some(library) = CLibrary::built("who listens, in C") else { return };
    if !nix::unistd::geteuid().is_root() {
        return skipped("who listens, in C", "being root");
    }
    let program = library.compile("cc", &source("foreign"), Linked::Shared);
    let home = TempDir::new().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let said = run(&program, &home.path().join("s"), &[]);
    assert!(said.contains("neither root, nor you"), "{said}");
}

#[test]
fn many_threads_ask_with_one_handle() {
    let Some(library) = CLibrary::built("threads in C") else { return };
    let stage = Stage::entitled();
    let threads = library.compile("cc", &source("threads"), Linked::Shared);
    let said = run(&threads, &stage.daemon.socket(), &[ACME]);
    assert_eq!(said, "every answer was right\n");
}

/// A program that is told of changes, line by line.
struct Told {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Told {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn wait_for(&mut self, wanted: &str) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended before it was told `{wanted}`");
            if line.starts_with(wanted) {
                return;
            }
        }
    }

    fn ends_well(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_program_is_told_of_changes_in_a_loop_of_its_own() {
    let Some(library) = CLibrary::built("changes in C") else { return };
    let mut stage = Stage::entitled();
    let mut watch = Command::new(library.compile("cc", &library.example("watch"), Linked::Shared));
    watch.env("ENTITLED_SOCKET", stage.daemon.socket());
    let mut told = Told::start(watch);
    assert_eq!(told.line(), "VALID pro\n");
    stage.give_away(7);
    told.wait_for("NOT_HELD");
    stage.give_back(7);
    told.wait_for("VALID pro");
    stage.daemon.stop();
    told.wait_for("the subscription is over");
    told.ends_well();
}

#[test]
fn a_child_asks_by_itself_and_takes_nothing_of_its_parents() {
    let Some(library) = CLibrary::built("fork in C") else { return };
    let stage = Stage::entitled();
    let mut forks = Command::new(library.compile("cc", &source("forks"), Linked::Shared));
    forks.arg(stage.daemon.socket()).arg(ACME);
    let mut told = Told::start(forks);
    assert_eq!(told.line(), "forked\n");
    stage.give_away(7);
    assert_eq!(told.line(), "NOT_HELD\n");
    told.ends_well();
}

#[test]
fn no_memory_is_read_that_was_not_written_and_none_is_lost() {
    let Some(library) = CLibrary::built("memory in C") else { return };
    if !has("valgrind", "memory in C") {
        return;
    }
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    for (program, arguments) in [
        ("ask", vec![ACME, "", "60000"]),
        ("ask", vec!["no-such", "", "60000"]),
        ("quiet", vec![ACME]),
    ] {
        let program = library.compile("cc", &source(program), Linked::Shared);
        let mut memcheck = Command::new("valgrind");
        memcheck.args([
            "--quiet",
            "--error-exitcode=99",
            "--leak-check=full",
            "--show-leak-kinds=definite,indirect",
        ]);
        memcheck
            .args(["--errors-for-leak-kinds=definite,indirect"])
            .arg(program)
            .arg(&socket)
            .args(arguments);
        succeed(&mut memcheck);
    }
}

#[test]
fn the_shared_library_offers_what_is_listed_and_no_more() {
    let Some(library) = CLibrary::built("the symbols of the C library") else { return };
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--with-symbol-versions"]).arg(library.shared());
    let offered: BTreeSet<String> = succeed(&mut nm)
        .lines()
        .filter_map(|it| it.split_whitespace().last())
        .map(|it| it.replace("@@", "@"))
        .collect();
    let list = tests_dir().join("../packaging/deb/libentitled0.symbols");
    let listed: BTreeSet<String> = std::fs::read_to_string(list)
        .unwrap()
        .lines()
        .filter_map(|it| it.strip_prefix(' ')?.split_whitespace().next())
        .map(|it| it.trim_start_matches("ENTITLED_0@").to_owned())
        .collect();
    assert!(listed.len() > 10, "{listed:?}");
    assert_eq!(offered, listed);
    let headers =
        succeed(Command::new("readelf").args(["--dynamic", "--wide"]).arg(library.shared()));
    assert!(headers.contains("soname: [libentitled.so.0]"), "{headers}");
    assert!(headers.contains("BIND_NOW"), "{headers}");
    // A program may have another Rust, or another blst, in it: of the archive nothing else is to be seen.
    let archive = library.libraries.join("libentitled.a");
    let seen = succeed(Command::new("nm").args(["--extern-only", "--defined-only"]).arg(archive));
    let seen: BTreeSet<&str> =
        seen.lines().filter_map(|it| it.split_once(" T ")).map(|(_, name)| name).collect();
    let functions = listed.iter().filter_map(|it| it.split_once('@')).map(|(name, _)| name);
    assert_eq!(seen, functions.collect());
}

/// As it is built for packages; the tests' own build has the features of everything that is built with it.
#[test]
fn neither_a_runtime_nor_tls_is_in_the_library() {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--package=entitled-c", "--edges=normal", "--prefix=none", "--format={p}"]);
    let tree = succeed(tree.args(["--offline", "--locked"]));
    let crates: BTreeSet<&str> = tree.lines().filter_map(|it| it.split(' ').next()).collect();
    assert!(crates.contains("entitled-client") && crates.contains("serde_json"), "{crates:?}");
    let not = [
        "tokio",
        "mio",
        "hyper",
        "reqwest",
        "rustls",
        "openssl",
        "native-tls",
        "actix",
        "tracing-subscriber",
    ];
    let found: Vec<_> = not.iter().filter(|it| crates.contains(**it)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// The README of the library has the examples as they are run here.
#[test]
fn the_documents_have_the_examples_as_they_are() {
    let readme = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/c/README.md"),
    )
    .unwrap();
    for name in ["acme", "check", "watch"] {
        let code =
            std::fs::read_to_string(sources().join("examples").join(format!("{name}.c"))).unwrap();
        assert!(readme.contains(&format!("```c\n{code}```\n")), "{name}.c");
    }
}
