//! Whoever connects may send no descriptors (`SO_PASSRIGHTS`, Linux 6.16).
//!
//! No request brings any. One that comes with bytes is closed by the kernel on the thread that reads them, which serves
//! everybody; and closing what is another's may last as long as they like, as with a connection whose `SO_LINGER` they chose.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};

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

/// Lets nobody send any to whatever is accepted from this socket. Where the kernel does not know of it, all may go on to.
pub(super) fn refuse(listener: &impl AsFd) {
    match setsockopt(listener, PassRights, &false) {
        Ok(()) => {}
        Err(Errno::ENOPROTOOPT) => tracing::info!(
            "this kernel (before 6.16) lets any local user send us descriptors, and so hold a thread that serves all"
        ),
        Err(error) => tracing::warn!(%error, "cannot refuse descriptors that others send"),
    }
}
