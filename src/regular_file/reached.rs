//! The way to a file that somebody has named, through no file system that another user answers for.
//!
//! Such a file system (FUSE) is a program of its user's. Whoever looks a name up there waits until that program answers, and no
//! signal ends that. So each directory is opened from the one before, which asks the file system of that one alone, and is gone
//! on from if its own is the kernel's, root's or the caller's. What the kernel says of a mount asks no file system.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::geteuid;

use super::{checked, invalid};

/// Links on a way (as the kernel counts them: path_resolution(7)).
const LINKS: usize = 40;
/// Where others may make links that are followed for nobody but their owner (proc_sys_fs(5), `protected_symlinks`).
const ANYBODYS: u32 = 0o1002;

/// A directory that was reached, and a name in it.
pub struct Reached {
    directory: OwnedFd,
    name: OsString,
}

impl Reached {
    /// Goes there.
    ///
    /// # Errors
    /// What the file system says; `InvalidInput` when the way leads through another user's file system.
    pub fn to(path: &Path) -> io::Result<Self> {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name),
            _ => (path, OsStr::new(".")),
        };
        Ok(Self { directory: directory(folder)?, name: name.to_owned() })
    }

    /// By another name in the same directory.
    #[must_use]
    pub fn path_of(&self, name: &OsStr) -> PathBuf {
        Path::new(&descriptor("fd", &self.directory)).join(name)
    }

    /// The same file, by a path that starts at the directory that was reached.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path_of(&self.name)
    }

    /// Opens it to read it.
    ///
    /// # Errors
    /// As [`super::open`]; `InvalidInput` when it is a file system of another user's itself.
    pub fn open(&self) -> io::Result<File> {
        let found = step(&self.directory, &self.name)?;
        if is_link(&fstat(&found)?) {
            return Err(super::refusal(Errno::ELOOP));
        }
        let how = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        // What was found, and not what has the name by now.
        checked(openat(AT_FDCWD, Path::new(&descriptor("fd", &found)), how, Mode::empty()))
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    let mut ahead = pieces(path);
    let start = if path.is_absolute() { "/" } else { "." };
    let mut at = step(AT_FDCWD, OsStr::new(start))?;
    let mut links = 0;
    while let Some(next) = ahead.pop() {
        let found = step(&at, &next)?;
        let stat = fstat(&found)?;
        if !is_link(&stat) {
            at = found;
            continue;
        }
        let above = fstat(&at)?;
        let is_foreign = stat.st_uid != geteuid().as_raw() && stat.st_uid != above.st_uid;
        if is_foreign && above.st_mode & ANYBODYS == ANYBODYS {
            return Err(Errno::EACCES.into());
        }
        links += 1;
        if links > LINKS {
            return Err(Errno::ELOOP.into());
        }
        ahead.extend(pieces(Path::new(&readlinkat(&found, "")?)));
    }
    Ok(at)
}

/// What a path goes through, the first last.
fn pieces(path: &Path) -> Vec<OsString> {
    let all = path.components().filter(|it| *it != Component::CurDir);
    let mut pieces: Vec<OsString> = all.map(|it| it.as_os_str().to_owned()).collect();
    pieces.reverse();
    pieces
}

/// One step on the way, which asks what it leads to for nothing.
fn step(from: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = openat(from, name, how, Mode::empty())?;
    match is_anothers(&found)? {
        false => Ok(found),
        true => {
            Err(invalid("lies in a file system that another user answers for: copy it elsewhere"))
        }
    }
}

fn is_link(stat: &FileStat) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits()
}

/// Whether what is open is in a file system of another user's.
fn is_anothers(open: &OwnedFd) -> io::Result<bool> {
    let own = mount_of(open)?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mounts.lines().find_map(|it| it.strip_prefix(own.as_str())?.strip_prefix(' '));
    match mount {
        Some(mount) => Ok(is_answered_by_another(mount, geteuid().as_raw())),
        // Not told of are the root of whoever runs with a root of its own, and what is not mounted any more.
        None => Ok(own != mount_of(&openat(AT_FDCWD, "/", OFlag::O_PATH, Mode::empty())?)?),
    }
}

/// The number of the mount, as the kernel knows it without asking the file system.
fn mount_of(open: &OwnedFd) -> io::Result<String> {
    let told = std::fs::read_to_string(descriptor("fdinfo", open))?;
    let number = told.lines().find_map(|it| it.strip_prefix("mnt_id:"));
    number.map(|it| it.trim().to_owned()).ok_or_else(|| invalid("lies in no known file system"))
}

/// By a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub(super) fn is_answered_by_another(mount: &str, own: u32) -> bool {
    let kind = mount.split_once(" - ").map_or("", |(_, it)| it);
    let mut words = kind.split(' ');
    if !words.next().is_some_and(|it| it.starts_with("fuse")) {
        return false;
    }
    let mut options = words.nth(1).unwrap_or_default().split(',');
    let user = options.find_map(|it| it.strip_prefix("user_id=")?.parse::<u32>().ok());
    user.is_none_or(|it| it != 0 && it != own)
}

fn descriptor(what: &str, open: &OwnedFd) -> String {
    format!("/proc/self/{what}/{}", open.as_raw_fd())
}
