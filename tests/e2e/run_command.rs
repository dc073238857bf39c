//! `entitlectl run`: a program that cannot ask is started only if one is entitled.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::seats;
use crate::support::fake::FakeDaemon;
use crate::support::stage::ACME;

const FILE: &str = r#"
[products.yes]
tier = "pro"
features = { export = true }
[products.signed]
publisher = "RWT2HRCV68kxgw9GOqAeM6UU5D7YO5sUfNJZhhrUCf2FKjGLg2TvPnxs"
[products.no]
code = "NOT_HELD"
[products.unknown]
code = "UNDETERMINED"
[products.busy]
error = "BUSY"
[products.later]
code = "UNDETERMINED"
[[products.later.then]]
after_checks = 1
error = "BUSY"
[[products.later.then]]
after_checks = 1
restart = "300ms"
code = "VALID"
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(fake: &FakeDaemon, arguments: &[&str]) -> Output {
    fake.entitlectl().arg("run").args(arguments).output().unwrap()
}

#[test]
fn the_command_takes_the_place_of_entitlectl() {
    let fake = FakeDaemon::start(FILE);
    // Its process id, arguments that look like ours, standard input, environment and exit code are the command's.
    let script = r#"echo "$$"; cat; printf '<%s>' "$@"; echo "$COLOUR"; echo aside >&2; exit 42"#;
    let mut command = fake.entitlectl();
    command.args([
        "run",
        "yes",
        "--feature",
        "export",
        "--",
        "sh",
        "-c",
        script,
        "name",
        "--json",
        "a b",
        "--",
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.env("COLOUR", "red").spawn().unwrap();
    let pid = child.id();
    child.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), format!("{pid}\nthrough\n<--json><a b><-->red\n"));
    assert_eq!(text(&output.stderr), "aside\n");
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn who_is_not_entitled_starts_nothing_and_hears_why() {
    let fake = FakeDaemon::start(FILE);
    let started = fake.home().join("started");
    let started = started.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 5] = [
        (&["no"], 1, "touch was not started: you are not entitled to no (NOT_HELD"),
        (&["nowhere"], 1, "not entitled to nowhere (NO_PRODUCT"),
        (&["yes", "--feature", "3d"], 1, "the feature 3d of yes (FEATURE_MISSING"),
        (&["unknown", "--wait", "100ms"], 3, "it is not known whether you are entitled to unknown"),
        (&["busy"], 3, "touch was not started"),
    ];
    for (arguments, code, said) in cases {
        let output = run(&fake, &[arguments, &["--", "touch", started]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(!std::path::Path::new(started).exists(), "{arguments:?}");
    }
}

#[test]
fn waiting_bridges_what_nobody_can_say_and_a_restart() {
    let fake = FakeDaemon::start(FILE);
    let output = run(&fake, &["later", "--wait", "30s", "--", "echo", "started"]);
    assert_eq!(text(&output.stdout), "started\n", "{}", text(&output.stderr));
    assert!(output.status.success());
    let output = run(&fake, &["no", "--wait", "1h", "--", "true"]);
    assert_eq!(output.status.code(), Some(1), "a no is not waited upon");
}

#[test]
fn without_a_daemon_nothing_is_started() {
    let fake = FakeDaemon::start(FILE);
    let nowhere = fake.home().join("nowhere.sock");
    let mut command = fake.entitlectl();
    let output = command.env("ENTITLED_SOCKET", nowhere).args(["run", "yes", "--", "echo", "x"]);
    let output = output.output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(4), ""));
}

#[test]
fn a_command_that_cannot_be_started_is_said_as_shells_say_it() {
    let fake = FakeDaemon::start(FILE);
    let home = fake.home().to_str().unwrap();
    for (command, code) in [("no-such-command-here", 127), (home, 126)] {
        let output = run(&fake, &["yes", "--", command]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(command), "{}", text(&output.stderr));
    }
    for wrong in [&["yes"][..], &["yes", "echo"], &["--", "echo"]] {
        assert_eq!(run(&fake, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn what_is_run_can_ask_the_same_daemon() {
    let fake = FakeDaemon::start(FILE);
    let own = env!("CARGO_BIN_EXE_entitlectl");
    let output = run(&fake, &["yes", "--", own, "--json", "check", "yes"]);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["trust"], "fake");
}

/// The seat is the command's, which has taken the place of `entitlectl`.
#[test]
fn a_command_holds_its_seat_for_as_long_as_it_runs() {
    let stage = seats::stage(seats::two_seats);
    let mut holder = seats::holder(&stage);
    assert_eq!(holder.acquire(json!({}))["used"], 1);
    let run = |wait: &str| {
        let mut command = stage.daemon.entitlectl();
        command.args([
            "run",
            ACME,
            "--seat",
            "--wait",
            wait,
            "--",
            "sh",
            "-c",
            "echo begun; read end",
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let begun = |child: &mut Child| {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
    };
    let mut first = run("0s");
    begun(&mut first);
    assert_eq!(seats::pool(&stage)["used"], 2);
    let refused = run("0s").wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("SEATS_FULL"), "{}", text(&refused.stderr));
    let mut waiting = run("10m");
    seats::wait_until_waiting(&stage, 1);
    first.kill().unwrap();
    begun(&mut waiting);
    assert_eq!(seats::pool(&stage)["used"], 2);
    waiting.stdin.take().unwrap().write_all(b"end\n").unwrap();
    assert!(waiting.wait().unwrap().success());
    seats::wait_until_used(&stage, 1);
    first.wait().unwrap();
}

/// What whoever installs the product wrote is not the vendor's word.
#[test]
fn a_vendor_names_its_own_key() {
    let fake = FakeDaemon::start(FILE);
    let (own, other) = (
        "RWT2HRCV68kxgw9GOqAeM6UU5D7YO5sUfNJZhhrUCf2FKjGLg2TvPnxs",
        "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
    );
    let try_key = |product, key| {
        let output = run(&fake, &[product, "--publisher", key, "--", "echo", "started"]);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, said) = try_key("signed", own);
    assert_eq!((code, out.as_str()), (Some(0), "started\n"), "{said}");
    for (product, key) in [("signed", other), ("yes", own)] {
        let (code, out, said) = try_key(product, key);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{product}: {said}");
        assert!(said.contains("PUBLISHER_MISMATCH"), "{product}: {said}");
    }
    assert_eq!(try_key("signed", "RWT2").0, Some(2), "that is no key");
    // With a seat it is asked as well, and none is kept.
    let stage = seats::stage(seats::two_seats);
    let mut command = stage.daemon.entitlectl();
    command.args(["run", ACME, "--seat", "--publisher", own, "--", "echo", "started"]);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    assert!(text(&output.stderr).contains("PUBLISHER_MISMATCH"), "{}", text(&output.stderr));
    let seats = stage.daemon.admin("seat_list", json!({}));
    assert_eq!(seats["items"], json!([]), "{seats}");
}

/// Who answers at a socket of the user's own may say anything: what contradicts itself or the question is no yes.
#[test]
fn a_yes_that_contradicts_itself_or_the_question_starts_nothing() {
    let key = "RWT2HRCV68kxgw9GOqAeM6UU5D7YO5sUfNJZhhrUCf2FKjGLg2TvPnxs";
    let said = |product: &str, code: &str, more: Value| {
        let mut said = json!({"product": product, "valid": true, "code": code, "tier": "pro"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        said
    };
    let seat = |product: &str, code: &str| {
        json!({"granted": true, "code": code, "detail": "", "seat": "s-1", "tier": "pro",
            "product": product, "bind": "process"})
    };
    let cases: [(&str, Value, &[&str], i32); 9] = [
        ("a yes", said("acme", "VALID", json!({})), &[], 0),
        ("nobody knows", said("acme", "UNDETERMINED", json!({})), &[], 3),
        ("another product", said("other", "VALID", json!({})), &[], 70),
        ("nobody's file", said("acme", "VALID", json!({})), &["--publisher", key], 70),
        ("no such feature", said("acme", "VALID", json!({})), &["--feature", "export"], 70),
        (
            "a feature that is off",
            said("acme", "VALID", json!({"features": {"export": false}})),
            &["--feature", "export"],
            70,
        ),
        ("a seat", seat("acme", "GRANTED"), &["--seat"], 0),
        ("a seat of which nobody knows", seat("acme", "UNDETERMINED"), &["--seat"], 3),
        ("a seat of another product", seat("other", "GRANTED"), &["--seat"], 70),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (at, (what, answer, arguments, code)) in cases.iter().enumerate() {
        let socket = directory.path().join(format!("{at}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let output = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let asked: Value = serde_json::from_str(&line).unwrap();
                let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": answer});
                writeln!(&stream, "{reply}").unwrap();
            });
            let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
            command.env("ENTITLED_SOCKET", &socket).args(["run", "acme"]).args(*arguments);
            command.args(["--", "echo", "started"]).output().unwrap()
        });
        let begun = if *code == 0 { "started\n" } else { "" };
        let told = (output.status.code(), text(&output.stdout));
        assert_eq!(told, (Some(*code), begun.to_owned()), "{what}: {}", text(&output.stderr));
    }
}

#[test]
fn a_watch_shows_nothing_of_another_product() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("entitled.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let asked: Value = serde_json::from_str(&line).unwrap();
            let told = json!({"product": "other", "valid": true, "code": "VALID", "tier": "pro"});
            let made = json!({"jsonrpc": "2.0", "id": asked["id"], "result": 7});
            let change = json!({"jsonrpc": "2.0", "method": "entitlement_changed",
                "params": {"subscription": 7, "result": told}});
            writeln!(&stream, "{made}\n{change}").unwrap();
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        command.env("ENTITLED_SOCKET", &socket);
        command.args(["watch", "acme", "--count", "1"]).output().unwrap()
    });
    let told = (output.status.code(), text(&output.stdout));
    assert_eq!(told, (Some(70), String::new()), "{}", text(&output.stderr));
}
