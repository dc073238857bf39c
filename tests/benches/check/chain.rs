//! What waits for the chain: a check of which nothing is known, and how soon a sale is told.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use alloy_primitives::B256;
use serde_json::{Value, json};

use crate::report::{Row, median};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::http::{self, Message};
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

/// Contracts that are looked at for the first time, each by a product of its own.
const CONTRACTS: usize = 25;
const SALES: usize = 100;

pub fn measure() {
    cold();
    sale();
}

/// The first check of a product, beside one `eth_getProof` of one slot on a connection that is open already.
fn cold() {
    let (anvil, wallet) = (Anvil::start(), Wallet::numbered(1));
    let mut settings = Settings::new([anvil.url()]);
    let mut contracts = Vec::new();
    for number in 0..CONTRACTS {
        let contract = Contract::licence(&anvil);
        contract.mint(&anvil, wallet.address(), 7);
        let product = ProductFile::acme(&contract.collection()).named(&format!("product-{number}"));
        settings = settings.product(product.set("refresh", "\"1h\""));
        contracts.push(contract);
    }
    let daemon = Daemon::start(&settings);
    daemon.link(&wallet);
    let mut line = Line::connect(&daemon.socket());
    let mut node = Node::connect(&anvil.address());
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for (number, contract) in contracts.iter().enumerate() {
        let begun = Instant::now();
        node.ask("eth_getProof", &json!([contract.address, [B256::ZERO], "latest"]));
        peer.push(begun.elapsed().as_secs_f64() * 1e3);
        let params = json!({"product": format!("product-{number}"), "wait_ms": 30_000});
        let begun = Instant::now();
        let verdict = line.call("entitlement_check", &params).unwrap();
        ours.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(verdict["code"], "VALID", "{verdict}");
    }
    let ratio = median(ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect());
    Row {
        id: "cold",
        ours: format!("{:.2} ms", median(ours)),
        peer: format!("{:.2} ms", median(peer)),
        processor: None,
        judged: &[("p50", ratio)],
    }
    .tell();
}

/// A connection to a node that stays open.
struct Node(BufReader<TcpStream>);

impl Node {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, method: &str, params: &Value) {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = body.to_string();
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let reply = Message::read(&mut self.0).unwrap().unwrap();
        let reply: Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(reply.get("result").is_some(), "{reply}");
    }
}

/// From the moment at which the daemon is given the block of a sale until a subscriber is told.
fn sale() {
    let (anvil, wallet) = (Anvil::start(), Wallet::numbered(1));
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, wallet.address(), 7);
    let window = Window::open(anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let daemon = Daemon::start(&Settings::new([window.url.clone()]).product(product));
    daemon.link(&wallet);
    daemon.wait_for_code(ACME, "VALID");
    let mut told = daemon.subscribe(ACME);
    told.until("VALID");
    let (own, other) = (wallet.address(), stranger());
    let mut times = Vec::new();
    for number in 0..SALES {
        let (from, to, code) = match number % 2 {
            0 => (own, other, "NOT_HELD"),
            _ => (other, own, "VALID"),
        };
        licence.transfer(&anvil, from, to, 7);
        let block = anvil.block_number();
        told.until(code);
        let now = Instant::now();
        times.push((now - window.shown(block)).as_secs_f64() * 1e3);
    }
    times.sort_unstable_by(f64::total_cmp);
    let (p50, p99) = (times[SALES / 2], times[SALES * 99 / 100]);
    let ours = format!("{p50:.1} / {p99:.1} ms");
    Row { id: "sale", ours, peer: String::new(), processor: None, judged: &[("ms", p99)] }.tell();
}

/// Stands in front of a node and notes when a block was first shown. Alters nothing. Ends with the program.
struct Window {
    url: String,
    /// The highest block of a reply, and when that was passed on; rising.
    shown: Arc<Mutex<Vec<(u64, Instant)>>>,
}

impl Window {
    fn open(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shown = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&shown);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (upstream, noted) = (upstream.clone(), Arc::clone(&noted));
                std::thread::spawn(move || pass(&stream, &upstream, &noted));
            }
        });
        Self { url, shown }
    }

    fn shown(&self, block: u64) -> Instant {
        let shown = self.shown.lock().unwrap();
        shown.iter().find(|(number, _)| *number >= block).unwrap().1
    }
}

/// One connection, until it ends.
fn pass(mut stream: &TcpStream, upstream: &str, noted: &Mutex<Vec<(u64, Instant)>>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = Message::read(&mut reader) {
        let Ok(body) = http::post(upstream, &request.body) else { return };
        if let Some(block) = highest_block(&String::from_utf8_lossy(&body)) {
            let mut noted = noted.lock().unwrap();
            if noted.last().is_none_or(|(number, _)| *number < block) {
                noted.push((block, Instant::now()));
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// Of the headers in a reply.
fn highest_block(reply: &str) -> Option<u64> {
    let numbers = reply.split("\"number\":\"0x").skip(1);
    numbers.filter_map(|it| u64::from_str_radix(it.split('"').next()?, 16).ok()).max()
}
