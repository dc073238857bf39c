//! A client of the daemon's socket that speaks raw lines, and can also say what it should not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::PATIENCE;

/// A JSON-RPC error as the daemon answered it.
#[derive(Debug, Clone)]
pub struct Refused {
    pub code: i64,
    pub message: String,
    pub data: Value,
}

/// One connection.
pub struct Line {
    reader: BufReader<UnixStream>,
    next_id: u64,
}

impl Line {
    pub fn connect(path: &Path) -> Self {
        Self::try_connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn try_connect(path: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream), next_id: 1 })
    }

    /// Sends bytes as they are. An error is no failure here: the daemon may close on nonsense.
    pub fn say(&mut self, bytes: &[u8]) {
        let _refused = self.reader.get_mut().write_all(bytes);
    }

    /// The next line; `None` when the daemon closed.
    pub fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|it| panic!("{it}: {line}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// What comes within `time`; `None` when nothing does.
    pub fn hear_within(&mut self, time: Duration) -> Option<Value> {
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
        let mut line = String::new();
        let heard = self.reader.read_line(&mut line);
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(heard, Ok(1..)).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Whether the daemon has closed, or closes soon.
    pub fn is_closed(&mut self) -> bool {
        self.hear().is_none()
    }

    /// Sends a request without waiting; returns its id.
    pub fn ask(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(format!("{request}\n").as_bytes());
        id
    }

    /// Sends a request and waits for its own answer, passing over notifications.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value, Refused> {
        let id = self.ask(method, params);
        loop {
            let reply = self.hear().unwrap_or_else(|| panic!("{method}: closed without an answer"));
            if reply["id"] == id {
                return result_of(reply);
            }
            assert!(reply.get("method").is_some(), "{method}: not for us: {reply}");
        }
    }
}

/// The result or the error of one reply.
pub fn result_of(mut reply: Value) -> Result<Value, Refused> {
    assert_eq!(reply["jsonrpc"], "2.0", "{reply}");
    match reply.get("error") {
        None => Ok(reply["result"].take()),
        Some(error) => Err(Refused {
            code: error["code"].as_i64().unwrap(),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error["data"].clone(),
        }),
    }
}

/// A subscription to one product's verdict.
pub struct Subscription {
    line: Line,
    id: Value,
}

impl Subscription {
    pub fn new(path: &Path, product: &str) -> Self {
        let mut line = Line::connect(path);
        let ask = line.ask("entitlement_subscribe", &json!({"product": product}));
        let reply = line.hear().unwrap();
        assert_eq!(reply["id"], ask, "the first line is the reply: {reply}");
        Self { line, id: result_of(reply).unwrap() }
    }

    /// The next verdict told.
    pub fn next(&mut self) -> Value {
        let note = self.line.hear().expect("the subscription goes on");
        self.verdict(note)
    }

    pub fn next_within(&mut self, time: Duration) -> Option<Value> {
        let note = self.line.hear_within(time)?;
        Some(self.verdict(note))
    }

    /// Reads on until a verdict with this code is told.
    pub fn until(&mut self, code: &str) -> Value {
        let mut told = Vec::new();
        while told.len() < 100 {
            let verdict = self.next();
            if verdict["code"] == code {
                return verdict;
            }
            told.push(verdict["code"].clone());
        }
        panic!("{code} was never told, but {told:?}");
    }

    fn verdict(&self, mut note: Value) -> Value {
        assert_eq!(note["method"], "entitlement_changed", "{note}");
        assert_eq!(note["params"]["subscription"], self.id, "{note}");
        note["params"]["result"].take()
    }
}
