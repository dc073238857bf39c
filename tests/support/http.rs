//! The least of an HTTP/1.1 client and of JSON-RPC over it: blocking, loopback only, one request per
//! connection.

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// A message read from a connection: its first line, headers (names in lower case) and body.
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads one message. `None` when the other end closed before the first byte.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut message = Self { first: first.trim_end().to_owned(), headers, body: Vec::new() };
        let chunked = message.header("transfer-encoding").is_some_and(|it| it.contains("chunked"));
        if chunked {
            message.body = read_chunks(stream)?;
        } else if let Some(length) = message.header("content-length") {
            message.body = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut message.body)?;
        }
        Ok(Some(message))
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2]; // its data and CRLF
        stream.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// Posts `body` to `address` (`127.0.0.1:PORT`) and returns the reply's body.
pub fn post(address: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    (&stream).write_all(&request)?;
    let reply = Message::read(&mut BufReader::new(stream))?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if !reply.first.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(reply.first));
    }
    Ok(reply.body)
}

/// One JSON-RPC call. A JSON-RPC error and a failed connection both come back as text.
pub fn call(address: &str, method: &str, params: &Value) -> Result<Value, String> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let body =
        post(address, request.to_string().as_bytes()).map_err(|it| format!("{method}: {it}"))?;
    let mut reply: Value = serde_json::from_slice(&body).map_err(|it| format!("{method}: {it}"))?;
    match reply.get("error") {
        Some(error) => Err(format!("{method}: {error}")),
        None => Ok(reply["result"].take()),
    }
}
