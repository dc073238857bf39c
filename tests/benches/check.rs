//! What a warm `entitlement_check` costs a program, beside a bare echo of the same sizes in the same run.
//!
//! The real daemon with a real chain and a held licence. Client, daemon and echo are three processes on one
//! processor, so that a round trip is two context switches and the work in between, wherever the scheduler would
//! have put them; blocks of both alternate, so that a disturbed machine disturbs both. Ends with an error when the
//! median costs more than [`MOST`] times the echo's. Memory and the time to start are printed, not judged.

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

#[path = "check/echo.rs"]
mod echo;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use echo::Echo;
use support::anvil::Anvil;
use support::contract::Contract;
use support::daemon::Daemon;
use support::process::{Process, command};
use support::settings::{ProductFile, Settings};
use support::stage::ACME;
use support::wallet::Wallet;

const ROUND_TRIPS: usize = 20_000;
const CONNECTIONS: usize = 16;
const PIPELINED: usize = 32;
const STARTS: usize = 15;
/// The median may cost so many times the echo's.
const MOST: f64 = 1.5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, path] = &arguments[..]
        && role == echo::ROLE
    {
        echo::serve(Path::new(path));
        return ExitCode::SUCCESS;
    }
    let needed = ["node_modules", "contracts/out/Licence.json"];
    let mut needed = needed.map(|it| support::tests_dir().join(it)).into_iter();
    if let Some(missing) = needed.find(|it| !it.exists()) {
        println!("skipped: {} is missing: run `make prepare`", missing.display());
        return ExitCode::SUCCESS;
    }
    let ratio = measure();
    if ratio > MOST {
        eprintln!("a warm check costs {ratio:.2} times an echo; it may cost {MOST}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints every figure; returns the one that is judged.
fn measure() -> f64 {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let mut daemon = prepare(&anvil, &wallet);
    let floor = Echo::start();

    let first_start = time_to_answer(&daemon);
    daemon.resume();
    std::thread::sleep(Duration::from_secs(1));
    let idle = resident_memory(daemon.pid());
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");

    let ourselves = Pid::this().as_raw();
    let everywhere = sched_getaffinity(Pid::this()).unwrap();
    for pid in [daemon.pid(), floor.pid(), ourselves] {
        keep_on(pid, &last_of(&everywhere));
    }
    let pair = Pair { ours: daemon.socket(), floor: floor.path() };
    let ratio = pair.round_trips();
    pair.pipelined();
    pair.http();
    pair.connections();
    keep_on(ourselves, &everywhere);

    let loaded = resident_memory(daemon.pid());
    assert_eq!(daemon.code(ACME), "VALID", "what was measured is a licence in force");
    assert!(daemon.stop().success(), "it should stop cleanly:\n{}", daemon.log());
    println!("resident memory     before any check {idle:.1} MiB, after the load {loaded:.1} MiB");
    starts(&daemon, first_start);
    ratio
}

/// A daemon that will know a licence held by `wallet`, configured as in earnest: nothing but the socket has
/// anything to do while it is measured.
fn prepare(anvil: &Anvil, wallet: &Wallet) -> Daemon {
    let licence = Contract::licence(anvil);
    licence.mint(anvil, wallet.address(), 7);
    let product = ProductFile::acme(&licence.collection()).set("refresh", "\"10m\"");
    // Connections that were just closed still count for a moment.
    let room = format!("[socket.limits]\nconnections_per_uid = {}", 4 * CONNECTIONS);
    let settings = Settings::new([anvil.url()]).product(product).more(&room);
    let daemon = Daemon::prepare(&settings);
    let config = settings.text(daemon.home());
    let seldom = config.replace("poll = \"100ms\"", "poll = \"12s\"");
    assert_ne!(config, seldom, "the tests ask the chain often");
    daemon.write_config(&seldom);
    daemon
}

/// The same questions to the daemon and to the echo.
struct Pair {
    ours: PathBuf,
    floor: PathBuf,
}

impl Pair {
    /// Asks one after the other. Returns the ratio of the medians.
    fn round_trips(&self) -> f64 {
        let question = Question::new(&self.ours, raw_request());
        println!(
            "request {} bytes, reply {} bytes, {ROUND_TRIPS} round trips on one connection",
            question.sent.len(),
            question.reply
        );
        let (mut ours, mut floor) = (question.ask(&self.ours), question.ask_echo(&self.floor));
        let times = compare(ROUND_TRIPS, 500, || ours.once(), || floor.once());
        times.print("raw")
    }

    /// Many connections, on each many questions at a time.
    fn pipelined(&self) {
        let question = Question::new(&self.ours, raw_request()).repeated(PIPELINED);
        let connect =
            |way: &dyn Fn() -> Way| -> Vec<Way> { (0..CONNECTIONS).map(|_| way()).collect() };
        let mut ours = connect(&|| question.ask(&self.ours));
        let mut floor = connect(&|| question.ask_echo(&self.floor));
        let times = compare(1_000, 50, || all_at_once(&mut ours), || all_at_once(&mut floor));
        let ratio = times.print(&format!("{CONNECTIONS} x {PIPELINED} pipelined"));
        let each = (CONNECTIONS * PIPELINED) as f64;
        let ours = each / times.ours.median();
        println!("                    {ours:.2} million requests/s, echo {:.2}", ours * ratio);
    }

    fn http(&self) {
        let question = Question::new(&self.ours, http_request());
        let (mut ours, mut floor) = (question.ask(&self.ours), question.ask_echo(&self.floor));
        compare(ROUND_TRIPS / 4, 500, || ours.once(), || floor.once()).print("HTTP/1.1");
    }

    /// What a program does that asks at its start and never again.
    fn connections(&self) {
        let question = Question::new(&self.ours, raw_request());
        let ours = || question.ask(&self.ours).once();
        let floor = || question.ask_echo(&self.floor).once();
        compare(ROUND_TRIPS / 10, 100, ours, floor).print("connect, ask, close");
    }
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

/// What is sent, and how many bytes come back for it.
struct Question {
    sent: Vec<u8>,
    reply: usize,
}

impl Question {
    /// Asks once, to see the reply, which must be the one that is meant to be measured.
    fn new(path: &Path, sent: Vec<u8>) -> Self {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream.write_all(&sent).unwrap();
        let mut reply = Vec::new();
        // Ends with an error when nothing more comes.
        let _quiet = stream.read_to_end(&mut reply);
        let text = String::from_utf8(reply).unwrap();
        for part in ["\"code\":\"VALID\"", "\"freshness\":\"fresh\""] {
            assert!(text.contains(part), "not a warm, valid verdict: {text}");
        }
        Self { sent, reply: text.len() }
    }

    fn repeated(self, times: usize) -> Self {
        Self { sent: self.sent.repeat(times), reply: self.reply * times }
    }

    fn ask(&self, path: &Path) -> Way {
        let stream = UnixStream::connect(path).unwrap();
        Way {
            stream,
            next: self.sent.clone(),
            sent: self.sent.clone(),
            replies: vec![0; self.reply],
        }
    }

    /// The echo is told the sizes before the first question, in the same write.
    fn ask_echo(&self, path: &Path) -> Way {
        let sizes =
            [self.sent.len(), self.reply].map(|it| u32::try_from(it).unwrap().to_le_bytes());
        let mut way = self.ask(path);
        way.next = [sizes.as_flattened(), &self.sent].concat();
        way
    }
}

/// One connection and its question.
struct Way {
    stream: UnixStream,
    sent: Vec<u8>,
    /// What is sent next: the first time the echo's sizes too.
    next: Vec<u8>,
    replies: Vec<u8>,
}

impl Way {
    fn once(&mut self) {
        self.send();
        self.receive();
    }

    fn send(&mut self) {
        self.stream.write_all(&self.next).unwrap();
        self.next.clone_from(&self.sent);
    }

    fn receive(&mut self) {
        self.stream.read_exact(&mut self.replies).unwrap();
    }
}

fn all_at_once(ways: &mut [Way]) {
    ways.iter_mut().for_each(Way::send);
    ways.iter_mut().for_each(Way::receive);
}

/// How long each of many took, shortest first, in microseconds.
struct Times(Vec<f64>);

impl Times {
    fn new(mut times: Vec<f64>) -> Self {
        times.sort_unstable_by(f64::total_cmp);
        Self(times)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn p99(&self) -> f64 {
        self.0[self.0.len() * 99 / 100]
    }
}

struct Compared {
    ours: Times,
    floor: Times,
}

impl Compared {
    /// Prints a line; returns the ratio of the medians.
    fn print(&self, what: &str) -> f64 {
        let (ours, floor) = (&self.ours, &self.floor);
        let ratio = ours.median() / floor.median();
        println!(
            "{what:19} {:8.2} us (p99 {:8.2})   echo {:8.2} us (p99 {:8.2})   ratio {ratio:.3}",
            ours.median(),
            ours.p99(),
            floor.median(),
            floor.p99()
        );
        ratio
    }
}

/// Lets both take turns, after a block of each that does not count.
fn compare(
    times: usize,
    block: usize,
    mut ours: impl FnMut(),
    mut floor: impl FnMut(),
) -> Compared {
    let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
    while of_ours.len() < times + block {
        of_ours.extend((0..block).map(|_| timed(&mut ours)));
        of_floor.extend((0..block).map(|_| timed(&mut floor)));
    }
    Compared {
        ours: Times::new(of_ours.split_off(block)),
        floor: Times::new(of_floor.split_off(block)),
    }
}

fn timed(work: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e6
}

fn last_of(allowed: &CpuSet) -> CpuSet {
    let last = (0..CpuSet::count()).rev().find(|it| allowed.is_set(*it).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(last).unwrap();
    one
}

/// Keeps every thread of a process, and those it will start, on `processors`.
fn keep_on(pid: i32, processors: &CpuSet) {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread: i32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        // A thread may have ended meanwhile.
        let _ended = sched_setaffinity(Pid::from_raw(thread), processors);
    }
}

/// In MiB.
fn resident_memory(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The time from exec to the first answered request, beside the time a program takes that does nothing.
fn starts(daemon: &Daemon, first: f64) {
    let nothing = || {
        let done = command(Path::new("/bin/true")).status().unwrap();
        assert!(done.success(), "/bin/true failed");
    };
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        floor.push(timed(&mut { nothing }));
        ours.push(time_to_answer(daemon));
    }
    let (ours, floor) = (Times::new(ours).median() / 1e3, Times::new(floor).median() / 1e3);
    println!(
        "start to answer     {ours:.1} ms, the first start of all {:.1} ms, /bin/true {floor:.1} ms",
        first / 1e3
    );
}

/// Starts the daemon, has one question answered and stops it. In microseconds, without the stopping.
fn time_to_answer(daemon: &Daemon) -> f64 {
    let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_version\"}\n";
    let begun = Instant::now();
    let mut process = Process::start(daemon.command());
    let answered = || {
        let mut stream = UnixStream::connect(daemon.socket()).ok()?;
        stream.write_all(request).ok()?;
        stream.read(&mut [0; 1024]).ok().filter(|count| *count > 0)
    };
    while answered().is_none() {
        assert!(process.ended().is_none(), "it should start:\n{}", process.output().text());
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = begun.elapsed().as_secs_f64() * 1e6;
    process.signal(Signal::SIGTERM);
    process.wait();
    took
}
