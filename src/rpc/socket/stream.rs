//! The stream of a connection, as all framings use it.
//!
//! Where others can send descriptors, a stream is guarded. What would bring one is looked at and never read: whoever sent
//! it loses the connection. And what may have one unread is closed by [`super::closing`].
//!
//! Invariant: whoever reads a stream or drops it is not held by what others have sent.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, recvmsg, setsockopt, shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::census::Seat;
use super::closing::{Closer, Leaving};
use entitled_core::domain::peer::Peer;

/// A connection's socket. Its guard keeps it open until after its own descriptor is dropped.
pub(in crate::rpc) struct Stream {
    io: UnixStream,
    guard: Option<Guard>,
}

/// A stream on its way from one thread to another.
pub(in crate::rpc) struct Moving {
    io: StdUnixStream,
    guard: Option<Guard>,
}

/// Closes a socket whose other side may have sent descriptors.
struct Guard {
    /// Another descriptor of the socket; none once it is dropped.
    last: Option<OwnedFd>,
    closer: Arc<Closer>,
    account: u32,
    seat: Option<Arc<Seat>>,
}

impl Stream {
    /// For a socket to which nobody can send descriptors.
    pub(in crate::rpc) fn plain(io: UnixStream) -> Self {
        Self { io, guard: None }
    }

    /// For one to which somebody can, or could.
    ///
    /// # Errors
    /// When there is no descriptor left to guard it with. It is closed then.
    pub(in crate::rpc) fn guarded(io: UnixStream, closer: &Arc<Closer>) -> io::Result<Self> {
        // A byte out of band, with its descriptors, would be thrown away unseen by whoever reads past it. Inline, it is
        // looked at like any other.
        let inline = setsockopt(&io, sockopt::OobInline, &true).map_err(io::Error::from);
        let last = inline.and_then(|()| io.as_fd().try_clone_to_owned());
        let (closer, account) = (Arc::clone(closer), Leaving::NOBODY);
        match last {
            Ok(last) => {
                let guard = Guard { last: Some(last), closer, account, seat: None };
                Ok(Self { io, guard: Some(guard) })
            }
            Err(error) => {
                let last = Some(io.into_std()?.into());
                drop(Guard { last, closer, account, seat: None });
                Err(error)
            }
        }
    }

    /// Whose it is, and the place that it takes until it is closed.
    pub(in crate::rpc) fn belongs_to(&mut self, peer: &Peer, seat: Option<&Arc<Seat>>) {
        if let Some(guard) = &mut self.guard {
            guard.account = peer.account;
            guard.seat = seat.cloned();
        }
    }

    /// The socket, for anything but reading.
    pub(in crate::rpc) fn io(&self) -> &UnixStream {
        &self.io
    }

    /// Takes it from its thread.
    pub(in crate::rpc) fn leave(self) -> io::Result<Moving> {
        Ok(Moving { io: self.io.into_std()?, guard: self.guard })
    }

    /// As [`AsyncRead::poll_read`], for one of several who share it.
    pub(in crate::rpc) fn poll_read_shared(
        &self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = &self.io;
        let read = until_done(
            || io.poll_read_ready(context),
            || match self.guard {
                None => io.try_read_buf(into),
                Some(_) => io.try_io(Interest::READABLE, || read_bytes_alone(io, into)),
            },
        );
        read.map_ok(|_| ())
    }
}

impl Moving {
    /// Brings it to the thread that this is called on.
    pub(in crate::rpc) fn arrive(self) -> io::Result<Stream> {
        // The kernel tells each runtime of its own connections only.
        Ok(Stream { io: UnixStream::from_std(self.io)?, guard: self.guard })
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// Tries until it is done or has to wait.
pub(in crate::rpc) fn until_done<T>(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(ready())?;
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// Reads bytes that bring no descriptors. To look at what brings some closes nothing: the kernel keeps them where they are.
fn read_bytes_alone(io: &UnixStream, into: &mut ReadBuf<'_>) -> io::Result<usize> {
    let (socket, room) = (io.as_raw_fd(), into.initialize_unfilled());
    let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let mut whole = [IoSliceMut::new(&mut *room)];
    let seen = recvmsg::<()>(socket, &mut whole, None, look)?;
    let (count, flags) = (seen.bytes, seen.flags);
    // There is no room for them in the question, so it says that something is missing in the answer.
    if flags.contains(MsgFlags::MSG_CTRUNC) {
        tracing::debug!("a connection to which descriptors were sent is closed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors were sent"));
    }
    let seen = room.get_mut(..count).unwrap_or_default();
    if seen.is_empty() {
        return Ok(0);
    }
    // No more than was seen: the next byte may bring some.
    let count = recv(socket, seen, MsgFlags::MSG_DONTWAIT)?;
    into.advance(count);
    Ok(count)
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(last) = self.last.take() else { return };
        let socket = last.as_raw_fd();
        // From here on nothing more can be sent, so what is empty stays empty.
        let is_shut = shutdown(socket, Shutdown::Read).is_ok();
        let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        let left = recv(socket, &mut [0], look);
        if is_shut && matches!(left, Ok(0) | Err(Errno::EAGAIN | Errno::ECONNRESET)) {
            return;
        }
        // The other side need not wait for it to learn of the end.
        let _ = shutdown(socket, Shutdown::Both);
        let (account, seat) = (self.account, self.seat.take());
        self.closer.close(Leaving { account, socket: last, seat });
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.guard {
            None => Pin::new(&mut self.io).poll_read(context, into),
            Some(_) => self.poll_read_shared(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
