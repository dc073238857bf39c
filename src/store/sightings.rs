//! Sightings, scans and floors in the store: for each question the newest answer, and no history.
//!
//! Kept is, for each (collection, wallet, target, rule, finality), the newest sighting that proves
//! something, and the newest that found nothing out if its look came later. "Newest" goes by the look's
//! number alone, so what is kept does not depend on the order in which looks are recorded, nor on how
//! often. All sightings of one look come in one [`Look`].

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};

use super::error::StoreError;
use super::records::{self, KeptScan, KeptSighting};
use super::schema::{self, Table};
use super::view::{Changes, View, prefixed, record};
use crate::domain::ids::{ChainId, Collection, Timestamp, Token};
use crate::domain::ownership::{Finding, Scan, Sighting, Target};

const MOST_SIGHTINGS: usize = 100_000;

/// One look at the chain, whole.
#[derive(Debug, Clone, Default)]
pub struct Look {
    pub sightings: Vec<Sighting>,
    pub scans: Vec<(Collection, Address, Scan)>,
    /// The transaction a claimant named and the chain confirmed.
    pub transaction: Option<B256>,
}

impl Look {
    /// Whether it can be recorded at all.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.sightings.len() > MOST_SIGHTINGS || self.scans.len() > MOST_SIGHTINGS {
            let why = format!("at most {MOST_SIGHTINGS} sightings are recorded at once");
            return Err(StoreError::conflict(why));
        }
        let strays = |it: &&Sighting| {
            let chain = it.target.collection().chain;
            it.finding.anchor().is_some_and(|anchor| anchor.chain != chain)
        };
        match self.sightings.iter().find(strays) {
            None => Ok(()),
            Some(_) => Err(StoreError::conflict("a sighting is anchored on another chain")),
        }
    }

    /// The ids of the collection that this look sighted by themselves for the wallet of `rest`.
    fn sighted_beside(&self, rest: &Sighting) -> BTreeSet<U256> {
        let Target::Rest { collection, ids } = &rest.target else { return BTreeSet::new() };
        let own = |it: &Sighting| match &it.target {
            Target::Token(token)
                if token.collection == *collection
                    && it.wallet == rest.wallet
                    && it.look == rest.look
                    && ids.contains(token.id) =>
            {
                Some(token.id)
            }
            _ => None,
        };
        self.sightings.iter().filter_map(own).collect()
    }
}

/// Keeps what of a look is news.
pub(super) fn keep(changes: &mut Changes<'_>, look: &Look) -> Result<(), StoreError> {
    for sighting in &look.sightings {
        let except = look.sighted_beside(sighting);
        keep_one(changes, KeptSighting { sighting: sighting.clone(), except })?;
    }
    let last = look.sightings.iter().map(|it| it.look).max().unwrap_or(0);
    if last > last_look(changes)? {
        changes.put(Table::Meta, schema::META_LAST_LOOK, &last.to_be_bytes())?;
    }
    for (collection, wallet, scan) in &look.scans {
        keep_scan(changes, (*collection, *wallet), scan, last)?;
    }
    Ok(())
}

fn keep_one(changes: &mut Changes<'_>, new: KeptSighting) -> Result<(), StoreError> {
    let sighting = &new.sighting;
    let question = schema::sighting(sighting.wallet, &sighting.target, sighting.rule);
    let finality = sighting.finding.finality();
    let known_key = schema::kept(&question, finality, true);
    let unknown_key = schema::kept(&question, finality, false);
    let known: Option<KeptSighting> = record(changes, Table::Sightings, &known_key, "sighting")?;
    let unknown: Option<KeptSighting> =
        record(changes, Table::Sightings, &unknown_key, "sighting")?;

    if matches!(sighting.finding, Finding::Unknown { .. }) {
        let proven_since = known.is_some_and(|it| it.sighting.look >= sighting.look);
        match newer(unknown, new) {
            Some(news) if !proven_since => {
                changes.put_record(Table::Sightings, &unknown_key, &news)
            }
            _ => Ok(()),
        }
    } else {
        if unknown.is_some_and(|it| it.sighting.look <= sighting.look) {
            changes.remove(Table::Sightings, &unknown_key)?;
        }
        match newer(known, new) {
            Some(news) => changes.put_record(Table::Sightings, &known_key, &news),
            None => Ok(()),
        }
    }
}

/// What to keep instead of `kept`; `None` to leave it. Two different sightings with one look and one
/// question contradict the meaning of a look; the choice between them is at least always the same.
fn newer(kept: Option<KeptSighting>, new: KeptSighting) -> Option<KeptSighting> {
    let Some(kept) = kept else { return Some(new) };
    if kept.sighting == new.sighting {
        let except: BTreeSet<_> = kept.except.union(&new.except).copied().collect();
        return (except != kept.except).then_some(KeptSighting { except, ..new });
    }
    let rank = |it: &KeptSighting| (it.sighting.look, it.sighting.clone());
    (rank(&new) > rank(&kept)).then_some(new)
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

/// Everything kept of a wallet in a collection, proven or not.
///
/// # Errors
/// When the store fails.
pub fn of_wallet(
    view: &impl View,
    collection: Collection,
    wallet: Address,
) -> Result<Vec<Sighting>, StoreError> {
    let kept = with_prefix(view, &schema::holder(collection, wallet))?;
    Ok(kept.into_iter().map(|it| it.sighting).collect())
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

/// What is kept and proven that says something about whether `wallet` holds `token`.
pub(super) fn proofs_about(
    view: &impl View,
    wallet: Address,
    token: Token,
) -> Result<Vec<Sighting>, StoreError> {
    let own = Target::Token(token);
    let holder = schema::holder(token.collection, wallet);
    let own_key = [holder.as_slice(), &schema::target(&own)].concat();
    let mut kept = with_prefix(view, &own_key)?;
    kept.extend(with_prefix(view, &schema::rests(token.collection, wallet))?);
    let about = |it: &KeptSighting| {
        it.sighting.finding.anchor().is_some()
            && it.sighting.target.includes(&token)
            && !it.except.contains(&token.id)
    };
    Ok(kept.into_iter().filter(about).map(|it| it.sighting).collect())
}

fn with_prefix(view: &impl View, prefix: &[u8]) -> Result<Vec<KeptSighting>, StoreError> {
    prefixed(view, Table::Sightings, prefix)?
        .map(|row| records::decode("sighting", &row?.1))
        .collect()
}
