//! How every file is opened that lies where somebody else may have put something else.
//!
//! Asked by whoever opens a file. Never: waits for the other end of a pipe, follows a link at the name (but where it says
//! so), or takes a directory, a socket or a device for a file. Directories above the name are their owners' affair.

mod reached;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

pub use self::reached::Reached;

/// Opens a file to read it.
///
/// # Errors
/// What the file system says; `InvalidInput` when it is a link, or anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_at(AT_FDCWD, path, OFlag::O_RDONLY)
}

/// Opens a file to read and write it, or makes it, readable by its owner alone.
///
/// # Errors
/// As [`open`].
pub fn open_or_make(path: &Path) -> io::Result<File> {
    open_at(AT_FDCWD, path, OFlag::O_RDWR | OFlag::O_CREAT)
}

/// Makes a file, readable by its owner alone, where nothing is yet.
///
/// # Errors
/// As [`open`]; `AlreadyExists` when something has the name, were it a dangling link.
pub fn make_new(path: &Path) -> io::Result<File> {
    open_at(AT_FDCWD, path, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL)
}

/// The text of a file, of which `most` bytes and one more are read: so a longer one is noticed by its length.
///
/// # Errors
/// As [`open`]; `InvalidData` when it is not UTF-8.
pub fn read_text(path: &Path, most: usize) -> io::Result<String> {
    text_of(open(path)?, most)
}

fn text_of(file: File, most: usize) -> io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}

/// As [`read_text`], also where the name is a link. For a path that the administrator has written down and that Kubernetes
/// may mount: there `tls.crt` is a link to `..data/tls.crt`, and `..data` is turned to a new directory when the secret changes.
///
/// # Errors
/// As [`read_text`], but for links.
pub fn read_linked_text(path: &Path, most: usize) -> io::Result<String> {
    let how = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    text_of(checked(openat(AT_FDCWD, path, how, Mode::empty()))?, most)
}

/// Opens a file of this name in a directory that is open.
///
/// # Errors
/// As [`open`].
pub fn open_at(directory: impl AsFd, name: &Path, how: OFlag) -> io::Result<File> {
    let how = how | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    checked(openat(directory, name, how, Mode::S_IRUSR | Mode::S_IWUSR))
}

/// Waits until the directory of a file is on the disk: what was renamed within it stays so.
///
/// # Errors
/// What the file system says.
pub fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."));
    let how = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::unistd::fsync(openat(AT_FDCWD, folder, how, Mode::empty())?)?;
    Ok(())
}

fn checked(opened: nix::Result<OwnedFd>) -> io::Result<File> {
    let file = File::from(opened.map_err(refusal)?);
    // Of the file that is open, so that nobody can put another in its place after the check.
    if file.metadata()?.is_file() { Ok(file) } else { Err(invalid(NOT_REGULAR)) }
}

fn refusal(error: Errno) -> io::Error {
    match error {
        Errno::ELOOP => invalid("is a symbolic link: put the file itself there"),
        // A socket, or a pipe that nobody reads; a directory.
        Errno::ENXIO | Errno::EISDIR => invalid(NOT_REGULAR),
        error => error.into(),
    }
}

const NOT_REGULAR: &str = "is not a regular file";

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests;
