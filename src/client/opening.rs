//! Opening a connection without ever waiting in the kernel: a blocking connect would wait for ever on a daemon that is
//! stopped with a full queue.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, socket,
};

use crate::error::ClientError;
use crate::server;

/// How long to wait before asking again a daemon whose queue of new connections is full.
pub(super) const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// A connection on its way. It does not block, neither now nor once it is open.
pub(super) struct Opening {
    path: PathBuf,
    address: UnixAddr,
    descriptor: OwnedFd,
}

/// How far an [`Opening`] came.
pub(super) enum Opened {
    /// Open, and served by somebody who may be believed.
    Yes(UnixStream),
    /// The queue of new connections is full.
    NotYet(Opening),
}

impl Opening {
    pub(super) fn new(path: &Path) -> Result<Self, ClientError> {
        let failed = failed_at(path);
        let address = UnixAddr::new(path).map_err(&failed)?;
        let flags = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
        let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None);
        Ok(Self { path: path.to_owned(), address, descriptor: descriptor.map_err(&failed)? })
    }

    /// Tries once, and makes sure who answers.
    pub(super) fn go_on(self) -> Result<Opened, ClientError> {
        match connect(self.descriptor.as_raw_fd(), &self.address) {
            Ok(()) | Err(Errno::EISCONN) => {
                let stream = UnixStream::from(self.descriptor);
                server::verify(&stream, &self.path)?;
                Ok(Opened::Yes(stream))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Opened::NotYet(self)),
            Err(it) => Err(failed_at(&self.path)(it)),
        }
    }
}

/// Whether a connection is still there, and nothing unasked for has arrived on it.
pub(super) fn is_quiet(descriptor: RawFd) -> bool {
    let mut byte = [0_u8];
    let flags = MsgFlags::MSG_PEEK.union(MsgFlags::MSG_DONTWAIT);
    recv(descriptor, &mut byte, flags) == Err(Errno::EAGAIN)
}

fn failed_at(path: &Path) -> impl Fn(Errno) -> ClientError {
    move |it| ClientError::Unreachable { path: path.to_owned(), source: it.into() }
}
