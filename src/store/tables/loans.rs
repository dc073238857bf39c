//! Seats that this machine has lent to another, and those that another has lent to it; and the key that stands for the
//! machine.
//!
//! Invariant: one request, by its nonce, has one loan for ever on either side. So no row goes: what is over is put apart,
//! without its file.

use alloy_primitives::{Address, B256};
use jiff::SignedDuration;

use super::{audit, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::loan::{GivenLoan, SeatReturn, TakenLoan};

/// Loans that others may still use.
const MOST_OPEN: usize = 1_024;
/// For so long after its end the file of a loan is kept.
const WELL_OVER: SignedDuration = SignedDuration::from_hours(24);
/// How much later it has to be before that is noted again.
const LEAST_STEP_S: i64 = 1;

fn find<T: serde::de::DeserializeOwned>(
    view: &impl View,
    taken: bool,
    nonce: B256,
) -> Result<Option<T>, StoreError> {
    for over in [false, true] {
        let key = schema::loan(taken, over, nonce);
        if let Some(found) = record(view, Table::Loans, &key, "loan")? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn all<T: serde::de::DeserializeOwned>(
    view: &impl View,
    taken: bool,
    over: bool,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::Loans, &schema::loans(taken, over))? {
        found.push(records::decode("loan", &row?.1)?);
    }
    Ok(found)
}

/// What became of a request, on the side of the lender.
///
/// # Errors
/// When the store fails.
pub fn find_given(view: &impl View, nonce: B256) -> Result<Option<GivenLoan>, StoreError> {
    find(view, false, nonce)
}

/// What this machine had by a request of its own.
///
/// # Errors
/// When the store fails.
pub fn find_taken(view: &impl View, nonce: B256) -> Result<Option<TakenLoan>, StoreError> {
    find(view, true, nonce)
}

/// Loans that were not given back: those too that were put apart by a clock that may have been ahead.
///
/// # Errors
/// When the store fails.
pub fn given(view: &impl View) -> Result<Vec<GivenLoan>, StoreError> {
    let mut loans = all(view, false, false)?;
    loans.extend(all(view, false, true)?);
    loans.retain(|it: &GivenLoan| it.returned_at.is_none());
    Ok(loans)
}

/// The same on the side of who has them; or those that are.
///
/// # Errors
/// When the store fails.
pub fn taken(view: &impl View, over: bool) -> Result<Vec<TakenLoan>, StoreError> {
    all(view, true, over)
}

/// Loans that this machine has and that were not over when one was seen last, whatever the clock says now.
///
/// # Errors
/// When the store fails.
pub fn open(view: &impl View) -> Result<Vec<TakenLoan>, StoreError> {
    let (mut loans, seen) = (taken(view, false)?, time(view)?);
    loans.retain(|it| seen.is_none_or(|seen| it.is_open(seen)));
    Ok(loans)
}

/// Keeps a loan before it is handed out, unless its request has one already. Answers with the one that stands.
///
/// # Errors
/// [`StoreError::Full`], or when the store fails.
pub fn keep_given(
    changes: &mut Changes<'_>,
    loan: &GivenLoan,
    asked: &Asked,
) -> Result<GivenLoan, StoreError> {
    let terms = &loan.terms;
    if let Some(standing) = find_given(changes, terms.nonce)? {
        return Ok(standing);
    }
    if given(changes)?.iter().filter(|it| it.is_open(asked.at)).count() >= MOST_OPEN {
        return Err(StoreError::Full { why: format!("{MOST_OPEN} seats are lent already") });
    }
    // A clock that is ahead for a moment costs no file.
    let well_before = asked.at.checked_sub(WELL_OVER).unwrap_or(Timestamp::MIN);
    let kept = all(changes, false, false)?.into_iter();
    for it in kept.filter(|it: &GivenLoan| !it.is_open(well_before)) {
        put_given(changes, it, true)?;
    }
    put_given(changes, loan.clone(), false)?;
    let tier_of = format!("{} to {}", loan.product, machine(terms.machine, loan));
    let detail = format!("{tier_of} until {}", terms.until);
    audit::append(changes, asked, AuditAction::SeatLent, &format!("s-{}", loan.seat.0), detail)?;
    Ok(loan.clone())
}

fn machine(address: Address, loan: &GivenLoan) -> String {
    match &loan.terms.label {
        Some(label) => format!("{address} ({label})"),
        None => address.to_string(),
    }
}

fn put_given(changes: &mut Changes<'_>, loan: GivenLoan, over: bool) -> Result<(), StoreError> {
    let nonce = loan.terms.nonce;
    let text = if over { String::new() } else { loan.text.clone() };
    changes.remove(Table::Loans, &schema::loan(false, !over, nonce))?;
    let loan = GivenLoan { text, ..loan };
    changes.put_record(Table::Loans, &schema::loan(false, over, nonce), &loan)
}

/// Takes back what a machine has given back. Doing it again changes nothing.
///
/// # Errors
/// [`StoreError::NotFound`] of what was not lent here, or when the store fails.
pub fn give_back(
    changes: &mut Changes<'_>,
    returned: &SeatReturn,
    asked: &Asked,
) -> Result<GivenLoan, StoreError> {
    let loan = find_given(changes, returned.nonce)?;
    let is_it = |it: &GivenLoan| (it.id, it.terms.machine) == (returned.loan, returned.machine);
    let mut loan =
        loan.filter(is_it).ok_or(StoreError::NotFound { what: "loan of this daemon" })?;
    if loan.returned_at.is_some() {
        return Ok(loan);
    }
    loan.returned_at = Some(asked.at);
    put_given(changes, loan.clone(), true)?;
    let detail = format!("{} by {}", loan.product, machine(loan.terms.machine, &loan));
    let subject = format!("s-{}", loan.seat.0);
    audit::append(changes, asked, AuditAction::SeatGivenBack, &subject, detail)?;
    Ok(loan)
}

/// Keeps a loan that was brought, unless this machine had one by the same request. Answers with the one that stands.
///
/// # Errors
/// When the store fails.
pub fn take(
    changes: &mut Changes<'_>,
    loan: &TakenLoan,
    asked: &Asked,
) -> Result<TakenLoan, StoreError> {
    if let Some(standing) = find_taken(changes, loan.terms.nonce)? {
        return Ok(standing);
    }
    for it in taken(changes, false)?.iter().filter(|it| !it.is_open(asked.at)) {
        put_taken(changes, it, true)?;
    }
    put_taken(changes, loan, false)?;
    write_time(changes, asked.at)?;
    let detail = format!("{} by {} until {}", loan.product, loan.terms.wallet, loan.terms.until);
    let subject = loan.terms.nonce.to_string();
    audit::append(changes, asked, AuditAction::SeatLoanImported, &subject, detail)?;
    Ok(loan.clone())
}

fn put_taken(changes: &mut Changes<'_>, loan: &TakenLoan, over: bool) -> Result<(), StoreError> {
    let nonce = loan.terms.nonce;
    changes.remove(Table::Loans, &schema::loan(true, !over, nonce))?;
    changes.put_record(Table::Loans, &schema::loan(true, over, nonce), loan)
}

/// Gives a loan back: it is of no use here any more, for good. Who does it again is given what it was given back with.
///
/// # Errors
/// [`StoreError::NotFound`], or when the store fails.
pub fn spend(
    changes: &mut Changes<'_>,
    (nonce, text): (B256, &str),
    asked: &Asked,
) -> Result<TakenLoan, StoreError> {
    let mut loan = find_taken(changes, nonce)?.ok_or(StoreError::NotFound { what: "loan" })?;
    if loan.returned.is_some() {
        return Ok(loan);
    }
    loan.returned = Some(text.to_owned());
    put_taken(changes, &loan, true)?;
    let detail = format!("{} to {}", loan.product, loan.terms.wallet);
    audit::append(changes, asked, AuditAction::SeatLoanReturned, &nonce.to_string(), detail)?;
    Ok(loan)
}

/// How late it was when a loan was seen last: it is not earlier.
///
/// # Errors
/// When the store fails.
pub fn time(view: &impl View) -> Result<Option<Timestamp>, StoreError> {
    let kept = view.get(Table::Meta, schema::META_LOAN_TIME)?;
    let wrong = StoreError::Form { what: "time of loans" };
    kept.map(|it| schema::time_of(&it).ok_or(wrong)).transpose()
}

/// Notes how late it is. An earlier time changes nothing.
///
/// # Errors
/// When the store fails.
pub fn write_time(changes: &mut Changes<'_>, now: Timestamp) -> Result<(), StoreError> {
    let before = time(changes)?;
    if before.is_none_or(|it| now.as_second() - it.as_second() >= LEAST_STEP_S) {
        changes.put(Table::Meta, schema::META_LOAN_TIME, &schema::time(now))?;
    }
    Ok(())
}

/// The key that stands for this machine, sealed, and its address.
///
/// # Errors
/// When the store fails.
pub fn machine_key(view: &impl View) -> Result<Option<(Address, Vec<u8>)>, StoreError> {
    let Some(kept) = view.get(Table::Meta, schema::META_MACHINE_KEY)? else { return Ok(None) };
    let wrong = StoreError::Form { what: "machine key" };
    let address = Address::from(<[u8; 20]>::try_from(kept).map_err(|_| wrong)?);
    let key = schema::wallet(address, CustomerId::Machine);
    let sealed = view.get(Table::SealedKeys, &key)?;
    let sealed = sealed.map(|it| records::decode_sealed(&it)).transpose()?.flatten();
    Ok(sealed.map(|it| (address, it)))
}

/// Keeps the machine's key, unless there is one. Answers with the one that stands.
///
/// # Errors
/// When the store fails.
pub fn keep_machine_key(
    changes: &mut Changes<'_>,
    (address, sealed): (Address, &[u8]),
) -> Result<(Address, Vec<u8>), StoreError> {
    if let Some(standing) = machine_key(changes)? {
        return Ok(standing);
    }
    let key = schema::wallet(address, CustomerId::Machine);
    changes.put(Table::SealedKeys, &key, &records::encode_sealed(sealed))?;
    changes.put(Table::Meta, schema::META_MACHINE_KEY, address.as_slice())?;
    Ok((address, sealed.to_vec()))
}

#[cfg(test)]
mod tests;
