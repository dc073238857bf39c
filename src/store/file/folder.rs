//! The directory of the store, held open: what is done to a file there is done by its name in that directory.
//!
//! Asked by: `files` and `backup`. Never: follows a link at a name, or overwrites what it did not mean to. Who works
//! here may be root, restoring, in a directory where another user can put anything at any name.

use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, renameat2};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, linkat, unlinkat};

use crate::regular_file;
use crate::store::error::StoreError;

const DIRECTORY_MODE: u32 = 0o700;
/// Names tried for a draft. One is free at once, unless somebody is at work against us.
const TRIES: usize = 16;

/// A directory that stays the same one, whatever becomes of its path.
#[derive(Debug)]
pub(in crate::store) struct Folder {
    path: PathBuf,
    directory: File,
}

impl Folder {
    /// The directory that `file` is to be in, made if it is missing.
    pub(in crate::store) fn of(file: &Path) -> Result<Self, StoreError> {
        let path = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !path.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(DIRECTORY_MODE)
                .create(path)
                .map_err(StoreError::file(format!("make the directory {}", path.display())))?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let opened = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty());
        let doing = || format!("open the directory {}", path.display());
        let directory =
            File::from(opened.map_err(io::Error::from).map_err(StoreError::file(doing()))?);
        Ok(Self { path: path.to_owned(), directory })
    }

    pub(in crate::store) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Every name in it that is text.
    pub(in crate::store) fn names(&self) -> Result<Vec<String>, StoreError> {
        let doing = || format!("look into {}", self.path.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(StoreError::file(doing()))? {
            let name = entry.map_err(StoreError::file(doing()))?.file_name();
            names.extend(name.into_string());
        }
        Ok(names)
    }

    /// Whether anything has this name, a dangling link too.
    pub(in crate::store) fn has(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.path_of(name)).is_ok()
    }

    pub(in crate::store) fn has_directory(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.path_of(name)).is_ok_and(|it| it.is_dir())
    }

    /// How many bytes its file system has room for.
    pub(in crate::store) fn free_bytes(&self) -> io::Result<u64> {
        let found = nix::sys::statvfs::fstatvfs(&self.directory)?;
        Ok(found.blocks_available().saturating_mul(found.fragment_size()))
    }

    /// Opens a file to read it.
    pub(in crate::store) fn open(&self, name: &str) -> io::Result<File> {
        regular_file::open_at(&self.directory, Path::new(name), OFlag::O_RDONLY)
    }

    /// Opens a file to read and write it; `None` when nothing has the name.
    pub(in crate::store) fn open_to_change(&self, name: &str) -> io::Result<Option<File>> {
        match regular_file::open_at(&self.directory, Path::new(name), OFlag::O_RDWR) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new file under a name nobody could guess, gone again unless it is given another.
    pub(in crate::store) fn draft(&self) -> Result<Draft<'_>, StoreError> {
        let doing = || format!("make a file in {}", self.path.display());
        let new = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        for _ in 0..TRIES {
            // Keyed by the system's randomness, which is all that is asked of it: O_EXCL does the rest.
            let salt = RandomState::new().hash_one(DRAFT_START);
            let name = format!("{DRAFT_START}{salt:016x}{DRAFT_END}");
            match regular_file::open_at(&self.directory, Path::new(&name), new) {
                Ok(file) => return Ok(Draft { folder: self, name, file, named: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::file(doing())(error)),
            }
        }
        Err(StoreError::file(doing())(io::ErrorKind::AlreadyExists.into()))
    }

    /// Removes drafts that a crash left. To be called by who has the store, which alone makes drafts here.
    pub(in crate::store) fn remove_drafts(&self) -> Result<(), StoreError> {
        let is_draft = |it: &String| it.starts_with(DRAFT_START) && it.ends_with(DRAFT_END);
        for name in self.names()?.iter().filter(|it| is_draft(it)) {
            tracing::info!(file = %self.path_of(name).display(), "removing what a crash left half written");
            self.remove(name);
        }
        Ok(())
    }

    /// Removes a file. That it stays is no reason to stop.
    pub(in crate::store) fn remove(&self, name: &str) {
        if let Err(error) = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir) {
            tracing::warn!(%error, file = %self.path_of(name).display(), "a file cannot be removed");
        }
    }

    /// Gives whatever has one name a second, which nothing may have.
    pub(in crate::store) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let here = &self.directory;
        Ok(linkat(here, from, here, to, AtFlags::empty())?)
    }

    pub(in crate::store) fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    /// Gives a file to whom the directory belongs, if that is not who made it.
    pub(in crate::store) fn give_to_owner(&self, file: &File) -> io::Result<()> {
        let (wanted, found) = (self.directory.metadata()?, file.metadata()?);
        if wanted.uid() == found.uid() {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(wanted.uid()), Gid::from_raw(wanted.gid()));
        Ok(fchown(file, Some(uid), Some(gid))?)
    }
}

const DRAFT_START: &str = ".entitled.";
const DRAFT_END: &str = ".tmp";

/// A file that is being made. Dropping it removes it.
#[derive(Debug)]
pub(in crate::store) struct Draft<'a> {
    folder: &'a Folder,
    name: String,
    pub(in crate::store) file: File,
    named: bool,
}

impl Draft<'_> {
    /// Makes it durable and gives it a name that nothing may have. Says how long it is.
    pub(in crate::store) fn name_new(mut self, name: &str) -> Result<u64, StoreError> {
        let path = self.folder.path_of(name);
        let doing = || format!("write {}", path.display());
        let length = self.durable().map_err(StoreError::file(doing()))?;
        let here = &self.folder.directory;
        match renameat2(here, self.name.as_str(), here, name, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => self.named = true,
            // The file system cannot; then the draft keeps its first name, until it is dropped.
            Err(Errno::EINVAL | Errno::ENOSYS) => match self.folder.link(&self.name, name) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::Exists { path });
                }
                Err(error) => return Err(StoreError::file(doing())(error)),
            },
            Err(Errno::EEXIST) => return Err(StoreError::Exists { path }),
            Err(error) => return Err(StoreError::file(doing())(error.into())),
        }
        self.folder.sync().map_err(StoreError::file(doing()))?;
        Ok(length)
    }

    /// Makes it durable and puts it in the place of what has the name.
    pub(in crate::store) fn replace(mut self, name: &str) -> Result<(), StoreError> {
        let doing = || format!("write {}", self.folder.path_of(name).display());
        self.durable().map_err(StoreError::file(doing()))?;
        let here = &self.folder.directory;
        nix::fcntl::renameat(here, self.name.as_str(), here, name)
            .map_err(|error: Errno| StoreError::file(doing())(error.into()))?;
        self.named = true;
        self.folder.sync().map_err(StoreError::file(doing()))
    }

    fn durable(&self) -> io::Result<u64> {
        self.file.sync_all()?;
        Ok(self.file.metadata()?.len())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.named {
            self.folder.remove(&self.name);
        }
    }
}
