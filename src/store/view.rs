//! What operations see of the store: a snapshot to read, or an open transaction to change.
//!
//! Reading functions take any [`View`], so that a check inside a change sees exactly what a reader
//! would, plus the changes of its own group.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::schema::{self, Table};
use super::tables::records;

/// Something that can be read.
pub trait View {
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows between two keys, in order, from either end.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Rows<'_>, StoreError>;

    /// # Errors
    /// When the store cannot be read.
    fn count(&self, table: Table) -> Result<u64, StoreError>;
}

/// Rows of a table, as keys and values.
pub struct Rows<'a>(redb::Range<'a, &'static [u8], &'static [u8]>);

type Row = (Vec<u8>, Vec<u8>);

type Bytes<'a> = redb::AccessGuard<'a, &'static [u8]>;

fn owned(entry: Result<(Bytes<'_>, Bytes<'_>), redb::StorageError>) -> Result<Row, StoreError> {
    let (key, value) = entry.map_err(StoreError::database("read rows of the store"))?;
    Ok((key.value().to_vec(), value.value().to_vec()))
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, StoreError>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(owned)
    }
}

impl DoubleEndedIterator for Rows<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(owned)
    }
}

/// All rows whose key begins with `prefix`.
pub(super) fn prefixed<'a>(
    view: &'a impl View,
    table: Table,
    prefix: &[u8],
) -> Result<Rows<'a>, StoreError> {
    let end = schema::end_of(prefix);
    view.range(table, Bound::Included(prefix), end.as_ref().map(Vec::as_slice))
}

/// Reads a record of form 1 or later.
pub(super) fn record<T: DeserializeOwned>(
    view: &impl View,
    table: Table,
    key: &[u8],
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    view.get(table, key)?.map(|bytes| records::decode(what, &bytes)).transpose()
}

/// The number after the last one in a table that is keyed by number; numbers begin at 1.
pub(super) fn next_number(view: &impl View, table: Table) -> Result<u64, StoreError> {
    let last = view.range(table, Bound::Unbounded, Bound::Unbounded)?.next_back().transpose()?;
    let last = match last {
        None => 0,
        Some((key, _)) => schema::u64_of(&key).ok_or(StoreError::Form { what: "number" })?,
    };
    last.checked_add(1).ok_or_else(|| StoreError::conflict("there are no numbers left"))
}

/// The store as it was at one moment. Costs a reader nothing and a writer nothing; do not keep it for
/// long, because the file cannot reuse what it still shows.
pub struct Snapshot(pub(super) ReadTransaction);

impl Snapshot {
    fn open(
        &self,
        table: Table,
    ) -> Result<redb::ReadOnlyTable<&'static [u8], &'static [u8]>, StoreError> {
        self.0
            .open_table(table.definition())
            .map_err(StoreError::database("open a table of the store"))
    }
}

impl View for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.open(table)?;
        let value = table.get(key).map_err(StoreError::database("read the store"))?;
        Ok(value.map(|it| it.value().to_vec()))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Rows<'_>, StoreError> {
        let rows = self.open(table)?.range::<&[u8]>((from, to));
        Ok(Rows(rows.map_err(StoreError::database("read the store"))?))
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        self.open(table)?.len().map_err(StoreError::database("count rows of the store"))
    }
}

/// An open transaction with all its tables.
///
/// Invariant: an operation makes all its checks before its first write, because operations share the
/// transaction. The writer counts the writes, and fails the group of one that breaks this.
pub struct Changes<'t> {
    tables: Vec<redb::Table<'t, &'static [u8], &'static [u8]>>,
    written: u64,
}

impl<'t> Changes<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let open = |it: Table| transaction.open_table(it.definition());
        let tables: Result<_, _> = Table::ALL.into_iter().map(open).collect();
        let tables = tables.map_err(StoreError::database("open the tables of the store"))?;
        Ok(Self { tables, written: 0 })
    }

    /// How many rows were written or removed so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.written += 1;
        self.tables[table as usize]
            .insert(key, value)
            .map_err(StoreError::database("write to the store"))?;
        Ok(())
    }

    pub(super) fn put_record<T: Serialize>(
        &mut self,
        table: Table,
        key: &[u8],
        value: &T,
    ) -> Result<(), StoreError> {
        let bytes = records::encode("change", value)?;
        self.put(table, key, &bytes)
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.written += 1;
        self.tables[table as usize]
            .remove(key)
            .map_err(StoreError::database("write to the store"))?;
        Ok(())
    }
}

impl View for Changes<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value =
            self.tables[table as usize].get(key).map_err(StoreError::database("read the store"))?;
        Ok(value.map(|it| it.value().to_vec()))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Rows<'_>, StoreError> {
        let rows = self.tables[table as usize].range::<&[u8]>((from, to));
        Ok(Rows(rows.map_err(StoreError::database("read the store"))?))
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        self.tables[table as usize].len().map_err(StoreError::database("count rows of the store"))
    }
}
