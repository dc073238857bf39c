//! A reply on its way out, and what it takes up until it is written.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::census::Taken;

/// A finished reply. Empty when the method has sent it by itself.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Reply {
    pub(in crate::rpc) bytes: Vec<u8>,
    /// To be dropped when the bytes are written, or will never be.
    pub(in crate::rpc) held: Option<Held>,
    /// What goes with its first byte.
    pub(in crate::rpc) descriptor: Option<Arc<OwnedFd>>,
}

/// What a reply takes up: room for its bytes, and the place in flight of the request it answers.
#[derive(Debug)]
pub(in crate::rpc) struct Held {
    _room: Taken,
    _flight: Option<Arc<Flight>>,
}

impl Held {
    pub(in crate::rpc) fn new(room: Taken, flight: Option<Arc<Flight>>) -> Self {
        Self { _room: room, _flight: flight }
    }
}

/// A place among the requests in flight, of the connection and of the user. Whatever works on the request holds it
/// too, so that hanging up frees no place while the work goes on.
#[derive(Debug)]
pub(in crate::rpc) struct Flight {
    _of_connection: OwnedSemaphorePermit,
    _of_user: Taken,
    /// The bytes of the request.
    _bytes: Taken,
}

impl Flight {
    pub(in crate::rpc) fn new(
        of_connection: OwnedSemaphorePermit,
        of_user: Taken,
        bytes: Taken,
    ) -> Self {
        Self { _of_connection: of_connection, _of_user: of_user, _bytes: bytes }
    }
}

/// As one line of a stream.
pub(in crate::rpc) fn append_line(line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(line);
    out.push(b'\n');
}
