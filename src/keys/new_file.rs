//! Files that are made once: whole or not at all, and never over another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use alloy_primitives::hex;

use super::random;

/// Whether [`make`] made the file, or found that somebody else already had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Here,
    Before,
}

/// Makes `path` with `bytes` and `mode`, durable when this returns. An existing file stays as it is.
///
/// The bytes go to a new file beside it (`O_EXCL`), are synced, and then get their name by a hard
/// link, which fails if the name is taken. So a crash at any moment leaves either the whole file or
/// none; a half-written key, which would have to be refused for ever, cannot come about.
///
/// # Errors
/// What the file system says.
pub(super) fn make(path: &Path, bytes: &[u8], mode: u32) -> io::Result<Made> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut salt = [0; 8];
    random::fill(&mut salt).map_err(io::Error::other)?;
    let draft = dir.join(format!(".{}.{}.new", name.to_string_lossy(), hex::encode(salt)));

    let made = write_and_name(&draft, path, bytes, mode);
    let removed = fs::remove_file(&draft);
    let made = made?;
    removed?;
    File::open(dir)?.sync_all()?;
    Ok(made)
}

fn write_and_name(draft: &Path, path: &Path, bytes: &[u8], mode: u32) -> io::Result<Made> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    // The mode at creation passes through the umask; this does not.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(Made::Here),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Before),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
