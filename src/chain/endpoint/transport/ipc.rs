//! The socket of a node on this machine.
//!
//! Asked by `transport`. Who listens there need not be the node: where everybody may put a socket, it is asked whose it is. And
//! whoever it is holds nobody by what they send (`crate::sent_descriptors`).
//!
//! Invariant: no thread of the chains closes a connection in which something was left.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use nix::unistd::geteuid;
use tokio::io::{AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::{UnixSocket, UnixStream};

use super::{BODY, WireError, give_back, take};
use crate::chain::endpoint::framing::JsonEnd;
use crate::sent_descriptors::{read_bytes_alone, refuse, show_all, shut};

/// What is read at a time.
const PIECE: usize = 64 * 1024;

pub(super) struct Ipc {
    path: PathBuf,
    /// As in `Way::WebSocket`.
    idle: Mutex<Vec<Connection>>,
    closing: Arc<Closing>,
}

impl Ipc {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), closing: Arc::default() }
    }

    pub(super) async fn ask(&self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        // An idle connection may have died unnoticed: then a new one is tried, once.
        if let Some(idle) = take(&self.idle)
            && let Ok((connection, answer)) = ask_on(idle, body).await
        {
            give_back(&self.idle, connection);
            return Ok(answer);
        }
        let (connection, answer) = ask_on(self.connect().await?, body).await?;
        give_back(&self.idle, connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Connection, WireError> {
        // So whoever holds what we close has one connection of ours for it, and not all there are.
        if self.closing.left.load(Ordering::Acquire) > 0 {
            return Err(WireError::Descriptors);
        }
        let cannot = |_| WireError::Connect;
        let socket = UnixSocket::new_stream().map_err(cannot)?;
        // Before anybody can send us one.
        if !refuse(&socket) {
            show_all(&socket).map_err(cannot)?;
        }
        let io = socket.connect(&self.path).await.map_err(cannot)?;
        let listens = io.peer_cred().map(|it| it.uid());
        let connection = Connection { io: Some(io), closing: Arc::clone(&self.closing) };
        let listens = listens.map_err(cannot)?;
        match is_trusted(listens, &self.path) {
            true => Ok(connection),
            false => Err(WireError::Stranger { uid: listens }),
        }
    }
}

/// Whether a user may be the node at a path: anybody who could put a socket there, unless everybody can.
fn is_trusted(listens: u32, path: &Path) -> bool {
    let ways = [Some(path.to_owned()), path.canonicalize().ok()];
    is_ours(listens) || ways.into_iter().flatten().all(|it| is_kept(listens, &it))
}

/// Whether nobody else could have made what is on the way to a socket: in a directory that everybody may write in, the next
/// one was made by whoever came first.
fn is_kept(listens: u32, path: &Path) -> bool {
    let mut made_by = listens;
    for directory in path.ancestors().skip(1) {
        let Ok(it) = directory.metadata() else { return false };
        let is_anybodys = it.mode() & 0o002 != 0 && it.uid() != listens;
        if is_anybodys && !is_ours(made_by) {
            return false;
        }
        made_by = it.uid();
    }
    true
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// A connection, of which nobody is held who drops it.
struct Connection {
    /// None once it is dropped.
    io: Option<UnixStream>,
    closing: Arc<Closing>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(io) = self.io.take().filter(|io| !shut(io)) {
            self.closing.close(io);
        }
    }
}

/// Closes connections in which something was left, one after the other.
#[derive(Default)]
struct Closing {
    /// To the thread that does, from the first on.
    give: Mutex<Option<Sender<std::os::unix::net::UnixStream>>>,
    left: Arc<AtomicUsize>,
}

impl Closing {
    fn close(&self, io: UnixStream) {
        // It is closed by whoever is here where there can be no thread, or nothing was left to be asked of it.
        let Ok(io) = io.into_std() else { return };
        let mut give = self.give.lock().unwrap_or_else(PoisonError::into_inner);
        if give.is_none() {
            *give = self.start().ok();
        }
        let Some(give) = give.as_ref() else { return };
        self.left.fetch_add(1, Ordering::AcqRel);
        let _ = give.send(io);
    }

    fn start(&self) -> io::Result<Sender<std::os::unix::net::UnixStream>> {
        let (give, given) = channel();
        let left = Arc::clone(&self.left);
        Builder::new().name("entitled-node".into()).spawn(move || {
            for connection in given {
                drop(connection);
                left.fetch_sub(1, Ordering::AcqRel);
            }
        })?;
        Ok(give)
    }
}

async fn ask_on(
    mut connection: Connection,
    body: &[u8],
) -> Result<(Connection, Vec<u8>), WireError> {
    let io = connection.io.as_mut().ok_or(WireError::Broken)?;
    io.write_all(body).await.map_err(|_| WireError::Broken)?;
    io.write_all(b"\n").await.map_err(|_| WireError::Broken)?;
    let io = &*io;
    let (mut read, mut end) = (Vec::with_capacity(PIECE), JsonEnd::default());
    let mut piece = vec![0; PIECE];
    loop {
        let from = read.len();
        let came =
            io.async_io(Interest::READABLE, || read_bytes_alone(io, &mut ReadBuf::new(&mut piece)));
        let count = came.await.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => WireError::Descriptors,
            _ => WireError::Broken,
        })?;
        if count == 0 {
            return Err(WireError::Broken);
        }
        read.extend_from_slice(piece.get(..count).unwrap_or_default());
        if read.len() > BODY {
            return Err(WireError::TooLarge);
        }
        if let Some(length) = end.find(&read, from) {
            read.truncate(length);
            return Ok((connection, read));
        }
    }
}

#[cfg(test)]
mod tests;
