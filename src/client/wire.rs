//! One connection: lines out, lines in, each bounded in size and time.

use std::io;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::lines::Lines;
use crate::opening::{self, Opened, Opening, QUEUE_FULL_PAUSE};
use crate::socket_path::SocketPath;

const CHUNK: usize = 8192;

/// Reads from a connection, in the place of `read`.
pub(super) type Receive<'a> = &'a mut dyn FnMut(&UnixStream, &mut [u8]) -> io::Result<usize>;

#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    path: PathBuf,
    lines: Lines,
}

impl Wire {
    /// Connects, and makes sure who answers.
    pub(super) fn connect(path: &SocketPath, deadline: Deadline) -> Result<Self, ClientError> {
        let path = path.as_path();
        let stream = open(path, deadline)?;
        Ok(Self { stream, path: path.to_owned(), lines: Lines::default() })
    }

    /// Whether the connection is still there, and nothing unasked for has arrived on it.
    pub(super) fn is_quiet(&self) -> bool {
        self.lines.is_empty() && opening::is_quiet(self.stream.as_raw_fd())
    }

    pub(super) fn send(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            let left = deadline.left().map_err(|_| deadline.missed())?;
            self.stream.set_write_timeout(left).map_err(|it| self.lost(it))?;
            // Of a program that is not Rust's, SIGPIPE is the end.
            match send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(it) => return Err(self.lost(it.into())),
            }
        }
        Ok(())
    }

    /// The next line that is not blank, without its end; `None` when the daemon closed the connection
    /// between two lines. After a timeout it can be called again: nothing received is lost.
    pub(super) fn receive(&mut self, deadline: Deadline) -> Result<Option<Vec<u8>>, ClientError> {
        self.receive_by(deadline, &mut |mut stream, chunk| stream.read(chunk))
    }

    /// The same, where somebody else does the reading.
    pub(super) fn receive_by(
        &mut self,
        deadline: Deadline,
        read: Receive<'_>,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(Some(line));
            }
            if !self.fill(deadline, read)? {
                return match self.lines.is_empty() {
                    true => Ok(None),
                    false => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                };
            }
        }
    }

    /// The next line that is not blank, of what has arrived already; `None` when more has to arrive first, or when the
    /// socket was read as often as `reads` allows, and then it is still readable.
    ///
    /// # Errors
    /// When the daemon closed the connection.
    pub(super) fn receive_arrived(
        &mut self,
        reads: &mut usize,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let mut chunk = [0_u8; CHUNK];
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(Some(line));
            }
            if *reads == 0 {
                return Ok(None);
            }
            *reads -= 1;
            match recv(self.stream.as_raw_fd(), &mut chunk, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.lines.add(chunk.get(..count).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(it) => return Err(self.lost(it.into())),
            }
        }
    }

    pub(super) fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Unreachable { path: self.path.clone(), source }
    }

    /// Waits for more; `false` when the daemon closed the connection.
    fn fill(&mut self, deadline: Deadline, read: Receive<'_>) -> Result<bool, ClientError> {
        let mut chunk = [0_u8; CHUNK];
        loop {
            let left = deadline.left().map_err(|_| deadline.missed())?;
            self.stream.set_read_timeout(left).map_err(|it| self.lost(it))?;
            match read(&self.stream, &mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.lines.add(chunk.get(..count).unwrap_or_default());
                    return Ok(true);
                }
                Err(it) if is_worth_another_try(&it) => {}
                Err(it) => return Err(self.lost(it)),
            }
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn open(path: &Path, deadline: Deadline) -> Result<UnixStream, ClientError> {
    let mut opening = Opening::new(path)?;
    loop {
        match opening.go_on()? {
            Opened::Yes(stream) => {
                let blocking = stream.set_nonblocking(false);
                let failed = |source| ClientError::Unreachable { path: path.to_owned(), source };
                return blocking.map_err(failed).map(|()| stream);
            }
            Opened::NotYet(it) => opening = it,
        }
        let left = deadline.left().map_err(|_| deadline.missed())?;
        let pause = left.map_or(QUEUE_FULL_PAUSE, |it| it.min(QUEUE_FULL_PAUSE));
        std::thread::park_timeout(pause);
    }
}

/// A wait that ended early or by its own limit: the deadline decides whether to go on.
fn is_worth_another_try(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
