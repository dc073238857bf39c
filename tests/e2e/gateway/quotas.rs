//! What one client, or whoever reaches the port for probes, uses up is nobody else's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket;
use serde_json::{Value, json};

use super::hostile::{PREFACE, asking, frame};
use crate::support::daemon::Daemon;
use crate::support::gateway::{
    Gateway, GatewayStage, TOKEN, client, connect_from, curl, everything,
};
use crate::support::{PATIENCE, eventually};

const LIMIT_EXCEEDED: i64 = -32005;
/// Types of frames (RFC 9113, 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

fn memory_of(stage: &GatewayStage) -> u64 {
    figure_of(stage, "VmRSS:")
}

/// In bytes.
fn figure_of(stage: &GatewayStage, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.gateway.pid())).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn the_requests_of_a_batch_count_also_where_nobody_waits_for_their_answers() {
    let few = client("few", "few", 2, "scopes = [\"entitlements\"]\nrate = 1\nburst = 8\n");
    let stage = GatewayStage::start(&format!("{}{few}", everything()));
    let batch = |request: Value| Value::from(vec![request; 32]);
    let notes = batch(json!({"jsonrpc": "2.0", "method": "system_version"}));
    let begun = Instant::now();
    let told = stage.gateway.post_as("few", "/rpc", &notes, &[]);
    assert_eq!((told.status, told.text.as_str()), (204, ""), "nobody waits for an answer");
    let asked = batch(json!({"jsonrpc": "2.0", "id": 1, "method": "system_version"}));
    let limited = stage.gateway.post_as("few", "/rpc", &asked, &[]);
    // All are used up, but for one a second since.
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap();
    let items = limited.body.as_array().map_or(&[][..], Vec::as_slice);
    let answered = items.iter().filter(|it| it["result"].is_object()).count();
    assert!([200, 429].contains(&limited.status) && answered <= most, "{answered}: {limited:?}");
    assert_eq!(stage.gateway.post_as(TOKEN, "/rpc", &asked, &[]).status, 200);
}

#[test]
fn what_a_client_asks_for_under_very_many_keys_takes_little_memory() {
    const KEYS: usize = 400;
    const LENGTH: usize = 60_000;
    let stage = GatewayStage::start(&everything());
    let body = json!({"label": "x".repeat(LENGTH)});
    let ask = |key: usize| {
        let key = format!("Idempotency-Key: key-{key}");
        let reply = stage.gateway.post_as(TOKEN, "/api/v1/wallets", &body, &["-H", &key]);
        assert!([400, 429].contains(&reply.status), "{reply:?}");
    };
    // What everything takes that is done for the first time.
    (0..20).for_each(ask);
    let before = memory_of(&stage);
    (20..20 + KEYS).for_each(ask);
    let grown = memory_of(&stage).saturating_sub(before);
    assert!(grown < (KEYS * LENGTH) as u64 / 4, "{grown} bytes");
}

#[test]
fn who_keeps_connections_to_the_port_for_probes_open_keeps_nobody_from_an_answer() {
    let stage = GatewayStage::start(&everything());
    let connect = |_| TcpStream::connect(("127.0.0.1", stage.gateway.probes)).unwrap();
    let _held: Vec<TcpStream> = (0..64).map(connect).collect();
    let url = format!("http://127.0.0.1:{}/livez", stage.gateway.probes);
    // All that there are would have their places, by turns, for longer.
    let told = curl(&[&url, "--max-time", "30"]);
    assert_eq!(told.status, 200, "{told:?}");
}

#[test]
fn who_comes_to_the_port_for_probes_again_and_again_takes_no_place_of_another_address() {
    let stage = GatewayStage::start(&everything());
    let mut own = connect_from(1, stage.gateway.probes);
    own.set_read_timeout(Some(PATIENCE)).unwrap();
    own.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    let mut others: Vec<_> = (0..64).map(|_| connect_from(2, stage.gateway.probes)).collect();
    // The first of them has made room for the last, when all have come.
    others[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(others[0].read(&mut [0]).unwrap_or(0), 0, "the first of many");
    own.write_all(b"\r\n").unwrap();
    let mut said = [0; 12];
    own.read_exact(&mut said).unwrap();
    assert_eq!(said, *b"HTTP/1.1 200");
}

#[test]
fn no_web_page_reads_what_the_port_for_probes_tells() {
    let text = format!("hosts = [\"gateway.example\", \"127.0.0.1\"]\n{}", everything());
    let stage = GatewayStage::start(&text);
    let url = format!("http://127.0.0.1:{}/daemon/metrics", stage.gateway.probes);
    for header in [
        "Host: rebound.example",
        "Host: rebound.example:9470",
        "Origin: http://127.0.0.1",
        "Referer: http://127.0.0.1/",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: what-may-come",
    ] {
        for path in ["/livez", "/readyz", "/metrics", "/daemon/metrics"] {
            let url = format!("http://127.0.0.1:{}{path}", stage.gateway.probes);
            assert_eq!(curl(&[&url, "-H", header]).status, 403, "{path} {header}");
        }
    }
    let opened = curl(&[&url, "-H", "Sec-Fetch-Site: none"]);
    assert_eq!(opened.status, 200, "a person has opened it");
    assert_eq!(opened.header("cross-origin-resource-policy"), Some("same-origin"));
    for host in ["127.0.0.1:9470", "[::1]:9470", "localhost", "10.1.2.3:9470", "Gateway.example:1"]
    {
        let header = format!("Host: {host}");
        assert_eq!(curl(&[&url, "-H", &header]).status, 200, "{host}");
    }
}

/// What one has asked for is told to the next one, also when the first has hung up.
#[test]
fn who_hangs_up_at_the_port_for_probes_has_the_daemon_asked_no_more_often() {
    let mut stage = GatewayStage::start(&everything());
    let connections = |daemon: &Daemon| -> f64 {
        let figures = daemon.figures();
        let found = figures.lines().find_map(|it| it.strip_prefix("entitled_connections_total "));
        found.unwrap().parse().unwrap()
    };
    let before = connections(&stage.daemon);
    stage.daemon.signal(Signal::SIGSTOP);
    let begun = Instant::now();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.gateway.probes)).unwrap();
        stream.write_all(b"GET /daemon/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        // Until the gateway asks the daemon, which nothing tells.
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = begun.elapsed();
    stage.daemon.signal(Signal::SIGCONT);
    let asked = connections(&stage.daemon) - before;
    // The daemon is given up after two seconds. Some are the gateway's others, and ours.
    let most = took.as_secs_f64() / 2.0 + 8.0;
    assert!(asked <= most, "{asked} connections, {most} may be");
}

#[test]
fn no_client_has_the_name_of_who_says_none() {
    let stage = GatewayStage::start(&everything());
    let named = client("anonymous", "a", 1, "scopes = [\"wallets\"]\n");
    let text = format!("{named}[anonymous]\ncustomer = \"customer:1\"\nscopes = [\"wallets\"]\n");
    let home = stage.daemon.home();
    let mut command = Gateway::command(home, &stage.daemon.socket(), &text);
    let checked = command.arg("--check").output().unwrap();
    assert_eq!(checked.status.code(), Some(2), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("the same name"), "{checked:?}");
}

/// What the gateway may have is what its unit says: 256 MiB.
#[test]
fn the_longest_replies_in_the_largest_batches_take_little_memory() {
    const MOST: u64 = 160 << 20;
    let stage = GatewayStage::start(&everything());
    let ask = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "rpc_discover"});
    let batch = Value::from((0..32).map(ask).collect::<Vec<Value>>());
    let (done, mut peak) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..12).map(|_| scope.spawn(|| stage.gateway.post("/rpc", &batch))).collect();
        let watched = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(memory_of(&stage));
                std::thread::yield_now();
            }
            peak
        });
        for reply in asked {
            let reply = reply.join().unwrap();
            let items = reply.body.as_array().unwrap();
            assert_eq!((reply.status, items.len()), (200, 32), "{:.300}", reply.text);
            let told = items.iter().filter(|it| it["result"].is_object()).count();
            let limited = items.iter().filter(|it| it["error"]["code"] == LIMIT_EXCEEDED).count();
            assert!(told >= 1 && told + limited == 32, "{told} and {limited}");
        }
        done.store(true, Ordering::Relaxed);
        peak = watched.join().unwrap();
    });
    assert!(peak < MOST, "{peak} bytes");
}

/// By HTTP/2 a reply for which there is no window waits, and a header that was said once is said again by one byte.
#[test]
fn requests_whose_replies_nobody_reads_take_little_memory() {
    const CONNECTIONS: usize = 240;
    const STREAMS: u32 = 64;
    const REFUSED: &[u8] = &[0, 0, 0, 7];
    let limits = "[limits]\nidle = \"30m\"\nwrite = \"30m\"\n";
    let stage = GatewayStage::start(&format!("{}{limits}", everything()));
    // SETTINGS_INITIAL_WINDOW_SIZE 0; `x: y` into the dynamic table, and four hundred times from there (RFC 7541, 6.1).
    let begin = [PREFACE, &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])].concat();
    let mut asked = asking("POST", "/api/v1/nowhere");
    asked.extend_from_slice(b"\x40\x01x\x01y");
    asked.extend([0xbe; 400]);
    let streams = (0..STREAMS).flat_map(|it| frame(1, 4, 1 + 2 * it, &asked));
    let said: Vec<u8> = begin.into_iter().chain(streams).collect();
    let connect = |number: usize| {
        let mut stream = connect_from(2 + u8::try_from(number % 2).unwrap(), stage.gateway.port);
        stream.write_all(&said).unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream, Vec::new())
    };
    let mut unread: Vec<(TcpStream, Vec<u8>)> = (0..CONNECTIONS).map(connect).collect();
    let (answered, refused) = eventually("all are answered or refused", || {
        let (mut answered, mut refused) = (0, 0);
        for (stream, heard) in &mut unread {
            // An end of it would leave too few.
            let _ = stream.read_to_end(heard);
            for (kind, payload) in frames(heard) {
                answered += u32::from(kind == HEADERS);
                refused += u32::from(kind == RST_STREAM && payload == REFUSED);
            }
        }
        let all = u32::try_from(CONNECTIONS).unwrap() * STREAMS;
        let told = format!("{answered} and {refused} of {all}");
        if answered + refused == all { Ok((answered, refused)) } else { Err(told) }
    });
    let peak = figure_of(&stage, "VmHWM:");
    assert!(peak < 160 << 20, "{peak} bytes, {answered} answered and {refused} refused");
    // Who reads is answered, also by the same protocol, and from there when nothing is left unread.
    let prior = ["--http2-prior-knowledge"];
    assert_eq!(stage.gateway.get_as(TOKEN, "/api/v1/tiers", &prior).status, 200);
    drop(unread);
    eventually("what was not read is forgotten", || {
        let from = ["--http2-prior-knowledge", "--interface", "127.0.0.2"];
        match stage.gateway.get_as(TOKEN, "/api/v1/tiers", &from) {
            reply if reply.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// Each frame that came to its end: its type, and what it says.
fn frames(mut heard: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((&[a, b, c, kind, ..], rest)) = heard.split_first_chunk::<9>() {
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        frames.push((kind, payload));
        heard = rest;
    }
    frames
}

#[test]
fn who_does_not_read_is_not_answered_on_and_on() {
    let stage = GatewayStage::start(&everything());
    let body = json!(
        [0, 1, 2, 3, 4, 5].map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "rpc_discover"}))
    );
    let body = body.to_string();
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let unread: Vec<TcpStream> = (0..40)
        .map(|_| {
            let stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
            socket::setsockopt(&stream, socket::sockopt::RcvBuf, &4_096).unwrap();
            (&stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
            stream
        })
        .collect();
    let limited = eventually("it is told to read", || {
        let reply = stage
            .gateway
            .post("/rpc", &json!({"jsonrpc": "2.0", "id": 1, "method": "rpc_discover"}));
        if reply.status == 429 { Ok(reply) } else { Err(format!("{:.200}", reply.text)) }
    });
    assert!(limited.text.contains("does not read"), "{limited:?}");
    assert!(memory_of(&stage) < 160 << 20);
    drop(unread);
    eventually("and answered when it has", || match stage.gateway.get("/api/v1/tiers").status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
}
