//! Who asks for a seat, and what can be told of their life.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};
use tokio::sync::watch;

use entitled_core::domain::ids::CustomerId;
use entitled_core::seats::{Owner, ProcessId, Standing};

/// A process, by a file descriptor that tells of its end.
#[derive(Debug, Clone)]
pub struct Process {
    pub(in crate::actors::seat_keeper) fd: Arc<OwnedFd>,
    identity: Identity,
    /// For people to read.
    pub(in crate::actors::seat_keeper) pid: Option<i32>,
}

#[derive(Debug, Clone, Copy)]
enum Identity {
    /// Of its pidfd, on Linux 6.9 and later: of no other process within a boot.
    Inode(u64),
    /// Of no other process while this one lives.
    Pid(i32),
    /// Told apart by its connections alone.
    NotKnown,
}

/// The file system of pidfds, whose inodes are processes.
const PID_FS_MAGIC: i64 = 0x5049_4446;

impl Process {
    /// `pid` as the kernel named it with the connection, where it names one.
    pub fn new(fd: OwnedFd, pid: Option<i32>) -> Option<Self> {
        let is_pidfs = fstatfs(&fd).is_ok_and(|it| it.filesystem_type() == FsType(PID_FS_MAGIC));
        let identity = match (is_pidfs, pid) {
            (true, _) => Identity::Inode(fstat(&fd).ok()?.st_ino),
            (false, Some(pid)) => Identity::Pid(pid),
            (false, None) => Identity::NotKnown,
        };
        Some(Self { fd: Arc::new(fd), identity, pid })
    }

    /// A process of an earlier run of the daemon: the one of `id`, and no other. What proves that is the inode; where
    /// there is none, that somebody else kept this descriptor under that id.
    pub(in crate::actors::seat_keeper) fn again(
        fd: OwnedFd,
        id: ProcessId,
        pid: Option<i32>,
    ) -> Option<Self> {
        Self::new(fd, pid).filter(|it| match it.identity {
            Identity::Inode(inode) => ProcessId(inode) == id,
            Identity::Pid(_) => it.id(0) == id,
            Identity::NotKnown => false,
        })
    }

    /// Whether it can be told from all others, whatever its process id.
    pub(in crate::actors::seat_keeper) fn has_inode(&self) -> bool {
        matches!(self.identity, Identity::Inode(_))
    }

    /// What it is told apart by, on this connection.
    pub(in crate::actors::seat_keeper) fn id(&self, connection: u64) -> ProcessId {
        const NO_INODE: u64 = 1 << 63;
        const NO_PID: u64 = 1 << 62;
        match self.identity {
            Identity::Inode(inode) => ProcessId(inode),
            Identity::Pid(pid) => ProcessId(NO_INODE | u64::from(pid.unsigned_abs())),
            Identity::NotKnown => ProcessId(NO_INODE | NO_PID | connection),
        }
    }
}

impl Presence {
    /// With the number of a connection that no other has had within this boot.
    pub(in crate::actors::seat_keeper) fn numbered_from(mut self, first: u64) -> Self {
        self.connection = self.connection.saturating_add(first);
        self
    }
}

/// Who asks for a seat, and what can be told of its life.
#[derive(Debug, Clone)]
pub struct Presence {
    pub uid: u32,
    /// The primary and the supplementary groups, as far as they are known.
    pub gids: Vec<u32>,
    /// Whose limits it uses up.
    pub account: u32,
    pub connection: u64,
    /// Whom a delegate asks for. Whoever has the seat is elsewhere then: each connection is a unit of its own.
    pub on_behalf: Option<CustomerId>,
    /// By whose entitlement; the permit of each request says.
    pub standing: Option<Standing>,
    /// `None` where the kernel has no descriptor of it to give, or where it says nothing of who has the seat.
    pub process: Option<Process>,
    /// True, or gone, once the connection has ended.
    pub closed: watch::Receiver<bool>,
    /// Gone once nobody waits for the answer to this request any more.
    pub heard: Option<watch::Receiver<()>>,
}

impl Presence {
    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, on_behalf: self.on_behalf }
    }

    /// Whether somebody waits for the answer.
    pub fn is_heard(&self) -> bool {
        self.heard.as_ref().is_none_or(|it| it.has_changed().is_ok())
    }

    /// Comes when nobody does any more.
    pub async fn unheard(&self) {
        match self.heard.clone() {
            Some(mut heard) => while heard.changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }
}
