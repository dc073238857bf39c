//! Who is at the other end, as the kernel tells.
//!
//! Asked once per connection. Never believes what a caller says of itself, and never looks at its executable: a
//! process id may be somebody else's by the time one looks.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;

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
    })
}

/// Whether the peer may use the door it came by. The file's mode has let it in; this holds even where the mode was
/// loosened, or the socket came from somebody else.
pub(in crate::rpc) async fn may_enter(peer: &Peer, admin_group: Option<u32>) -> bool {
    if peer.door == Door::Public || is_always_welcome(peer.uid, geteuid().as_raw()) {
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
mod tests {
    use super::*;

    fn admin(uid: u32, gid: u32) -> Peer {
        Peer { uid, gid, pid: None, door: Door::Admin, account: uid }
    }

    #[tokio::test]
    async fn the_kernel_names_this_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = identify(&ours, Door::Public).unwrap();
        assert_eq!(peer.uid, geteuid().as_raw());
        assert_eq!(peer.pid, Some(i32::try_from(std::process::id()).unwrap()));
    }

    #[tokio::test]
    async fn the_admin_door_is_for_root_ourselves_and_the_group() {
        let group = Some(4_000_000_001);
        assert!(may_enter(&admin(0, 0), None).await);
        assert!(may_enter(&admin(geteuid().as_raw(), 77), None).await);
        assert!(may_enter(&admin(4_000_000_000, 4_000_000_001), group).await);
        assert!(!may_enter(&admin(4_000_000_000, 77), group).await);
        assert!(!may_enter(&admin(4_000_000_000, 77), None).await);
    }

    #[tokio::test]
    async fn anybody_may_use_the_public_door() {
        let peer = Peer { door: Door::Public, ..admin(4_000_000_000, 77) };
        assert!(may_enter(&peer, None).await);
    }

    #[test]
    fn a_user_nobody_knows_is_in_no_group() {
        assert!(!is_member(4_000_000_000, 77, 77));
    }
}
