//! The files of a key while it is exchanged for another.
//!
//! Beside the key in `PATH` there may be `PATH.next`, the key that is to take its place, and `PATH.old`, the
//! one whose place was taken. An exchange goes through these moments, and may end at any of them:
//!
//! ```text
//! moment             PATH   PATH.next  PATH.old      the ledger is under    at the next start
//! before             old                             old
//! prepared           old    new                      old                    the new one is destroyed
//! re-wrapped         old    new                      new (one commit)       goes on from here
//! linked             old    new        the same old  new                    goes on from here
//! named              new               old           new                    goes on from here
//! done               new                             new
//! ```
//!
//! Invariant: a key is overwritten only when no record names it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::census::Census;
use super::key_encryption_key::KeyId;
use super::key_file::KeyFileError;
use super::new_file::{self, Made};

/// What an interrupted exchange came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// There was nothing to settle.
    Nothing,
    /// The wallets are under the new key, which now has its place.
    Finished,
    /// The wallets are under the old key; the new one is gone.
    Undone,
}

#[derive(Debug, Clone)]
pub(super) struct KeyPlace {
    pub(super) current: PathBuf,
    pub(super) next: PathBuf,
    old: PathBuf,
}

impl KeyPlace {
    pub(super) fn at(path: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self { current: path.to_owned(), next: beside(".next"), old: beside(".old") }
    }

    /// Finishes or undoes what was interrupted. `read` names the key in a file, `None` where there is none.
    ///
    /// # Errors
    /// [`KeyFileError`], with every key that a record names still there.
    pub(super) fn settle(
        &self,
        census: &Census,
        read: impl Fn(&Path) -> Result<Option<KeyId>, KeyFileError>,
    ) -> Result<Settled, KeyFileError> {
        // What is not needed may be destroyed, and may be half destroyed already.
        let all_under_current =
            || Ok(read(&self.current)?.is_some_and(|it| census.under(it) == census.total()));
        self.let_old_go(census, &read, all_under_current)?;
        let next = match read(&self.next) {
            Err(_) if all_under_current()? => {
                self.undo()?;
                return Ok(Settled::Undone);
            }
            next => next?,
        };
        let Some(next) = next else { return Ok(Settled::Nothing) };
        let under_next = census.under(next);
        let under_current = read(&self.current)?.map(|it| census.under(it));
        match under_current {
            Some(0) | None if under_next > 0 => {
                self.finish()?;
                Ok(Settled::Finished)
            }
            // The key is missing, and this is not the one that is missed.
            None if census.total() > 0 => Ok(Settled::Nothing),
            _ if under_next == 0 => {
                self.undo()?;
                Ok(Settled::Undone)
            }
            _ => Err(KeyFileError::Mixed { path: self.current.clone(), next: self.next.clone() }),
        }
    }

    /// Removes what an exchange that was named but not done left.
    fn let_old_go(
        &self,
        census: &Census,
        read: &impl Fn(&Path) -> Result<Option<KeyId>, KeyFileError>,
        all_under_current: impl Fn() -> Result<bool, KeyFileError>,
    ) -> Result<(), KeyFileError> {
        let needed = match read(&self.old) {
            Ok(None) => return Ok(()),
            Ok(Some(old)) => census.under(old) > 0 && !self.old_is_current(),
            Err(_) if all_under_current()? => false,
            Err(error) => return Err(error),
        };
        if needed {
            let (path, current) = (self.old.clone(), self.current.clone());
            return Err(KeyFileError::StillNeeded { path, current });
        }
        self.destroy_old().map_err(self.failed())
    }

    /// Writes the key that is to come, durable when this returns.
    ///
    /// # Errors
    /// [`KeyFileError`], also when there is one already.
    pub(super) fn prepare(&self, bytes: &[u8]) -> Result<(), KeyFileError> {
        match new_file::make(&self.next, bytes, 0o600) {
            Ok(Made::Here) => Ok(()),
            Ok(Made::Before) => Err(self.failed()(io::ErrorKind::AlreadyExists.into())),
            Err(source) => Err(self.failed()(source)),
        }
    }

    /// Gives the new key its place and destroys the old one. Only to be called when no record names it.
    ///
    /// # Errors
    /// [`KeyFileError`]; to be called again, or settled at the next start.
    pub(super) fn finish(&self) -> Result<(), KeyFileError> {
        self.link_old()
            .and_then(|()| self.name_next())
            .and_then(|()| self.destroy_old())
            .map_err(self.failed())
    }

    /// Destroys the key that was to come. Only to be called when no record names it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(super) fn undo(&self) -> Result<(), KeyFileError> {
        self.destroy(&self.next).map_err(self.failed())
    }

    /// So that the old key can still be found and overwritten once its name is taken.
    fn link_old(&self) -> io::Result<()> {
        match fs::hard_link(&self.current, &self.old) {
            // There was no key to keep, or this was done before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            done => done.and_then(|()| self.sync()),
        }
    }

    fn name_next(&self) -> io::Result<()> {
        fs::rename(&self.next, &self.current)?;
        self.sync()
    }

    fn destroy_old(&self) -> io::Result<()> {
        if self.old_is_current() {
            // Two names of one file: overwriting one would overwrite the key itself.
            fs::remove_file(&self.old)?;
            return self.sync();
        }
        self.destroy(&self.old)
    }

    fn old_is_current(&self) -> bool {
        let of = |path: &Path| fs::symlink_metadata(path).map(|it| (it.dev(), it.ino()));
        matches!((of(&self.current), of(&self.old)), (Ok(a), Ok(b)) if a == b)
    }

    /// Overwrites a file and removes it. A disk that writes elsewhere than it is told may keep the old bytes.
    fn destroy(&self, path: &Path) -> io::Result<()> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut options = OpenOptions::new();
        let mut file = match options.write(true).custom_flags(flags.bits()).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut left = file.metadata()?.len();
        while left > 0 {
            let zeros = [0_u8; 512];
            let now = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            file.write_all(zeros.get(..now).unwrap_or_default())?;
            left = left.saturating_sub(now as u64);
        }
        file.sync_all()?;
        fs::remove_file(path)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        let dir = self.current.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self) -> impl Fn(io::Error) -> KeyFileError + '_ {
        |source| KeyFileError::Exchange { path: self.current.clone(), source: source.into() }
    }
}

#[cfg(test)]
mod tests;
