//! Sightings, scans and floors in the store: for each question the newest answer, and no history.
//!
//! Kept is, for each (collection, wallet, target, terms, finality), the newest sighting that proves something, and the
//! newest that found nothing out if its look came later. "Newest" goes by the look's number alone, so what is kept does
//! not depend on the order in which looks are recorded, nor on how often. All sightings of one look come in one [`Look`].
//!
//! A rest that is not held speaks of every token in its ids that its look did not sight by itself. For a
//! token that has sightings of its own it is kept as one of them, so that it is still known when a
//! later rest, which says nothing of that token, takes the earlier one's place.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use alloy_primitives::{Address, B256, U256};

use super::error::StoreError;
use super::records::{self, KeptScan, KeptSighting};
use super::schema::{self, Table};
use super::view::{Changes, View, prefixed, record};
use crate::domain::ids::{ChainId, Collection, Timestamp, Token};
use crate::domain::ownership::{Cause, Finality, Finding, Scan, Sighting, Target, Terms};

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
        let strays = |it: &Sighting| {
            let chain = it.target.collection().chain;
            it.finding.anchor().is_some_and(|anchor| anchor.chain != chain)
        };
        if self.sightings.iter().any(strays) {
            return Err(StoreError::conflict("a sighting is anchored on another chain"));
        }
        let boasts = |it: &Sighting| {
            matches!((&it.target, &it.finding), (Target::Rest { .. }, Finding::Held { .. }))
        };
        if self.sightings.iter().any(boasts) {
            return Err(StoreError::conflict("the rest of a collection cannot be sighted as held"));
        }
        Ok(())
    }

    /// The ids of the collection that this look sighted by themselves for the wallet of `rest`.
    fn sighted_beside(&self, rest: &Sighting) -> BTreeSet<U256> {
        let Target::Rest { collection, ids } = &rest.target else { return BTreeSet::new() };
        let own = |it: &Sighting| match &it.target {
            Target::Token(token)
                if token.collection == *collection
                    && it.wallet == rest.wallet
                    && it.look == rest.look
                    && it.terms() == rest.terms()
                    && ids.contains(token.id) =>
            {
                Some(token.id)
            }
            _ => None,
        };
        self.sightings.iter().filter_map(own).collect()
    }
}

/// The rests that are kept of a holder, read once: a rest names every token its look sighted by itself, and
/// there may be as many of those as there are tokens to ask it about.
#[derive(Default)]
pub(super) struct Rests(HashMap<(Collection, Address), Rc<[KeptSighting]>>);

impl Rests {
    fn of(
        &mut self,
        view: &impl View,
        (collection, wallet): (Collection, Address),
    ) -> Result<Rc<[KeptSighting]>, StoreError> {
        if let Some(known) = self.0.get(&(collection, wallet)) {
            return Ok(Rc::clone(known));
        }
        let rests: Rc<[_]> = with_prefix(view, &schema::rests(collection, wallet))?.into();
        self.0.insert((collection, wallet), Rc::clone(&rests));
        Ok(rests)
    }

    /// That one of them was written.
    fn outdated(&mut self, sighting: &Sighting) {
        self.0.remove(&(sighting.target.collection(), sighting.wallet));
    }
}

/// Keeps what of a look is news.
pub(super) fn keep(changes: &mut Changes<'_>, look: &Look) -> Result<(), StoreError> {
    let mut rests = Rests::default();
    for sighting in &look.sightings {
        let new =
            KeptSighting { sighting: sighting.clone(), except: look.sighted_beside(sighting) };
        match (&sighting.target, &sighting.finding) {
            (Target::Token(token), _) => keep_own(changes, &mut rests, new, *token)?,
            (Target::Rest { .. }, Finding::Unknown { .. }) => {
                keep_row(changes, new)?;
                rests.outdated(sighting);
            }
            (Target::Rest { collection, .. }, _) => {
                keep_rest(changes, &mut rests, &new, *collection)?;
            }
        }
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

/// Keeps a sighting of a token, and what the rests have to say of it.
fn keep_own(
    changes: &mut Changes<'_>,
    rests: &mut Rests,
    new: KeptSighting,
    token: Token,
) -> Result<(), StoreError> {
    let sighting = new.sighting.clone();
    keep_row(changes, new)?;
    imply(changes, rests, &sighting, token)
}

/// Keeps, for one token, what all kept rests say of it that answer the question of `like`.
fn imply(
    changes: &mut Changes<'_>,
    rests: &mut Rests,
    like: &Sighting,
    token: Token,
) -> Result<(), StoreError> {
    for rest in rests.of(changes, (token.collection, like.wallet))?.iter() {
        if same_question(&rest.sighting, like)
            && let Some(implied) = implied(rest, token)
        {
            keep_row(changes, implied)?;
        }
    }
    Ok(())
}

/// Keeps a rest, and what it says of the tokens that have sightings of their own.
///
/// Only the newer of two rests of the same ids stays. A token that one of them says nothing of, because
/// its look sighted the token by itself, keeps what the other says.
fn keep_rest(
    changes: &mut Changes<'_>,
    rests: &mut Rests,
    new: &KeptSighting,
    collection: Collection,
) -> Result<(), StoreError> {
    let sighting = &new.sighting;
    for token in tokens_of(changes, collection, sighting.wallet)? {
        let Some(implied) = implied(new, token) else { continue };
        let own = with_prefix(changes, &schema::own(sighting.wallet, token))?;
        if own.iter().any(|row| same_question(&row.sighting, sighting)) {
            keep_row(changes, implied)?;
        }
    }
    let question = schema::sighting(sighting.wallet, &sighting.target, sighting.terms());
    let key = schema::kept(&question, sighting.finding.finality(), true);
    let kept: Option<KeptSighting> = record(changes, Table::Sightings, &key, "sighting")?;
    keep_row(changes, new.clone())?;
    rests.outdated(sighting);
    let Some(kept) = kept else { return Ok(()) };
    for id in kept.except.union(&new.except) {
        let token = collection.token(*id);
        let both = [implied(&kept, token), implied(new, token)];
        for implied in both.into_iter().flatten() {
            keep_row(changes, implied)?;
            imply(changes, rests, sighting, token)?;
        }
    }
    Ok(())
}

/// Whether two sightings answer the same question at the same finality, perhaps of different targets.
fn same_question(one: &Sighting, other: &Sighting) -> bool {
    one.terms() == other.terms() && one.finding.finality() == other.finding.finality()
}

/// What a rest says of one token.
fn implied(rest: &KeptSighting, token: Token) -> Option<KeptSighting> {
    let says = matches!(rest.sighting.finding, Finding::NotHeld { .. })
        && rest.sighting.target.includes(&token)
        && !rest.except.contains(&token.id);
    says.then(|| KeptSighting {
        sighting: Sighting { target: Target::Token(token), ..rest.sighting.clone() },
        except: BTreeSet::new(),
    })
}

fn keep_row(changes: &mut Changes<'_>, new: KeptSighting) -> Result<(), StoreError> {
    let sighting = &new.sighting;
    let question = schema::sighting(sighting.wallet, &sighting.target, sighting.terms());
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
    (rank(&new) > rank(&kept)).then_some(new)
}

fn rank(it: &KeptSighting) -> (u64, &Sighting) {
    (it.sighting.look, &it.sighting)
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
    let passed_over = passed_over(&kept, collection);
    Ok(kept.into_iter().map(|it| it.sighting).chain(passed_over).collect())
}

/// What a rest does not speak of because its look sighted the token by itself, and found nothing out: later
/// failures have taken that one's place. Without it the rest would seem to speak of the token.
fn passed_over(kept: &[KeptSighting], collection: Collection) -> Vec<Sighting> {
    type Answer = (U256, Terms, Finality);
    let answer = |it: &Sighting, id: U256| (id, it.terms(), it.finding.finality());
    let mut newest: HashMap<Answer, u64> = HashMap::new();
    let mut present: HashSet<(Answer, u64)> = HashSet::new();
    for KeptSighting { sighting, .. } in kept {
        let Target::Token(token) = sighting.target else { continue };
        let answer = answer(sighting, token.id);
        present.insert((answer, sighting.look));
        if sighting.finding.anchor().is_some() {
            newest.insert(answer, sighting.look);
        }
    }
    let mut found = Vec::new();
    for KeptSighting { sighting: rest, except } in kept {
        for id in except {
            let answer = answer(rest, *id);
            let proven_since = newest.get(&answer).is_some_and(|look| *look > rest.look);
            if !proven_since && !present.contains(&(answer, rest.look)) {
                let (target, finality) = (Target::Token(collection.token(*id)), answer.2);
                let finding = Finding::Unknown { cause: Cause::Undiscovered, finality };
                found.push(Sighting { target, finding, ..rest.clone() });
            }
        }
    }
    found
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
    rests: &mut Rests,
    wallet: Address,
    token: Token,
) -> Result<Vec<Sighting>, StoreError> {
    let own = with_prefix(view, &schema::own(wallet, token))?.into_iter();
    let own = own.filter(|it| it.sighting.finding.anchor().is_some());
    let rests = rests.of(view, (token.collection, wallet))?;
    let rests = rests.iter().filter_map(|it| implied(it, token));
    Ok(own.chain(rests).map(|it| it.sighting).collect())
}

/// The tokens of a collection that a wallet has sightings of their own of.
pub(super) fn tokens_of(
    view: &impl View,
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
    prefixed(view, Table::Sightings, &prefix)?.map(|row| token(&row?.0)).collect()
}

fn with_prefix(view: &impl View, prefix: &[u8]) -> Result<Vec<KeptSighting>, StoreError> {
    prefixed(view, Table::Sightings, prefix)?
        .map(|row| records::decode("sighting", &row?.1))
        .collect()
}
