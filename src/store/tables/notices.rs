//! What became of the store's file, for people: kept in the store until an administrator acknowledges it.
//!
//! A store that was set aside, begun afresh or put back to an earlier state answers as well as ever, and may say
//! something else than before: a suspension that came later is gone. So it says so itself.

use serde::{Deserialize, Serialize};

use super::{audit, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{META_NOTICES, Table};
use crate::store::view::{Changes, View};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::Timestamp;

/// More are not kept; the oldest go. The audit has all of them.
const MOST_KEPT: usize = 8;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub at: Timestamp,
    pub said: String,
}

/// Those that nobody has acknowledged yet, oldest first.
///
/// # Errors
/// When the store fails.
pub fn all(view: &impl View) -> Result<Vec<Notice>, StoreError> {
    match view.get(Table::Meta, META_NOTICES)? {
        None => Ok(Vec::new()),
        Some(bytes) => records::decode("notice", &bytes),
    }
}

/// Keeps one, with an entry in the audit.
pub(in crate::store) fn add(
    changes: &mut Changes<'_>,
    action: AuditAction,
    said: &str,
    asked: &Asked,
) -> Result<(), StoreError> {
    let mut kept = all(changes)?;
    kept.push(Notice { at: asked.at, said: said.to_owned() });
    let surplus = kept.len().saturating_sub(MOST_KEPT);
    changes.put_record(Table::Meta, META_NOTICES, &kept.split_off(surplus))?;
    audit::append(changes, asked, action, &"store", said.to_owned()).map(drop)
}

/// Forgets all, with an entry in the audit; writes nothing where there are none. Says which they were.
///
/// # Errors
/// When the store fails.
pub fn acknowledge(changes: &mut Changes<'_>, asked: &Asked) -> Result<Vec<Notice>, StoreError> {
    let kept = all(changes)?;
    if kept.is_empty() {
        return Ok(kept);
    }
    changes.remove(Table::Meta, META_NOTICES)?;
    let said = kept.iter().map(|it| it.said.as_str()).collect::<Vec<_>>().join("; ");
    audit::append(changes, asked, AuditAction::StoreRecoveryAcknowledged, &"store", said)?;
    Ok(kept)
}

#[cfg(test)]
mod tests;
