//! The store: what must outlive the process, in one redb file. The only user of redb.
//!
//! Owns: the file, its schema, its backups and the one writer. Asked by: `actors::ownership_ledger`, and
//! `daemon` to open and close it. Never: reads the clock, decides an entitlement, opens a sealed key.
//!
//! ```text
//!   read(|view| …)    a snapshot, on the caller's thread; waits for nobody
//!   write(|changes| …)  → queue → writer thread: many operations, one durable commit → answers
//! ```
//!
//! The operations are the functions of [`customers`], [`wallets`], [`sealed_keys`], [`challenges`],
//! [`sightings`], [`ownerships`], [`light_clients`], [`notices`], [`audit`] and [`facts`]. Each makes all its checks before its first write.

mod asked;
mod error;
mod file;
mod progress;
pub mod schema;
pub mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod view;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

pub use asked::Asked;
pub use error::StoreError;
pub use file::backup::BackedUp;
pub use progress::{Progress, Step};
use redb::Database;
pub use view::{Changes, Snapshot, View};

use self::writer::{Counters, Writer};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::{CustomerId, Timestamp};
use file::checksums::Checksums;
use file::database::Slot;
use file::folder::Folder;
use file::{backup, database, files, migrations};
use tables::{customers, notices, wallets};

/// Where the store is and what it may use.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    pub path: PathBuf,
    pub cache_bytes: usize,
    /// How many backups are kept.
    pub backups: usize,
    /// A file that is made once there is a store: where it is and the store is not, one was lost.
    pub witness: Option<PathBuf>,
    /// Names in the store's directory that somebody else uses, and no backup may have.
    pub reserved: Vec<String>,
    /// Told what opening and restoring are busy with: to copy, check and migrate a large store takes time.
    pub progress: Progress,
}

impl StoreSettings {
    /// A store at `path`, with a cache of 8 MiB and three backups, opened without a word.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: 8 << 20,
            backups: 3,
            witness: None,
            reserved: Vec::new(),
            progress: Progress::default(),
        }
    }
}

/// How busy the writer was since start, and how large the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub file_bytes: u64,
    pub commits: u64,
    pub changes: u64,
}

/// The open store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    settings: StoreSettings,
    slot: Arc<Slot>,
    writer: Writer,
    counters: Arc<Counters>,
    /// Held while a backup is written: one at a time.
    backing_up: Mutex<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

impl Store {
    /// Opens the store, whatever state its file is in: made if missing, repaired after a crash, migrated
    /// from an older schema. A corrupt file is set aside, and the newest good backup or a fresh store
    /// takes its place; [`notices`] say so until they are acknowledged.
    ///
    /// # Errors
    /// When another process has it open, its schema is newer than ours, or the files cannot be used.
    pub fn open(settings: StoreSettings, now: Timestamp) -> Result<Self, StoreError> {
        let (database, sums) = files::open_or_recover(&settings, now)?;
        let opened = match prepare(&settings, database, now) {
            Ok(database) => (database, sums),
            // There are no checksums any more, so that all of it is verified now.
            Err(error) if sums.is_damaged() => {
                tracing::error!(%error, "the store is opened once more");
                drop(sums);
                let (database, sums) = files::open_or_recover(&settings, now)?;
                (prepare(&settings, database, now)?, sums)
            }
            Err(error) => return Err(error),
        };
        Checksums::look_at_all(&opened.1)
            .map_err(StoreError::file("begin to verify the store's file"))?;
        let slot = Slot::new(&settings.path, settings.cache_bytes, opened);
        let counters = Arc::new(Counters::default());
        let writer = Writer::start(slot.clone(), counters.clone())?;
        let backing_up = Mutex::default();
        Ok(Self(Arc::new(Shared { settings, slot, writer, counters, backing_up })))
    }

    /// Waits until the store's file is found to be damaged, or for ever. What is read of it from then on is an error, or
    /// was verified before: whoever opens it anew recovers it.
    pub async fn damaged(&self) {
        self.0.slot.damaged().await;
    }

    /// Reads from a snapshot, on this thread. `question` may be asked again if the file has to be opened
    /// anew.
    ///
    /// # Errors
    /// What `question` says, or that the store cannot be read.
    pub fn read<T>(
        &self,
        question: impl Fn(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let ask = || question(&self.0.slot.begin_read()?);
        match ask() {
            Err(StoreError::Database { .. }) => ask(),
            answer => answer,
        }
    }

    /// Orders a change. It is durable, or has not happened, when the future is done. Dropping the future
    /// does not take the order back.
    ///
    /// # Errors
    /// What `operation` says, or that its group could not be kept.
    pub fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let ordered = self.0.writer.order(operation);
        async move { ordered?.await.unwrap_or(Err(StoreError::Closed)) }
    }

    /// Writes a backup to `path`, where nothing may be yet. Reads and changes go on meanwhile.
    ///
    /// # Errors
    /// When something is there already, or it cannot be written and found equal.
    pub fn backup(&self, path: &Path) -> Result<BackedUp, StoreError> {
        backup::write(&self.0.slot.begin_read()?, &Folder::of(path)?, &files::name(path))
    }

    /// Writes a backup beside the store, unless another is being written: of this name, or as the next of those that
    /// are kept.
    ///
    /// # Errors
    /// As [`Store::backup`]; [`StoreError::BackingUp`]; and when the name is not a plain one, or one that the daemon
    /// uses itself.
    pub fn backup_beside(&self, name: Option<&str>) -> Result<BackedUp, StoreError> {
        let _turn = match self.0.backing_up.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(StoreError::BackingUp),
        };
        let Some(name) = name else { return self.keep() };
        files::check_plain(&self.0.settings, name)?;
        let folder = Folder::of(&self.0.settings.path)?;
        backup::write(&self.0.slot.begin_read()?, &folder, name)
    }

    /// Puts a backup in the place of the store at `settings.path`, which nobody may have open. What was there is
    /// set aside, not deleted, and its new name is returned.
    ///
    /// # Errors
    /// When somebody has the store open, or the backup is not a whole store of a schema we know: then nothing has
    /// changed.
    pub fn restore(
        backup: &Path,
        settings: &StoreSettings,
        asked: &Asked,
    ) -> Result<Option<PathBuf>, StoreError> {
        files::replace(backup, settings, asked)
    }

    /// Keeps one more backup beside the store, and lets the oldest go. Waits for another that is being written.
    ///
    /// # Errors
    /// As [`Store::backup`].
    pub fn keep_backup(&self) -> Result<BackedUp, StoreError> {
        let _turn = self.0.backing_up.lock().unwrap_or_else(PoisonError::into_inner);
        self.keep()
    }

    fn keep(&self) -> Result<BackedUp, StoreError> {
        let settings = &self.0.settings;
        let (folder, name) = (Folder::of(&settings.path)?, files::name(&settings.path));
        backup::keep(&self.0.slot.begin_read()?, &folder, &name, settings.backups)
    }

    /// Orders a change after which something outside of the store is destroyed: refused where the file that is open is not
    /// the one that the next start would find, since another was put or mounted there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]; else as [`Store::write`].
    pub fn write_in_place<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let slot = Arc::clone(&self.0.slot);
        self.write(move |changes| {
            if !slot.is_in_its_place()? {
                return Err(StoreError::conflict(
                    "the store's file in its place is not the one that is open: something else was put or mounted there while the daemon ran; restart it",
                ));
            }
            operation(changes)
        })
    }

    /// # Errors
    /// When the file cannot be looked at.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let path = &self.0.settings.path;
        let file = path.metadata().map_err(StoreError::file("look at the store's file"))?;
        Ok(Usage {
            file_bytes: file.len(),
            commits: self.0.counters.commits.load(Ordering::Relaxed),
            changes: self.0.counters.changes.load(Ordering::Relaxed),
        })
    }

    /// Finishes the changes that were ordered, then closes the file, for all clones.
    ///
    /// # Errors
    /// When the file does not close cleanly; what was acknowledged is durable all the same.
    pub fn close(&self) -> Result<(), StoreError> {
        self.0.writer.stop();
        self.0.slot.close()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Brings an open store to our schema, and to what every store holds.
fn prepare(
    settings: &StoreSettings,
    database: Database,
    now: Timestamp,
) -> Result<Database, StoreError> {
    migrations::run(&database, migrations::STEPS, |it| {
        settings.progress.begins("bringing the store to its new form");
        let snapshot = database::begin_read(it)?;
        let folder = Folder::of(&settings.path)?;
        let name = files::name(&settings.path);
        backup::keep(&snapshot, &folder, &name, settings.backups).map(drop)
    })?;
    begin(&database, None, &Asked { by: "entitled".into(), at: now })?;
    Ok(database)
}

/// What every store holds from its first moment, and what a crash may have left to be done.
/// `notice`: what is to be told of it, and how the audit calls that.
fn begin(
    database: &Database,
    notice: Option<(AuditAction, &str)>,
    asked: &Asked,
) -> Result<(), StoreError> {
    let transaction = database::begin_write(database)?;
    let mut changes = Changes::open(&transaction)?;
    customers::find_or_make(&mut changes, CustomerId::Machine, asked)?;
    wallets::forget_destroyed(&mut changes)?;
    if let Some((action, said)) = notice {
        notices::add(&mut changes, action, said, asked)?;
    }
    let written = changes.written();
    drop(changes);
    if written == 0 {
        return transaction.abort().map_err(StoreError::database("open the store"));
    }
    transaction.commit().map_err(StoreError::database("begin the store"))
}

#[cfg(test)]
mod tests;
