//! Ownerships in the store: opened and closed by what the chain was proven to say ([`looks`]), and read.
//!
//! Whether a wallet holds a token now is a pure function of the proofs that are kept, so it does not depend on the
//! order in which looks are recorded. So is what an ownership rests on while it lasts: the row in the table is of its
//! opening, or of the last time it was written for another reason. The intervals in the history are what this daemon
//! saw: a look that is recorded after a later one opens and closes nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use alloy_primitives::Address;

use super::{audit, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::tables::kept_rows::SightingRows;
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::customer::Wallet;
use entitled_core::domain::ids::{ChainId, Collection, Token};
use entitled_core::domain::kept::{self, Rests};
use entitled_core::domain::ownership::{Ownership, Suspension};

mod looks;

use looks::{Standing, rest_on, standing};

pub use looks::record_look;

/// Ownerships as they are read: while one lasts, it rests on the newest proof there is.
struct Reading<'a, V> {
    rows: SightingRows<'a, V>,
    rests: Rests,
}

impl<'a, V: View> Reading<'a, V> {
    fn new(view: &'a V) -> Self {
        Self { rows: SightingRows::new(view), rests: Rests::default() }
    }

    fn now(&mut self, mut ownership: Ownership) -> Result<Ownership, StoreError> {
        if ownership.is_active() {
            let holding = (ownership.wallet, ownership.token);
            let proofs = kept::proofs_about(&self.rows, &mut self.rests, holding)?;
            if let Standing::Held(held) = standing(&proofs) {
                rest_on(&mut ownership, held);
            }
        }
        Ok(ownership)
    }
}

/// Writes down what every ownership on a chain rests on, before the sightings that say so are forgotten.
///
/// # Errors
/// When the store fails.
pub(in crate::store) fn settle_chain(
    changes: &mut Changes<'_>,
    chain: ChainId,
) -> Result<(), StoreError> {
    let mut found = Vec::new();
    let mut reading = Reading::new(&*changes);
    for row in prefixed(&*changes, Table::ActiveOwnerships, &[])? {
        let number = schema::u64_of(&row?.1).ok_or(StoreError::Form { what: "number" })?;
        let written = numbered(&*changes, number)?;
        if written.token.collection.chain == chain {
            found.push(reading.now(written)?);
        }
    }
    found.iter().try_for_each(|it| put(changes, it))
}

fn put(changes: &mut Changes<'_>, ownership: &Ownership) -> Result<(), StoreError> {
    changes.put_record(Table::Ownerships, &ownership.number.to_be_bytes(), ownership)
}

fn numbered(view: &impl View, number: u64) -> Result<Ownership, StoreError> {
    record(view, Table::Ownerships, &number.to_be_bytes(), "ownership")?
        .ok_or(StoreError::Form { what: "ownership" })
}

fn active_of(
    view: &impl View,
    wallet: Address,
    token: Token,
) -> Result<Option<Ownership>, StoreError> {
    let Some(number) = view.get(Table::ActiveOwnerships, &schema::active(wallet, token))? else {
        return Ok(None);
    };
    let number = schema::u64_of(&number).ok_or(StoreError::Form { what: "active ownership" })?;
    numbered(view, number).map(Some)
}

fn suspension_of(view: &impl View, token: Token) -> Result<Option<Suspension>, StoreError> {
    record(view, Table::Suspensions, &schema::token(token), "suspension")
}

/// Takes every active ownership of a token out of force, or back into it. The suspension is the token's:
/// it holds for ownerships that open later, too.
///
/// # Errors
/// Not found when nobody was ever seen to hold the token.
pub fn set_suspension(
    changes: &mut Changes<'_>,
    token: Token,
    suspension: Option<&Suspension>,
    asked: &Asked,
) -> Result<Vec<Ownership>, StoreError> {
    let key = schema::token(token);
    let numbers = numbers(changes, Table::TokenOwnerships, &key, None)?;
    if numbers.is_empty() {
        return Err(StoreError::NotFound { what: "ownership" });
    }
    let mut touched = Vec::new();
    for number in numbers {
        let written = numbered(changes, number)?;
        let mut ownership = Reading::new(&*changes).now(written)?;
        if ownership.is_active() {
            ownership.suspended = suspension.cloned();
            put(changes, &ownership)?;
            touched.push(ownership);
        }
    }
    match suspension {
        Some(it) => {
            changes.put_record(Table::Suspensions, &key, it)?;
            audit::append(
                changes,
                asked,
                AuditAction::OwnershipSuspended,
                &token,
                it.reason.clone(),
            )?;
        }
        None if suspension_of(changes, token)?.is_some() => {
            changes.remove(Table::Suspensions, &key)?;
            audit::append(changes, asked, AuditAction::OwnershipReinstated, &token, String::new())?;
        }
        None => {}
    }
    Ok(touched)
}

/// All suspended tokens of a collection.
///
/// # Errors
/// When the store fails.
pub fn suspended_in(view: &impl View, collection: Collection) -> Result<Vec<Token>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::Suspensions, &schema::collection(collection))? {
        let (key, _) = row?;
        let id = key.last_chunk::<32>().ok_or(StoreError::Form { what: "suspension" })?;
        found.push(collection.token(alloy_primitives::U256::from_be_bytes(*id)));
    }
    Ok(found)
}

/// The numbers at the ends of the keys that begin with `prefix`, below `before`, greatest first.
fn numbers(
    view: &impl View,
    table: Table,
    prefix: &[u8],
    before: Option<u64>,
) -> Result<Vec<u64>, StoreError> {
    let end = match before {
        None => schema::end_of(prefix),
        Some(number) => Bound::Excluded([prefix, &number.to_be_bytes()].concat()),
    };
    let rows = view.range(table, Bound::Included(prefix), end.as_ref().map(Vec::as_slice))?;
    let number = |key: &[u8]| schema::number_of(key).ok_or(StoreError::Form { what: "number" });
    rows.rev().map(|row| number(&row?.0)).collect()
}

/// Ownerships of some wallets in the time they were their customer's, or of everybody, newest first, with numbers
/// below `after`.
///
/// # Errors
/// When the store fails.
pub fn list(
    view: &impl View,
    wallets: Option<&[Wallet]>,
    active: Option<bool>,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Ownership>, StoreError> {
    let mut reading = Reading::new(view);
    let wanted = |it: &Ownership| active.is_none_or(|active| it.is_active() == active);
    let Some(wallets) = wallets else {
        let end = after.map(u64::to_be_bytes);
        let to = end.as_ref().map_or(Bound::Unbounded, |it| Bound::Excluded(it.as_slice()));
        let rows = view.range(Table::Ownerships, Bound::Unbounded, to)?.rev();
        let decoded = rows.map(|row| records::decode("ownership", &row?.1));
        let found = decoded.filter(|it| it.as_ref().map_or(true, wanted)).take(limit);
        return found.map(|it| reading.now(it?)).collect();
    };
    let mut found = BTreeMap::new();
    for wallet in wallets {
        let mut taken = 0;
        for number in numbers(view, Table::WalletOwnerships, wallet.address.as_slice(), after)? {
            if taken >= limit {
                break;
            }
            let ownership = numbered(view, number)?;
            if wanted(&ownership) && wallet.had(&ownership) {
                found.insert(number, ownership);
                taken += 1;
            }
        }
    }
    found.into_values().rev().take(limit).map(|it| reading.now(it)).collect()
}

/// Every interval in which one of some wallets held `token` in the time it was its customer's, or anybody did, newest
/// first, with numbers below `after`.
///
/// # Errors
/// When the store fails.
pub fn history(
    view: &impl View,
    token: Token,
    wallets: Option<&[Wallet]>,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Ownership>, StoreError> {
    let wanted = |it: &Ownership| wallets.is_none_or(|own| own.iter().any(|own| own.had(it)));
    let (mut found, mut reading) = (Vec::new(), Reading::new(view));
    for number in numbers(view, Table::TokenOwnerships, &schema::token(token), after)? {
        if found.len() >= limit {
            break;
        }
        let ownership = numbered(view, number)?;
        if wanted(&ownership) {
            found.push(reading.now(ownership)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
