//! One question and the ways to ask it: over one connection or many, once or many times at a time.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is sent to whom, and how many bytes come back for it.
#[derive(Clone)]
pub struct Question {
    path: PathBuf,
    sent: Vec<u8>,
    reply: usize,
    /// What is sent before the first question of a connection, together with it.
    greeting: Vec<u8>,
}

impl Question {
    /// Asks once, to see the reply, in which `parts` must be.
    pub fn new(path: &Path, sent: Vec<u8>, parts: &[&str]) -> Self {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream.write_all(&sent).unwrap();
        let mut reply = Vec::new();
        // Ends with an error when nothing more comes.
        let _quiet = stream.read_to_end(&mut reply);
        let text = String::from_utf8(reply).unwrap();
        for part in parts {
            assert!(text.contains(part), "not what is meant to be measured: {text}");
        }
        Self { path: path.to_owned(), sent, reply: text.len(), greeting: Vec::new() }
    }

    /// The same question to the echo at `path`, which has to be told the sizes.
    pub fn to_echo(&self, path: &Path) -> Self {
        let sizes =
            [self.sent.len(), self.reply].map(|it| u32::try_from(it).unwrap().to_le_bytes());
        Self { path: path.to_owned(), greeting: sizes.as_flattened().to_vec(), ..self.clone() }
    }

    pub fn reply_bytes(&self) -> usize {
        self.reply
    }

    pub fn request_bytes(&self) -> usize {
        self.sent.len()
    }

    /// A connection that asks it so many times at a time.
    pub fn connect(&self, at_once: usize) -> Connection {
        let stream = UnixStream::connect(&self.path).unwrap();
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
    stream: UnixStream,
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
