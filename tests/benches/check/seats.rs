//! Floating seats: what one costs beside a check, how soon it is free when its process is killed, and what many of them take.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::asking::Question;
use crate::holders::{Holders, Program, wait_for_end};
use crate::memory::resident;
use crate::report::{Row, leave_out, median};
use crate::rounds::{Plan, Side};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;
use crate::{WARM, keep_on, last_of, raw_request};
use nix::sched::sched_getaffinity;
use nix::unistd::Pid;

/// The product with as many seats as anybody takes.
const MANY: &str = "many";
/// So many are held, or as many as the machine's limit of descriptors allows.
const MOST_HELD: usize = 10_000;
const KILLED: usize = 1_000;
/// Of the daemon's descriptors a quarter may be processes', and of a user other than root half of that.
const DESCRIPTORS: u64 = 96 * 1024;
/// Processes that are watched besides.
const SPARE: usize = 16;
const ROUNDS: usize = 5;
const KILLS: usize = 100;
pub const NO_LIMITS: &str = "[socket.limits]\nrequests_per_second = 1000000\nburst = 1000000";
const ROWS: [&str; 3] = ["seat_free", "seats_held", "seats_used"];

pub fn measure() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let descriptors = hard.min(DESCRIPTORS);
    setrlimit(Resource::RLIMIT_NOFILE, descriptors, hard).unwrap();
    let share = if nix::unistd::geteuid().is_root() { 4 } else { 8 };
    let held = MOST_HELD.min(usize::try_from(descriptors / share).unwrap() - SPARE);
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    let product = |id: &str, seats: usize| {
        let tier = format!("seats = {seats}\nfeatures = {{ export = true }}");
        let product = ProductFile::new(id).tier("pro", 20, &tier).set("refresh", "\"1h\"");
        product.grant("pro", &licence.collection(), r#"tokens_of = "enumerable""#)
    };
    let settings = Settings::new([anvil.url()]).product(product(ACME, 1));
    let settings = settings.product(product(MANY, 2 * MOST_HELD)).more(NO_LIMITS);
    let mut daemon = Daemon::prepare(&settings);
    daemon.write_config(&settings.text(daemon.home()).replace("\"100ms\"", "\"12s\""));
    daemon.resume();
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    daemon.wait_for_code(MANY, "VALID");
    one(&mut daemon);
    let Some(program) = Program::compiled() else {
        return ROWS.iter().for_each(|it| leave_out(it, "cc is not installed"));
    };
    freed(&daemon, &program);
    many(&mut daemon, &program, held);
}

fn acquire(product: &str, more: &Value) -> String {
    let mut params = json!({"product": product});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"jsonrpc": "2.0", "id": 1, "method": "seat_acquire", "params": params}).to_string()
}

/// A connection that takes a seat and gives it back, and looks at no more of the answers than it has to.
struct Asker {
    stream: BufReader<UnixStream>,
    request: String,
    reply: String,
}

impl Asker {
    fn connect(socket: &Path, product: &str) -> Self {
        let stream = BufReader::new(UnixStream::connect(socket).unwrap());
        let request = acquire(product, &json!({})) + "\n";
        Self { stream, request, reply: String::new() }
    }

    fn exchange(&mut self) {
        self.stream.get_mut().write_all(self.request.as_bytes()).unwrap();
        self.reply.clear();
        self.stream.read_line(&mut self.reply).unwrap();
    }

    fn take_and_give_back(&mut self) {
        self.exchange();
        let (_, rest) = self.reply.split_once("\"seat\":\"").expect("a seat was given");
        let (seat, _) = rest.split_once('"').unwrap();
        let release = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"seat_release\",\"params\":{{\"seat\":\"{seat}\"}}}}\n"
        );
        let acquire = std::mem::replace(&mut self.request, release);
        self.exchange();
        assert!(self.reply.contains("\"released\":true"), "{}", self.reply);
        self.request = acquire;
    }
}

/// Two requests that go through the keeper and are written down, beside a check that does neither.
fn one(daemon: &mut Daemon) {
    let everywhere = sched_getaffinity(Pid::this()).unwrap();
    let pid = daemon.pid();
    for process in [pid, Pid::this().as_raw()] {
        keep_on(process, &last_of(&everywhere));
    }
    let check = Question::new(&daemon.socket(), raw_request(), &WARM);
    let (mut program, mut peer) = (Asker::connect(&daemon.socket(), ACME), check.connect(1));
    let plan = Plan { rounds: 7, blocks: 8, block: 200, requests: 1 };
    let ours = Side { pid, go: Box::new(|| program.take_and_give_back()) };
    let beside = Side { pid, go: Box::new(|| peer.ask()) };
    plan.play(ours, beside).tell_latency("seat");
    for process in [pid, Pid::this().as_raw()] {
        keep_on(process, &everywhere);
    }
}

/// Milliseconds, the least first.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn note(&mut self, since: std::time::Instant) {
        self.0.push(since.elapsed().as_secs_f64() * 1e3);
    }

    fn at(&mut self, hundredths: usize) -> f64 {
        self.0.sort_unstable_by(f64::total_cmp);
        self.0[(self.0.len() - 1) * hundredths / 100]
    }

    fn told(&mut self) -> String {
        format!("{:.2} / {:.2} ms", self.at(50), self.at(99))
    }
}

/// The pool has one seat, for which somebody waits: from the kill of its holder until who waits has the answer. The floor is
/// another process that is killed, and somebody who has its descriptor.
fn freed(daemon: &Daemon, program: &Program) {
    let waiter = RefCell::new(Line::connect(&daemon.socket()));
    let mut idle = program.start(&daemon.socket(), "", ROUNDS * KILLS);
    let (mut ours, mut floor, mut ratios) =
        (Times::default(), Times::default(), [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        let (mut round, mut beside) = (Times::default(), Times::default());
        for _ in 0..KILLS {
            let descriptor = idle.descriptor(0);
            let begun = idle.kill_one(0);
            wait_for_end(&descriptor);
            beside.note(begun);

            let mut holder = program.start(&daemon.socket(), &acquire(ACME, &json!({})), 1);
            let mut waiter = waiter.borrow_mut();
            waiter.ask("seat_acquire", &json!({"product": ACME, "wait_ms": 60_000}));
            wait_until_waiting(daemon);
            let begun = holder.kill_one(0);
            let granted = waiter.hear().expect("an answer");
            round.note(begun);
            assert_eq!(granted["result"]["code"], "GRANTED", "{granted}");
            let seat = json!({"seat": granted["result"]["seat"]});
            waiter.call("seat_release", &seat).unwrap();
        }
        for (ratios, hundredths) in ratios.iter_mut().zip([50, 99]) {
            ratios.push(round.at(hundredths) / beside.at(hundredths));
        }
        ours.0.append(&mut round.0);
        floor.0.append(&mut beside.0);
    }
    let [p50, p99] = ratios.map(median);
    let judged = [("p50", p50), ("p99", p99), ("p99 ms", ours.at(99))];
    Row {
        id: "seat_free",
        ours: ours.told(),
        peer: floor.told(),
        processor: None,
        judged: &judged,
    }
    .tell();
}

fn wait_until_waiting(daemon: &Daemon) {
    eventually("somebody waits", || {
        let list = daemon.admin("seat_list", json!({"product": ACME}));
        let waits = |it: &Value| it["waiting"] == 1;
        let pools = list["pools"].as_array().unwrap();
        if pools.iter().any(waits) { Ok(()) } else { Err(list.to_string()) }
    });
}

fn descriptors(pid: i32) -> f64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as f64
}

/// So many processes hold a seat each; then some of them are killed, one after the other, wherever they are.
fn many(daemon: &mut Daemon, program: &Program, held: usize) {
    let pid = daemon.pid();
    let before = (resident(pid), descriptors(pid));
    let mut holders = program.start(&daemon.socket(), &acquire(MANY, &json!({})), held);
    let grown = |now: f64, before: f64| (now - before) / held as f64;
    let (bytes, files) = (grown(resident(pid), before.0), grown(descriptors(pid), before.1));
    Row {
        id: "seats_held",
        ours: format!("{held} held: {bytes:.0} bytes, {files:.2} descriptors"),
        peer: String::new(),
        processor: None,
        judged: &[("bytes", bytes), ("descriptors", files)],
    }
    .tell();
    killed(daemon, &mut holders);
}

/// Until who subscribes is told that the seat has ended: from then on `used` is what lives.
fn killed(daemon: &Daemon, holders: &mut Holders) {
    let mut line = Line::connect(&daemon.socket());
    line.call("seat_subscribe", &json!({"product": MANY})).unwrap();
    let (mut ours, mut which) = (Times::default(), 7);
    for _ in 0..KILLED {
        // Any of them, and the same ones in each run.
        which = (which * 1_103_515_245 + 12_345) % (1 << 31);
        let victim = which % holders.processes.len();
        let begun = holders.kill_one(victim);
        let told = line.hear().expect("it is told");
        ours.note(begun);
        let news = &told["params"]["result"];
        assert_eq!(
            (&news["event"], &news["reason"]),
            (&json!("ended"), &json!("exited")),
            "{told}"
        );
    }
    let list = daemon.admin("seat_list", json!({"product": MANY, "limit": 1}));
    let used: u64 =
        list["pools"].as_array().unwrap().iter().filter_map(|it| it["used"].as_u64()).sum();
    assert_eq!(used, holders.processes.len() as u64, "as many as live");
    let (p99, longest) = (ours.at(99), ours.at(100));
    Row {
        id: "seats_used",
        ours: format!("{:.2} / {p99:.2} / {longest:.2} ms", ours.at(50)),
        peer: String::new(),
        processor: None,
        judged: &[("longest ms", longest)],
    }
    .tell();
}
