//! The files around the store: its directory and mode, and what is put in place of a corrupt file.
//!
//! Never deletes a store. A corrupt one is set aside as `NAME.corrupt-N`.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::Database;

use super::StoreSettings;
use super::backup;
use super::database::{self, Check};
use super::error::StoreError;
use super::migrations;
use super::schema::SCHEMA;

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// Files set aside before somebody has to look after them.
const MOST_SET_ASIDE: u32 = 10_000;

/// Opens the store's file, whatever has become of it. Says what was set aside and what took its place.
pub(super) fn open_or_recover(
    settings: &StoreSettings,
) -> Result<(Database, Option<String>), StoreError> {
    let path = &settings.path;
    make_directory(path)?;
    let emptied = path.metadata().is_ok_and(|it| it.len() == 0);
    let trouble = if emptied && !backup::list(path)?.is_empty() {
        // A file that was emptied behind our back would otherwise pass for a new store.
        "the file is empty".to_owned()
    } else {
        match open_whole(path, settings) {
            Ok(database) => return Ok((database, None)),
            Err(error) if error.is_corruption() => with_causes(&error),
            Err(error) => return Err(error),
        }
    };
    recover(settings, &trouble)
}

/// Opens with every check there is, down to the schema.
fn open_whole(path: &Path, settings: &StoreSettings) -> Result<Database, StoreError> {
    make_private_file(path)?;
    (settings.progress)("opening the store");
    let database = database::open(path, settings.cache_bytes, Check::Every, settings.progress)?;
    match migrations::schema_of(&database)? {
        found if found > SCHEMA => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known: SCHEMA })
        }
        _ => Ok(database),
    }
}

fn recover(
    settings: &StoreSettings,
    trouble: &str,
) -> Result<(Database, Option<String>), StoreError> {
    let path = &settings.path;
    let aside = set_aside(path, "corrupt")?;
    tracing::error!(store = %path.display(), aside = %aside.display(), %trouble, "the store is corrupt: it was set aside");
    let mut replacement = "a fresh store was begun".to_owned();
    for candidate in backup::list(path)?.into_iter().rev() {
        match restore(&candidate, settings) {
            Ok(()) => {
                replacement = format!("{} was restored", name(&candidate));
                break;
            }
            Err(error) => {
                tracing::error!(backup = %candidate.display(), error = %with_causes(&error), "a backup cannot be restored");
            }
        }
    }
    tracing::error!(store = %path.display(), %replacement, "the store was recovered");
    let said = format!("corrupt ({trouble}): set aside as {}; {replacement}", name(&aside));
    Ok((open_whole(path, settings)?, Some(said)))
}

/// Puts a copy of a backup in the store's place, once the copy is found to be whole.
fn restore(candidate: &Path, settings: &StoreSettings) -> Result<(), StoreError> {
    put_in_place(&copy_whole(candidate, settings)?, &settings.path)
}

/// A copy of a backup beside the store, found to be whole, that belongs to whom the directory belongs to: who
/// restores may be another user than the daemon.
fn copy_whole(candidate: &Path, settings: &StoreSettings) -> Result<PathBuf, StoreError> {
    let temporary = beside(&settings.path, ".restoring");
    let doing = || format!("restore {}", candidate.display());
    let file = |error| StoreError::file(doing())(error);
    let empty = candidate.metadata().map_err(file)?.len() == 0;
    if empty {
        // redb would begin a new store in it.
        return Err(file(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is empty")));
    }
    std::fs::copy(candidate, &temporary).map_err(file)?;
    let whole = open_whole(&temporary, settings)
        .and_then(|it| it.close().map_err(StoreError::database("close a restored store")));
    let owned = whole.and_then(|()| {
        let parent = temporary.parent().unwrap_or(Path::new("."));
        let owner = parent.metadata().map_err(file)?;
        std::os::unix::fs::chown(&temporary, Some(owner.uid()), Some(owner.gid())).map_err(file)
    });
    if owned.is_err()
        && let Err(error) = std::fs::remove_file(&temporary)
    {
        tracing::debug!(%error, "a temporary file was left behind");
    }
    owned.map(|()| temporary)
}

/// As [`super::Store::restore`].
pub(super) fn replace(
    backup: &Path,
    settings: &StoreSettings,
) -> Result<Option<PathBuf>, StoreError> {
    let path = &settings.path;
    make_directory(path)?;
    if path.exists()
        && let Err(error @ StoreError::InUse { .. }) =
            database::open(path, settings.cache_bytes, Check::Needed, |_| {}).map(drop)
    {
        return Err(error);
    }
    let temporary = copy_whole(backup, settings)?;
    let aside = path.exists().then(|| set_aside(path, "replaced")).transpose()?;
    put_in_place(&temporary, path)?;
    Ok(aside)
}

/// A file of a plain name in the store's directory.
///
/// # Errors
/// When the name leads elsewhere, or to what the store keeps for itself.
pub(super) fn plain_sibling(store: &Path, sibling: &str) -> Result<PathBuf, StoreError> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    let own = name(store);
    let is_plain = (1..=128).contains(&sibling.len())
        && !sibling.starts_with('.')
        && sibling.bytes().all(plain);
    if is_plain && !sibling.starts_with(&own) {
        return Ok(store.with_file_name(sibling));
    }
    let why = format!(
        "a backup needs a plain file name of letters, digits, `.`, `_` and `-` that does not begin with {own}"
    );
    Err(StoreError::conflict(why))
}

fn set_aside(path: &Path, why: &str) -> Result<PathBuf, StoreError> {
    let doing = || format!("set {} aside", path.display());
    for number in 1..=MOST_SET_ASIDE {
        let aside = beside(path, &format!(".{why}-{number}"));
        if !aside.exists() {
            std::fs::rename(path, &aside).map_err(StoreError::file(doing()))?;
            sync_directory(path)?;
            return Ok(aside);
        }
    }
    Err(StoreError::file(doing())(std::io::ErrorKind::AlreadyExists.into()))
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(parent)
            .map_err(StoreError::file(format!("make the directory {}", parent.display()))),
        _ => Ok(()),
    }
}

/// Makes the file if it is not there, readable by its owner alone; takes other people's rights away.
pub(super) fn make_private_file(path: &Path) -> Result<(), StoreError> {
    let doing = || format!("open {}", path.display());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(StoreError::file(doing()))?;
    let mode = file.metadata().map_err(StoreError::file(doing()))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "others could open the store's file: its mode is 0600 now");
        file.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(StoreError::file(format!("set the mode of {}", path.display())))?;
    }
    Ok(())
}

/// Makes `temporary` durable and renames it to `path`.
pub(super) fn put_in_place(temporary: &Path, path: &Path) -> Result<(), StoreError> {
    let doing = || format!("write {}", path.display());
    File::open(temporary).and_then(|it| it.sync_all()).map_err(StoreError::file(doing()))?;
    std::fs::rename(temporary, path).map_err(StoreError::file(doing()))?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|it| it.sync_all())
        .map_err(StoreError::file(format!("make {} durable", parent.display())))
}

/// `path` with `ending` after its whole name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn name(path: &Path) -> String {
    path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

fn with_causes(error: &StoreError) -> String {
    let first: &dyn std::error::Error = error;
    let causes = std::iter::successors(Some(first), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
