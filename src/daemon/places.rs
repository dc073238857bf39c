//! What already stands where the configuration puts files and sockets, for `entitled --check`.
//!
//! The start refuses what it cannot use there, and names it. This says the same without starting. Never: makes, opens or
//! changes anything. What may not be looked at is not judged: whoever checks may be another user than the daemon's.

use std::fs::{FileType, Metadata};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, MACHINE_ID};
use crate::key_source::KeySource;

/// Something stands in a place that the daemon needs, and is not what belongs there.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: {} is {what}: move it away, or use another path", path.display())]
pub(super) struct Occupied {
    key: &'static str,
    path: PathBuf,
    what: &'static str,
}

/// Every place without which the daemon would not start.
pub(super) fn check(config: &Config) -> Result<(), Occupied> {
    let store = &config.store.path;
    file("store.path", store)?;
    file("store.path", &store.with_file_name(MACHINE_ID))?;
    let sockets =
        [("socket.path", &config.socket.path), ("socket.admin_path", &config.socket.admin_path)];
    for (key, path) in sockets {
        place(key, path, FileType::is_socket)?;
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        file(key, Path::new(&lock))?;
    }
    Ok(())
}

/// A key file that is none locks managed wallets, and keeps nothing from starting.
pub(super) fn warnings(config: &Config) -> Option<String> {
    let (KeySource::File(path) | KeySource::Passphrase(path)) = &config.keys.source else {
        return None;
    };
    let occupied = file("keys.source", path).err()?;
    Some(format!("{occupied}; until then managed wallets are locked"))
}

fn file(key: &'static str, path: &Path) -> Result<(), Occupied> {
    place(key, path, FileType::is_file)
}

/// Nothing is in this place yet, or what belongs there; and what is above it is a directory, once there is one.
fn place(
    key: &'static str,
    path: &Path,
    belongs: impl Fn(&FileType) -> bool,
) -> Result<(), Occupied> {
    if let Some(found) = found(path.symlink_metadata())
        && !belongs(&found)
    {
        return Err(Occupied { key, path: path.to_owned(), what: name(&found) });
    }
    // Links above a file are followed, as they are when it is opened.
    let above = path.ancestors().skip(1).find_map(|it| Some((it, found(it.metadata())?)));
    match above {
        Some((directory, found)) if !found.is_dir() => {
            Err(Occupied { key, path: directory.to_owned(), what: name(&found) })
        }
        _ => Ok(()),
    }
}

fn found(looked: std::io::Result<Metadata>) -> Option<FileType> {
    looked.ok().map(|it| it.file_type())
}

fn name(found: &FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_symlink() {
        "a symbolic link"
    } else if found.is_file() {
        "a regular file"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
