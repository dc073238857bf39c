//! Those who wait, and those who send what asks for nothing: the others, and who looks after the gateway, go on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::io::ioctl_fionread;
use serde_json::json;

use crate::support::gateway::{EVERYTHING, GatewayStage, TOKEN, client, connect_from, everything};
use crate::support::stage::ACME;
use crate::support::{PATIENCE, eventually};

const FLOODERS: usize = 60;
/// A PING (RFC 9113, 6.7), which is answered by as many bytes.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0entitled";
/// What a browser asks before a page may (the Fetch standard, "CORS-preflight fetch"): nobody needs a token for it.
const PREFLIGHT: &[u8] = b"OPTIONS /api/v1/tiers HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\nX-Request-Id: beforehand\r\n\r\n";

/// As many questions as one client may ask at a time, which wait for a chain that hangs.
pub(super) fn wait_for_the_chain(stage: &GatewayStage, token: &str) -> Vec<TcpStream> {
    stage.gateway.post_as(token, "/api/v1/wallets", &json!({"label": "new"}), &[]).ok();
    let ask = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
        let line = "GET /api/v1/products/acme-cad/entitlement?wait_ms=15000 HTTP/1.1";
        let head = format!("{line}\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    (0..12).map(ask).collect()
}

#[test]
fn who_waits_for_a_chain_keeps_nobody_from_what_is_known() {
    let more = format!("scopes = {EVERYTHING}\nrate = 100000\n");
    let [second, third] = [("second", 2), ("third", 3)].map(|(it, of)| client(it, it, of, &more));
    let stage = GatewayStage::entitled(&format!("{}{second}{third}", everything()));
    stage.daemon.admin("customer_create", json!({"name": "three"}));
    stage.anvil.hang();
    let mut waiting = Vec::new();
    for token in ["second", "third"] {
        waiting.extend(wait_for_the_chain(&stage, token));
    }
    let begun = Instant::now();
    let params = json!({"product": ACME});
    let check = json!({"jsonrpc": "2.0", "id": 1, "method": "entitlement_check", "params": params});
    for _ in 0..10 {
        // Until the gateway asks the daemon, which nothing tells.
        std::thread::sleep(Duration::from_millis(50));
        let told = stage.gateway.post("/rpc", &check);
        assert_eq!(told.body["result"]["code"], "VALID", "{told:?}");
        assert_eq!(stage.gateway.get("/api/v1/tiers").status, 200);
        let ready = stage.gateway.probe("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
    }
    let made = stage.gateway.post_as(TOKEN, "/api/v1/wallets", &json!({"label": "mine"}), &[]);
    assert_eq!(made.status, 201, "{made:?}");
    let is_answered = |it: &TcpStream| it.peek(&mut [0]).is_ok();
    let answered = waiting.iter().filter(|it| is_answered(it)).count();
    assert!(answered == 0 || begun.elapsed() > Duration::from_secs(10), "{answered} are answered");
    for mut stream in &waiting {
        let told = eventually("who waited is told what is known", || {
            let mut said = [0; 64];
            let count = stream.read(&mut said).map_err(|it| it.to_string())?;
            Ok::<_, String>(String::from_utf8_lossy(&said[..count]).into_owned())
        });
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    }
}

/// A connection on which one thing is sent again and again, as often as there is room for.
struct Flooder {
    stream: TcpStream,
    says: &'static [u8],
    /// The length of each answer.
    hears: usize,
    sent: usize,
}

impl Flooder {
    fn pinging(stage: &GatewayStage) -> Self {
        let mut stream = connect_from(1, stage.gateway.port);
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        Self::of(stream, PING, PING.len())
    }

    fn asking_beforehand(stage: &GatewayStage) -> Self {
        let mut stream = connect_from(2, stage.gateway.port);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(PREFLIGHT).unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        assert!(said.starts_with(b"HTTP/1.1 204 "), "{}", String::from_utf8_lossy(&said));
        Self::of(stream, PREFLIGHT, said.len())
    }

    fn of(stream: TcpStream, says: &'static [u8], hears: usize) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self { stream, says, hears, sent: 0 }
    }

    /// Reads what was said, and sends on.
    fn send_on(&mut self) {
        let mut said = vec![0; 256 * 1024];
        while self.stream.read(&mut said).is_ok_and(|it| it > 0) {}
        let more = self.says.repeat(256 * 1024 / self.says.len());
        match self.stream.write(&more[self.sent % self.says.len()..]) {
            Ok(count) => self.sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }

    fn answered(&self) -> usize {
        usize::try_from(ioctl_fionread(&self.stream).unwrap()).unwrap() / self.hears
    }
}

/// How many of what all flooders send are answered before this question is, at the least of some times: what comes after the
/// answer counts as well, until we are scheduled.
fn answered_before(
    stage: &GatewayStage,
    flooders: &mut [Flooder],
    (port, question): (u16, &str),
) -> usize {
    let once = |_| {
        stage.gateway.signal(Signal::SIGSTOP);
        flooders.iter_mut().for_each(Flooder::send_on);
        let mut stream = connect_from(1, port);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(question.as_bytes()).unwrap();
        stage.gateway.signal(Signal::SIGCONT);
        assert_eq!(stream.read(&mut [0]).unwrap(), 1, "an answer");
        flooders.iter().map(Flooder::answered).sum::<usize>()
    };
    (0..8).map(once).min().unwrap()
}

#[test]
fn frames_that_are_no_requests_keep_nobody_waiting_for_all_of_them() {
    // Whoever asks for nothing is closed after a while.
    let limits = "[limits]\nidle = \"30m\"\nwrite = \"30m\"\n";
    let stage = GatewayStage::start(&format!("{}{limits}", everything()));
    let mut flooders: Vec<_> = (0..FLOODERS).map(|_| Flooder::pinging(&stage)).collect();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (client, probe) = (ask("/api/v1/tiers"), ask("/livez"));
    let client = answered_before(&stage, &mut flooders, (stage.gateway.port, &client));
    let probe = answered_before(&stage, &mut flooders, (stage.gateway.probes, &probe));
    let most = FLOODERS * 1_000;
    assert!(client < most && probe < most, "{client} before a client, {probe} before a probe");
}

#[test]
fn who_asks_beforehand_without_end_keeps_nobody_waiting_for_all_of_it() {
    let page = "[cors]\norigins = [\"https://app.example.com\"]\n";
    let stage = GatewayStage::start(&format!("{}{page}", everything()));
    let mut flooders: Vec<_> = (0..FLOODERS).map(|_| Flooder::asking_beforehand(&stage)).collect();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (client, probe) = (ask("/api/v1/tiers"), ask("/livez"));
    let client = answered_before(&stage, &mut flooders, (stage.gateway.port, &client));
    let probe = answered_before(&stage, &mut flooders, (stage.gateway.probes, &probe));
    let most = FLOODERS * 3;
    assert!(client < most && probe < most, "{client} before a client, {probe} before a probe");
}

#[test]
fn what_it_knows_is_kept_from_its_own_user_and_out_of_core_files() {
    let stage = GatewayStage::start(&everything());
    let file = |name: &str| format!("/proc/{}/{name}", stage.gateway.pid());
    let limits = std::fs::read_to_string(file("limits")).unwrap();
    let core = limits.lines().find_map(|it| it.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    // Of a process whose memory its user may read, they are that user's.
    assert_eq!(std::fs::metadata(file("environ")).unwrap().uid(), 0);
}
