//! Who is at the other end, as the kernel tells.
//!
//! Asked once per connection. Never believes what a caller says of itself, and never looks at its executable: a
//! process id may be somebody else's by the time one looks.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;

use super::user_namespace::shared_uid;
use crate::actors::seat_keeper::Process;
use entitled_core::domain::peer::{Door, Peer};

/// Where the user database is, or a part of it.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
/// No group's: beside the numbers that mean "none", and that of nobody.
const NOBODYS: Gid = Gid::from_raw(u32::MAX - 2);

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
        chose_gid: false,
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
    if peer.group() == Some(group) {
        return true;
    }
    // The user database may be on a network.
    let uid = peer.uid;
    tokio::task::spawn_blocking(move || is_member(uid, group)).await.unwrap_or(false)
}

fn is_always_welcome(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

/// The groups of a user: the one it runs in, its primary one, and all that the user database has it in. And those of the user
/// whose subordinate uid it is: nobody leaves a group by running in another, nor as another of their own uids.
///
/// # Errors
/// When the user database fails. A uid that it has nothing about is in no group by it.
pub(in crate::rpc) fn groups(uid: u32, gid: Option<u32>, account: u32) -> io::Result<Vec<u32>> {
    let mut all: Vec<_> = gid.into_iter().chain(groups_of(uid)?).collect();
    if account != uid {
        all.extend(groups_of(account)?);
    }
    Ok(all)
}

fn groups_of(uid: u32) -> io::Result<Vec<u32>> {
    let Some(user) = user(uid)? else { return Ok(Vec::new()) };
    let groups = getgrouplist(&CString::new(user.name)?, user.gid)?;
    // glibc leaves out what it cannot read. The same sources, asked for what none has, say that they failed; of several only
    // the last does, and the first is the file, mostly.
    found(Group::from_gid(NOBODYS))?;
    can_be_opened(GROUPS)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn user(uid: u32) -> io::Result<Option<User>> {
    let user = found(User::from_uid(Uid::from_raw(uid)))?;
    if user.is_none() {
        can_be_opened(USERS)?;
    }
    Ok(user)
}

/// By getpwnam(3) there are errors that say no more than that there is no such entry. One is that of a machine that has no
/// user database at all, such as a container with one program in it.
fn found<T>(answer: nix::Result<Option<T>>) -> io::Result<Option<T>> {
    match answer {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        answer => Ok(answer?),
    }
}

fn can_be_opened(file: &str) -> io::Result<()> {
    match File::open(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the user database has `uid` in `group`. "Could not find out" lets nobody in.
fn is_member(uid: u32, group: u32) -> bool {
    groups_of(uid).is_ok_and(|groups| groups.contains(&group))
}

#[cfg(test)]
mod tests;
