//! How floating seats end that nobody gives back: by a sale, by a chain that is away for too long, by a thousand deaths.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::seats::{holder, pool, stage, two_seats, wait_until_used};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};

/// Tells what happens to all seats.
struct Told {
    line: Line,
}

impl Told {
    fn subscribe(stage: &Stage) -> Self {
        let mut line = Line::connect(&stage.daemon.admin_socket());
        line.call("seat_subscribe", &json!({"product": ACME})).unwrap();
        Self { line }
    }

    fn next(&mut self) -> Value {
        self.line.hear().expect("the subscription goes on")["params"]["result"].take()
    }

    /// All that is told, read as it comes: who does not read is let go of.
    fn gathered(mut self) -> Receiver<Value> {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            while let Some(mut news) = self.line.hear_within(Duration::from_secs(3_600)) {
                if tell.send(news["params"]["result"].take()).is_err() {
                    break;
                }
            }
        });
        told
    }

    /// The next that is not of a seat being granted.
    fn next_loss(&mut self) -> Value {
        loop {
            let told = self.next();
            if told["event"] != "granted" {
                return told;
            }
        }
    }
}

#[test]
fn after_a_sale_the_newest_are_warned_and_end_later() {
    let stage = stage(|licence| two_seats(licence).seats("drain = \"5s\""));
    stage.mint(8);
    let mut told = Told::subscribe(&stage);
    let mut holders: Vec<_> = (0..4).map(|_| holder(&stage)).collect();
    eventually("both licences are counted", || {
        let seats: Vec<Value> = holders.iter_mut().map(|it| it.acquire(json!({}))).collect();
        if seats.iter().all(|it| it["granted"] == true) {
            Ok(())
        } else {
            Err(format!("{seats:?}"))
        }
    });
    let fence = |it: &Value| it["seat"]["fence"].as_u64().unwrap();
    let granted: Vec<u64> = (0..4).map(|_| fence(&told.next())).collect();
    stage.give_away(8);
    let warned = [told.next_loss(), told.next_loss()];
    assert!(warned.iter().all(|it| it["event"] == "warned"), "{warned:?}");
    let mut newest = granted[2..].to_vec();
    let mut of_warned = warned.each_ref().map(fence);
    of_warned.sort_unstable();
    newest.sort_unstable();
    assert_eq!(of_warned.as_slice(), newest, "the newest: {warned:?}");
    assert!(warned[0]["seat"]["ends_at"].is_string(), "{warned:?}");
    assert_eq!(holder(&stage).acquire(json!({}))["code"], "DRAINING");
    let ended = [told.next_loss(), told.next_loss()];
    for it in &ended {
        assert_eq!((&it["event"], &it["reason"]), (&json!("ended"), &json!("capacity")), "{it}");
    }
    assert_eq!((&pool(&stage)["used"], &pool(&stage)["capacity"]), (&json!(2), &json!(2)));
}

#[test]
fn what_is_sold_and_bought_again_in_time_ends_nothing() {
    let stage = stage(|licence| two_seats(licence).seats("drain = \"1h\""));
    let mut told = Told::subscribe(&stage);
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    stage.give_away(7);
    assert_eq!(told.next_loss()["event"], "warned");
    stage.give_back(7);
    let told = told.next_loss();
    assert_eq!((&told["event"], &told["seat"]["state"]), (&json!("reprieved"), &json!("held")));
}

#[test]
fn while_the_chain_is_away_seats_end_with_the_grace_and_not_before() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = two_seats(&licence).set("grace", "\"15s\"");
    let settings = Settings::new([proxy.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    let mut told = Told::subscribe(&stage);
    let mut program = holder(&stage);
    // Grace is counted from the newest block.
    stage.anvil.mine(1);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    proxy.fault(Fault::too_many_requests_for_a_minute());
    let grace = stage.daemon.wait_for(ACME, "in grace", |it| it["code"] == "GRACE");
    assert_eq!(program.acquire(json!({}))["granted"], true, "{grace}");
    assert_eq!(told.next()["event"], "granted");
    let ended = told.next();
    assert_eq!((&ended["event"], &ended["reason"]), (&json!("ended"), &json!("evidence_expired")));
    assert_ne!(stage.daemon.code(ACME), "GRACE", "its grace was over");
    assert_eq!(program.acquire(json!({}))["code"], "UNDETERMINED");
}

#[test]
fn a_deactivated_customer_loses_its_seats_of_the_machine_too() {
    let stage = Stage::with(|licence| two_seats(licence).seats("drain = \"1h\""));
    let uid = nix::unistd::getuid().as_raw();
    let made = stage.daemon.admin("customer_create", json!({"name": "Ada", "uids": [uid]}));
    stage.daemon.link_for(&stage.wallet, "machine");
    let stage = stage.enter(7);
    let mut told = Told::subscribe(&stage);
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(told.next()["pool"]["customer"], "machine");
    stage.daemon.admin("customer_deactivate", json!({"customer": made["id"]}));
    let ended = told.next();
    assert_eq!((&ended["event"], &ended["reason"]), (&json!("ended"), &json!("capacity")));
    assert_eq!(program.acquire(json!({}))["code"], "NOT_ENTITLED");
}

/// Seats that a thousand processes ask for.
const CAPACITY: u64 = 40;

/// Forks as many children as `argv[2]` says; each asks for a seat once, says its pid and whether it has one, and sleeps.
const MANY: &str = r#"
import json, os, socket, sys, time
ask = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "seat_acquire", "params": {"product": "acme-cad"}})
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        one = socket.socket(socket.AF_UNIX)
        one.connect(sys.argv[1])
        one.sendall((ask + "\n").encode())
        reply = json.loads(one.makefile().readline())
        os.write(1, ("%d %s\n" % (os.getpid(), reply["result"]["code"])).encode())
        time.sleep(600)
        os._exit(0)
while True:
    os.wait()
"#;

/// Hears until so many seats are held. At no instant there were more than there are, by what was told of it and by count.
fn hear_of(told: &Receiver<Value>, wanted: u64, held: &mut u64) {
    while *held != wanted {
        let news = told.recv_timeout(Duration::from_secs(60)).expect("all of it is told");
        let used = news["pool"]["used"].as_u64().unwrap();
        *held = match news["event"].as_str() {
            Some("granted") => *held + 1,
            Some("ended") => *held - 1,
            other => panic!("{other:?}: {news}"),
        };
        assert!(used <= CAPACITY && *held <= CAPACITY, "{held} and {used} of {CAPACITY}: {news}");
    }
}

#[test]
fn of_a_thousand_processes_that_die_no_seat_is_lost_and_none_is_given_twice() {
    const ROUNDS: usize = 20;
    let stage = stage(|licence| {
        ProductFile::new(ACME).tier("pro", 20, &format!("seats = {CAPACITY}")).grant(
            "pro",
            &licence.collection(),
            r#"tokens_of = "enumerable""#,
        )
    });
    // The first asks how many there are.
    let mut first = holder(&stage);
    let seat = first.acquire(json!({}));
    first.call("seat_release", &json!({"seat": seat["seat"]}));
    // All that happens from now on, each with how many were used at that instant.
    let told = Told::subscribe(&stage).gathered();
    let socket = stage.daemon.socket();
    let spawn = |count: usize| {
        let mut command = Command::new("python3");
        let command = command.args(["-c", MANY]).arg(&socket).arg(count.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Vec<String> = lines.map(Result::unwrap).take(count).collect();
        (child, said)
    };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = move |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(end).unwrap()).unwrap()
    };
    let mut parents = Vec::new();
    let mut alive: Vec<i32> = Vec::new();
    let begun = Instant::now();
    let mut held = 0;
    for round in 0..ROUNDS {
        let (parent, said) = spawn(50);
        parents.push(parent);
        for line in &said {
            let (pid, code) = line.split_once(' ').unwrap();
            match code {
                "GRANTED" => alive.push(pid.parse().unwrap()),
                "SEATS_FULL" => kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap(),
                other => panic!("{other}"),
            }
        }
        assert_eq!(alive.len() as u64, CAPACITY, "round {round}: as many as there are");
        assert_eq!(pool(&stage)["used"], CAPACITY, "round {round}");
        for _ in 0..1 + dice(alive.len() - 1) {
            let dead = alive.swap_remove(dice(alive.len()));
            kill(Pid::from_raw(dead), Signal::SIGKILL).unwrap();
            let used = pool(&stage)["used"].as_u64().unwrap();
            assert!(used <= CAPACITY, "{used} of {CAPACITY}");
        }
        wait_until_used(&stage, alive.len() as u64);
        hear_of(&told, alive.len() as u64, &mut held);
    }
    assert!(begun.elapsed() < Duration::from_secs(120), "it does not hang");
    for pid in alive {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    wait_until_used(&stage, 0);
    for mut parent in parents {
        parent.kill().unwrap();
        parent.wait().unwrap();
    }
}
