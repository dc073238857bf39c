//! The stream of a connection, as all framings use it.
//!
//! Where others can send descriptors, a stream is guarded. What would bring one is looked at and never read: whoever sent
//! it loses the connection. And what may have one unread is closed by [`super::closing`].
//!
//! Invariant: whoever reads a stream or drops it is not held by what others have sent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::census::Seat;
use super::closing::{Closer, Leaving};
use crate::sent_descriptors::{read_bytes_alone, show_all, shut};
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
        let last = show_all(&io).and_then(|()| io.as_fd().try_clone_to_owned());
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

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(last) = self.last.take() else { return };
        if shut(&last) {
            return;
        }
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
