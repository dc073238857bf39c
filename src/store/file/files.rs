//! The files around the store: its directory and mode, and what takes its place when it is lost or restored.
//!
//! Never deletes a store. A corrupt one is set aside as `NAME.corrupt-N`, one that another took the place of as
//! `NAME.replaced-N`. What takes a store's place is whole, and says so in itself ([`crate::store::tables::notices`]), before it
//! has the name: so a crash at any moment leaves the old one or the new one.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::Database;

use super::checksums::Checksums;
use super::database::{self, Check};
use super::folder::{Draft, Folder};
use super::{backup, migrations, sealed};
use crate::regular_file::Reached;
use crate::store::error::StoreError;
use crate::store::schema::SCHEMA;
use crate::store::tables::audit;
use crate::store::{Asked, Progress, Step, StoreSettings, begin};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::ids::Timestamp;

/// With which every file of redb begins.
const FIRST_BYTES: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// Files set aside before somebody has to look after them.
const MOST_SET_ASIDE: u32 = 10_000;
/// So much is copied before it is told how far that is.
const PIECE: u64 = 1 << 20;
/// Names that the daemon uses besides the store's, in the same directory, and what it adds to others.
const OWN_NAMES: [&str; 2] = ["kek", "machine-id"];
const OWN_ENDINGS: [&str; 5] = [".tmp", ".new", ".next", ".old", ".lock"];

const FRESH: &str = "a fresh store was begun: the customers, linked wallets, sealed keys, suspensions, \
                     loans of seats and history of the one before are not in it. Seats that it had lent are given again \
                     here while other machines have them";

/// An open store, and what is known of its file's checksums.
pub(in crate::store) type Opened = (Database, Arc<Checksums>);

/// Opens the store's file, whatever has become of it.
pub(in crate::store) fn open_or_recover(
    settings: &StoreSettings,
    now: Timestamp,
) -> Result<Opened, StoreError> {
    let (folder, name) = (Folder::of(&settings.path)?, name(&settings.path));
    let length = |it: File| it.metadata().map(|it| it.len());
    let found = folder.open_to_change(&name).and_then(|it| it.map(length).transpose());
    let found = found.map_err(StoreError::file(format!("open {}", settings.path.display())))?;
    // A file that was emptied or removed behind our back would otherwise pass for a new store.
    let trouble = match found {
        None if was_here(settings, &folder)? => "the file is missing".to_owned(),
        Some(0) if was_here(settings, &folder)? => "the file is empty".to_owned(),
        found => {
            if found.is_none_or(|length| length == 0) {
                begin_new(settings, &folder, now)?;
            }
            match open_whole(settings, &folder) {
                Ok(opened) => {
                    folder.remove_drafts()?;
                    return Ok(opened);
                }
                Err(error) if error.is_corruption() => format!("corrupt: {}", with_causes(&error)),
                Err(error) => return Err(error),
            }
        }
    };
    recover(settings, &folder, &trouble, now)?;
    open_whole(settings, &folder)
}

/// A store where none was. It has its name once it is whole: what a crash leaves of one that is not is no store that was lost.
fn begin_new(settings: &StoreSettings, folder: &Folder, now: Timestamp) -> Result<(), StoreError> {
    settings.progress.begins("making the store");
    let store = name(&settings.path);
    // An empty file is nobody's store, unless somebody is about to begin one in it.
    let empty = lock(folder, settings)?;
    let draft = folder.draft()?;
    finish(settings, &draft, None, &Asked { by: "entitled".into(), at: now })?;
    match empty {
        Some(_) => draft.replace(&store),
        None => match draft.name_new(&store) {
            // Another daemon was faster: whose store it is will be seen as it is opened.
            Ok(_) | Err(StoreError::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        },
    }
}

/// Whether there was a store before: its backups are here, or what is only made once a store is.
fn was_here(settings: &StoreSettings, folder: &Folder) -> Result<bool, StoreError> {
    let witness = settings.witness.as_ref().is_some_and(|it| it.exists());
    Ok(witness || !backup::list(folder, &name(&settings.path))?.is_empty())
}

/// Opens a store that is whole, down to the schema: of one that was closed as it should be each chunk is verified before
/// it is read, and of any other all of it now.
fn open_whole(settings: &StoreSettings, folder: &Folder) -> Result<Opened, StoreError> {
    settings.progress.begins("opening the store");
    let path = &settings.path;
    let file = database::open_private(path)?;
    let open = |file, sums: Arc<Checksums>, check| {
        let cache = (settings.cache_bytes, check);
        let opened = (file, Arc::clone(&sums));
        let database = database::open_checked(opened, path, cache, &settings.progress)?;
        Ok((known_schema(path, database)?, sums))
    };
    if let Some(sums) = sealed::take(folder, &name(path), &file) {
        match open(file, sums, Check::Needed) {
            Err(error) if StoreError::is_corruption(&error) => {
                tracing::warn!(error = %with_causes(&error), "all of the store is verified");
            }
            opened => return opened,
        }
    }
    let file = database::open_private(path)?;
    let doing = || format!("look at {}", path.display());
    let sums = file.try_clone().and_then(Checksums::none).map_err(StoreError::file(doing()))?;
    open(file, sums, Check::Every)
}

fn known_schema(path: &Path, database: Database) -> Result<Database, StoreError> {
    match migrations::schema_of(&database)? {
        found if found > SCHEMA => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known: SCHEMA })
        }
        _ => Ok(database),
    }
}

fn recover(
    settings: &StoreSettings,
    folder: &Folder,
    trouble: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let store = name(&settings.path);
    let held = lock(folder, settings)?;
    let aside = held.is_some().then(|| free_name(folder, settings, "corrupt")).transpose()?;
    tracing::error!(store = %settings.path.display(), aside, %trouble, "the store is lost or corrupt");
    let found = newest_whole(settings, folder)?;
    let (draft, instead) = match found {
        Some((draft, said)) => (draft, said),
        None => (folder.draft()?, FRESH.to_owned()),
    };
    let aside_said = aside.as_ref().map(|it| format!("set aside as {it}; ")).unwrap_or_default();
    let said = format!("the store was lost ({trouble}): {aside_said}{instead}");
    let asked = Asked { by: "entitled".into(), at: now };
    finish(settings, &draft, Some((AuditAction::StoreRecovered, &said)), &asked)?;
    if let Err(error) = folder.give_to_owner(&draft.file) {
        // Whoever could make it can use it.
        tracing::warn!(%error, "the store does not belong to the owner of its directory");
    }
    if let Some(aside) = aside {
        give_second_name(folder, settings, &aside)?;
    }
    draft.replace(&store)?;
    tracing::error!(store = %settings.path.display(), %said, "the store was recovered");
    Ok(())
}

/// A copy of the newest backup that is whole. What keeps us from reading one, other than what is in it, is no
/// reason to pass it over for an older one, or for none.
fn newest_whole<'a>(
    settings: &StoreSettings,
    folder: &'a Folder,
) -> Result<Option<(Draft<'a>, String)>, StoreError> {
    for candidate in backup::list(folder, &name(&settings.path))?.into_iter().rev() {
        let path = folder.path_of(&candidate);
        let source = match folder.open(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tracing::error!(backup = %path.display(), %error, "what has a backup's name is none");
                continue;
            }
            opened => opened.map_err(StoreError::file(format!("read {}", path.display())))?,
        };
        match copy_whole(&source, &candidate, settings, folder) {
            Ok((draft, until)) => return Ok(Some((draft, restored(&candidate, until)))),
            Err(error) if error.is_corruption() => {
                tracing::error!(backup = %path.display(), error = %with_causes(&error), "a backup is not whole");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn restored(backup: &str, until: Option<Timestamp>) -> String {
    let until = until.map(|it| format!(", whose last change is of {it:.0}")).unwrap_or_default();
    format!(
        "{backup} was restored{until}: what changed after it is undone, so suspensions, deactivations and unlinked wallets may be in force no more; make them again. \
         Seats that were lent after it are given again here while other machines have them, and places that were borrowed after it are gone"
    )
}

/// What a backup is found out to be before it is copied: a file of any length can be made for nothing.
fn check_copyable(source: &File, backup: &str, folder: &Folder) -> Result<u64, StoreError> {
    let doing = || format!("copy {backup}");
    let length = source.metadata().map_err(StoreError::file(doing()))?.len();
    if length == 0 {
        // redb would begin a new store in it.
        return Err(StoreError::Form { what: "a backup, which is empty," });
    }
    let mut first = [0; FIRST_BYTES.len()];
    match source.read_exact_at(&mut first, 0) {
        Ok(()) if first == FIRST_BYTES => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(StoreError::file(doing())(error));
        }
        _ => {
            return Err(StoreError::Form {
                what: "a backup, which does not begin as a store does,",
            });
        }
    }
    let free = folder.free_bytes().map_err(StoreError::file(doing()))?;
    if length > free {
        let why = format!("it is {length} bytes long, of which {free} are free here");
        return Err(StoreError::file(doing())(io::Error::new(io::ErrorKind::StorageFull, why)));
    }
    Ok(length)
}

/// Copies so much of a file as it had when it was looked at: somebody may make it longer meanwhile, for nothing.
fn copy_as_it_was(
    source: &File,
    length: u64,
    target: &File,
    progress: &Progress,
) -> io::Result<()> {
    let mut copied = 0;
    while copied < length {
        progress.tell(Step::of("copying the backup", copied, length));
        let piece = PIECE.min(length - copied);
        match io::copy(&mut source.take(piece), &mut &*target)? {
            // It is shorter now, which the check finds.
            0 => break,
            more => copied += more,
        }
    }
    Ok(())
}

/// A draft with the content of a backup, found to be whole, and the time of the last change in it.
fn copy_whole<'a>(
    source: &File,
    backup: &str,
    settings: &StoreSettings,
    folder: &'a Folder,
) -> Result<(Draft<'a>, Option<Timestamp>), StoreError> {
    let length = check_copyable(source, backup, folder)?;
    let draft = folder.draft()?;
    copy_as_it_was(source, length, &draft.file, &settings.progress)
        .map_err(StoreError::file(format!("copy {backup}")))?;
    let database = open_draft(settings, &draft)?;
    let database = known_schema(Path::new(backup), database)?;
    let until = audit::last_at(&database::begin_read(&database)?);
    database.close().map_err(StoreError::database("close a restored store"))?;
    Ok((draft, until?))
}

fn open_draft(settings: &StoreSettings, draft: &Draft<'_>) -> Result<Database, StoreError> {
    let doing = || format!("open a copy of {}", settings.path.display());
    let file = draft.file.try_clone().map_err(StoreError::file(doing()))?;
    settings.progress.begins("checking the store");
    let kind = (settings.cache_bytes, Check::Every);
    database::open(file, &settings.path, kind, &settings.progress)
}

/// Brings what is to take the store's place to our schema, and has it say what it is.
fn finish(
    settings: &StoreSettings,
    draft: &Draft<'_>,
    notice: Option<(AuditAction, &str)>,
    asked: &Asked,
) -> Result<(), StoreError> {
    let database = open_draft(settings, draft)?;
    // What it was copied from is the backup.
    migrations::run(&database, migrations::STEPS, |_| Ok(()))?;
    begin(&database, notice, asked)?;
    database.close().map_err(StoreError::database("close a restored store"))
}

/// As [`crate::store::Store::restore`].
pub(in crate::store) fn replace(
    backup: &Path,
    settings: &StoreSettings,
    asked: &Asked,
) -> Result<Option<PathBuf>, StoreError> {
    let (folder, store) = (Folder::of(&settings.path)?, name(&settings.path));
    // Held until the other is in place: no daemon opens the store meanwhile.
    let _held = match lock(&folder, settings) {
        // Whatever it is, it is no store that anybody has open.
        Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::InvalidInput => {
            refuse_directory(&folder, settings)?;
            None
        }
        held => held?,
    };
    folder.remove_drafts()?;
    let doing = || format!("restore {}", backup.display());
    let source = Reached::to(backup).and_then(|it| it.open()).map_err(StoreError::file(doing()))?;
    let (draft, until) = copy_whole(&source, &name(backup), settings, &folder)?;
    settings.progress.begins("writing down that it was restored");
    let said = format!("by hand, {}", restored(&name(backup), until));
    finish(settings, &draft, Some((AuditAction::StoreRestored, &said)), asked)?;
    // Otherwise the daemon could not open it; then nothing has changed.
    folder.give_to_owner(&draft.file).map_err(StoreError::file(doing()))?;
    if !folder.has(&store) {
        return draft.name_new(&store).map(|_| None);
    }
    let aside = free_name(&folder, settings, "replaced")?;
    give_second_name(&folder, settings, &aside)?;
    draft.replace(&store)?;
    Ok(Some(folder.path_of(&aside)))
}

/// Holds the store's file as whoever has it open does; `None` where there is none.
fn lock(folder: &Folder, settings: &StoreSettings) -> Result<Option<File>, StoreError> {
    let doing = || format!("lock {}", settings.path.display());
    let file = folder.open_to_change(&name(&settings.path)).map_err(StoreError::file(doing()))?;
    match file.as_ref().map(File::try_lock) {
        None | Some(Ok(())) => Ok(file),
        Some(Err(TryLockError::WouldBlock)) => {
            Err(StoreError::InUse { path: settings.path.clone() })
        }
        Some(Err(TryLockError::Error(error))) => Err(StoreError::file(doing())(error)),
    }
}

/// A directory can have no second name, so it cannot be set aside as a store is.
fn refuse_directory(folder: &Folder, settings: &StoreSettings) -> Result<(), StoreError> {
    if !folder.has_directory(&name(&settings.path)) {
        return Ok(());
    }
    let doing = format!("set {} aside", settings.path.display());
    let why = "it is a directory: move it away, and restore then";
    Err(StoreError::file(doing)(io::Error::new(io::ErrorKind::IsADirectory, why)))
}

/// What another is about to take the place of keeps a name, and there is no moment without a store.
fn give_second_name(
    folder: &Folder,
    settings: &StoreSettings,
    aside: &str,
) -> Result<(), StoreError> {
    let doing = format!("set {} aside", settings.path.display());
    folder.link(&name(&settings.path), aside).map_err(StoreError::file(doing))
}

/// The first name of its kind that nothing has.
fn free_name(folder: &Folder, settings: &StoreSettings, why: &str) -> Result<String, StoreError> {
    let store = name(&settings.path);
    let names = (1..=MOST_SET_ASIDE).map(|number| format!("{store}.{why}-{number}"));
    let free = names.into_iter().find(|it| !folder.has(it));
    let doing = format!("set {} aside", settings.path.display());
    free.ok_or_else(|| StoreError::file(doing)(io::ErrorKind::AlreadyExists.into()))
}

/// Whether a backup may have this name in the store's directory.
///
/// # Errors
/// When the name leads elsewhere, or to what the daemon keeps for itself.
pub(in crate::store) fn check_plain(
    settings: &StoreSettings,
    wanted: &str,
) -> Result<(), StoreError> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    let own = name(&settings.path);
    let is_plain =
        (1..=128).contains(&wanted.len()) && !wanted.starts_with('.') && wanted.bytes().all(plain);
    if !is_plain || wanted.starts_with(&own) {
        return Err(StoreError::conflict(format!(
            "a backup needs a plain file name of letters, digits, `.`, `_` and `-` that does not begin with {own}"
        )));
    }
    let others = OWN_NAMES.into_iter().chain(settings.reserved.iter().map(String::as_str));
    let of = |it: &str| {
        wanted.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if others.into_iter().any(of) || OWN_ENDINGS.iter().any(|it| wanted.ends_with(it)) {
        return Err(StoreError::conflict(format!(
            "the daemon keeps the name {wanted} for itself: give the backup another"
        )));
    }
    Ok(())
}

pub(in crate::store) fn name(path: &Path) -> String {
    path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
