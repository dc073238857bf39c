//! The memory of one page: written here, and read by programs that map it.
//!
//! Invariant: what is handed over can be read and nothing else. It is opened anew for reading, its mode lets nobody else open it
//! for writing, and it is sealed: it stays as long as it is, so that no program dies of reading it.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use entitled_core::domain::page_word::{PAGE_BYTES, SLOT_BYTES, Word};

/// What `/proc/PID/maps` shows of it.
const NAME: &CStr = c"entitled-answers";
/// `MFD_NOEXEC_SEAL`, from Linux 6.3 on: it can never be made executable.
const NOT_EXECUTABLE: MFdFlags = MFdFlags::from_bits_retain(8);

pub(in crate::actors::tier_cache) struct PageFile {
    file: File,
    reader: Arc<OwnedFd>,
}

impl PageFile {
    pub(in crate::actors::tier_cache) fn new() -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let made = match memfd_create(NAME, flags | NOT_EXECUTABLE) {
            Err(Errno::EINVAL) => memfd_create(NAME, flags),
            made => made,
        };
        let file = File::from(made?);
        // All of it, so that no later write has to find memory.
        file.write_all_at(&[0; PAGE_BYTES], 0)?;
        file.set_permissions(Permissions::from_mode(0o400))?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok(Self { file, reader: Arc::new(reader.into()) })
    }

    /// What may be handed over.
    pub(in crate::actors::tier_cache) fn reader(&self) -> &Arc<OwnedFd> {
        &self.reader
    }

    pub(in crate::actors::tier_cache) fn write(&self, slot: usize, word: Word) {
        let at = u64::try_from(slot * SLOT_BYTES).unwrap_or(u64::MAX);
        if let Err(error) = self.file.write_all_at(&word.bytes(), at) {
            // It is not renewed either, and so says nothing soon.
            tracing::error!(%error, "an answer could not be written to its page");
        }
    }
}

#[cfg(test)]
mod tests;
