//! What a look brings besides sightings, and what is kept of a chain: scans, newest blocks and floors.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::ownerships;
use super::records::{self, KeptScan};
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::ids::{ChainId, Collection, Timestamp};
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{Anchor, Finding, Scan, Sighting, Target};

const MOST_SIGHTINGS: usize = 100_000;

/// Whether a look can be recorded at all.
pub(in crate::store) fn check(look: &Look) -> Result<(), StoreError> {
    if look.sightings.len() > MOST_SIGHTINGS || look.scans.len() > MOST_SIGHTINGS {
        let why = format!("at most {MOST_SIGHTINGS} sightings are recorded at once");
        return Err(StoreError::conflict(why));
    }
    look.sightings.iter().try_for_each(check_sighting)
}

fn check_sighting(it: &Sighting) -> Result<(), StoreError> {
    let chain = it.target.collection().chain;
    if it.finding.anchor().is_some_and(|anchor| anchor.chain != chain) {
        return Err(StoreError::conflict("a sighting is anchored on another chain"));
    }
    if matches!((&it.target, &it.finding), (Target::Rest { .. }, Finding::Held { .. })) {
        return Err(StoreError::conflict("the rest of a collection cannot be sighted as held"));
    }
    Ok(())
}

/// Keeps what a look brings besides its sightings.
pub(in crate::store) fn keep_beside(
    changes: &mut Changes<'_>,
    look: &Look,
) -> Result<(), StoreError> {
    let last = look.number();
    if last > last_look(changes)? {
        changes.put(Table::Meta, schema::META_LAST_LOOK, &last.to_be_bytes())?;
    }
    for head in &look.heads {
        keep_head(changes, head, last)?;
    }
    for (collection, wallet, scan) in &look.scans {
        keep_scan(changes, (*collection, *wallet), scan, last)?;
    }
    Ok(())
}

fn keep_scan(
    changes: &mut Changes<'_>,
    (collection, wallet): (Collection, Address),
    scan: &Scan,
    look: u64,
) -> Result<(), StoreError> {
    let key = schema::holder(collection, wallet);
    let kept: Option<KeptScan> = record(changes, Table::Scans, &key, "scan")?;
    let rank = |it: &KeptScan| (it.look, it.scan.read_to, it.scan.ids.clone());
    let new = KeptScan { look, scan: scan.clone() };
    match kept {
        Some(kept) if rank(&kept) >= rank(&new) => Ok(()),
        _ => changes.put_record(Table::Scans, &key, &new),
    }
}

/// The block of a chain that was the newest of its finality when a look began.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptHead {
    look: u64,
    anchor: Anchor,
}

/// Keeps the newest block of the newest look.
fn keep_head(changes: &mut Changes<'_>, head: &Anchor, look: u64) -> Result<(), StoreError> {
    let key = schema::head(head.chain, head.finality);
    let kept: Option<KeptHead> = record(changes, Table::Meta, &key, "head")?;
    if kept.is_some_and(|it| it.look > look || it.anchor == *head) {
        return Ok(());
    }
    changes.put_record(Table::Meta, &key, &KeptHead { look, anchor: head.clone() })
}

/// Per chain and finality, the newest block of the last run.
///
/// # Errors
/// When the store fails.
pub fn heads(view: &impl View) -> Result<Vec<Anchor>, StoreError> {
    let rows = prefixed(view, Table::Meta, schema::META_HEAD)?;
    rows.map(|row| records::decode("head", &row?.1).map(|it: KeptHead| it.anchor)).collect()
}

/// Forgets every sighting on a chain, how far its events were read, and its newest blocks. Returns how many sightings there were.
///
/// # Errors
/// When the store fails.
pub fn forget(changes: &mut Changes<'_>, chain: ChainId) -> Result<u64, StoreError> {
    ownerships::settle_chain(changes, chain)?;
    let mut forgotten = 0;
    let of_heads = [schema::META_HEAD, &schema::chain(chain)].concat();
    let of_chain = schema::chain(chain).to_vec();
    let all = [
        (Table::Sightings, &of_chain),
        (Table::Confirmations, &of_chain),
        (Table::Scans, &of_chain),
        (Table::Meta, &of_heads),
    ];
    for (table, prefix) in all {
        let rows = prefixed(changes, table, prefix)?;
        let keys: Vec<_> = rows.map(|row| Ok(row?.0)).collect::<Result<_, StoreError>>()?;
        for key in &keys {
            changes.remove(table, key)?;
        }
        forgotten += if table == Table::Sightings { keys.len() } else { 0 };
    }
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// Raises the floor under the time of a chain; a lower time changes nothing.
///
/// # Errors
/// When the store fails.
pub fn raise_floor(
    changes: &mut Changes<'_>,
    chain: ChainId,
    time: Timestamp,
) -> Result<(), StoreError> {
    let key = schema::chain(chain);
    let new = schema::time(time);
    match changes.get(Table::Floors, &key)? {
        Some(kept) if kept.as_slice() >= new.as_slice() => Ok(()),
        _ => changes.put(Table::Floors, &key, &new),
    }
}

/// Per chain, the newest finalized block time ever proven.
///
/// # Errors
/// When the store fails.
pub fn floors(view: &impl View) -> Result<Vec<(ChainId, Timestamp)>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::Floors, &[])? {
        let (key, value) = row?;
        let floor = schema::u64_of(&key).map(ChainId).zip(schema::time_of(&value));
        found.push(floor.ok_or(StoreError::Form { what: "floor" })?);
    }
    Ok(found)
}

/// The greatest look ever recorded; 0 before the first.
///
/// # Errors
/// When the store fails.
pub fn last_look(view: &impl View) -> Result<u64, StoreError> {
    match view.get(Table::Meta, schema::META_LAST_LOOK)? {
        None => Ok(0),
        Some(bytes) => schema::u64_of(&bytes).ok_or(StoreError::Form { what: "look" }),
    }
}

/// # Errors
/// When the store fails.
pub fn scan_of(
    view: &impl View,
    collection: Collection,
    wallet: Address,
) -> Result<Option<Scan>, StoreError> {
    let key = schema::holder(collection, wallet);
    Ok(record::<KeptScan>(view, Table::Scans, &key, "scan")?.map(|it| it.scan))
}
