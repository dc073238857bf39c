//! What is left beside a store that was closed as it should be: the checksums of its file, and which file that is, in
//! `NAME.checksums`.
//!
//! It is removed before the store is opened again, so that it never lies beside a file that was written since; and where
//! it does all the same, length, times and inode tell. What does not fit is no reason for anything but to verify all of the file.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::checksums::{Checksum, Checksums};
use super::folder::Folder;
use crate::store::error::StoreError;

const BEGIN: &[u8] = b"entitled: checksums of a closed store, form 1\n";
const DIGEST: usize = 32;
/// No more is read: as much as a store of 4 TiB has.
const MOST_BYTES: u64 = 1 << 30;

fn name_beside(store: &str) -> String {
    format!("{store}.checksums")
}

/// Which file of the directory it is, and that nobody wrote it since, as far as the file system tells. Not its device: some
/// file systems have another number after each boot.
fn identity(file: &Metadata) -> Vec<u8> {
    let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
    let numbers = [file.ino(), file.len()];
    let times = times.iter().flat_map(|it| it.to_be_bytes());
    numbers.iter().flat_map(|it| it.to_be_bytes()).chain(times).collect()
}

/// Takes what is left beside a store, so that it is not there any more, durably. `None` where there is nothing that
/// fits the file.
pub(in crate::store) fn take(folder: &Folder, store: &str, file: &File) -> Option<Arc<Checksums>> {
    let name = name_beside(store);
    if !folder.has(&name) {
        return None;
    }
    let left = read(folder, &name);
    folder.remove(&name);
    if folder.has(&name) || folder.sync().is_err() {
        return None;
    }
    let found = file.metadata().and_then(|it| Ok((it, file.try_clone()?)));
    let sums = left.ok().zip(found.ok()).and_then(|(left, (found, file))| {
        Some(Checksums::expected(file, found.len(), sums(&left, &found)?))
    });
    if sums.is_none() {
        tracing::warn!(checksums = %folder.path_of(&name).display(), "they are not of the store that is there");
    }
    sums
}

fn read(folder: &Folder, name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    folder.open(name)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sums(left: &[u8], found: &Metadata) -> Option<Vec<Checksum>> {
    let (content, own) = left.split_at_checked(left.len().checked_sub(DIGEST)?)?;
    if digest(&SHA256, content).as_ref() != own {
        return None;
    }
    let sums = content.strip_prefix(BEGIN)?.strip_prefix(identity(found).as_slice())?;
    let (sums, rest) = sums.as_chunks::<{ size_of::<Checksum>() }>();
    let count = found.len().div_ceil(super::checksums::CHUNK);
    (rest.is_empty() && sums.len() as u64 == count).then(|| sums.to_vec())
}

/// Leaves the checksums beside a store that was closed.
///
/// # Errors
/// When they cannot be written. Then the next start verifies all of the file.
pub(in crate::store) fn leave(
    folder: &Folder,
    store: &str,
    sums: &Checksums,
) -> Result<(), StoreError> {
    let doing = "write the checksums of the store";
    // As whoever has the store open holds it: nobody writes it meanwhile.
    match sums.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(StoreError::file(doing)(error)),
    }
    let left = content(sums).map_err(StoreError::file(doing)).and_then(|content| {
        let Some(content) = content else { return Ok(()) };
        let draft = folder.draft()?;
        (&draft.file).write_all(&content).map_err(StoreError::file(doing))?;
        folder.give_to_owner(&draft.file).map_err(StoreError::file(doing))?;
        draft.replace(&name_beside(store))
    });
    // Another copy of the handle may live on.
    sums.file().unlock().map_err(StoreError::file(doing))?;
    left
}

fn content(sums: &Checksums) -> io::Result<Option<Vec<u8>>> {
    let Some((length, of)) = sums.all()? else { return Ok(None) };
    let found = sums.file().metadata()?;
    if found.len() != length {
        return Ok(None);
    }
    let mut content = [BEGIN, &identity(&found), of.as_flattened()].concat();
    let own = digest(&SHA256, &content);
    content.extend(own.as_ref());
    Ok(Some(content))
}
