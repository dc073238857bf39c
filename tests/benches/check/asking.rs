//! One question and the ways to ask it: over one connection or many, once or many times at a time.

use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who is asked: a socket, or a port of this machine.
#[derive(Clone)]
pub enum To {
    Socket(PathBuf),
    Port(u16),
}

impl From<&PathBuf> for To {
    fn from(path: &PathBuf) -> Self {
        Self::Socket(path.clone())
    }
}

impl From<u16> for To {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

impl To {
    fn connect(&self) -> Line {
        match self {
            Self::Socket(path) => Line::Socket(UnixStream::connect(path).unwrap()),
            Self::Port(port) => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).unwrap();
                stream.set_nodelay(true).unwrap();
                Line::Port(stream)
            }
        }
    }
}

enum Line {
    Socket(UnixStream),
    Port(TcpStream),
}

impl Line {
    fn wait_at_most(&self, time: Duration) {
        let set = match self {
            Self::Socket(stream) => stream.set_read_timeout(Some(time)),
            Self::Port(stream) => stream.set_read_timeout(Some(time)),
        };
        set.unwrap();
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Socket(stream) => stream.read(into),
            Self::Port(stream) => stream.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Socket(stream) => stream.write(bytes),
            Self::Port(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is sent to whom, and how many bytes come back for it.
#[derive(Clone)]
pub struct Question {
    to: To,
    sent: Vec<u8>,
    reply: usize,
    /// What is sent before the first question of a connection, together with it.
    greeting: Vec<u8>,
}

impl Question {
    /// Asks once, to see the reply, in which `parts` must be.
    pub fn new(to: impl Into<To>, sent: Vec<u8>, parts: &[&str]) -> Self {
        let to = to.into();
        let mut stream = to.connect();
        stream.wait_at_most(Duration::from_millis(300));
        stream.write_all(&sent).unwrap();
        let mut reply = Vec::new();
        // Ends with an error when nothing more comes.
        let _quiet = stream.read_to_end(&mut reply);
        let text = String::from_utf8(reply).unwrap();
        for part in parts {
            assert!(text.contains(part), "not what is meant to be measured: {text}");
        }
        Self { to, sent, reply: text.len(), greeting: Vec::new() }
    }

    /// The same question to the echo at `path`, which has to be told the sizes.
    pub fn to_echo(&self, path: &Path) -> Self {
        let sizes =
            [self.sent.len(), self.reply].map(|it| u32::try_from(it).unwrap().to_le_bytes());
        let greeting = sizes.as_flattened().to_vec();
        Self { to: To::Socket(path.to_owned()), greeting, ..self.clone() }
    }

    pub fn reply_bytes(&self) -> usize {
        self.reply
    }

    pub fn request_bytes(&self) -> usize {
        self.sent.len()
    }

    /// A connection that asks it so many times at a time.
    pub fn connect(&self, at_once: usize) -> Connection {
        let stream = self.to.connect();
        let sent = self.sent.repeat(at_once);
        let first = [&self.greeting[..], &sent].concat();
        Connection { stream, first, sent, replies: vec![0; self.reply * at_once] }
    }

    pub fn connections(&self, count: usize, at_once: usize) -> Vec<Connection> {
        (0..count).map(|_| self.connect(at_once)).collect()
    }
}

/// One connection and its question.
pub struct Connection {
    stream: Line,
    /// What is sent first, until it was.
    first: Vec<u8>,
    sent: Vec<u8>,
    replies: Vec<u8>,
}

impl Connection {
    pub fn ask(&mut self) {
        self.send();
        self.receive();
    }

    pub fn send(&mut self) {
        let first = std::mem::take(&mut self.first);
        let sent = if first.is_empty() { &self.sent } else { &first };
        self.stream.write_all(sent).unwrap();
    }

    pub fn receive(&mut self) {
        self.stream.read_exact(&mut self.replies).unwrap();
    }
}

pub fn ask_all(connections: &mut [Connection]) {
    connections.iter_mut().for_each(Connection::send);
    connections.iter_mut().for_each(Connection::receive);
}

/// So many programs start at once and ask once; until the last has its answer.
pub fn storm(question: &Question, programs: usize) {
    ask_all(&mut question.connections(programs, 1));
}
