//! Seats of a fleet: what one costs beside the bare transaction of etcd that it is made of, and how many there are in a second.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::report::{Row, leave_out, median};
use crate::seats::NO_LIMITS;
use crate::support::daemon::Daemon;
use crate::support::etcd::{Etcd, program};
use crate::support::fleet::Fleet;
use crate::support::http::Message;
use crate::support::process::command;
use crate::support::socket::Line;
use crate::support::stage::ACME;

/// As the first argument it makes this program one that takes seats, of the socket named by the second.
const TAKES: &str = "takes-seats";
const PROGRAMS: usize = 16;
const ROUNDS: usize = 5;
const BLOCKS: usize = 4;
const BLOCK: usize = 50;
const ROUND: Duration = Duration::from_secs(2);
const ROWS: [&str; 2] = ["fleet_seat", "fleet_rate"];

pub fn measure() {
    if program().is_none() {
        return ROWS.iter().for_each(|it| leave_out(it, "etcd is not installed"));
    }
    let Some(etcd) = Etcd::start(3) else { return };
    let fleet = Fleet::over(etcd, Duration::from_secs(30));
    let settings = fleet.settings("bench", 64, &fleet.etcd.endpoints()).more("");
    let mut daemon = Daemon::prepare(&settings);
    let config = settings.text(daemon.home());
    daemon.write_config(&config.replace("[fleet]", &format!("{NO_LIMITS}\n[fleet]")));
    daemon.resume();
    daemon.link(&fleet.wallet);
    daemon.wait_for_code(ACME, "VALID");
    let mut line = Line::connect(&daemon.socket());
    // Until the machine is in its fleet.
    let ask = json!({"product": ACME, "wait_ms": 60_000});
    give_back(&mut line, &ask);
    one_by_one(&mut line, &fleet.etcd);
    many(&daemon, &fleet.etcd);
}

/// Returns how long it took to be given.
fn give_back(line: &mut Line, ask: &Value) -> Duration {
    let begun = Instant::now();
    let seat = line.call("seat_acquire", ask).unwrap();
    let took = begun.elapsed();
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    line.call("seat_release", &json!({"seat": seat["seat"]})).unwrap();
    took
}

/// A connection to the gateway of a member, which makes a key where none is, and deletes it.
struct Bare {
    stream: BufReader<TcpStream>,
    key: String,
}

impl Bare {
    fn connect(etcd: &Etcd, number: usize) -> Self {
        let stream = TcpStream::connect(etcd.address(0)).unwrap();
        stream.set_nodelay(true).unwrap();
        let key = STANDARD.encode(format!("/bench/{number}"));
        Self { stream: BufReader::new(stream), key }
    }

    fn transact(&mut self, body: &Value) {
        let body = body.to_string();
        let head = format!(
            "POST /v3/kv/txn HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
        let reply = Message::read(&mut self.stream).unwrap().expect("an answer");
        let said = String::from_utf8_lossy(&reply.body);
        assert!(said.contains("\"succeeded\":true"), "{} {said}", reply.first);
    }

    /// Returns how long the first of the two took.
    fn make_and_delete(&mut self) -> Duration {
        let begun = Instant::now();
        self.transact(&json!({
            "compare": [{"key": self.key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}],
            "success": [{"request_put": {"key": self.key, "value": STANDARD.encode([b'x'; 60])}}],
        }));
        let took = begun.elapsed();
        self.transact(&json!({"success": [{"request_delete_range": {"key": self.key}}]}));
        took
    }
}

fn percentile(times: &mut [f64], hundredths: usize) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[(times.len() - 1) * hundredths / 100]
}

/// `seat_acquire` as the program sees it, beside the transaction that makes a key.
fn one_by_one(line: &mut Line, etcd: &Etcd) {
    let mut bare = Bare::connect(etcd, 0);
    let ask = json!({"product": ACME});
    let milliseconds = |it: Duration| it.as_secs_f64() * 1e3;
    let (mut all, mut ratios) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        let mut round = [Vec::new(), Vec::new()];
        for _ in 0..BLOCKS {
            round[0].extend((0..BLOCK).map(|_| milliseconds(give_back(line, &ask))));
            round[1].extend((0..BLOCK).map(|_| milliseconds(bare.make_and_delete())));
        }
        for (ratios, hundredths) in ratios.iter_mut().zip([50, 99]) {
            let [ours, peer] = [0, 1].map(|it| percentile(&mut round[it], hundredths));
            ratios.push(ours / peer);
        }
        (0..2).for_each(|it| all[it].append(&mut round[it]));
    }
    let [ours, peer] = all.map(|mut it| {
        format!("{:.1} / {:.1} ms", percentile(&mut it, 50), percentile(&mut it, 99))
    });
    let [p50, p99] = ratios.map(median);
    let judged = [("p50", p50), ("p99", p99)];
    Row { id: "fleet_seat", ours, peer, processor: None, judged: &judged }.tell();
}

/// Programs that take a seat and give it back, all of them at a time, beside as many connections that make a key and delete it.
fn many(daemon: &Daemon, etcd: &Etcd) {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let programs: Vec<_> = (0..PROGRAMS)
            .map(|_| {
                let mut program = command(&std::env::current_exe().unwrap());
                program.arg(TAKES).arg(daemon.socket()).stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let taken = programs.into_iter().map(|it| {
            let said = it.wait_with_output().unwrap().stdout;
            String::from_utf8(said).unwrap().trim().parse::<f64>().unwrap()
        });
        ours.push(taken.sum::<f64>());
        let made: f64 = std::thread::scope(|scope| {
            let connections: Vec<_> = (0..PROGRAMS)
                .map(|number| scope.spawn(move || in_a_second(bare(etcd, number))))
                .collect();
            connections.into_iter().map(|it| it.join().unwrap()).sum()
        });
        peer.push(made);
    }
    let ratio = median(ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect());
    Row {
        id: "fleet_rate",
        ours: format!("{:.0}/s", median(ours)),
        peer: format!("{:.0}/s", median(peer)),
        processor: None,
        judged: &[("rate", ratio)],
    }
    .tell();
}

fn bare(etcd: &Etcd, number: usize) -> impl FnMut() {
    let mut bare = Bare::connect(etcd, number);
    move || {
        bare.make_and_delete();
    }
}

/// How often a second it could be done.
fn in_a_second(mut go: impl FnMut()) -> f64 {
    let (begun, mut done) = (Instant::now(), 0.0);
    while begun.elapsed() < ROUND {
        go();
        done += 1.0;
    }
    done / begun.elapsed().as_secs_f64()
}

/// Whether the arguments make this program one that takes seats: then it was one, and has said how many in a second.
pub fn has_taken_seats(arguments: &[String]) -> bool {
    let [_, role, socket] = arguments else { return false };
    if role != TAKES {
        return false;
    }
    let mut line = Line::connect(Path::new(socket));
    let ask = json!({"product": ACME, "wait_ms": 60_000});
    let rate = in_a_second(|| {
        give_back(&mut line, &ask);
    });
    println!("{rate}");
    true
}
