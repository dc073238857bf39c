//! Sightings, scans and floors in the store: where [`entitled_core::domain::kept`] has its rows.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use super::records::{self, KeptScan};
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::ids::{ChainId, Collection, Timestamp, Token};
use entitled_core::domain::kept::{self, KeptSighting, Look, ReadRows, RowKey, WriteRows};
use entitled_core::domain::ownership::{Anchor, Finding, Scan, Sighting, Target};

const MOST_SIGHTINGS: usize = 100_000;

/// Whether a look can be recorded at all.
pub(in crate::store) fn check(look: &Look) -> Result<(), StoreError> {
    if look.sightings.len() > MOST_SIGHTINGS || look.scans.len() > MOST_SIGHTINGS {
        let why = format!("at most {MOST_SIGHTINGS} sightings are recorded at once");
        return Err(StoreError::conflict(why));
    }
    let strays = |it: &Sighting| {
        let chain = it.target.collection().chain;
        it.finding.anchor().is_some_and(|anchor| anchor.chain != chain)
    };
    if look.sightings.iter().any(strays) {
        return Err(StoreError::conflict("a sighting is anchored on another chain"));
    }
    let boasts = |it: &Sighting| {
        matches!((&it.target, &it.finding), (Target::Rest { .. }, Finding::Held { .. }))
    };
    if look.sightings.iter().any(boasts) {
        return Err(StoreError::conflict("the rest of a collection cannot be sighted as held"));
    }
    Ok(())
}

/// Keeps what of a look is news.
pub(in crate::store) fn keep(changes: &mut Changes<'_>, look: &Look) -> Result<(), StoreError> {
    kept::keep(&mut SightingRowsMut(changes), look)?;
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

/// The rows of sightings in a view of the store.
pub(in crate::store) struct SightingRows<'a, V>(pub(in crate::store) &'a V);

impl<V: View> ReadRows for SightingRows<'_, V> {
    type Error = StoreError;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        with_prefix(self.0, &schema::holder(collection, wallet))
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        with_prefix(self.0, &schema::rests(collection, wallet))
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, StoreError> {
        with_prefix(self.0, &schema::own(wallet, token))
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, StoreError> {
        let mut prefix = schema::holder(collection, wallet).to_vec();
        prefix.push(schema::OWN_TARGET);
        // The key alone says it: thousands of rows need not be read for what they are about.
        let token = |key: &[u8]| {
            let id = key.get(prefix.len()..).and_then(|it| it.first_chunk::<32>());
            let id = id.ok_or(StoreError::Form { what: "sighting" })?;
            Ok(collection.token(U256::from_be_bytes(*id)))
        };
        prefixed(self.0, Table::Sightings, &prefix)?.map(|row| token(&row?.0)).collect()
    }
}

/// The rows of sightings in an open transaction.
pub(in crate::store) struct SightingRowsMut<'a, 't>(pub(in crate::store) &'a mut Changes<'t>);

impl<'t> SightingRowsMut<'_, 't> {
    fn read(&self) -> SightingRows<'_, Changes<'t>> {
        SightingRows(self.0)
    }
}

impl ReadRows for SightingRowsMut<'_, '_> {
    type Error = StoreError;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        self.read().of_wallet(collection, wallet)
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        self.read().rests(collection, wallet)
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, StoreError> {
        self.read().of_token(wallet, token)
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, StoreError> {
        self.read().tokens(collection, wallet)
    }
}

impl WriteRows for SightingRowsMut<'_, '_> {
    fn row(&self, key: &RowKey) -> Result<Option<KeptSighting>, StoreError> {
        record(self.0, Table::Sightings, &place(key), "sighting")
    }

    fn put_row(&mut self, key: &RowKey, row: &KeptSighting) -> Result<(), StoreError> {
        self.0.put_record(Table::Sightings, &place(key), row)
    }

    fn remove_row(&mut self, key: &RowKey) -> Result<(), StoreError> {
        self.0.remove(Table::Sightings, &place(key))
    }
}

fn place(key: &RowKey) -> Vec<u8> {
    let question = schema::sighting(key.wallet, &key.target, key.terms);
    schema::kept(&question, key.finality, key.proven)
}

fn with_prefix(view: &impl View, prefix: &[u8]) -> Result<Vec<KeptSighting>, StoreError> {
    prefixed(view, Table::Sightings, prefix)?
        .map(|row| records::decode("sighting", &row?.1))
        .collect()
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
    let mut forgotten = 0;
    let of_heads = [schema::META_HEAD, &schema::chain(chain)].concat();
    let of_chain = schema::chain(chain).to_vec();
    let all = [(Table::Sightings, &of_chain), (Table::Scans, &of_chain), (Table::Meta, &of_heads)];
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
