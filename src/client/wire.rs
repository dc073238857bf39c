//! One connection: lines out, lines in, each bounded in size and time.

use std::io;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, socket,
};

use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::server;
use crate::socket_path::SocketPath;

/// The longest answer accepted, in bytes.
const LINE_MAX: usize = 1024 * 1024;

/// How long to wait before asking again a daemon whose queue of new connections is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    path: PathBuf,
    received: Vec<u8>,
    /// How much of `received` is known to hold no line end.
    searched: usize,
}

impl Wire {
    /// Connects, and makes sure who answers.
    pub(super) fn connect(path: &SocketPath, deadline: Deadline) -> Result<Self, ClientError> {
        let path = path.as_path();
        let stream = open(path, deadline)?;
        server::verify(&stream, path)?;
        Ok(Self { stream, path: path.to_owned(), received: Vec::new(), searched: 0 })
    }

    /// Whether the connection is still there, and nothing unasked for has arrived on it.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0_u8];
        let peeked = recv(
            self.stream.as_raw_fd(),
            &mut byte,
            MsgFlags::MSG_PEEK.union(MsgFlags::MSG_DONTWAIT),
        );
        self.received.is_empty() && peeked == Err(Errno::EAGAIN)
    }

    pub(super) fn send(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            let left = deadline.left().map_err(|_| timeout(deadline))?;
            self.stream.set_write_timeout(left).map_err(|it| self.lost(it))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(it) if is_worth_another_try(&it) => {}
                Err(it) => return Err(self.lost(it)),
            }
        }
        Ok(())
    }

    /// The next line that is not blank, without its end; `None` when the daemon closed the connection
    /// between two lines. After a timeout it can be called again: nothing received is lost.
    pub(super) fn receive(&mut self, deadline: Deadline) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(line) = self.take_line() {
                match line.iter().all(u8::is_ascii_whitespace) {
                    true => continue,
                    false => return Ok(Some(line)),
                }
            }
            if self.received.len() > LINE_MAX {
                return Err(ClientError::protocol("an answer is longer than 1 MiB"));
            }
            if !self.fill(deadline)? {
                return match self.received.is_empty() {
                    true => Ok(None),
                    false => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                };
            }
        }
    }

    pub(super) fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Unreachable { path: self.path.clone(), source }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let fresh = self.received.get(self.searched..)?;
        let Some(end) = fresh.iter().position(|it| *it == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.searched + end + 1);
        self.searched = 0;
        Some(std::mem::replace(&mut self.received, rest))
    }

    /// Waits for more; `false` when the daemon closed the connection.
    fn fill(&mut self, deadline: Deadline) -> Result<bool, ClientError> {
        let mut chunk = [0_u8; 8192];
        loop {
            let left = deadline.left().map_err(|_| timeout(deadline))?;
            self.stream.set_read_timeout(left).map_err(|it| self.lost(it))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.received.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    return Ok(true);
                }
                Err(it) if is_worth_another_try(&it) => {}
                Err(it) => return Err(self.lost(it)),
            }
        }
    }
}

/// Opens the connection without ever waiting longer than allowed: a blocking connect would wait for ever
/// on a daemon that is stopped with a full queue.
fn open(path: &Path, deadline: Deadline) -> Result<UnixStream, ClientError> {
    let failed = |it: Errno| ClientError::Unreachable { path: path.to_owned(), source: it.into() };
    let address = UnixAddr::new(path).map_err(failed)?;
    let flags = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
    let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(failed)?;
    loop {
        match connect(descriptor.as_raw_fd(), &address) {
            Ok(()) | Err(Errno::EISCONN) => break,
            Err(Errno::EAGAIN | Errno::EINTR) => {
                let left = deadline.left().map_err(|_| timeout(deadline))?;
                std::thread::park_timeout(
                    left.map_or(QUEUE_FULL_PAUSE, |it| it.min(QUEUE_FULL_PAUSE)),
                );
            }
            Err(it) => return Err(failed(it)),
        }
    }
    let stream = UnixStream::from(descriptor);
    let blocking = stream.set_nonblocking(false);
    blocking.map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
    Ok(stream)
}

/// A wait that ended early or by its own limit: the deadline decides whether to go on.
fn is_worth_another_try(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn timeout(deadline: Deadline) -> ClientError {
    ClientError::Timeout { after: deadline.granted }
}
