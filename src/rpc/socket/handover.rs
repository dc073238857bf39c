//! Descriptors that go with replies of a raw connection, each with the first byte of its reply.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncWriteExt, Interest};

use super::stream::Stream;

/// Which descriptors go with what is to be written.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Handover(Vec<(usize, Arc<OwnedFd>)>);

impl Handover {
    /// Has a descriptor go with the byte that stands at `at`.
    pub(in crate::rpc) fn add(&mut self, at: usize, descriptor: Arc<OwnedFd>) {
        self.0.push((at, descriptor));
    }

    pub(in crate::rpc) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes all of `bytes`, and hands over what goes with them.
    pub(in crate::rpc) async fn write_all(
        &mut self,
        io: &mut Stream,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut done = 0;
        for (at, descriptor) in std::mem::take(&mut self.0) {
            io.write_all(bytes.get(done..at).unwrap_or_default()).await?;
            let rest = bytes.get(at..).unwrap_or_default();
            done = at + send_with(io, rest, &descriptor).await?;
        }
        io.write_all(bytes.get(done..).unwrap_or_default()).await
    }
}

async fn send_with(io: &Stream, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
    let descriptors = [descriptor.as_raw_fd()];
    let enclosed = [ControlMessage::ScmRights(&descriptors)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let io = io.io();
    let send = || sendmsg::<()>(io.as_raw_fd(), &[IoSlice::new(bytes)], &enclosed, flags, None);
    io.async_io(Interest::WRITABLE, || send().map_err(io::Error::from)).await
}
