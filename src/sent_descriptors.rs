//! Descriptors that others send to a Unix socket beside bytes (`SCM_RIGHTS`), which nobody here wants.
//!
//! Nothing that is said to us brings any. One that comes with bytes is closed by the kernel on the thread that reads them; and
//! closing what is another's may last as long as they like, as with a connection whose `SO_LINGER` they chose. So they are
//! refused (`SO_PASSRIGHTS`, Linux 6.16). Where they cannot be, what would bring one is looked at and never read, and a socket in
//! which one may lie is closed by somebody who may be held.
//!
//! Asked by whoever reads from a Unix socket: `rpc`, and `chain` for the socket of a node. Never: closes anything.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, Shutdown, recv, recvmsg, setsockopt, shutdown, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use tokio::io::ReadBuf;

/// Of `asm-generic/socket.h`, which all machines have that we are built for.
const SO_PASSRIGHTS: libc::c_int = 83;

sockopt_impl!(
    /// Whether descriptors may be sent to this socket, and to those that are accepted from it.
    PassRights,
    SetOnly,
    libc::SOL_SOCKET,
    SO_PASSRIGHTS,
    bool
);

/// Lets nobody send any to this socket, nor to those that are accepted from it, from now on. Whether the kernel can do that.
pub(crate) fn refuse(socket: &impl AsFd) -> bool {
    match setsockopt(socket, PassRights, &false) {
        Ok(()) => true,
        Err(Errno::ENOPROTOOPT) => false,
        Err(error) => {
            tracing::warn!(%error, "cannot refuse descriptors that others send");
            false
        }
    }
}

/// Has bytes out of band come with the others. One, with its descriptors, would be thrown away unseen by whoever reads past it.
///
/// # Errors
/// What the kernel says.
pub(crate) fn show_all(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::OobInline, &true)?)
}

/// Reads bytes that bring no descriptors. To look at what brings some closes nothing: the kernel keeps them where they are.
///
/// # Errors
/// `InvalidData` where some were sent; `WouldBlock` while there is nothing.
pub(crate) fn read_bytes_alone(socket: &impl AsFd, into: &mut ReadBuf<'_>) -> io::Result<usize> {
    let (socket, room) = (socket.as_fd().as_raw_fd(), into.initialize_unfilled());
    let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let mut whole = [IoSliceMut::new(&mut *room)];
    let seen = recvmsg::<()>(socket, &mut whole, None, look)?;
    let (count, flags) = (seen.bytes, seen.flags);
    // There is no room for them in the question, so it says that something is missing in the answer.
    if flags.contains(MsgFlags::MSG_CTRUNC) {
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

/// Ends a connection. Whether nothing is left in it: then it is closed at once, and else by somebody who may be held.
pub(crate) fn shut(socket: &impl AsFd) -> bool {
    let socket = socket.as_fd().as_raw_fd();
    // From here on nothing more can be sent, so what is empty stays empty.
    let is_shut = shutdown(socket, Shutdown::Read).is_ok();
    let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let left = recv(socket, &mut [0], look);
    if is_shut && matches!(left, Ok(0) | Err(Errno::EAGAIN | Errno::ECONNRESET)) {
        return true;
    }
    // The other side need not wait for it to learn of the end.
    let _ = shutdown(socket, Shutdown::Both);
    false
}
