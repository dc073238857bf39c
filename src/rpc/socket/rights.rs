//! Whoever connects may send no descriptors (`SO_PASSRIGHTS`, Linux 6.16).
//!
//! No request brings any. One that comes with bytes is closed by the kernel on the thread that reads them, which serves
//! everybody; and closing what is another's may last as long as they like, as with a connection whose `SO_LINGER` they chose.
//! Of older kernels, and of what was sent to a socket before it was ours, `stream` takes care.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};

use crate::regular_file;

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

/// Lets nobody send any to whoever connects to this socket from now on. Whether the kernel can do that.
pub(super) fn refuse(listener: &impl AsFd) -> bool {
    match setsockopt(listener, PassRights, &false) {
        Ok(()) => true,
        Err(Errno::ENOPROTOOPT) => false,
        Err(error) => {
            tracing::warn!(%error, "cannot refuse descriptors that others send");
            false
        }
    }
}

/// So many of the connections that are accepted first may bring some, by which time they had connected.
pub(super) fn connections_before_refusal(listener: &impl AsFd, is_of_others: bool) -> usize {
    match (refuse(listener), is_of_others) {
        (false, _) => {
            tracing::info!(
                "this kernel (before 6.16) lets others send us descriptors: each connection is guarded"
            );
            usize::MAX
        }
        (true, true) => longest_queue(),
        (true, false) => 0,
    }
}

/// How many connections may wait to be accepted: one more than the kernel lets anybody ask for.
fn longest_queue() -> usize {
    let most = regular_file::read_text(Path::new("/proc/sys/net/core/somaxconn"), 64).ok();
    let most = most.and_then(|it| it.trim().parse().ok());
    most.unwrap_or(usize::from(u16::MAX)).saturating_add(1)
}
