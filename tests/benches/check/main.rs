//! What a check costs a program and the machine, each figure beside a floor or a peer in the same run.
//!
//! The real daemon with a real chain and a held licence. Beside it stand an echo of the same bytes, an echo behind hyper
//! and Redis, each a process of its own. One question at a time is asked with client and servers on one processor, so
//! that a round trip is two context switches and the work in between; many at a time with the servers on the last
//! processor and the client on the others. Ends with an error when a round trip costs more than [`MOST`] times the echo's;
//! the table of `docs/performance.md` judges the rest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures, and there is nobody to report an error to"
)]
#![allow(dead_code, unreachable_pub, reason = "the tests' support offers more than is used here")]

mod asking;
mod chain;
mod fleet;
mod gateway;
mod holders;
mod ledger;
mod memory;
mod page;
mod peers;
#[path = "../report.rs"]
mod report;
mod rounds;
mod seats;
mod starts;
#[path = "../../support/mod.rs"]
mod support;

use std::process::ExitCode;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use asking::{Connection, Question, ask_all, storm};
use peers::Peer;
use report::{Row, leave_out};
use rounds::{Compared, Plan, Side};
use support::anvil::Anvil;
use support::contract::Contract;
use support::daemon::Daemon;
use support::settings::{ProductFile, Settings};
use support::socket::Line;
use support::stage::ACME;
use support::wallet::Wallet;

const CONNECTIONS: usize = 16;
const PIPELINED: usize = 32;
/// Programs that ask at the same time.
const STORM: usize = 1_000;
/// The median may cost so many times the echo's.
const MOST: f64 = 1.5;
/// What a warm, valid verdict has in it.
const WARM: [&str; 2] = ["\"code\":\"VALID\"", "\"freshness\":\"fresh\""];

/// `BENCH_PARTS` names the parts to measure, with commas between: `check`, `gateway`, `chain`, `ledger`, `memory`, `seats`, `fleet`; and `page`, which is one of
/// `check` by itself. Without it, all.
fn is_wanted(part: &str) -> bool {
    std::env::var("BENCH_PARTS").map_or(true, |it| it.split(',').any(|it| it == part))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if peers::was_an_echo(&arguments) || fleet::has_taken_seats(&arguments) {
        return ExitCode::SUCCESS;
    }
    let needed = ["node_modules", "contracts/out/Licence.json"];
    let mut needed = needed.map(|it| support::tests_dir().join(it)).into_iter();
    if let Some(missing) = needed.find(|it| !it.exists()) {
        println!("skipped: {} is missing: run `make prepare`", missing.display());
        return ExitCode::SUCCESS;
    }
    may_open_many_files();
    if std::env::var("BENCH_PARTS").is_ok_and(|it| it == "page") {
        return alone();
    }
    let ratio = if is_wanted("check") { measure() } else { 0.0 };
    let parts: [(&str, fn()); 6] = [
        ("gateway", gateway::measure),
        ("chain", chain::measure),
        ("ledger", ledger::measure),
        ("memory", memory::measure_verdicts),
        ("seats", seats::measure),
        ("fleet", fleet::measure),
    ];
    parts.into_iter().filter(|it| is_wanted(it.0)).for_each(|it| it.1());
    if ratio > MOST {
        eprintln!("a warm check costs {ratio:.2} times an echo; it may cost {MOST}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The storm has a file for each program, here and in the daemon.
fn may_open_many_files() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(16 * 1024), hard).unwrap();
}

/// The row that needs nothing but a daemon that knows the answer.
fn alone() -> ExitCode {
    let (anvil, wallet) = (Anvil::start(), Wallet::numbered(1));
    let mut daemon = prepare(&anvil, &wallet, "");
    daemon.resume();
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    page::measure(&daemon);
    ExitCode::SUCCESS
}

/// Tells every figure of a warm daemon; returns the one that is judged.
fn measure() -> f64 {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let limits = format!(
        "[socket.limits]\nconnections = {}\nconnections_per_uid = {}",
        3 * STORM,
        3 * STORM
    );
    let mut daemon = prepare(&anvil, &wallet, &limits);
    starts::measure(&daemon);
    daemon.resume();
    memory::tell_idle(daemon.pid());
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");

    page::measure(&daemon);
    let desk = Desk::open(&mut daemon);
    let ratio = desk.one_by_one();
    desk.many();
    desk.storm();
    memory::tell_load(desk.pid, || desk.load());
    drop(desk);
    assert_eq!(daemon.code(ACME), "VALID", "what was measured is a licence in force");
    assert!(daemon.stop().success(), "it should stop cleanly:\n{}", daemon.log());
    storm_at_default_limits(&anvil, &wallet);
    threads(&anvil, &wallet);
    ratio
}

/// A daemon that will know a licence held by `wallet`, configured as in earnest: nothing but the socket has
/// anything to do while it is measured.
fn prepare(anvil: &Anvil, wallet: &Wallet, more: &str) -> Daemon {
    let licence = Contract::licence(anvil);
    licence.mint(anvil, wallet.address(), 7);
    let product = ProductFile::acme(&licence.collection()).set("refresh", "\"1h\"");
    let settings = Settings::new([anvil.url()]).product(product).more(more);
    let daemon = Daemon::prepare(&settings);
    let config = settings.text(daemon.home());
    let seldom = config.replace("poll = \"100ms\"", "poll = \"12s\"");
    assert_ne!(config, seldom, "the tests ask the chain often");
    daemon.write_config(&seldom);
    daemon
}

fn raw_request() -> Vec<u8> {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"entitlement_check\",\"params\":{{\"product\":\"{ACME}\"}}}}\n"
    )
    .into_bytes()
}

fn http_request() -> Vec<u8> {
    let body = raw_request();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

/// The daemon, what stands beside it, and the questions to each.
struct Desk {
    pid: i32,
    raw: Question,
    http: Question,
    echo: Peer,
    everywhere: CpuSet,
}

impl Desk {
    fn open(daemon: &mut Daemon) -> Self {
        let raw = Question::new(&daemon.socket(), raw_request(), &WARM);
        let http = Question::new(&daemon.socket(), http_request(), &WARM);
        println!("request {} bytes, reply {} bytes", raw.request_bytes(), raw.reply_bytes());
        let everywhere = sched_getaffinity(Pid::this()).unwrap();
        let desk = Self { pid: daemon.pid(), raw, http, echo: Peer::echo(), everywhere };
        for pid in [desk.pid, desk.echo.pid()] {
            keep_on(pid, &last_of(&desk.everywhere));
        }
        desk
    }

    fn ours<'a>(&self, go: impl FnMut() + 'a) -> Side<'a> {
        Side { pid: self.pid, go: Box::new(go) }
    }

    fn echo<'a>(&self, go: impl FnMut() + 'a) -> Side<'a> {
        Side { pid: self.echo.pid(), go: Box::new(go) }
    }

    /// Asks one after the other. Returns the ratio of the medians of the raw one.
    fn one_by_one(&self) -> f64 {
        keep_on(Pid::this().as_raw(), &last_of(&self.everywhere));
        let floor = self.raw.to_echo(&self.echo.path());
        let plan = Plan { rounds: 7, blocks: 8, block: 500, requests: 1 };
        let (mut ours, mut peer) = (self.raw.connect(1), floor.connect(1));
        let raw = plan.play(self.ours(|| ours.ask()), self.echo(|| peer.ask()));
        raw.tell_latency("raw");

        let hyper = Peer::http_echo(self.raw.reply_bytes());
        keep_on(hyper.pid(), &last_of(&self.everywhere));
        let floor = Question::new(&hyper.path(), http_request(), &["xxx"]);
        let (mut ours, mut peer) = (self.http.connect(1), floor.connect(1));
        let beside = Side { pid: hyper.pid(), go: Box::new(|| peer.ask()) };
        plan.play(self.ours(|| ours.ask()), beside).tell_latency("http");

        let floor = self.raw.to_echo(&self.echo.path());
        let plan = Plan { block: 100, ..plan };
        let (ours, peer) = (|| self.raw.connect(1).ask(), || floor.connect(1).ask());
        plan.play(self.ours(ours), self.echo(peer)).tell_latency("connect");
        keep_on(Pid::this().as_raw(), &self.everywhere);
        raw.ratio.p50
    }

    /// Many connections, with one and with many questions at a time, beside Redis.
    fn many(&self) {
        let Some((redis, get)) = Peer::redis(self.raw.reply_bytes()) else {
            leave_out("sixteen", "redis-server is not installed");
            leave_out("pipelined", "redis-server is not installed");
            return;
        };
        keep_on(redis.pid(), &last_of(&self.everywhere));
        keep_on(Pid::this().as_raw(), &all_but_the_last(&self.everywhere));
        for (id, at_once, block) in [("sixteen", 1, 400), ("pipelined", PIPELINED, 100)] {
            let mut ours: Vec<Connection> = self.raw.connections(CONNECTIONS, at_once);
            let mut peer = get.connections(CONNECTIONS, at_once);
            let requests = CONNECTIONS * at_once;
            let plan = Plan { rounds: 7, blocks: 6, block, requests };
            let beside = Side { pid: redis.pid(), go: Box::new(|| ask_all(&mut peer)) };
            let compared: Compared = plan.play(self.ours(|| ask_all(&mut ours)), beside);
            compared.tell_throughput(id);
        }
        keep_on(Pid::this().as_raw(), &self.everywhere);
    }

    /// Programs that all start at once. What counts is when the last has its answer.
    fn storm(&self) {
        keep_on(Pid::this().as_raw(), &all_but_the_last(&self.everywhere));
        let floor = self.raw.to_echo(&self.echo.path());
        let plan = Plan { rounds: 9, blocks: 1, block: 1, requests: STORM };
        let (ours, peer) = (|| storm(&self.raw, STORM), || storm(&floor, STORM));
        plan.play(self.ours(ours), self.echo(peer)).tell_latency("storm");
        keep_on(Pid::this().as_raw(), &self.everywhere);
    }

    /// Ten million checks.
    fn load(&self) {
        let mut connections = self.raw.connections(CONNECTIONS, PIPELINED);
        let goes = 10_000_000 / (CONNECTIONS * PIPELINED);
        (0..goes).for_each(|_| ask_all(&mut connections));
    }
}

/// The same storm where limits are what they are if nobody sets them: whoever is refused is told so, and is answered
/// when it asks again.
fn storm_at_default_limits(anvil: &Anvil, wallet: &Wallet) {
    let mut daemon = prepare(anvil, wallet, "");
    daemon.resume();
    daemon.link(wallet);
    daemon.wait_for_code(ACME, "VALID");
    let (mut waiting, mut rounds, mut refused) = (STORM, 0, 0);
    while waiting > 0 && rounds < 100 {
        let mut lines: Vec<Line> =
            (0..waiting).map(|_| Line::try_connect(&daemon.socket()).unwrap()).collect();
        let ask = String::from_utf8(raw_request()).unwrap();
        lines.iter_mut().for_each(|it| it.say(ask.as_bytes()));
        let mut answered = 0;
        for line in &mut lines {
            let reply = line.hear().expect("whoever connects is told something");
            match reply["error"]["code"].as_i64() {
                None => answered += usize::from(reply["result"]["code"] == "VALID"),
                Some(_) => assert_eq!(reply["error"]["data"]["code"], "LIMIT_EXCEEDED", "{reply}"),
            }
        }
        (waiting, rounds, refused) = (waiting - answered, rounds + 1, refused + waiting - answered);
    }
    let ours =
        format!("{refused} refusals, all told; {} served after {rounds} rounds", STORM - waiting);
    let judged = [("not served", waiting as f64)];
    Row { id: "storm_default", ours, peer: String::new(), processor: None, judged: &judged }.tell();
    assert!(daemon.stop().success(), "it should stop cleanly:\n{}", daemon.log());
}

/// A daemon whose connections have more threads, beside one with one: what a request costs must not grow. All threads are on
/// one processor, so that it is their work that is compared, and not what the machine has besides; and many requests come at
/// a time, as they do where one thread is not enough: else it would be switching between threads that is measured.
fn threads(anvil: &Anvil, wallet: &Wallet) {
    let everywhere = sched_getaffinity(Pid::this()).unwrap();
    let start = |threads: usize| {
        let mut daemon = prepare(anvil, wallet, "");
        let config = std::fs::read_to_string(daemon.config()).unwrap();
        let with = format!("[socket]\nthreads = {threads}\n");
        daemon.write_config(&config.replacen("[socket]\n", &with, 1));
        daemon.resume();
        daemon.link(wallet);
        daemon.wait_for_code(ACME, "VALID");
        keep_on(daemon.pid(), &last_of(&everywhere));
        daemon
    };
    keep_on(Pid::this().as_raw(), &all_but_the_last(&everywhere));
    let mut one = start(1);
    let of_one = Question::new(&one.socket(), raw_request(), &WARM);
    let (mut ratios, mut ours, mut peer) = (Vec::new(), Vec::new(), 0.0);
    for threads in [2, 4, 8] {
        let mut many = start(threads);
        let of_many = Question::new(&many.socket(), raw_request(), &WARM);
        let mut here = of_many.connections(CONNECTIONS, PIPELINED);
        let mut there = of_one.connections(CONNECTIONS, PIPELINED);
        let requests = CONNECTIONS * PIPELINED;
        let plan = Plan { rounds: 5, blocks: 4, block: 100, requests };
        let beside = Side { pid: one.pid(), go: Box::new(|| ask_all(&mut there)) };
        let own = Side { pid: many.pid(), go: Box::new(|| ask_all(&mut here)) };
        let compared = plan.play(own, beside);
        ours.push(format!("{:.2}", compared.ours.processor));
        ratios.push(compared.ratio.processor);
        peer = compared.peer.processor;
    }
    keep_on(Pid::this().as_raw(), &everywhere);
    Row {
        id: "threads",
        ours: format!("{} µs with 2 / 4 / 8", ours.join(" / ")),
        peer: format!("{peer:.2} µs"),
        processor: None,
        judged: &[("processor", ratios.into_iter().fold(0.0, f64::max))],
    }
    .tell();
}

fn last_of(allowed: &CpuSet) -> CpuSet {
    only(&[*numbers(allowed).last().unwrap()])
}

/// The same where there is only one.
fn all_but_the_last(allowed: &CpuSet) -> CpuSet {
    match &numbers(allowed)[..] {
        [others @ .., _] if !others.is_empty() => only(others),
        all => only(all),
    }
}

fn numbers(of: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|it| of.is_set(*it).unwrap()).collect()
}

fn only(numbers: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    numbers.iter().for_each(|it| set.set(*it).unwrap());
    set
}

/// Keeps every thread of a process, and those it will start, on `processors`.
fn keep_on(pid: i32, processors: &CpuSet) {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread: i32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        // A thread may have ended meanwhile.
        let _ended = sched_setaffinity(Pid::from_raw(thread), processors);
    }
}
