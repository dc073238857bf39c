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
mod tests {
    use super::*;
    use crate::keys::key_encryption_key::KeyEncryptionKey;
    use crate::keys::key_file::read_own;
    use crate::keys::private_key::PrivateKey;
    use crate::keys::sealing::seal;
    use entitled_core::domain::ids::CustomerId;

    fn kek(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::from_bytes(&[byte; 32]).unwrap()
    }

    /// So many records under each of these keys.
    fn census(under: &[(u8, usize)]) -> Census {
        let key = PrivateKey::generate().unwrap();
        let address = key.address().unwrap();
        let records: Vec<_> = under
            .iter()
            .flat_map(|(byte, count)| std::iter::repeat_n(*byte, *count))
            .map(|byte| seal(&kek(byte), address, CustomerId::Machine, &key).unwrap())
            .collect();
        Census::of(records.iter().map(Vec::as_slice))
    }

    struct Bench {
        dir: tempfile::TempDir,
        place: KeyPlace,
    }

    const OLD: u8 = 1;
    const NEW: u8 = 2;

    impl Bench {
        /// A key in its place, and the next beside it.
        fn prepared() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let place = KeyPlace::at(&dir.path().join("kek"));
            new_file::make(&place.current, &[OLD; 32], 0o600).unwrap();
            place.prepare(&[NEW; 32]).unwrap();
            Self { dir, place }
        }

        fn settle(&self, census: &Census) -> Result<Settled, KeyFileError> {
            self.place.settle(census, |path| Ok(read_own(path)?.and_then(|it| it.name())))
        }

        /// The key in its place, when nothing is beside it.
        fn only_key(&self) -> Vec<u8> {
            assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "something is left");
            fs::read(&self.place.current).unwrap()
        }
    }

    #[test]
    fn an_exchange_cut_off_before_the_ledger_changed_is_undone() {
        for under in [census(&[(OLD, 3)]), census(&[])] {
            let bench = Bench::prepared();
            assert_eq!(bench.settle(&under).unwrap(), Settled::Undone);
            assert_eq!(bench.only_key(), [OLD; 32]);
        }
    }

    /// The moments of an exchange after the commit, in their order.
    const STEPS: [fn(&KeyPlace) -> io::Result<()>; 3] =
        [KeyPlace::link_old, KeyPlace::name_next, KeyPlace::destroy_old];

    #[test]
    fn an_exchange_cut_off_at_any_moment_after_the_ledger_changed_is_finished() {
        for taken in 0..=STEPS.len() {
            let bench = Bench::prepared();
            for step in &STEPS[..taken] {
                step(&bench.place).unwrap();
            }
            bench.settle(&census(&[(NEW, 3)])).unwrap();
            assert_eq!(bench.only_key(), [NEW; 32], "after {taken} steps");
        }
    }

    #[test]
    fn the_old_key_is_overwritten_and_not_only_removed() {
        let bench = Bench::prepared();
        let watched = File::open(&bench.place.current).unwrap();
        bench.settle(&census(&[(NEW, 1)])).unwrap();
        let mut left = Vec::new();
        io::Read::read_to_end(&mut &watched, &mut left).unwrap();
        assert_eq!(left, [0; 32]);
    }

    #[test]
    fn an_old_key_that_a_wallet_still_names_is_kept() {
        let bench = Bench::prepared();
        bench.place.link_old().unwrap();
        bench.place.name_next().unwrap();
        let error = bench.settle(&census(&[(OLD, 1), (NEW, 1)])).unwrap_err();
        assert!(matches!(error, KeyFileError::StillNeeded { .. }), "{error}");
        assert_eq!(fs::read(&bench.place.old).unwrap(), [OLD; 32]);
    }

    #[test]
    fn two_names_of_one_key_do_not_destroy_it() {
        let bench = Bench::prepared();
        bench.place.link_old().unwrap();
        assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), Settled::Undone);
        assert_eq!(bench.only_key(), [OLD; 32]);
    }

    #[test]
    fn with_wallets_under_both_keys_neither_is_touched() {
        let bench = Bench::prepared();
        let error = bench.settle(&census(&[(OLD, 1), (NEW, 1)])).unwrap_err();
        assert!(matches!(error, KeyFileError::Mixed { .. }), "{error}");
        assert_eq!(fs::read(&bench.place.current).unwrap(), [OLD; 32]);
        assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
    }

    #[test]
    fn a_next_key_does_not_stand_in_for_another_that_is_missing() {
        let bench = Bench::prepared();
        fs::remove_file(&bench.place.current).unwrap();
        assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), Settled::Nothing);
        assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
    }

    #[test]
    fn what_was_half_destroyed_is_destroyed_to_the_end() {
        for name in ["kek.old", "kek.next"] {
            let bench = Bench::prepared();
            bench.place.undo().unwrap();
            new_file::make(&bench.dir.path().join(name), &[0; 7], 0o600).unwrap();
            bench.settle(&census(&[(OLD, 2)])).unwrap();
            assert_eq!(bench.only_key(), [OLD; 32], "{name}");
        }
    }

    #[test]
    fn a_second_preparation_does_not_replace_the_first() {
        let bench = Bench::prepared();
        assert!(bench.place.prepare(&[3; 32]).is_err());
        assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
    }
}
