//! The open file: how it is opened, how a transaction on it begins, and how it is opened again after
//! trouble. Nobody else holds a `redb::Database`.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend,
    WriteTransaction,
};

use super::checksums::{Checked, Checksums};
use super::folder::Folder;
use super::{files, sealed};
use crate::regular_file;
use crate::store::error::StoreError;
use crate::store::view::Snapshot;
use crate::store::{Progress, Step};

const FILE_MODE: u32 = 0o600;

/// Whether opening reads and verifies every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Check {
    Every,
    /// Only what redb verifies after a crash; for opening again a file this process had open.
    Needed,
}

/// Opens a store in its file, or begins one in an empty file. `path` is for messages.
pub(in crate::store) fn open(
    file: File,
    path: &Path,
    settings: (usize, Check),
    progress: &Progress,
) -> Result<Database, StoreError> {
    open_with(|| FileBackend::new(file), path, settings, progress)
}

/// As [`open`], and no chunk of the file is read before it was compared with its checksum.
pub(in crate::store) fn open_checked(
    (file, sums): (File, Arc<Checksums>),
    path: &Path,
    settings: (usize, Check),
    progress: &Progress,
) -> Result<Database, StoreError> {
    open_with(|| Checked::new(file, sums), path, settings, progress)
}

fn open_with<B: StorageBackend>(
    backend: impl FnOnce() -> Result<B, DatabaseError>,
    path: &Path,
    (cache_bytes, check): (usize, Check),
    progress: &Progress,
) -> Result<Database, StoreError> {
    let (shown, progress) = (path.display().to_string(), progress.clone());
    let mut builder = Builder::new();
    builder
        .set_cache_size(cache_bytes)
        .set_check_integrity_on_open(check == Check::Every)
        .set_repair_callback(move |it| {
            tracing::debug!(store = %shown, done = it.progress(), "checking the store");
            progress.tell(Step::at("checking the store", it.progress()));
        });
    // A file that somebody damaged with care could still make redb panic: that too is corruption.
    match catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(backend()?))) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
            Err(StoreError::InUse { path: path.to_owned() })
        }
        Ok(Err(error)) => Err(StoreError::database("open the store")(error)),
        Err(_) => Err(StoreError::Panicked),
    }
}

pub(in crate::store) fn begin_read(database: &Database) -> Result<Snapshot, StoreError> {
    let transaction = database.begin_read().map_err(StoreError::database("read the store"))?;
    Ok(Snapshot(transaction))
}

/// Begins a change. Its commit is durable when it returns: `Immediate`; two-phase, because the file
/// holds texts that others chose; and with what a quick repair after a crash needs.
pub(in crate::store) fn begin_write(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction =
        database.begin_write().map_err(StoreError::database("begin a change to the store"))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(StoreError::database("make a change to the store durable"))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

enum State {
    Open(Database),
    /// Could not be opened again; the writer keeps trying.
    Failed,
    Closed,
}

/// The place of the one open database, shared by the writer and all readers.
///
/// The lock is held while a transaction begins, never while one runs, so readers wait for a reopening
/// and for nothing else.
pub(in crate::store) struct Slot {
    path: PathBuf,
    cache_bytes: usize,
    state: RwLock<State>,
    sums: Arc<Checksums>,
}

impl Slot {
    pub(in crate::store) fn new(
        path: &Path,
        cache_bytes: usize,
        (database, sums): (Database, Arc<Checksums>),
    ) -> Arc<Self> {
        let state = RwLock::new(State::Open(database));
        Arc::new(Self { path: path.to_owned(), cache_bytes, state, sums })
    }

    /// Waits until the file is found to be damaged, or for ever.
    pub(in crate::store) async fn damaged(&self) {
        self.sums.damaged().await;
    }

    /// Whether the file that was opened is what has its name now.
    pub(in crate::store) fn is_in_its_place(&self) -> Result<bool, StoreError> {
        let doing = "look at the store's file";
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) => self.sums.are_of(&found).map_err(StoreError::file(doing)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::file(doing)(error)),
        }
    }

    // A panic while the lock is held leaves the state whole, so a poisoned lock is as good as any.
    fn shared(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        begin: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.shared() {
            State::Open(database) => begin(database),
            State::Failed | State::Closed => Err(StoreError::Closed),
        }
    }

    pub(in crate::store) fn begin_read(&self) -> Result<Snapshot, StoreError> {
        self.with(begin_read)
    }

    pub(in crate::store) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        self.with(begin_write)
    }

    pub(in crate::store) fn has_failed(&self) -> bool {
        matches!(*self.shared(), State::Failed)
    }

    /// After an I/O error redb refuses everything until the file is opened anew.
    pub(in crate::store) fn reopen(&self) {
        let mut state = self.alone();
        match std::mem::replace(&mut *state, State::Failed) {
            State::Closed => {
                *state = State::Closed;
                return;
            }
            State::Failed => {}
            State::Open(database) => {
                if let Err(error) = database.close() {
                    tracing::debug!(%error, "the store did not close cleanly");
                }
            }
        }
        match self.open_again() {
            Ok(database) => {
                tracing::warn!("the store was opened again");
                *state = State::Open(database);
            }
            Err(error) => tracing::error!(%error, "the store cannot be opened again yet"),
        }
    }

    fn open_again(&self) -> Result<Database, StoreError> {
        let file = open_private(&self.path)?;
        let settings = |check| (self.cache_bytes, check);
        let found = file.metadata().map_err(StoreError::file("look at the store's file"))?;
        if self.sums.are_of(&found).map_err(StoreError::file("look at the store's file"))? {
            let sums = Arc::clone(&self.sums);
            let heard = Progress::default();
            open_checked((file, sums), &self.path, settings(Check::Needed), &heard)
        } else {
            // Somebody put another file there.
            open(file, &self.path, settings(Check::Every), &Progress::default())
        }
    }

    pub(in crate::store) fn close(&self) -> Result<(), StoreError> {
        match std::mem::replace(&mut *self.alone(), State::Closed) {
            State::Open(database) => {
                database.close().map_err(StoreError::database("close the store"))?;
                self.leave_checksums();
                Ok(())
            }
            State::Failed | State::Closed => Ok(()),
        }
    }

    /// That they are missing costs the next start time, and nothing else.
    fn leave_checksums(&self) {
        let left = Folder::of(&self.path)
            .and_then(|folder| sealed::leave(&folder, &files::name(&self.path), &self.sums));
        if let Err(error) = left {
            tracing::warn!(%error, "the next start verifies all of the store");
        }
    }
}

/// Opens the store's file, made if it is not there, readable by its owner alone; takes other people's rights away.
pub(in crate::store) fn open_private(path: &Path) -> Result<File, StoreError> {
    let doing = || format!("open {}", path.display());
    let file = regular_file::open_or_make(path).map_err(StoreError::file(doing()))?;
    let mode = file.metadata().map_err(StoreError::file(doing()))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "others could open the store's file: its mode is 0600 now");
        file.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(StoreError::file(format!("set the mode of {}", path.display())))?;
    }
    Ok(file)
}
