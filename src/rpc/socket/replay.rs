//! A stream whose first bytes have been read already, which does not stay blocked for ever, and of which no more is read
//! than there is a turn for.
//!
//! For HTTP and WebSocket, whose own machinery has no such limits on a local socket.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::progress::Progress;
use super::shared_stream::SharedStream;
use crate::rpc::call::caller::Caller;

pub(in crate::rpc) struct Replay {
    first: Bytes,
    io: SharedStream,
    caller: Arc<Caller>,
    progress: Arc<Progress>,
    blocked: Option<Pin<Box<Sleep>>>,
}

impl Replay {
    pub(in crate::rpc) fn new(
        io: SharedStream,
        first: Vec<u8>,
        caller: Arc<Caller>,
        progress: Arc<Progress>,
    ) -> Self {
        Self { first: first.into(), io, caller, progress, blocked: None }
    }

    /// Passes on what a write came to, and ends it when it has been blocked too long.
    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = written {
            self.blocked = None;
            if let Ok(count) = &done {
                self.caller.figures().bytes_out.add(*count);
            }
            return Poll::Ready(done);
        }
        let allowed = self.caller.limits().write;
        let deadline = self.blocked.get_or_insert_with(|| Box::pin(tokio::time::sleep(allowed)));
        if deadline.as_mut().poll(context).is_ready() {
            self.caller.figures().slow_readers.one_more();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.caller.turn.poll_begin(context).is_pending() {
            return Poll::Pending;
        }
        if !this.first.is_empty() {
            let count = this.first.len().min(into.remaining());
            into.put_slice(this.first.get(..count).unwrap_or_default());
            this.first.advance(count);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut this.io).poll_read(context, into);
        let count = into.filled().len() - before;
        if count > 0 {
            this.caller.heard(count);
            this.progress.heard();
            this.caller.turn.spend(count);
        }
        read
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
