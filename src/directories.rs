//! Gives directories that root has made to the user who is to work in them: the first step of the agent's pod.
//!
//! Asked by `main`, in a container that runs as root with the right to change owners and no other. The kubelet makes a
//! directory of the host (`hostPath`) as root's. Never: follows a link, looks below the directory, or takes one in which
//! root has something already.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

/// Whom they are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Who may look into a directory besides its owner, who alone may write there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    ToAll,
    ToOwner,
}

/// Why a directory was not given.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} belongs to uid {uid}, neither to root nor to whom it is to be given", path.display())]
    AnothersAlready { path: PathBuf, uid: u32 },
    #[error("{} can be written by others than its owner: make it mode {wanted:04o} on the node", path.display())]
    Writable { path: PathBuf, wanted: u32 },
    #[error("{} belongs to root and is not empty: name a directory of its own, or give this one to uid {uid} on the node", path.display())]
    InUse { path: PathBuf, uid: u32 },
}

impl Visible {
    fn mode(self) -> Mode {
        let owner = Mode::S_IRWXU;
        match self {
            Self::ToOwner => owner,
            Self::ToAll => owner | Mode::S_IRGRP | Mode::S_IXGRP | Mode::S_IROTH | Mode::S_IXOTH,
        }
    }
}

/// Gives `path` away, or sees that this was done before.
///
/// # Errors
/// [`DirectoryError`]; then nothing was changed, or the mode only, and the next try goes on.
pub fn give(path: &Path, owner: Owner, visible: Visible) -> Result<(), DirectoryError> {
    let io = |doing| {
        let path = path.to_owned();
        move |source: io::Error| DirectoryError::Io { doing, path, source }
    };
    let kernel = |doing| {
        let io = io(doing);
        move |errno: nix::Error| io(errno.into())
    };
    // Root without its rights may not read what is private to another: the name is held without reading.
    let held = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let held = File::from(open(path, held, Mode::empty()).map_err(kernel("open the directory"))?);
    let found = held.metadata().map_err(io("look at"))?;
    if found.uid() == owner.uid {
        return match found.mode() & 0o022 {
            0 => Ok(()),
            _ => Err(DirectoryError::Writable {
                path: path.to_owned(),
                wanted: visible.mode().bits(),
            }),
        };
    }
    if found.uid() != Uid::effective().as_raw() {
        return Err(DirectoryError::AnothersAlready { path: path.to_owned(), uid: found.uid() });
    }
    let read = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = File::from(openat(&held, ".", read, Mode::empty()).map_err(kernel("read"))?);
    if !is_empty(path).map_err(io("look into"))? {
        return Err(DirectoryError::InUse { path: path.to_owned(), uid: owner.uid });
    }
    // In this order: who has given it away may not change its mode any more.
    fchmod(&directory, visible.mode()).map_err(kernel("change the mode of"))?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fchown(&directory, Some(uid), Some(gid)).map_err(kernel("change the owner of"))
}

/// Nobody but root, who made it, can put anything there or exchange it meanwhile.
fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests;
