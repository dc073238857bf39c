//! What a warm answer costs on the socket, as a ratio to a bare echo of the same sizes in the same run.
//!
//! Server and client are two threads on one processor, so that every round trip pays for its two context switches and
//! nothing else is measured but work. Blocks of both alternate, so that a disturbed machine disturbs both.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and there is nobody to report an error to"
)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entitled::rpc::call::answers::{Answers, Page};
use entitled::rpc::socket::doors::Doors;
use entitled::rpc::socket::limits::Limits;
use entitled::rpc::socket::listen;
use entitled_core::domain::peer::Peer;
use futures_util::future::BoxFuture;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUND_TRIPS: usize = 20_000;
const BLOCK: usize = 500;
const PIPELINED: usize = 32;
const RESULT_BYTES: usize = 700;

/// Answers everything at once with a verdict-sized result.
struct Warm(Vec<u8>);

impl Answers for Warm {
    fn methods(&self) -> jsonrpsee::Methods {
        jsonrpsee::Methods::new()
    }

    fn answer_at_once(
        &self,
        _: &Peer,
        method: &str,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool {
        let known = method == "entitlement_check" && params.is_some();
        if known {
            out.extend_from_slice(&self.0);
        }
        known
    }

    fn page(&self, _: &str, _: &str) -> BoxFuture<'static, Option<Page>> {
        Box::pin(async { None })
    }
}

/// Reads requests of a known length and answers each with as many bytes as the real reply has.
async fn echo(listener: tokio::net::UnixListener, request: usize, reply: usize) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut buffer, answer) = (vec![0; 64 * 1024], vec![b'x'; reply * PIPELINED]);
            let mut unanswered = 0;
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                unanswered += count;
                let whole = unanswered / request;
                unanswered %= request;
                if stream.write_all(&answer[..whole * reply]).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// One way of asking: what is sent, and how many bytes come back for it.
struct Way {
    stream: UnixStream,
    sent: Vec<u8>,
    replies: Vec<u8>,
}

impl Way {
    fn new(path: &Path, sent: Vec<u8>, reply: usize) -> Self {
        Self { stream: UnixStream::connect(path).unwrap(), sent, replies: vec![0; reply] }
    }

    fn once(&mut self) -> Duration {
        let begun = Instant::now();
        self.stream.write_all(&self.sent).unwrap();
        self.stream.read_exact(&mut self.replies).unwrap();
        begun.elapsed()
    }

    fn block(&mut self, into: &mut Vec<Duration>) {
        into.extend((0..BLOCK).map(|_| self.once()));
    }
}

/// Takes turns; gives both medians in microseconds.
fn compare(ours: &mut Way, floor: &mut Way, round_trips: usize) -> (f64, f64) {
    for _ in 0..BLOCK {
        ours.once();
        floor.once();
    }
    let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
    while of_ours.len() < round_trips {
        ours.block(&mut of_ours);
        floor.block(&mut of_floor);
    }
    (median(&mut of_ours), median(&mut of_floor))
}

fn median(of: &mut [Duration]) -> f64 {
    of.sort_unstable();
    of[of.len() / 2].as_secs_f64() * 1e6
}

/// Keeps this thread, and those it starts, on one processor.
fn stay_on_one_processor() {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let last = (0..CpuSet::count()).rev().find(|it| allowed.is_set(*it).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(last).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

fn serve(home: &Path, result: Vec<u8>, request: usize, reply: usize) {
    let listen_at = |name: &str| UnixListener::bind(home.join(name)).unwrap();
    let doors = Doors::of(listen_at("entitled"), listen_at("admin"), None);
    let floor = listen_at("echo");
    floor.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let floor = tokio::net::UnixListener::from_std(floor).unwrap();
            tokio::spawn(echo(floor, request, reply));
            let stop = std::future::pending();
            listen::serve(doors, Arc::new(Warm(result)), Limits::default(), stop).await
        })
    });
}

fn main() {
    stay_on_one_processor();
    let home = tempfile::tempdir().unwrap();
    let request =
        br#"{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"acme-cad"}}"#;
    let request = [&request[..], b"\n"].concat();
    let result = format!(
        r#"{{"product":"acme-cad","valid":true,"detail":"{}"}}"#,
        "x".repeat(RESULT_BYTES - 48)
    );
    let reply = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}\n").len();
    serve(home.path(), result.into_bytes(), request.len(), reply);
    let (ours, floor) = (home.path().join("entitled"), home.path().join("echo"));

    let mut raw = Way::new(&ours, request.clone(), reply);
    let mut bare = Way::new(&floor, request.clone(), reply);
    let (of_ours, of_floor) = compare(&mut raw, &mut bare, ROUND_TRIPS);
    println!(
        "request {} bytes, reply {reply} bytes, median of {ROUND_TRIPS} round trips",
        request.len()
    );
    println!(
        "raw       {of_ours:8.2} us   echo {of_floor:8.2} us   ratio {:.3}",
        of_ours / of_floor
    );

    let many = request.repeat(PIPELINED);
    let mut raw = Way::new(&ours, many.clone(), reply * PIPELINED);
    let mut bare = Way::new(&floor, many, reply * PIPELINED);
    let (of_ours, of_floor) = compare(&mut raw, &mut bare, ROUND_TRIPS / 4);
    let each = |it: f64| it / PIPELINED as f64;
    println!(
        "pipelined {:8.3} us   echo {:8.3} us   ratio {:.3}   per request, {PIPELINED} at a time",
        each(of_ours),
        each(of_floor),
        of_ours / of_floor
    );

    let body = &request[..request.len() - 1];
    let head =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
    let http = [format!("{head} {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let mut first = UnixStream::connect(&ours).unwrap();
    first.write_all(&http).unwrap();
    let mut buffer = [0; 4096];
    let length = first.read(&mut buffer).unwrap();
    let mut http = Way::new(&ours, http, length);
    let mut bare = Way::new(&floor, request, reply);
    let (of_ours, of_floor) = compare(&mut http, &mut bare, ROUND_TRIPS / 4);
    println!(
        "HTTP/1.1  {of_ours:8.2} us   echo {of_floor:8.2} us   ratio {:.3}",
        of_ours / of_floor
    );
}
