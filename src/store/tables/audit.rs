//! The audit inside the store: appending, reading and checking the chain of hashes.

use std::ops::Bound;

use alloy_primitives::{B256, Keccak256};

use super::records;
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View};
use entitled_core::domain::audit::{AuditAction, AuditEntry};
use entitled_core::domain::ids::Timestamp;

/// What a check of the whole audit found.
#[derive(Debug, Clone)]
pub struct AuditState {
    pub entries: u64,
    /// The number of the first entry that does not fit; `None` if all do.
    pub broken_at: Option<u64>,
    /// The hash of the last entry.
    pub head: B256,
}

/// The hash of an entry: keccak-256 over every other field, each with its length or of fixed width, so
/// that no two different entries give the same bytes.
fn hash(entry: &AuditEntry) -> B256 {
    let mut bytes = Keccak256::new();
    bytes.update(b"entitled audit entry, form 1");
    bytes.update(entry.number.to_be_bytes());
    bytes.update(entry.at.as_nanosecond().to_be_bytes());
    for text in [&entry.by, &entry.action, &entry.subject, &entry.detail] {
        bytes.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.update(text);
    }
    bytes.update(entry.previous);
    bytes.finalize()
}

/// The number and hash of the last entry, as noted beside the table, so that an entry missing at the end
/// is missed. Before the first: 0 and zero.
fn head(view: &impl View) -> Result<(u64, B256), StoreError> {
    let Some(bytes) = view.get(Table::Meta, schema::META_AUDIT_HEAD)? else {
        return Ok((0, B256::ZERO));
    };
    let parts = bytes.split_first_chunk::<8>().map(|(number, hash)| {
        Some((u64::from_be_bytes(*number), B256::from(<[u8; 32]>::try_from(hash).ok()?)))
    });
    parts.flatten().ok_or(StoreError::Form { what: "audit head" })
}

/// When the last change was noted; `None` in a store without any.
pub(in crate::store) fn last_at(view: &impl View) -> Result<Option<Timestamp>, StoreError> {
    let last =
        view.range(Table::Audit, Bound::Unbounded, Bound::Unbounded)?.next_back().transpose()?;
    let entry = last.map(|(_, bytes)| records::decode::<AuditEntry>("audit entry", &bytes));
    Ok(entry.transpose()?.map(|it| it.at))
}

/// Appends one entry, in the transaction of the change it speaks of.
pub(in crate::store) fn append(
    changes: &mut Changes<'_>,
    asked: &Asked,
    action: AuditAction,
    subject: &impl ToString,
    detail: String,
) -> Result<AuditEntry, StoreError> {
    let (last, previous) = head(changes)?;
    let number = last.saturating_add(1);
    let mut entry = AuditEntry {
        number,
        at: asked.at,
        by: asked.by.clone(),
        action: action.as_str().to_owned(),
        subject: subject.to_string(),
        detail,
        previous,
        hash: B256::ZERO,
    };
    entry.hash = hash(&entry);
    changes.put_record(Table::Audit, &number.to_be_bytes(), &entry)?;
    let head = [number.to_be_bytes().as_slice(), entry.hash.as_slice()].concat();
    changes.put(Table::Meta, schema::META_AUDIT_HEAD, &head)?;
    Ok(entry)
}

/// Notes something that changed outside the store.
///
/// # Errors
/// When the store fails.
pub fn note(
    changes: &mut Changes<'_>,
    action: AuditAction,
    subject: &str,
    detail: &str,
    asked: &Asked,
) -> Result<AuditEntry, StoreError> {
    append(changes, asked, action, &subject, detail.to_owned())
}

/// Entries after number `after`, of the `last` so many, not before `since`, oldest first, at most `limit`.
///
/// # Errors
/// When the store fails.
pub fn list(
    view: &impl View,
    since: Option<Timestamp>,
    (after, last): (Option<u64>, Option<u64>),
    limit: usize,
) -> Result<Vec<AuditEntry>, StoreError> {
    let before_last = match last {
        Some(count) => head(view)?.0.saturating_sub(count),
        None => 0,
    };
    let after = after.unwrap_or(0).max(before_last).to_be_bytes();
    let mut found = Vec::new();
    for row in view.range(Table::Audit, Bound::Excluded(&after), Bound::Unbounded)? {
        if found.len() >= limit {
            break;
        }
        let entry: AuditEntry = records::decode("audit", &row?.1)?;
        if since.is_none_or(|it| entry.at >= it) {
            found.push(entry);
        }
    }
    Ok(found)
}

/// Recomputes every hash. An entry that cannot be read does not fit.
///
/// # Errors
/// When the store fails.
pub fn verify(view: &impl View) -> Result<AuditState, StoreError> {
    let mut state = AuditState { entries: 0, broken_at: None, head: B256::ZERO };
    let mut expected = 1_u64;
    for row in view.range(Table::Audit, Bound::Unbounded, Bound::Unbounded)? {
        let (key, bytes) = row?;
        state.entries += 1;
        let entry = records::decode::<AuditEntry>("audit", &bytes);
        let fits = entry.as_ref().is_ok_and(|it| {
            schema::u64_of(&key) == Some(expected)
                && it.number == expected
                && it.previous == state.head
                && it.hash == hash(it)
        });
        if !fits && state.broken_at.is_none() {
            state.broken_at = Some(expected);
        }
        if let Ok(entry) = entry {
            state.head = entry.hash;
        }
        expected = expected.saturating_add(1);
    }
    if state.broken_at.is_none() && head(view)? != (state.entries, state.head) {
        state.broken_at = Some(expected);
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
