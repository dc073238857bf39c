//! Text from files and standard input, bounded.

use std::fs::File;
use std::io;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The longest file read, in bytes. A request may have 64 KiB; what is longer is refused by the daemon in
/// its own words, what is longer than this is nothing meant for us.
const TEXT_MAX: u64 = 1024 * 1024;

/// The whole of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    match path.as_os_str() == "-" {
        true => read_bounded(io::stdin().lock(), Path::new("standard input")),
        false => {
            let file = File::open(path)
                .map_err(|source| Failure::File { path: path.to_owned(), source })?;
            read_bounded(file, path)
        }
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

/// What `find` makes of the first line of a file that it makes something of.
pub(crate) fn find_line<T>(
    path: &Path,
    mut find: impl FnMut(&str) -> Option<T>,
) -> io::Result<Option<T>> {
    for line in BufReader::new(File::open(path)?).lines() {
        if let Some(found) = find(&line?) {
            return Ok(Some(found));
        }
    }
    Ok(None)
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
