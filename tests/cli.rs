//! `entitlectl` as a program: what it prints and how it exits, against a daemon that is a thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

#[allow(dead_code, unreachable_pub, reason = "no test binary needs all of it")]
#[path = "support/document.rs"]
mod document;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use document::commands;
use serde_json::{Value, json};

const PRO: &str = r#"{"product":"acme-cad",  "valid":true,"code":"VALID","detail":"tier pro by token 7","tier":"pro","rank":20,"features":{"export":true,"max_projects":50,"big":18446744073709551616},"freshness":"fresh","trust":"quorum","anchor":{"chain":"eip155:1","number":12,"hash":"0x00","finality":"finalized"},"expires_at":"2026-12-06T10:00:00Z","seconds_until_change":1209600}"#;

fn verdict(valid: bool, code: &str) -> Value {
    json!({"product": "acme-cad", "valid": valid, "code": code, "detail": "d", "tier": valid.then_some("pro")})
}

/// Answers each request with the next of its lines, whatever the request; remembers the requests.
struct Daemon {
    directory: tempfile::TempDir,
    heard: Arc<Mutex<Vec<Value>>>,
}

/// What follows a request on the connection: `result`, or `error`, and lines after it.
#[derive(Clone)]
struct Answer {
    key: &'static str,
    text: String,
    notices: Vec<String>,
}

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn result(text: impl ToString) -> Answer {
    Answer { key: "result", text: text.to_string(), notices: Vec::new() }
}

fn error(code: i64, name: &str) -> Answer {
    let data = json!({"code": name, "detail": "what exactly", "help": "what to do"});
    let error = json!({"code": code, "message": "declined", "data": data});
    Answer { key: "error", text: error.to_string(), notices: Vec::new() }
}

fn following(verdicts: &[Value]) -> Answer {
    let notice = |it: &Value| {
        let params = json!({"subscription": 1, "result": it});
        json!({"jsonrpc": "2.0", "method": "entitlement_changed", "params": params}).to_string()
    };
    Answer { notices: verdicts.iter().map(notice).collect(), ..result(1) }
}

impl Daemon {
    fn with(answers: Vec<Answer>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut answers = VecDeque::from(answers);
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            while !answers.is_empty() {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &mut answers, &hearing);
            }
        });
        Self { directory, heard }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        entitlectl(&self.socket()).args(arguments).output().unwrap()
    }
}

fn serve(stream: UnixStream, answers: &mut VecDeque<Answer>, heard: &Mutex<Vec<Value>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|it| it > 0) {
        let request: Value = serde_json::from_str(&line).unwrap();
        line.clear();
        let Some(Answer { key, text, notices }) = answers.pop_front() else { return };
        let id = &request["id"];
        let mut reply = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{key}\":{text}}}\n");
        heard.lock().unwrap().push(request.clone());
        let ends = !notices.is_empty();
        for notice in notices {
            reply.push_str(&notice);
            reply.push('\n');
        }
        let _ = stream.get_mut().write_all(reply.as_bytes());
        if ends {
            return;
        }
    }
}

fn entitlectl(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    command.env_clear().env("LANG", "C.UTF-8").stdin(Stdio::null());
    command.arg("--socket").arg(socket).args(["--timeout", "30s"]);
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn the_exit_code_of_check_is_the_verdict() {
    for (answer, exit) in [
        (result(PRO), 0),
        (result(verdict(true, "GRACE")), 0),
        (result(verdict(false, "NOT_HELD")), 1),
        (result(verdict(false, "OF_THE_FUTURE")), 1),
        (result(verdict(false, "UNDETERMINED")), 3),
        (error(-32602, "INVALID_PARAMS"), 2),
        (error(-32006, "CHAIN_UNAVAILABLE"), 3),
        (error(-32005, "LIMIT_EXCEEDED"), 3),
        (error(-32001, "PERMISSION_DENIED"), 5),
        (error(-32002, "NOT_FOUND"), 1),
        (error(-32603, "INTERNAL"), 70),
        (result("[]"), 70),
    ] {
        let output = Daemon::with(vec![answer.clone()]).run(&["check", "acme-cad"]);
        assert_eq!(output.status.code(), Some(exit), "{}: {output:?}", answer.text);
    }
}

#[test]
fn without_a_daemon_or_a_command_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("s");
    let output = entitlectl(&nowhere).args(["check", "acme-cad"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("cannot be reached") && output.stdout.is_empty());
    assert_eq!(entitlectl(&nowhere).arg("chekc").output().unwrap().status.code(), Some(2));
    assert_eq!(entitlectl(&nowhere).arg("--help").output().unwrap().status.code(), Some(0));
}

#[test]
fn check_tells_people_what_they_need_to_know() {
    let daemon = Daemon::with(vec![result(PRO), result(verdict(false, "NO_WALLET"))]);
    let output = daemon.run(&["check", "acme-cad", "--feature", "export", "--wait", "3s"]);
    let text = stdout(&output);
    assert!(text.starts_with("entitled: pro\n"), "{text}");
    for part in [
        "VALID",
        "by quorum at block 12 of eip155:1 (finalized)",
        "6 December 2026, 10:00 UTC",
        "in 14 days",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let params = &daemon.heard()[0]["params"];
    assert_eq!(*params, json!({"product": "acme-cad", "feature": "export", "wait_ms": 3000}));

    let output = daemon.run(&["check", "acme-cad"]);
    let text = stdout(&output);
    assert!(text.starts_with("not entitled: NO_WALLET\n"), "{text}");
    assert!(text.contains("entitlectl wallet link`"), "{text}");
}

#[test]
fn json_is_what_the_socket_gave_to_the_letter() {
    let output = Daemon::with(vec![result(PRO)]).run(&["--json", "check", "acme-cad"]);
    assert_eq!(stdout(&output), format!("{PRO}\n"));
}

#[test]
fn a_refusal_is_told_with_its_help() {
    let daemon = Daemon::with(vec![error(-32002, "NOT_FOUND"), error(-32002, "NOT_FOUND")]);
    let output = daemon.run(&["wallet", "unlink", "0x00"]);
    assert_eq!(stderr(&output), "entitlectl: what exactly\n  what to do\n");
    let output = daemon.run(&["wallet", "unlink", "0x00", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["data"]["code"], "NOT_FOUND");
}

#[test]
fn why_is_a_tree() {
    let steps = json!([
        {"step": "grant", "subject": "pro", "outcome": "yes", "reason": "whole collection"},
        {"step": "token", "subject": "7", "outcome": "no", "reason": "burnt"},
        {"step": "anchor", "subject": "block 12", "outcome": "unknown", "reason": ""},
    ]);
    let mut answer = verdict(false, "NOT_HELD");
    answer["steps"] = steps;
    // It asks for the seats of the product as well.
    let pool = json!({"product": "acme-cad", "tier": "pro", "capacity": 2, "used": 1});
    let seats = json!({"pools": [pool], "items": [], "next_cursor": null});
    let once = vec![result(&answer), result(&seats)];
    let daemon = Daemon::with([once.clone(), once].concat());
    let output = daemon.run(&["why", "acme-cad", "--all"]);
    assert_eq!(output.status.code(), Some(1));
    let first = "No: you are not entitled to acme-cad: d\n";
    assert!(stdout(&output).starts_with(first), "{}", stdout(&output));
    let tree = "\n✗ grant pro: whole collection\n  ✗ token 7: burnt\n    ? anchor block 12\n";
    assert!(stdout(&output).contains(tree), "{}", stdout(&output));
    assert!(stdout(&output).contains("1 of 2 seats"), "{}", stdout(&output));

    let why = ["why", "p", "--all"];
    let ascii = entitlectl(&daemon.socket()).env("LANG", "C").args(why).output().unwrap();
    assert!(ascii.stdout.is_ascii() && stdout(&ascii).contains("  x token 7"), "{ascii:?}");
}

#[test]
fn lists_are_followed_to_their_end() {
    let page = |address: &str, next: Value| {
        let wallet = json!({"address": address, "custody": "linked", "active": true, "label": "a\u{1b}[31m"});
        result(json!({"items": [wallet], "next_cursor": next}))
    };
    let pages = vec![page("0xA", json!("c")), page("0xB", Value::Null)];
    let daemon = Daemon::with([pages.clone(), pages.clone()].concat());
    let output = daemon.run(&["wallet", "list"]);
    assert_eq!(
        stdout(&output),
        "ADDRESS  CUSTODY  LABEL   ACTIVE\n0xA      linked   a\u{fffd}[31m  yes\n0xB      linked   a\u{fffd}[31m  yes\n"
    );
    assert_eq!(daemon.heard()[1]["params"], json!({"cursor": "c"}));

    let output = daemon.run(&["--json", "wallet", "list"]);
    assert_eq!(stdout(&output), format!("{}\n{}\n", pages[0].text, pages[1].text));
}

#[test]
fn watch_says_each_change_once_through_a_restart() {
    let (yes, no) = (verdict(true, "VALID"), verdict(false, "NOT_HELD"));
    let daemon = Daemon::with(vec![
        following(&[yes.clone(), no.clone()]),
        following(&[no.clone(), yes.clone(), no.clone()]),
    ]);
    let output = daemon.run(&["watch", "acme-cad", "--count", "3", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), format!("{yes}\n{no}\n{yes}\n"));
    assert!(stderr(&output).contains("trying again"), "{output:?}");
}

#[test]
fn watch_gives_up_on_a_daemon_that_stays_away() {
    let daemon = Daemon::with(vec![following(&[verdict(true, "VALID")])]);
    let output = daemon.run(&["watch", "acme-cad", "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let line = stdout(&output);
    assert!(line.ends_with(" UTC  ✓ you are entitled to acme-cad, tier pro (VALID)\n"), "{line}");
}

/// What a person would read twice is said once: what changed beneath it is no news.
#[test]
fn watch_says_a_sentence_a_change_and_none_twice() {
    let (yes, no) = (verdict(true, "VALID"), verdict(false, "NOT_HELD"));
    let mut elsewhere = yes.clone();
    elsewhere["freshness"] = json!("stale");
    elsewhere["rank"] = json!(7);
    let daemon = Daemon::with(vec![following(&[yes, elsewhere, no])]);
    let output = daemon.run(&["watch", "acme-cad", "--count", "2"]);
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].ends_with("✗ you are not entitled to acme-cad (NOT_HELD): d"), "{lines:?}");
    assert!(
        lines.iter().all(|it| it.starts_with("20") && it[19..].starts_with(" UTC  ")),
        "{lines:?}"
    );
}

/// `entitlectl watch`, subscribed to a daemon that has yet to say anything.
fn watching() -> (Child, UnixStream) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let child = start(entitlectl(&socket).args(["watch", "acme-cad"]));
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut request).unwrap();
    writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}}").unwrap();
    (child, stream)
}

#[test]
fn watch_ends_well_when_interrupted() {
    let (mut child, mut stream) = watching();
    writeln!(stream, "{}", following(&[verdict(true, "VALID")]).notices[0]).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.ends_with("you are entitled to acme-cad, tier pro (VALID)\n"), "{line}");

    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let (mut child, mut stream) = watching();
    drop(child.stdout.take());
    writeln!(stream, "{}", following(&[verdict(true, "VALID")]).notices[0]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_wallet_is_linked_by_hand_or_by_script() {
    let wallet = json!({"address": "0xA", "custody": "linked", "active": true});
    let challenge =
        json!({"message": "sign\nthis", "nonce": "n", "expires_at": "2026-11-22T10:00:00Z"});
    let health = json!({"status": "ok", "version": "0.1.0", "chains": [{"id": "eip155:5"}, {"id": "eip155:7"}]});
    let wrong = error(-32008, "SIGNATURE_INVALID");
    let answers = [result(health), result(challenge), wrong];
    let daemon = Daemon::with([answers.to_vec(), vec![result(&wallet); 3]].concat());

    let mut child =
        start(entitlectl(&daemon.socket()).args(["wallet", "link", "0xA"]).stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(b"0xbad\n \"5167\", \n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stderr(&output).contains("sign\nthis") && stdout(&output).contains("0xA"));
    let signed = json!({"message": "sign\nthis", "signature": "0x5167"});
    let named = json!({"address": "0xA", "chain": "eip155:5"});
    assert_eq!(daemon.heard()[1]["params"], named, "a chain that is configured");
    assert_eq!(daemon.heard()[2]["params"]["signature"], "0xbad");
    assert_eq!(daemon.heard()[3]["params"], signed, "after a wrong one, once more");

    let file = daemon.directory.path().join("message");
    std::fs::write(&file, "sign\r\nthis\r\n\r\n").unwrap();
    let path = file.to_str().unwrap();
    daemon.run(&["wallet", "link", "--message", path, "--signature", "0x5167"]);
    assert_eq!(daemon.heard()[4]["params"], signed, "as an editor saved it");
    let mut command = entitlectl(&daemon.socket());
    command.args(["wallet", "link", "--signature", "0x5167"]);
    command.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(daemon.heard()[5]["params"], signed, "from standard input");
}

#[test]
fn typed_data_arrives_with_every_digit() {
    let typed = "{\"value\": 115792089237316195423570985008687907853269984665640564039457584007913129639935}";
    let daemon = Daemon::with(vec![result(json!({"signature": "0x5167"}))]);
    let mut command = entitlectl(&daemon.socket());
    command.args(["wallet", "sign", "0xA", "--typed-data", "-"]).stdin(Stdio::piped());
    let mut child = start(&mut command);
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "0x5167\n");
    // What arrives is read as a double here; that it is one number, not a text, and this great, is enough.
    let value = daemon.heard()[0]["params"]["typed_data"]["value"].as_f64().unwrap();
    assert!(value > 1.1e77);
}

#[test]
fn findings_decide_the_exit_code() {
    for (arguments, answer, exit) in [
        (["token", "verify", "t"], json!({"holding": "held"}), 0),
        (["token", "verify", "t"], json!({"holding": "not_held"}), 1),
        (["token", "verify", "t"], json!({"holding": "ended"}), 1),
        (["token", "verify", "t"], json!({"holding": "unknown", "cause": "unreachable"}), 3),
        (["customer", "tier", "p"], Value::Null, 1),
        (["customer", "tier", "p"], json!({"tier": "pro"}), 0),
        (["--json", "audit", "verify"], json!({"ok": true}), 0),
        (["--json", "audit", "verify"], json!({"ok": false, "broken_at": 3}), 1),
    ] {
        let output = Daemon::with(vec![result(&answer)]).run(&arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?} {answer}: {output:?}");
    }
}

#[test]
fn status_is_an_overview() {
    let health = json!({"status": "ok", "version": "0.1.0", "uptime_s": 7200,
        "actors": [{"name": "tier_cache", "state": "running", "restarts": 0}],
        "chains": [{"id": "eip155:1", "status": "ok", "head": 12}], "store": {}});
    let answers = || vec![result(&health), result(json!({"items": [verdict(true, "VALID")]}))];
    for arguments in [&["status"][..], &[]] {
        let output = Daemon::with(answers()).run(arguments);
        let text = stdout(&output);
        assert!(text.starts_with("✓ acme-cad  tier pro\n"), "{text}");
        assert!(text.contains("entitled 0.1.0: ok, up 2 hours"), "{text}");
        assert!(!text.contains("tier_cache"), "plumbing is for --verbose\n{text}");
    }
    let output = Daemon::with(answers()).run(&["status", "--verbose"]);
    let text = stdout(&output);
    for part in ["entitled 0.1.0: ok, up 2 hours", "eip155:1  ok      12", "tier_cache", "acme-cad"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn status_says_what_to_do_next_and_what_is_wrong() {
    let health = json!({"status": "degraded", "version": "0.1.0", "uptime_s": 7200,
        "actors": [{"name": "tier_cache", "state": "restarting"}],
        "chains": [{"id": "eip155:1", "status": "down"}]});
    let daemon =
        Daemon::with(vec![result(&health), result(json!({"items": [verdict(false, "NOT_HELD")]}))]);
    let text = daemon.run(&["status"]);
    for part in [
        "✗ acme-cad  NOT_HELD: d",
        "next: get a licence",
        "Chain eip155:1: down",
        "tier_cache is restarting",
    ] {
        assert!(stdout(&text).contains(part), "{part} is not in\n{text:?}");
    }
    let nothing = json!({"items": []});
    let daemon = Daemon::with(vec![result(&health), result(&nothing), result(nothing.clone())]);
    let text = daemon.run(&["status"]);
    assert!(stdout(&text).contains("Next: link the wallet"), "{text:?}");
}

#[test]
fn errors_are_json_where_results_are_also_without_a_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("s");
    for (arguments, exit, code) in [
        (&["check", "p", "--json"][..], 4, "UNREACHABLE"),
        (&["check", "p", "--format", "json"], 4, "UNREACHABLE"),
        (&["wallet", "unlink", "--json"], 2, "USAGE"),
        (&["check", "p", "--wait", "60s", "--json"], 2, "USAGE"),
    ] {
        let output = entitlectl(&nowhere).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["data"]["code"], code, "{error}");
    }
}

#[test]
fn a_wait_that_is_too_long_is_refused_in_the_words_it_was_asked_in() {
    let output = Daemon::with(Vec::new()).run(&["check", "p", "--wait", "60s"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("--wait") && said.contains("30") && !said.contains("wait_ms"), "{said}");
}

#[test]
fn lists_are_for_programs_too() {
    let wallets = json!({"items": [{"address": "0xA", "custody": "linked", "active": true}]});
    let list = |more: &[&str]| {
        let daemon = Daemon::with(vec![result(&wallets)]);
        stdout(&daemon.run(&[&["wallet", "list"], more].concat())).to_owned()
    };
    assert_eq!(list(&["--quiet"]), "0xA\n");
    assert_eq!(list(&["--columns", "custody,address"]), "CUSTODY  ADDRESS\nlinked   0xA\n");
    let tsv = list(&["--format", "tsv"]);
    assert!(tsv.starts_with("ADDRESS\tCUSTODY\t") && tsv.contains("\n0xA\tlinked\t"), "{tsv}");
    let quiet = Daemon::with(vec![result(PRO)]).run(&["check", "acme-cad", "--quiet"]);
    assert_eq!((quiet.status.code(), stdout(&quiet)), (Some(0), ""));
}

#[test]
fn a_customer_is_named_as_people_name_it() {
    let all = json!({"items": [{"id": "customer:1", "name": "Acme AG", "uids": [4002]}]});
    for name in ["Acme AG", "acme ag", "4002", "customer:1"] {
        let answers = vec![result(&all), result(json!({"id": "customer:1"}))];
        let answers = if name == "customer:1" { answers[1..].to_vec() } else { answers };
        let daemon = Daemon::with(answers);
        let output = daemon.run(&["customer", "deactivate", name]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(daemon.heard().last().unwrap()["params"]["customer"], "customer:1", "{name}");
    }
}

#[test]
fn a_product_file_is_checked_without_a_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[tiers.pro]\nrnak = 1\n").unwrap();
    let nowhere = directory.path().join("s");
    let lint =
        |file: &Path| entitlectl(&nowhere).args(["product", "lint"]).arg(file).output().unwrap();
    assert_eq!(lint(&file).status.code(), Some(1));
    assert_eq!(lint(&directory.path().join("absent.toml")).status.code(), Some(2));
}

/// Without a daemon: what can be said goes to a file that is new, and what cannot is told by line.
#[test]
fn an_options_file_of_flexnet_becomes_a_policy_file() {
    let directory = tempfile::tempdir().unwrap();
    let (options, policy) =
        (directory.path().join("acmed.opt"), directory.path().join("acme.toml"));
    let text = "RESERVE 1 acme_cad USER root\nTIMEOUT acme_cad 900\nLINGER acme_cad 600\n\
                EXCLUDE acme_cad USER nobody-of-that-name\n";
    std::fs::write(&options, text).unwrap();
    let import = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        command.args(["seats", "import-options"]).arg(&options);
        command.args(["--product", "acme-cad", "--feature", "acme_cad"]).args(more);
        command.output().unwrap()
    };
    let right = "product = \"acme-cad\"\nlinger = \"600s\"\nreserve = [{ uid = 0, seats = 1 }]\n";
    let output = import(&[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), right);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let wanted =
        ["acmed.opt:2: left out: TIMEOUT acme_cad 900: ", "acmed.opt:4: left out: EXCLUDE"];
    assert!(wanted.iter().all(|it| told.contains(it)) && told.lines().count() == 2, "{told}");
    let written = ["--tier", "pro", "--output", policy.to_str().unwrap()];
    assert_eq!(import(&written).status.code(), Some(0));
    let whole = std::fs::read_to_string(&policy).unwrap();
    assert_eq!(whole, right.replace("linger", "tier = \"pro\"\nlinger"));
    assert_eq!(import(&written).status.code(), Some(2), "what is there is not written over");
    // As those who come from there read it.
    let test = "an_options_file_of_flexnet_becomes_a_policy_file";
    let block = commands("docs/from-flexnet.md", test).remove(0);
    assert_eq!(block.run(&Command::new("env"), directory.path()), whole);
    let json = import(&["--json"]);
    let said: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&said["left_out"][0]["line"], &said["policy"]), (&json!(2), &json!(right)));
}
