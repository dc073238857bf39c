//! Backups: copies of a snapshot, taken while the store goes on.
//!
//! A backup is written to a temporary file, compared with the snapshot row by row, made durable and only
//! then given its name, so whatever has the name of a backup is one. Kept ones are `NAME.backup-N`, the
//! greatest number newest.

use std::path::{Path, PathBuf};

use redb::{Database, TableHandle};

use super::database::{self, Check};
use super::error::StoreError;
use super::files;
use super::schema::Definition;
use super::view::Snapshot;

const CACHE_BYTES: usize = 4 << 20;

/// Writes `snapshot` to a new file at `path`.
///
/// # Errors
/// When something is at `path` already, or the copy cannot be made or does not compare equal.
pub(super) fn write(snapshot: &Snapshot, path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::Exists { path: path.to_owned() });
    }
    let temporary = files::beside(path, ".tmp");
    let written = copy(snapshot, &temporary).and_then(|()| files::put_in_place(&temporary, path));
    if written.is_err()
        && let Err(error) = std::fs::remove_file(&temporary)
    {
        tracing::debug!(%error, "a temporary file was left behind");
    }
    written
}

/// Writes a kept backup, then lets the oldest go until `keep` are left, or one.
///
/// # Errors
/// As [`write`].
pub(super) fn keep(snapshot: &Snapshot, store: &Path, keep: usize) -> Result<PathBuf, StoreError> {
    let next = numbered(store)?.last().map_or(1, |it| it.0.saturating_add(1));
    let path = files::beside(store, &format!(".backup-{next}"));
    write(snapshot, &path)?;
    let kept = list(store)?;
    let surplus = kept.len().saturating_sub(keep.max(1));
    for old in &kept[..surplus] {
        if let Err(error) = std::fs::remove_file(old) {
            tracing::warn!(%error, backup = %old.display(), "an old backup cannot be removed");
        }
    }
    Ok(path)
}

/// The kept backups of a store, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn list(store: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(numbered(store)?.into_iter().map(|it| it.1).collect())
}

fn numbered(store: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let prefix = files::beside(store, ".backup-");
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let directory = match store.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let doing = || format!("look for backups in {}", directory.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(StoreError::file(doing()))? {
        let entry = entry.map_err(StoreError::file(doing()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix(&prefix).and_then(|it| it.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn copy(snapshot: &Snapshot, temporary: &Path) -> Result<(), StoreError> {
    if temporary.exists() {
        // Left by a backup that was interrupted; never had a backup's name.
        std::fs::remove_file(temporary)
            .map_err(StoreError::file(format!("remove {}", temporary.display())))?;
    }
    files::make_private_file(temporary)?;
    let database = database::open(temporary, CACHE_BYTES, Check::Needed, |_| {})?;
    fill(snapshot, &database)?;
    database.close().map_err(StoreError::database("close a backup"))?;

    let database = database::open(temporary, CACHE_BYTES, Check::Every, |_| {})?;
    compare(snapshot, &database::begin_read(&database)?)?;
    database.close().map_err(StoreError::database("close a backup"))
}

fn tables(snapshot: &Snapshot) -> Result<Vec<String>, StoreError> {
    let tables = snapshot.0.list_tables().map_err(StoreError::database("list tables"))?;
    let mut names: Vec<_> = tables.map(|it| it.name().to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

fn fill(snapshot: &Snapshot, database: &Database) -> Result<(), StoreError> {
    let doing = "copy the store into a backup";
    let transaction = database::begin_write(database)?;
    for name in tables(snapshot)? {
        let definition = Definition::new(&name);
        let from = snapshot.0.open_table(definition).map_err(StoreError::database(doing))?;
        let mut to = transaction.open_table(definition).map_err(StoreError::database(doing))?;
        for row in from.range::<&[u8]>(..).map_err(StoreError::database(doing))? {
            let (key, value) = row.map_err(StoreError::database(doing))?;
            to.insert(key.value(), value.value()).map_err(StoreError::database(doing))?;
        }
    }
    transaction.commit().map_err(StoreError::database(doing))
}

fn compare(one: &Snapshot, other: &Snapshot) -> Result<(), StoreError> {
    let doing = "compare a backup with the store";
    if tables(one)? != tables(other)? {
        return Err(StoreError::Backup);
    }
    for name in tables(one)? {
        let definition = Definition::new(&name);
        let rows = |it: &Snapshot| {
            let table = it.0.open_table(definition).map_err(StoreError::database(doing))?;
            table.range::<&[u8]>(..).map_err(StoreError::database(doing))
        };
        let (mut left, mut right) = (rows(one)?, rows(other)?);
        loop {
            let pair = (left.next().transpose(), right.next().transpose());
            match (
                pair.0.map_err(StoreError::database(doing))?,
                pair.1.map_err(StoreError::database(doing))?,
            ) {
                (None, None) => break,
                (Some(a), Some(b)) if a.0.value() == b.0.value() && a.1.value() == b.1.value() => {}
                _ => return Err(StoreError::Backup),
            }
        }
    }
    Ok(())
}
