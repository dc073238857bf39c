//! Who is at the other end, as the kernel tells.
//!
//! Asked once per connection. Never believes what a caller says of itself, and never looks at its executable: a
//! process id may be somebody else's by the time one looks.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;

use super::user_namespace::shared_uid;
use crate::actors::seat_keeper::Process;
use entitled_core::domain::peer::{Door, Peer};

/// The process that connected. `None` when the kernel does not name one.
pub(in crate::rpc) fn identify(stream: &UnixStream, door: Door) -> Option<Peer> {
    let credentials = stream.peer_cred().ok()?;
    // The kernel's own mark for "nobody": a socket that was never connected by a process.
    if credentials.uid() == u32::MAX {
        return None;
    }
    Some(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid().filter(|it| *it > 0),
        door,
        account: credentials.uid(),
        shares_uid: Some(credentials.uid()) == shared_uid(),
    })
}

/// A descriptor of the process that connected, which tells of its end: of that process and no other, were its id used
/// again (Linux 6.5). It says for how long, and never who.
pub(in crate::rpc) fn process(stream: BorrowedFd<'_>, peer: &Peer) -> Option<Process> {
    // An older kernel says ENOPROTOOPT, a policy of SELinux EACCES.
    let pidfd = getsockopt(&stream, sockopt::PeerPidfd).ok()?;
    Process::new(pidfd, peer.pid)
}

/// Whether the peer may use the door it came by. The file's mode has let it in; this holds even where the mode was
/// loosened, or the socket came from somebody else.
pub(in crate::rpc) async fn may_enter(peer: &Peer, admin_group: Option<u32>) -> bool {
    if peer.door == Door::Admin && peer.shares_uid {
        return false;
    }
    if peer.door != Door::Admin || is_always_welcome(peer.uid, geteuid().as_raw()) {
        return true;
    }
    let Some(group) = admin_group else {
        return false;
    };
    if peer.gid == group {
        return true;
    }
    // The user database may be on a network.
    let (uid, gid) = (peer.uid, peer.gid);
    tokio::task::spawn_blocking(move || is_member(uid, gid, group)).await.unwrap_or(false)
}

fn is_always_welcome(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

/// The groups of a user, by the user database: of `gid` alone where it has nothing to say. And those of the user whose
/// subordinate uid it is: nobody leaves a group by taking another of their own uids.
pub(in crate::rpc) fn groups(uid: u32, gid: u32, account: u32) -> Vec<u32> {
    let owner = (account != uid).then_some(account).and_then(user);
    let all = [user(uid).map(|it| (it, gid)), owner.map(|it| (it.clone(), it.gid.as_raw()))];
    let all = all.into_iter().flatten().flat_map(|(user, gid)| groups_of(user, gid));
    std::iter::once(gid).chain(all).collect()
}

fn user(uid: u32) -> Option<User> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten()
}

fn groups_of(user: User, gid: u32) -> Vec<u32> {
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    let groups = getgrouplist(&name, Gid::from_raw(gid)).unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

/// Whether the user database has `uid` in `group`. "Could not find out" lets nobody in.
fn is_member(uid: u32, gid: u32, group: u32) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else {
        return false;
    };
    let Ok(name) = CString::new(user.name) else {
        return false;
    };
    getgrouplist(&name, Gid::from_raw(gid))
        .is_ok_and(|groups| groups.contains(&Gid::from_raw(group)))
}

#[cfg(test)]
mod tests;
