//! The files of a key while it is exchanged for another.
//!
//! Beside the key in `PATH` there may be `PATH.next`, the key that is to take its place, and `PATH.old`, a
//! second name of the one that is exchanged. An exchange goes through these moments, and may end at any of them:
//!
//! ```text
//! moment             PATH   PATH.next  PATH.old      the ledger is under    at the next start
//! before             old                             old
//! linked             old               the same old  old                    the second name goes
//! prepared           old    new        the same old  old                    the new one is set aside
//! re-wrapped         old    new        the same old  new (one commit)       goes on from here
//! named              new               old           new                    goes on from here
//! done               new                             new
//! ```
//!
//! What lies at `PATH` may have changed meanwhile: a volume was mounted over the directory, or a backup restored
//! into it, while the daemon ran. So each step asks whose key it is about to touch.
//!
//! Invariant: a key is overwritten only when it is the one that was exchanged, and no record names it. Any
//! other that is in the way is set aside as `PATH.unused-N`: another ledger may need it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::census::Census;
use super::key_encryption_key::KeyId;
use super::key_file::KeyFileError;
use super::new_file::{self, Made};

/// Keys set aside before somebody has to look after them.
const MOST_ASIDE: u32 = 1_000;

/// What an exchange that was interrupted came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// `None` where there was nothing to settle.
    pub outcome: Option<Outcome>,
    /// What was set aside, as it may be another ledger's key.
    pub aside: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The wallets are under the new key, which now has its place.
    Finished,
    /// The wallets are under the old key, and the new one has no place any more.
    Undone,
}

/// Names the key in a file, `None` where there is none.
pub(super) type ReadId = fn(&Path) -> Result<Option<KeyId>, KeyFileError>;

#[derive(Debug, Clone)]
pub(super) struct KeyPlace {
    pub(super) current: PathBuf,
    pub(super) next: PathBuf,
    old: PathBuf,
    read: ReadId,
}

impl KeyPlace {
    pub(super) fn at(path: &Path, read: ReadId) -> Self {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self { current: path.to_owned(), next: beside(".next"), old: beside(".old"), read }
    }

    // ---- at a start ----

    /// Finishes or undoes what was interrupted.
    ///
    /// # Errors
    /// [`KeyFileError`], with every key that a record names still there.
    pub(super) fn settle(&self, census: &Census) -> Result<Settled, KeyFileError> {
        let mut aside = Vec::new();
        if !self.old_is_current() {
            aside.extend(self.let_old_go(census)?);
        }
        let outcome = self.settle_next(census, &mut aside)?;
        if self.old_is_current() {
            self.destroy_old().map_err(self.failed())?;
        }
        Ok(Settled { outcome, aside })
    }

    fn settle_next(
        &self,
        census: &Census,
        aside: &mut Vec<PathBuf>,
    ) -> Result<Option<Outcome>, KeyFileError> {
        let mut undo = || {
            aside.push(self.set_aside(&self.next)?);
            Ok(Some(Outcome::Undone))
        };
        let next = match (self.read)(&self.next) {
            // It may be half destroyed.
            Err(_) if self.holds_all(census)? => return undo(),
            next => next?,
        };
        let Some(next) = next else { return Ok(None) };
        let under_next = census.under(next);
        let under_current = (self.read)(&self.current)?.map(|it| census.under(it));
        match under_current {
            Some(0) | None if under_next > 0 => {
                // Without its second name it is not known to be the key that was exchanged.
                if under_current.is_some() && !self.old_is_current() {
                    aside.push(self.set_aside(&self.current)?);
                }
                self.take_place()?;
                Ok(Some(Outcome::Finished))
            }
            // The key is missing, and this is not the one that is missed.
            None if census.total() > 0 => Ok(None),
            _ if under_next == 0 => undo(),
            _ => Err(KeyFileError::Mixed { path: self.current.clone(), next: self.next.clone() }),
        }
    }

    /// Removes what an exchange that was named but not done left. Says where to, if it was only set aside.
    fn let_old_go(&self, census: &Census) -> Result<Option<PathBuf>, KeyFileError> {
        let is_needed = match (self.read)(&self.old) {
            Ok(None) => return Ok(None),
            Ok(Some(old)) => census.under(old) > 0,
            // It may be half destroyed.
            Err(_) if self.holds_all(census)? => false,
            Err(error) => return Err(error),
        };
        if is_needed {
            let (path, current) = (self.old.clone(), self.current.clone());
            return Err(KeyFileError::StillNeeded { path, current });
        }
        // Once the new key had taken its name, there was no next one any more: else what is there now came from elsewhere.
        let is_exchanged = !self.next.try_exists().map_err(self.failed())?;
        if is_exchanged && (self.read)(&self.current)?.is_some_and(|it| census.under(it) > 0) {
            return self.destroy_old().map(|()| None).map_err(self.failed());
        }
        // No wallet says that it went over to the key that is there now.
        self.set_aside(&self.old).map(Some)
    }

    fn holds_all(&self, census: &Census) -> Result<bool, KeyFileError> {
        let current = (self.read)(&self.current)?;
        Ok(current.is_some_and(|it| census.under(it) == census.total()))
    }

    // ---- while the daemon runs ----

    /// Finds the key that is open in its place, or gives it that: an exchange may have ended before. Where there is none
    /// any more, a new one is how the wallets are saved.
    ///
    /// # Errors
    /// [`KeyFileError::AnotherInPlace`], where nothing was changed.
    pub(super) fn check(&self, open: KeyId) -> Result<(), KeyFileError> {
        match (self.read)(&self.current)? {
            Some(found) if found != open => {}
            _ => return Ok(()),
        }
        if self.old_is_current() && (self.read)(&self.next)? == Some(open) {
            return self.take_place();
        }
        self.expect(&self.current, open)
    }

    /// Writes the key that is to come, durable when this returns.
    ///
    /// # Errors
    /// [`KeyFileError`], also when there is one already, or `open` is not the key in its place.
    pub(super) fn prepare(&self, open: KeyId, bytes: &[u8]) -> Result<(), KeyFileError> {
        self.link_old().map_err(self.failed())?;
        self.check_old(open)?;
        match new_file::make(&self.next, bytes, 0o600) {
            Ok(Made::Here) => Ok(()),
            Ok(Made::Before) => Err(self.failed()(io::ErrorKind::AlreadyExists.into())),
            Err(source) => {
                if self.old_is_current() {
                    // Nothing needs the second name; the next start removes it as well.
                    let _ = fs::remove_file(&self.old);
                }
                Err(self.failed()(source))
            }
        }
    }

    /// Gives the new key its place and destroys the old one. Only to be called when no record names it.
    ///
    /// # Errors
    /// [`KeyFileError`], also when one of them is not where it was; to be settled at the next start.
    pub(super) fn finish(&self, old: KeyId, new: KeyId) -> Result<(), KeyFileError> {
        self.expect(&self.next, new)?;
        self.check_old(old)?;
        self.take_place()
    }

    /// Destroys the key that was to come. Only to be called when no record names it.
    ///
    /// # Errors
    /// [`KeyFileError`], also when another key is there.
    pub(super) fn undo(&self, new: KeyId) -> Result<(), KeyFileError> {
        if (self.read)(&self.next)?.is_some() {
            self.expect(&self.next, new)?;
            self.destroy(&self.next).map_err(self.failed())?;
        }
        match self.old_is_current() {
            true => self.destroy_old().map_err(self.failed()),
            false => Ok(()),
        }
    }

    /// Whether what would be destroyed is the key that is exchanged, under whichever of its names there are.
    fn check_old(&self, wanted: KeyId) -> Result<(), KeyFileError> {
        let is_there = |path: &Path| (self.read)(path).map(|it| it.is_some());
        let (current, old) = (is_there(&self.current)?, is_there(&self.old)?);
        if current {
            self.expect(&self.current, wanted)?;
        }
        if old {
            self.expect(&self.old, wanted)?;
        }
        match current && !self.old_is_current() {
            true => Err(self.failed()(io::ErrorKind::AlreadyExists.into())),
            false => Ok(()),
        }
    }

    fn expect(&self, path: &Path, wanted: KeyId) -> Result<(), KeyFileError> {
        let found = (self.read)(path)?;
        let path = path.to_owned();
        match found {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(KeyFileError::AnotherInPlace { path, found }),
            None => Err(KeyFileError::Gone { path }),
        }
    }

    // ---- steps ----

    fn take_place(&self) -> Result<(), KeyFileError> {
        self.name_next().and_then(|()| self.destroy_old()).map_err(self.failed())
    }

    /// So that the old key is known for what it is, and can still be overwritten once its name is taken.
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

    /// Gives a file the first name of its kind that nothing has.
    fn set_aside(&self, path: &Path) -> Result<PathBuf, KeyFileError> {
        for number in 1..=MOST_ASIDE {
            let mut name = self.current.as_os_str().to_owned();
            name.push(format!(".unused-{number}"));
            match fs::hard_link(path, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => {
                    let moved = linked.and_then(|()| fs::remove_file(path));
                    return moved
                        .and_then(|()| self.sync())
                        .map(|()| name.into())
                        .map_err(self.failed());
                }
            }
        }
        Err(self.failed()(io::ErrorKind::AlreadyExists.into()))
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
