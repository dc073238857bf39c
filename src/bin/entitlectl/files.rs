//! Files that the person who runs it names: text from them and from standard input, bounded, and text into them.
//!
//! Others may be able to write into the directory: no pipe is waited for, no link followed, and no file system entered that
//! another user answers for. What is meant to come through a pipe is read from standard input. Only a file takes a file's place: root
//! could put one in that of a device.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use entitled::regular_file::Reached;

use crate::exit::Failure;

/// The longest file read, in bytes. A request may have 64 KiB; what is longer is refused by the daemon in
/// its own words, what is longer than this is nothing meant for us.
const TEXT_MAX: u64 = 1024 * 1024;

/// The whole of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    match path.as_os_str() == "-" {
        true => read_bounded(io::stdin().lock(), Path::new("standard input")),
        false => {
            let file =
                open(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
            read_bounded(file, path)
        }
    }
}

/// Opens a file to read it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    Reached::to(path)?.open()
}

/// Whether anything has the name, were it a dangling link.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    match Reached::to(path).and_then(|it| it.path().symlink_metadata()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A message: what is in the file, without one line end at its end.
pub(crate) fn read_message(path: &Path) -> Result<String, Failure> {
    let mut text = read(path)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// One line of standard input, without what surrounds it.
pub(crate) fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    let failed = |source| Failure::File { path: PathBuf::from("standard input"), source };
    io::stdin().lock().take(TEXT_MAX).read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// A file that is to be written, in the place of the one that is there.
pub(crate) struct Target<'a> {
    path: &'a Path,
    reached: Reached,
}

impl<'a> Target<'a> {
    /// Looks what is there, so that a daemon does nothing whose result could not be kept; `None` for standard output.
    pub(crate) fn of(path: &'a Path) -> Result<Option<Self>, Failure> {
        if is_standard_output(path) {
            return Ok(None);
        }
        let failed = |source| Failure::NewFile { path: path.to_owned(), source };
        let reached = Reached::to(path).map_err(failed)?;
        mode_of(&reached.path()).map_err(failed)?;
        Ok(Some(Self { path, reached }))
    }

    /// Writes it, with the permissions of the one that is there: the new one is there whole, or not at all.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let place = self.reached.path();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let draft = format!(".{name}.{}.new", std::process::id());
        let draft = self.reached.path_of(OsStr::new(&draft));
        let written = mode_of(&place).and_then(|mode| {
            make(&draft, text, 0o644, mode)?;
            // What was put there meanwhile is no file to be replaced either.
            mode_of(&place).and_then(|_| std::fs::rename(&draft, &place)).inspect_err(|_| {
                // Of no use to anybody, and what went wrong is told.
                let _ = std::fs::remove_file(&draft);
            })
        });
        written.map_err(|source| Failure::NewFile { path: self.path.to_owned(), source })
    }
}

/// Writes a file in the place of the one that is there.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let no_file = || Failure::Usage(format!("{} is no file", path.display()));
    Target::of(path)?.ok_or_else(no_file)?.write(text)
}

/// Whether a name means standard output, which is then no file that could be replaced.
fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout"].iter().any(|it| path.as_os_str() == *it)
}

/// The permissions of the file that is there, if one is.
fn mode_of(path: &Path) -> io::Result<Option<u32>> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    match found.file_type() {
        // What others could write before, or put there, is not for them to write.
        it if it.is_file() && found.uid() == nix::unistd::geteuid().as_raw() => {
            Ok(Some(found.mode() & 0o755))
        }
        it if it.is_file() => Ok(None),
        it if it.is_symlink() => invalid("is a symbolic link: name the file itself"),
        _ => invalid("is not a regular file"),
    }
}

/// Writes a file where nothing is yet. One that could not be written to its end is taken away.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let made = Reached::to(path).and_then(|it| make(&it.path(), text, mode, None));
    made.map_err(|source| Failure::NewFile { path: path.to_owned(), source })
}

/// Makes a file with these permissions, of which the process's mask takes some; or with those that one has had, and all of them.
fn make(path: &Path, text: &str, mode: u32, had: Option<u32>) -> io::Result<()> {
    let mode = had.map_or(mode, |_| 0o600);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let set = |file: &File| match had {
        Some(mode) => file.set_permissions(Permissions::from_mode(mode)),
        None => Ok(()),
    };
    let written = set(&file).and_then(|()| file.write_all(text.as_bytes()));
    written.and_then(|()| file.sync_all()).inspect_err(|_| {
        // What went wrong is told; this may as well.
        let _ = std::fs::remove_file(path);
    })
}

fn read_bounded(source: impl Read, path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = source.take(TEXT_MAX + 1).read_to_string(&mut text);
    read.map_err(|source| Failure::File { path: path.to_owned(), source })?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= TEXT_MAX => Ok(text),
        _ => Err(Failure::Usage(format!("{} is longer than 1 MiB", path.display()))),
    }
}

#[cfg(test)]
mod tests;
