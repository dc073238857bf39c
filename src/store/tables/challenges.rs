//! Challenges in the store: single use, gone once expired, and not many at a time.

use std::ops::Bound;

use jiff::SignedDuration;

use super::{audit, quotas};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::customer::Challenge;
use entitled_core::domain::ids::CustomerId;

/// How many open challenges a customer may have.
pub const MOST_OPEN: usize = 64;
/// None is open for longer. One that would be was made while the clock was ahead, and could not be answered anyway.
const LONGEST_OPEN: SignedDuration = SignedDuration::from_hours(1);
const LONGEST_NONCE: usize = 128;
const LONGEST_MESSAGE: usize = 16 * 1024;
/// How many expired ones one change clears away, so that it stays short; the next clears more.
const MOST_PRUNED: usize = 1_024;

/// # Errors
/// When the store fails.
pub fn find(view: &impl View, nonce: &str) -> Result<Option<Challenge>, StoreError> {
    record(view, Table::Challenges, nonce.as_bytes(), "challenge")
}

/// Remembers a challenge, and forgets those that expired before `asked.at`, or that a clock made which was ahead.
///
/// # Errors
/// [`StoreError::Full`] when the customer has too many open; a conflict when the nonce was given out before, or it is out of bounds.
pub fn keep(
    changes: &mut Changes<'_>,
    challenge: &Challenge,
    asked: &Asked,
) -> Result<(), StoreError> {
    let nonce = challenge.nonce.as_bytes();
    if nonce.is_empty() || nonce.len() > LONGEST_NONCE || challenge.message.len() > LONGEST_MESSAGE
    {
        return Err(StoreError::conflict("the challenge is out of bounds"));
    }
    if find(changes, &challenge.nonce)?.is_some() {
        return Err(StoreError::conflict("the nonce is in use"));
    }
    prune(changes, asked)?;
    quotas::below(open_of(changes, challenge.customer, asked)?, MOST_OPEN, "open challenges")?;
    let customer = schema::customer(challenge.customer);
    changes.put_record(Table::Challenges, nonce, challenge)?;
    changes.put(Table::ChallengeExpiries, &expiry(challenge), &customer)?;
    let detail = format!("for {}, until {}", challenge.customer, challenge.expires_at);
    audit::append(changes, asked, AuditAction::WalletChallenged, &challenge.address, detail)?;
    Ok(())
}

fn expiry(challenge: &Challenge) -> Vec<u8> {
    [schema::time(challenge.expires_at).as_slice(), challenge.nonce.as_bytes()].concat()
}

/// Whether a challenge can still be answered is a matter of `expires_at > now`, here and in [`spendable`].
fn open_of(view: &impl View, id: CustomerId, asked: &Asked) -> Result<usize, StoreError> {
    let customer = schema::customer(id);
    let now = schema::end_of(&schema::time(asked.at));
    let from = match &now {
        Bound::Excluded(it) => Bound::Included(it.as_slice()),
        _ => Bound::Unbounded,
    };
    let latest = asked.at.checked_add(LONGEST_OPEN).map(schema::time);
    let to = latest.as_ref().map_or(Bound::Unbounded, |it| Bound::Excluded(it.as_slice()));
    let mut open = 0;
    for row in view.range(Table::ChallengeExpiries, from, to)? {
        open += usize::from(row?.1 == customer);
    }
    Ok(open)
}

fn prune(changes: &mut Changes<'_>, asked: &Asked) -> Result<(), StoreError> {
    let end = schema::end_of(&schema::time(asked.at));
    let end = end.as_ref().map(Vec::as_slice);
    let expired = changes.range(Table::ChallengeExpiries, Bound::Unbounded, end)?;
    let mut gone: Vec<_> = expired.take(MOST_PRUNED).collect::<Result<_, _>>()?;
    if let Ok(latest) = asked.at.checked_add(LONGEST_OPEN) {
        let begin = schema::time(latest);
        let from = Bound::Included(begin.as_slice());
        let ahead = changes.range(Table::ChallengeExpiries, from, Bound::Unbounded)?;
        gone.extend(ahead.take(MOST_PRUNED).collect::<Result<Vec<_>, _>>()?);
    }
    for (key, _) in gone {
        changes.remove(Table::ChallengeExpiries, &key)?;
        changes.remove(Table::Challenges, key.get(16..).unwrap_or_default())?;
    }
    Ok(())
}

/// The challenge with this nonce, if it can be spent at `asked.at`.
pub(in crate::store) fn spendable(
    view: &impl View,
    nonce: &str,
    asked: &Asked,
) -> Result<Challenge, StoreError> {
    match find(view, nonce)? {
        Some(found) if found.expires_at > asked.at => Ok(found),
        _ => Err(StoreError::ChallengeSpent),
    }
}

pub(in crate::store) fn spend(
    changes: &mut Changes<'_>,
    challenge: &Challenge,
) -> Result<(), StoreError> {
    changes.remove(Table::Challenges, challenge.nonce.as_bytes())?;
    changes.remove(Table::ChallengeExpiries, &expiry(challenge))
}

#[cfg(test)]
mod tests;
