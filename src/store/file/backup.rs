//! Backups: copies of a snapshot, taken while the store goes on.
//!
//! A backup is written to a draft, compared with the snapshot row by row, made durable and only then given its
//! name, so whatever has the name of a backup is one. Kept ones are `NAME.backup-N`, the greatest number newest.

use std::fs::File;
use std::path::PathBuf;

use redb::{Database, TableHandle};

use super::database::{self, Check};
use super::folder::{Draft, Folder};
use crate::store::Progress;
use crate::store::error::StoreError;
use crate::store::schema::Definition;
use crate::store::view::Snapshot;

const CACHE_BYTES: usize = 4 << 20;
/// Of the number of a kept backup: more than ever are made.
const MOST_DIGITS: usize = 12;

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Writes `snapshot` to a new file of this name.
///
/// # Errors
/// When something has the name already, or the copy cannot be made or does not compare equal.
pub(in crate::store) fn write(
    snapshot: &Snapshot,
    folder: &Folder,
    name: &str,
) -> Result<BackedUp, StoreError> {
    let path = folder.path_of(name);
    if folder.has(name) {
        return Err(StoreError::Exists { path });
    }
    let draft = folder.draft()?;
    copy(snapshot, &draft)?;
    let bytes = draft.name_new(name)?;
    Ok(BackedUp { path, bytes })
}

/// Writes a kept backup, then lets the oldest go until `keep` are left, or one.
///
/// # Errors
/// As [`write`].
pub(in crate::store) fn keep(
    snapshot: &Snapshot,
    folder: &Folder,
    store: &str,
    keep: usize,
) -> Result<BackedUp, StoreError> {
    let next = numbered(folder, store)?.last().map_or(1, |it| it.0.saturating_add(1));
    let names = (next..=u64::MAX).map(|number| format!("{store}.backup-{number}"));
    let free = names.into_iter().find(|it| !folder.has(it));
    let free = free.ok_or_else(|| StoreError::Exists { path: folder.path_of(store) })?;
    let made = write(snapshot, folder, &free)?;
    let kept = list(folder, store)?;
    let surplus = kept.len().saturating_sub(keep.max(1));
    kept.iter().take(surplus).for_each(|old| folder.remove(old));
    Ok(made)
}

/// The names of a store's kept backups, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub(in crate::store) fn list(folder: &Folder, store: &str) -> Result<Vec<String>, StoreError> {
    Ok(numbered(folder, store)?.into_iter().map(|it| it.1).collect())
}

fn numbered(folder: &Folder, store: &str) -> Result<Vec<(u64, String)>, StoreError> {
    let prefix = format!("{store}.backup-");
    let number = |name: &String| name.strip_prefix(&prefix).and_then(number_of);
    let names = folder.names()?.into_iter();
    let mut found: Vec<_> = names.filter_map(|name| Some((number(&name)?, name))).collect();
    found.sort_unstable();
    Ok(found)
}

/// A number as it is given here. Any other is somebody else's file: it neither counts nor goes.
fn number_of(text: &str) -> Option<u64> {
    let is_given = (1..=MOST_DIGITS).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_digit())
        && !text.starts_with('0');
    text.parse().ok().filter(|_| is_given)
}

fn copy(snapshot: &Snapshot, draft: &Draft<'_>) -> Result<(), StoreError> {
    let open = |check| {
        let file: File =
            draft.file.try_clone().map_err(StoreError::file("open a backup that is being made"))?;
        let (path, heard) = (std::path::Path::new("a backup"), Progress::default());
        database::open(file, path, (CACHE_BYTES, check), &heard)
    };
    let database = open(Check::Needed)?;
    fill(snapshot, &database)?;
    database.close().map_err(StoreError::database("close a backup"))?;

    let database = open(Check::Every)?;
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
