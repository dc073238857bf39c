//! Ownerships in the store: opened, extended and closed by what the chain was proven to say.
//!
//! Whether a wallet holds a token now is a pure function of the proofs that are kept
//! ([`standing`]), so it does not depend on the order in which looks are recorded. The intervals in the
//! history are what this daemon saw: a look that is recorded after a later one opens and closes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use alloy_primitives::{Address, B256};

use super::{audit, records, sightings};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::tables::sightings::SightingRows;
use crate::store::view::{Changes, View, next_number, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::customer::Wallet;
use entitled_core::domain::ids::{Collection, Timestamp, Token};
use entitled_core::domain::kept::{self, Look, ReadRows, Rests};
use entitled_core::domain::ownership::{
    Anchor, Evidence, Finality, Finding, Ownership, Sighting, Suspension, Target, Terms,
};
use entitled_core::domain::precedence::{self, Newest};

/// Records one look. Returns the ownerships that opened or closed.
///
/// # Errors
/// A conflict when the look cannot be recorded as a whole.
pub fn record_look(
    changes: &mut Changes<'_>,
    look: &Look,
    asked: &Asked,
) -> Result<Vec<Ownership>, StoreError> {
    sightings::check(look)?;
    sightings::keep(changes, look)?;
    let mut turned = Vec::new();
    let mut rests = Rests::default();
    for (wallet, token) in concerned(changes, look)? {
        let proofs = kept::proofs_about(&SightingRows(changes), &mut rests, (wallet, token))?;
        turned.extend(settle(changes, (wallet, token), (&proofs, look.transaction), asked)?);
    }
    Ok(turned)
}

/// The holdings that a look may have changed. What is unknown changes none.
fn concerned(view: &impl View, look: &Look) -> Result<BTreeSet<(Address, Token)>, StoreError> {
    let mut found = BTreeSet::new();
    for sighting in &look.sightings {
        match (&sighting.target, &sighting.finding) {
            (_, Finding::Unknown { .. }) => {}
            (Target::Token(token), _) => {
                found.insert((sighting.wallet, *token));
            }
            (Target::Rest { collection, .. }, _) => {
                let known = SightingRows(view).tokens(*collection, sighting.wallet)?;
                let included = known.into_iter().filter(|it| sighting.target.includes(it));
                found.extend(included.map(|it| (sighting.wallet, it)));
            }
        }
    }
    Ok(found)
}

/// Whether "not held" by `gone` ends what "held" by `held` began: of the same question, or of one that would count
/// more holders. Of one question only one of them counts; of two the word at the higher block does.
fn ends(gone: &Sighting, held: &Sighting) -> bool {
    gone.rule == held.rule && gone.reach.covers(&held.reach) && place(gone) > place(held)
}

/// Where what counts on one question stands beside what counts on another.
fn place(sighting: &Sighting) -> impl Ord + use<> {
    (precedence::block(sighting), sighting.look)
}

/// What all kept proofs together say about one holding.
enum Standing<'a> {
    Held(&'a Sighting),
    Gone(&'a Sighting),
    /// Nothing was ever proven.
    Nothing,
}

fn standing(proofs: &[Sighting]) -> Standing<'_> {
    let mut questions: BTreeMap<Terms, Newest<'_>> = BTreeMap::new();
    for proof in proofs {
        questions.entry(proof.terms()).or_default().consider(proof);
    }
    let words = questions.values().filter_map(|it| it.counting(..));
    let (held, gone): (Vec<&Sighting>, Vec<&Sighting>) =
        words.partition(|it| matches!(it.finding, Finding::Held { .. }));
    let lasting = held.iter().filter(|held| !gone.iter().any(|it| ends(it, held)));
    let last = |it: &&&Sighting| (place(it), Sighting::clone(it));
    match (lasting.max_by_key(last), gone.iter().max_by_key(last)) {
        (Some(held), _) => Standing::Held(held),
        (None, Some(gone)) => Standing::Gone(gone),
        (None, None) => Standing::Nothing,
    }
}

/// Makes the record of one holding say what the proofs say. Returns it if it opened or closed.
fn settle(
    changes: &mut Changes<'_>,
    (wallet, token): (Address, Token),
    (proofs, transaction): (&[Sighting], Option<B256>),
    asked: &Asked,
) -> Result<Option<Ownership>, StoreError> {
    let active = active_of(changes, wallet, token)?;
    match (standing(proofs), active) {
        (Standing::Held(held), None) => {
            let Some(evidence) = evidence(held, transaction) else { return Ok(None) };
            open(changes, (wallet, token), evidence, held.seen_at, asked).map(Some)
        }
        (Standing::Held(held), Some(mut kept)) => {
            let transaction = transaction.or(kept.evidence.transaction);
            let Some(evidence) = evidence(held, transaction) else { return Ok(None) };
            if (kept.last_proven, &kept.evidence) != (held.seen_at, &evidence) {
                kept.last_proven = held.seen_at;
                kept.evidence = evidence;
                put(changes, &kept)?;
            }
            Ok(None)
        }
        (Standing::Gone(gone), Some(kept)) => {
            let Some(anchor) = gone.finding.anchor() else { return Ok(None) };
            close(changes, kept, (gone.seen_at, anchor), asked).map(Some)
        }
        (Standing::Gone(_) | Standing::Nothing, _) => Ok(None),
    }
}

/// What an ownership rests on; `None` for what proves nothing.
fn evidence(sighting: &Sighting, transaction: Option<B256>) -> Option<Evidence> {
    let Sighting { rule, reach, via, .. } = sighting.clone();
    let anchor = sighting.finding.anchor()?.clone();
    Some(Evidence { rule, reach, via, anchor, transaction })
}

fn open(
    changes: &mut Changes<'_>,
    (wallet, token): (Address, Token),
    evidence: Evidence,
    seen_at: Timestamp,
    asked: &Asked,
) -> Result<Ownership, StoreError> {
    let number = next_number(changes, Table::Ownerships)?;
    let ownership = Ownership {
        number,
        token,
        wallet,
        first_seen: seen_at,
        last_proven: seen_at,
        evidence,
        closed: None,
        suspended: suspension_of(changes, token)?,
    };
    put(changes, &ownership)?;
    let by_token: [u8; 69] = schema::numbered(&schema::token(token), number);
    let by_wallet: [u8; 28] = schema::numbered(wallet.as_slice(), number);
    changes.put(Table::TokenOwnerships, &by_token, &[])?;
    changes.put(Table::WalletOwnerships, &by_wallet, &[])?;
    let active = schema::active(wallet, token);
    changes.put(Table::ActiveOwnerships, &active, &number.to_be_bytes())?;
    let detail = format!("held by {wallet} {}", at_block(&ownership.evidence.anchor));
    audit::append(changes, asked, AuditAction::OwnershipOpened, &token, detail)?;
    Ok(ownership)
}

fn close(
    changes: &mut Changes<'_>,
    mut ownership: Ownership,
    (seen_at, anchor): (Timestamp, &Anchor),
    asked: &Asked,
) -> Result<Ownership, StoreError> {
    ownership.closed = Some((seen_at, anchor.clone()));
    put(changes, &ownership)?;
    let active = schema::active(ownership.wallet, ownership.token);
    changes.remove(Table::ActiveOwnerships, &active)?;
    let detail = format!("no longer held by {} {}", ownership.wallet, at_block(anchor));
    audit::append(changes, asked, AuditAction::OwnershipClosed, &ownership.token, detail)?;
    Ok(ownership)
}

fn at_block(anchor: &Anchor) -> String {
    let finality = match anchor.finality {
        Finality::Latest => "latest",
        Finality::Safe => "safe",
        Finality::Finalized => "finalized",
    };
    format!("at block {} {} ({finality})", anchor.number, anchor.hash)
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
        let mut ownership = numbered(changes, number)?;
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
    let wanted = |it: &Ownership| active.is_none_or(|active| it.is_active() == active);
    let Some(wallets) = wallets else {
        let end = after.map(u64::to_be_bytes);
        let to = end.as_ref().map_or(Bound::Unbounded, |it| Bound::Excluded(it.as_slice()));
        let rows = view.range(Table::Ownerships, Bound::Unbounded, to)?.rev();
        let decoded = rows.map(|row| records::decode("ownership", &row?.1));
        return decoded.filter(|it| it.as_ref().map_or(true, wanted)).take(limit).collect();
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
    Ok(found.into_values().rev().take(limit).collect())
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
    let mut found = Vec::new();
    for number in numbers(view, Table::TokenOwnerships, &schema::token(token), after)? {
        if found.len() >= limit {
            break;
        }
        let ownership = numbered(view, number)?;
        if wanted(&ownership) {
            found.push(ownership);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
