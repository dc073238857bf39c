//! A mirror in a directory of this machine: files that somebody brought.
//!
//! Asked by: `beacon`. Never: reads more than it needs, or a name it did not make itself.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{BODY, FOLDER, Query, SourceFault};
use crate::regular_file;

/// The files that answer `query`, up to the first that is missing.
pub(in crate::chain) async fn ask(root: &Path, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
    let folder = root.join(FOLDER);
    // Whoever brings files on a stick may leave the long path out.
    let folder = if folder.is_dir() { folder } else { root.to_owned() };
    let mut pieces = Vec::new();
    let mut left = BODY;
    for name in query.files() {
        match read(&folder.join(name), left).await {
            Ok(piece) => {
                left -= piece.len();
                pieces.push(piece);
            }
            // What is there already is enough for now.
            Err(SourceFault::Absent | SourceFault::TooLarge) if !pieces.is_empty() => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok(pieces)
}

async fn read(path: &Path, most: usize) -> Result<Vec<u8>, SourceFault> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => SourceFault::Absent,
        kind => SourceFault::File { kind },
    };
    let path = path.to_owned();
    let read = move || {
        let mut bytes = Vec::new();
        regular_file::open(&path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let bytes: Vec<u8> = read.unwrap_or(Err(ErrorKind::Other.into())).map_err(failed)?;
    if bytes.len() > most { Err(SourceFault::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
