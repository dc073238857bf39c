//! What a warm `entitlement_check` costs the daemon, in instructions in user space, beside a committed budget.
//!
//! The real daemon runs under callgrind, with a real chain and a held licence; what it executes is counted only while
//! known requests are asked. Time depends on the machine's mood, a count hardly does: so this can be a gate. Ends with
//! an error where a check costs more than `budget.toml` says. Without valgrind it says that it was left out, which
//! fails where `CI` is set.
//!
//! `DAEMON=/path/to/entitled` measures another build: of an earlier commit, or one with names of inlined functions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "a benchmark prints its figures, and there is nobody to report an error to"
)]
#![allow(dead_code, unreachable_pub, reason = "the tests' support offers more than is used here")]

#[path = "../report.rs"]
mod report;
#[path = "../../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use report::{Row, leave_out};
use support::anvil::Anvil;
use support::contract::Contract;
use support::daemon::Daemon;
use support::process::{Process, command};
use support::settings::{ProductFile, Settings};
use support::stage::ACME;
use support::wallet::Wallet;

/// Requests that are counted, of each way to ask.
const REQUESTS: usize = 3_200;
const PIPELINED: usize = 32;
/// Connections that are counted, with one request on each.
const CONNECTS: usize = 800;
/// How often each way is counted.
const GOES: usize = 3;
/// So much of its budget a way to ask may leave unused before this asks for a lower one.
const SLACK: f64 = 0.85;

fn main() -> ExitCode {
    let built =
        ["node_modules", "contracts/out/Licence.json"].map(|it| support::tests_dir().join(it));
    let missing = match Command::new("valgrind").arg("--version").output() {
        Err(_) => Some("valgrind: install it".to_owned()),
        Ok(_) => built
            .iter()
            .find(|it| !it.exists())
            .map(|it| format!("{}: run `make prepare`", it.display())),
    };
    if let Some(missing) = missing {
        leave_out("instructions", &format!("for want of {missing}"));
        return if std::env::var_os("CI").is_some() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    let mut budgets: BTreeMap<String, BTreeMap<String, f64>> =
        toml::from_str(include_str!("budget.toml")).unwrap();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let budget = budgets.remove(build).unwrap();
    let counted = count();
    assert!(counted.keys().eq(budget.keys()), "budget.toml names what is counted");
    let ways = ["raw", "http", "pipelined", "connect"];
    let in_order = ways.map(|way| format!("{:.0}", counted[way]));
    let budgeted = ways.map(|way| format!("{:.0}", budget[way]));
    let (ours, peer) = (in_order.join(" / "), budgeted.join(" / "));
    Row { id: "instructions", ours, peer, processor: None, judged: &[] }.tell();
    let mut over = false;
    println!("instructions in user space for each of {REQUESTS} warm checks, {build} build");
    for (way, instructions) in counted {
        let most = budget[&way];
        let share = instructions / most;
        let judged = match share {
            ..SLACK => "well below: lower the budget",
            ..=1.0 => "",
            _ => "OVER",
        };
        over |= share > 1.0;
        println!("{way:10} {instructions:8.0}   of {most:8.0}   {judged}");
    }
    if over { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What one check costs, by the way it is asked.
fn count() -> BTreeMap<String, f64> {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, wallet.address(), 7);
    // Fresh for as long as this takes, so that nothing but the socket has anything to do.
    let product = ProductFile::acme(&licence.collection()).set("refresh", "\"1h\"");
    let settings = Settings::new([anvil.url()]).product(product);
    let daemon = Daemon::prepare(&settings);
    let often = settings.text(daemon.home());
    daemon.write_config(&often.replace("poll = \"100ms\"", "poll = \"10m\""));
    let counted = Counted::start(&daemon);
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");

    let raw = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"entitlement_check\",\"params\":{{\"product\":\"{ACME}\"}}}}\n"
    );
    let http = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{raw}",
        raw.len()
    );
    let ways = [("raw", &raw, 1), ("pipelined", &raw, PIPELINED), ("http", &http, 1)];
    let each = ways.map(|(way, request, at_once)| {
        let mut load = Load::new(&daemon.socket(), request, at_once);
        let all = counted.least_during(|| (0..REQUESTS / at_once).for_each(|_| load.ask()));
        (way.to_owned(), all as f64 / REQUESTS as f64)
    });
    // Connects, asks, and closes.
    let once = |_| drop(Load::new(&daemon.socket(), &raw, 1));
    let all = counted.least_during(|| (0..CONNECTS).for_each(once));
    assert_eq!(daemon.code(ACME), "VALID", "what was counted is a licence in force");
    let connect = ("connect".to_owned(), all as f64 / CONNECTS as f64);
    each.into_iter().chain([connect]).collect()
}

/// The daemon under callgrind.
struct Counted {
    process: Process,
    socket: PathBuf,
    /// Where the orders to callgrind go.
    orders: String,
    /// Where what was counted is kept, for `callgrind_annotate`.
    folder: PathBuf,
}

impl Counted {
    fn start(daemon: &Daemon) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hot_path");
        // What an earlier run left.
        let _none = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let program = std::env::var("DAEMON").unwrap_or(env!("CARGO_BIN_EXE_entitled").to_owned());
        let orders = format!("--vgdb-prefix={}", daemon.home().join("vgdb").display());
        let mut under = command(Path::new("valgrind"));
        under
            .args(["--tool=callgrind", "--instr-atstart=no", "--quiet", "--vgdb-poll=100"])
            .arg(format!("--callgrind-out-file={}", folder.join("all").display()))
            .arg(&orders)
            .arg(program)
            .arg("--config")
            .arg(daemon.config());
        let (mut process, socket) = (Process::start(under), daemon.socket());
        support::eventually("the daemon answers", || {
            assert!(process.ended().is_none(), "it should start:\n{}", process.output().text());
            UnixStream::connect(&socket).map(drop).map_err(|it| it.to_string())
        });
        Self { process, socket, orders, folder }
    }

    /// The least of some goes: what else the daemon had to do meanwhile, once and by itself, is no part of it.
    fn least_during(&self, mut load: impl FnMut()) -> u64 {
        (0..GOES).map(|_| self.during(&mut load)).min().unwrap_or_default()
    }

    /// How many instructions the daemon executes while `load` runs.
    fn during(&self, load: impl FnOnce()) -> u64 {
        // Beside them there is the file for what is counted at the end of the daemon.
        let part = self.folder.join(format!("all.{}", fs::read_dir(&self.folder).unwrap().count()));
        self.tell(&["instrumentation", "on"]);
        self.tell(&["zero"]);
        load();
        self.tell(&["dump"]);
        self.tell(&["instrumentation", "off"]);
        let part = fs::read_to_string(part).unwrap();
        let total = part.lines().find_map(|it| it.strip_prefix("totals: ")).unwrap();
        total.trim().parse().unwrap()
    }

    /// Gives callgrind an order. It looks for one while the daemon executes something, which connecting makes it do; to
    /// wake it by a signal needs a right over the daemon that the daemon gives nobody.
    fn tell(&self, order: &[&str]) {
        let mut telling = Command::new("vgdb")
            .args([&self.orders, "--max-invoke-ms=0"])
            .arg(format!("--pid={}", self.process.pid()))
            .args(order)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        support::eventually("callgrind takes the order", || {
            let _woken = UnixStream::connect(&self.socket);
            telling.try_wait().unwrap().ok_or_else(|| format!("{order:?} is not done"))
        });
    }
}

/// One connection that asks again and again, so many requests at a time.
struct Load {
    stream: UnixStream,
    sent: Vec<u8>,
    replies: Vec<u8>,
}

impl Load {
    /// Asks once, to see the reply, which must be the one that is meant to be counted.
    fn new(path: &Path, request: &str, at_once: usize) -> Self {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut buffer = [0; 16 * 1024];
        let length = stream.read(&mut buffer).unwrap();
        let reply = str::from_utf8(&buffer[..length]).unwrap();
        for part in ["\"code\":\"VALID\"", "\"freshness\":\"fresh\"", "}}"] {
            assert!(reply.contains(part), "not a warm, valid verdict: {reply}");
        }
        let sent = request.repeat(at_once).into_bytes();
        Self { stream, sent, replies: vec![0; length * at_once] }
    }

    fn ask(&mut self) {
        self.stream.write_all(&self.sent).unwrap();
        self.stream.read_exact(&mut self.replies).unwrap();
    }
}
