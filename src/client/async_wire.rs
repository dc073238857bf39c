//! One connection, asynchronous: lines out, lines in, each bounded in size and time.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::lines::Lines;
use crate::opening::{self, Opened, Opening, QUEUE_FULL_PAUSE};
use crate::socket_path::SocketPath;

#[derive(Debug)]
pub(super) struct AsyncWire {
    stream: UnixStream,
    path: PathBuf,
    lines: Lines,
}

impl AsyncWire {
    /// Connects, and makes sure who answers.
    pub(super) async fn connect(
        path: &SocketPath,
        deadline: Deadline,
    ) -> Result<Self, ClientError> {
        let path = path.as_path();
        let stream = within(deadline, open(path)).await??;
        let stream = UnixStream::from_std(stream)
            .map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
        Ok(Self { stream, path: path.to_owned(), lines: Lines::default() })
    }

    /// The connection itself, before anything was said.
    pub(super) fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Whether the connection is still there, and nothing unasked for has arrived on it.
    pub(super) fn is_quiet(&self) -> bool {
        self.lines.is_empty() && opening::is_quiet(self.stream.as_raw_fd())
    }

    pub(super) async fn send(
        &mut self,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<(), ClientError> {
        let sent = within(deadline, write_all(&self.stream, bytes)).await?;
        sent.map_err(|it| self.lost(it))
    }

    /// Sends what the kernel takes without a wait.
    pub(super) fn send_at_once(&self, bytes: &[u8]) {
        let _ = self.stream.try_write(bytes);
    }

    /// The next line that is not blank, without its end; `None` when the daemon closed the connection between two
    /// lines. After a timeout, or after it was given up, it can be called again: nothing received is lost.
    pub(super) async fn receive(
        &mut self,
        deadline: Deadline,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(Some(line));
            }
            let more = within(deadline, read_some(&self.stream, &mut self.lines)).await?;
            if !more.map_err(|it| self.lost(it))? {
                return match self.lines.is_empty() {
                    true => Ok(None),
                    false => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                };
            }
        }
    }

    pub(super) fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Unreachable { path: self.path.clone(), source }
    }
}

/// Gives `work` what is left until the deadline.
async fn within<T>(deadline: Deadline, work: impl Future<Output = T>) -> Result<T, ClientError> {
    match deadline.left().map_err(|_| deadline.missed())? {
        None => Ok(work.await),
        Some(left) => tokio::time::timeout(left, work).await.map_err(|_| deadline.missed()),
    }
}

async fn open(path: &Path) -> Result<std::os::unix::net::UnixStream, ClientError> {
    let mut opening = Opening::new(path)?;
    loop {
        match opening.go_on()? {
            Opened::Yes(stream) => return Ok(stream),
            Opened::NotYet(it) => opening = it,
        }
        tokio::time::sleep(QUEUE_FULL_PAUSE).await;
    }
}

async fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(it) if is_worth_another_try(&it) => {}
            Err(it) => return Err(it),
        }
    }
    Ok(())
}

/// Waits for more; `false` when the daemon closed the connection. What was read is in `lines` before this gives way.
async fn read_some(stream: &UnixStream, lines: &mut Lines) -> io::Result<bool> {
    let mut chunk = [0_u8; 8192];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                lines.add(chunk.get(..count).unwrap_or_default());
                return Ok(true);
            }
            Err(it) if is_worth_another_try(&it) => {}
            Err(it) => return Err(it),
        }
    }
}

fn is_worth_another_try(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}
