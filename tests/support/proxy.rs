//! A proxy in front of a real node that a test can tell how to misbehave. Without a fault it changes
//! nothing. See [`super::faults`] for what it can do.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::faults::{Fault, gzip_bomb};
use super::http::{self, Message};

/// An endpoint of its own on a free port. Ends with this value.
pub struct Proxy {
    address: String,
    inner: Arc<Inner>,
}

struct Inner {
    upstream: Mutex<String>,
    /// Every second request goes here, where there is one.
    other: Mutex<Option<String>>,
    /// What goes wrong, and for which method; `None` for every one. The first that fits counts, except
    /// that lies add up.
    faults: Mutex<Vec<(Option<&'static str>, Fault)>>,
    calls: Mutex<BTreeMap<String, usize>>,
    bodies: AtomicUsize,
    /// Of the last request.
    headers: Mutex<Vec<(String, String)>>,
    ended: AtomicBool,
}

impl Proxy {
    /// In front of the node at `upstream` (`127.0.0.1:PORT`).
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Arc::new(Inner {
            upstream: Mutex::new(upstream.to_owned()),
            other: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            bodies: AtomicUsize::new(0),
            headers: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let inner = Arc::clone(&served);
                std::thread::spawn(move || inner.serve(&stream));
            }
        });
        Self { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is the only thing wrong, for every method.
    pub fn fault(&self, fault: Fault) {
        *self.inner.faults.lock().unwrap() = vec![(None, fault)];
    }

    /// From now on this is wrong too, for every method.
    pub fn add(&self, fault: Fault) {
        self.inner.faults.lock().unwrap().push((None, fault));
    }

    /// From now on this is wrong with `method` too.
    pub fn fault_in(&self, method: &'static str, fault: Fault) {
        self.inner.faults.lock().unwrap().push((Some(method), fault));
    }

    /// From now on nothing is wrong but this, in one method.
    pub fn fault_only_in(&self, method: &'static str, fault: Fault) {
        *self.inner.faults.lock().unwrap() = vec![(Some(method), fault)];
    }

    /// From now on nothing is wrong.
    pub fn heal(&self) {
        self.inner.faults.lock().unwrap().clear();
    }

    /// From now on it stands before another node.
    pub fn lead_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.inner.upstream.lock().unwrap());
    }

    /// From now on every second request goes to this node instead: one name, two chains behind it.
    pub fn alternate_with(&self, other: &str) {
        *self.inner.other.lock().unwrap() = Some(other.to_owned());
    }

    /// A header of the last request, if it had it; the name in lower case.
    pub fn last_header(&self, name: &str) -> Option<String> {
        let headers = self.inner.headers.lock().unwrap();
        headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// How many questions came so far, of whatever method.
    pub fn all_calls(&self) -> usize {
        self.inner.calls.lock().unwrap().values().sum()
    }

    /// How often a method was asked for so far.
    pub fn calls(&self, method: &str) -> usize {
        self.inner.calls.lock().unwrap().get(method).copied().unwrap_or(0)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address)); // wakes the listener, which sees that it has ended
    }
}

/// What goes back on the wire.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Only so much of the body is sent before the connection is closed.
    cut_at: Option<usize>,
    /// The body is sent so many bytes at a time, with a rest after each.
    trickle: Option<(usize, Duration)>,
}

impl Reply {
    fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, headers: Vec::new(), body, cut_at: None, trickle: None }
    }

    fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        let body = &self.body[..self.cut_at.unwrap_or(self.body.len())];
        let Some((bytes, rest)) = self.trickle else { return stream.write_all(body) };
        for part in body.chunks(bytes.max(1)) {
            stream.write_all(part)?;
            // The fault is the delay.
            std::thread::sleep(rest);
        }
        Ok(())
    }
}

impl Inner {
    /// One connection, until it ends or a fault ends it.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = Message::read(&mut reader) {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            self.headers.lock().unwrap().clone_from(&request.headers);
            let Some(reply) = self.answer(&request.body) else { return };
            if reply.write(stream).is_err() || reply.cut_at.is_some() {
                return;
            }
        }
    }

    /// `None` closes the connection without an answer.
    fn answer(&self, body: &[u8]) -> Option<Reply> {
        let mut request: Value = serde_json::from_slice(body).ok()?;
        let mut faults = Vec::new();
        let turn = self.bodies.fetch_add(1, Ordering::SeqCst);
        for one in each(&mut request) {
            let method = one["method"].as_str().unwrap_or_default();
            *self.calls.lock().unwrap().entry(method.to_owned()).or_default() += 1;
            let known = self.faults.lock().unwrap();
            faults.extend(
                known
                    .iter()
                    .filter(|(only, _)| only.is_none_or(|it| it == method))
                    .filter_map(|(_, fault)| fault.in_turn(turn)),
            );
        }
        for fault in &faults {
            match fault {
                // The fault is the delay.
                Fault::Delay(time) => std::thread::sleep(*time),
                Fault::Drop => return None,
                Fault::Status { status, headers } => {
                    let headers = headers.iter().map(|(a, b)| (*a, (*b).to_owned())).collect();
                    let body = b"{\"fault\":\"of the proxy\"}".to_vec();
                    return Some(Reply { status: *status, headers, ..Reply::ok(body) });
                }
                Fault::Body(body) => return Some(Reply::ok(body.to_vec())),
                Fault::Result(result) if request.is_object() => {
                    let id = &request["id"];
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                    return Some(Reply::ok(text.into()));
                }
                Fault::GzipBomb { size } => {
                    let headers = vec![("Content-Encoding", "gzip".to_owned())];
                    let body = gzip_bomb(*size);
                    return Some(Reply { headers, ..Reply::ok(body) });
                }
                Fault::RefuseBatches if request.is_array() => {
                    let error = json!({"code": -32600, "message": "batches are not supported"});
                    let reply = json!({"jsonrpc": "2.0", "id": null, "error": error});
                    return Some(Reply::ok(reply.to_string().into_bytes()));
                }
                _ => {}
            }
        }
        let mut reply = Reply::ok(self.forward(request, turn)?);
        for fault in &faults {
            match fault {
                Fault::Cut => reply.cut_at = Some(reply.body.len() / 2),
                Fault::Truncated => reply.body.truncate(reply.body.len() / 2),
                Fault::Trickle { bytes, rest } => reply.trickle = Some((*bytes, *rest)),
                _ => {}
            }
        }
        Some(reply)
    }

    /// Asks the node, and alters question and answer by the lies in force.
    fn forward(&self, mut request: Value, turn: usize) -> Option<Vec<u8>> {
        let upstream = self.upstream(turn);
        let faults: Vec<(Option<&'static str>, Fault)> = self.faults.lock().unwrap().clone();
        let faults: Vec<_> = faults
            .into_iter()
            .filter_map(|(only, it)| it.in_turn(turn).map(|it| (only, it)))
            .collect();
        let lies_about = |method: &str| {
            let fits = |only: &Option<&'static str>| only.is_none_or(|it| it == method);
            faults.iter().filter(move |(only, _)| fits(only)).map(|(_, it)| it).collect::<Vec<_>>()
        };
        for one in each(&mut request) {
            let method = one["method"].as_str().unwrap_or_default().to_owned();
            for fault in lies_about(&method) {
                match fault {
                    Fault::Ask(alter) => alter(&method, &mut one["params"]),
                    Fault::Behind { blocks } => set_back(&upstream, *blocks, &mut one["params"])?,
                    _ => {}
                }
            }
        }
        let answer = http::post(&upstream, request.to_string().as_bytes()).ok()?;
        let mut answer: Value = serde_json::from_slice(&answer).ok()?;
        if faults.iter().any(|(_, it)| matches!(it, Fault::OtherIds)) {
            each(&mut answer).for_each(|it| it["id"] = json!(4_000_000_000_u32));
        }
        let questions: Vec<Value> = each(&mut request).map(|it| it.clone()).collect();
        for one in each(&mut answer) {
            let Some(question) = questions.iter().find(|it| it["id"] == one["id"]) else {
                continue;
            };
            let method = question["method"].as_str().unwrap_or_default();
            for fault in lies_about(method) {
                match fault {
                    Fault::Answer(alter) if one.get("result").is_some() => {
                        alter(method, &question["params"], &mut one["result"]);
                    }
                    Fault::Error { code, message } => {
                        let error = json!({"code": code, "message": message});
                        *one = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
                    }
                    Fault::RefuseBlockHashes
                        if question["params"].to_string().contains("blockHash") =>
                    {
                        let message = "invalid argument: must be a string";
                        let error = json!({"code": -32602, "message": message});
                        *one = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
                    }
                    _ => {}
                }
            }
        }
        Some(answer.to_string().into_bytes())
    }
}

impl Inner {
    fn upstream(&self, turn: usize) -> String {
        let other = self.other.lock().unwrap().clone().filter(|_| turn % 2 == 1);
        other.unwrap_or_else(|| self.upstream.lock().unwrap().clone())
    }
}

/// Tags of blocks become the number so many blocks before the head. `None`: the node does not answer.
fn set_back(upstream: &str, blocks: u64, params: &mut Value) -> Option<()> {
    let head = http::call(upstream, "eth_blockNumber", &json!([])).ok()?;
    let head = u64::from_str_radix(head.as_str()?.trim_start_matches("0x"), 16).ok()?;
    let number = json!(format!("{:#x}", head.saturating_sub(blocks)));
    for param in params.as_array_mut().into_iter().flatten() {
        if ["latest", "safe", "finalized", "pending"].iter().any(|tag| param == tag) {
            *param = number.clone();
        }
    }
    Some(())
}

/// Each message of a batch, or the one message.
fn each(body: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match body {
        Value::Array(all) => Box::new(all.iter_mut()),
        one => Box::new(std::iter::once(one)),
    }
}
