//! What is kept of sightings: for each question the newest answer, and no history.
//!
//! Kept is, for each (collection, wallet, target, terms, finality), the newest sighting that proves something, and the
//! newest that found nothing out if its look came later. "Newest" goes by the look's number alone, so what is kept does
//! not depend on the order in which looks are recorded, nor on how often. All sightings of one look come in one [`Look`].
//! Which of what is kept counts, of several classes of finality, is for [`super::precedence`] to say.
//!
//! A rest that is not held speaks of every token in its ids that its look did not sight by itself. For a
//! token that has sightings of its own it is kept as one of them, so that it is still known when a
//! later rest, which says nothing of that token, takes the earlier one's place.
//!
//! Asked by: [`super::confirmed`], which has the rows of one wallet, and `store`. Never: knows where rows are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use super::ids::{Collection, Token};
use super::ownership::{Anchor, Cause, Finality, Finding, Scan, Sighting, Target, Terms};

/// A sighting as kept, with what the same look knew besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSighting {
    pub sighting: Sighting,
    /// For a rest: the ids the same look sighted by themselves, about which it says nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<U256>,
}

/// One look at the chain, whole.
#[derive(Debug, Clone, Default)]
pub struct Look {
    pub sightings: Vec<Sighting>,
    pub scans: Vec<(Collection, Address, Scan)>,
    /// The transaction a claimant named and the chain confirmed.
    pub transaction: Option<B256>,
    /// The newest blocks that were known when the look began, from which a later run goes on.
    pub heads: Vec<Anchor>,
}

/// Which row a sighting has: there is one for what is proven, and one for what is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    pub wallet: Address,
    pub target: Target,
    pub terms: Terms,
    pub finality: Finality,
    pub proven: bool,
}

/// Reads rows, wherever they are.
pub trait ReadRows {
    type Error;

    /// What is kept of a wallet in a collection.
    ///
    /// # Errors
    /// When rows cannot be read.
    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Self::Error>;

    /// Of those, what is kept of the rests.
    ///
    /// # Errors
    /// When rows cannot be read.
    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Self::Error>;

    /// Of those, what is kept of one token by itself.
    ///
    /// # Errors
    /// When rows cannot be read.
    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, Self::Error>;

    /// The tokens of a collection that a wallet has sightings of their own of.
    ///
    /// # Errors
    /// When rows cannot be read.
    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, Self::Error>;
}

/// Changes rows.
pub trait WriteRows: ReadRows {
    /// # Errors
    /// When the row cannot be read.
    fn row(&self, key: &RowKey) -> Result<Option<KeptSighting>, Self::Error>;

    /// # Errors
    /// When the row cannot be written.
    fn put_row(&mut self, key: &RowKey, row: &KeptSighting) -> Result<(), Self::Error>;

    /// # Errors
    /// When the row cannot be removed.
    fn remove_row(&mut self, key: &RowKey) -> Result<(), Self::Error>;
}

impl RowKey {
    /// The row that a sighting is kept in.
    pub fn of(sighting: &Sighting) -> Self {
        Self {
            wallet: sighting.wallet,
            target: sighting.target.clone(),
            terms: sighting.terms(),
            finality: sighting.finding.finality(),
            proven: sighting.finding.anchor().is_some(),
        }
    }
}

impl Look {
    /// The number of the look.
    pub fn number(&self) -> u64 {
        self.sightings.iter().map(|it| it.look).max().unwrap_or(0)
    }

    /// What it saw of each wallet in each collection, in the order of the wallets.
    pub fn by_holder(&self) -> Vec<((Collection, Address), Vec<&Sighting>)> {
        let mut found: Vec<((Collection, Address), Vec<&Sighting>)> = Vec::new();
        let (mut places, mut last) = (HashMap::new(), 0);
        for sighting in &self.sightings {
            let holder = (sighting.target.collection(), sighting.wallet);
            if found.get(last).is_none_or(|it| it.0 != holder) {
                last = *places.entry(holder).or_insert(found.len());
                if last == found.len() {
                    found.push((holder, Vec::new()));
                }
            }
            found[last].1.push(sighting);
        }
        found.sort_by_key(|((collection, wallet), _)| (*wallet, *collection));
        found
    }

    /// The ids of the collection that this look sighted by themselves for the wallet of `rest`, at its finality: a token
    /// that is named at one block may be one of the rest at another.
    fn sighted_beside(&self, rest: &Sighting) -> BTreeSet<U256> {
        let Target::Rest { collection, ids } = &rest.target else { return BTreeSet::new() };
        let own = |it: &Sighting| match &it.target {
            Target::Token(token)
                if token.collection == *collection
                    && it.wallet == rest.wallet
                    && it.look == rest.look
                    && same_question(it, rest)
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
pub struct Rests(HashMap<(Collection, Address), Rc<[KeptSighting]>>);

impl Rests {
    fn of<R: ReadRows>(
        &mut self,
        rows: &R,
        (collection, wallet): (Collection, Address),
    ) -> Result<Rc<[KeptSighting]>, R::Error> {
        if let Some(known) = self.0.get(&(collection, wallet)) {
            return Ok(Rc::clone(known));
        }
        let rests: Rc<[_]> = rows.rests(collection, wallet)?.into();
        self.0.insert((collection, wallet), Rc::clone(&rests));
        Ok(rests)
    }

    /// That one of them was written.
    fn outdated(&mut self, sighting: &Sighting) {
        self.0.remove(&(sighting.target.collection(), sighting.wallet));
    }
}

/// Keeps what of a look is news.
///
/// # Errors
/// When rows cannot be read or written.
pub fn keep<R: WriteRows>(rows: &mut R, look: &Look) -> Result<(), R::Error> {
    let mut rests = Rests::default();
    for sighting in &look.sightings {
        let new =
            KeptSighting { sighting: sighting.clone(), except: look.sighted_beside(sighting) };
        match (&sighting.target, &sighting.finding) {
            (Target::Token(token), _) => {
                keep_row(rows, new)?;
                imply(rows, &mut rests, sighting, *token)?;
            }
            (Target::Rest { .. }, Finding::Unknown { .. }) => {
                keep_row(rows, new)?;
                rests.outdated(sighting);
            }
            (Target::Rest { collection, .. }, _) => {
                keep_rest(rows, &mut rests, &new, *collection)?;
            }
        }
    }
    Ok(())
}

/// Keeps, for one token, what all kept rests say of it that answer the question of `like`.
fn imply<R: WriteRows>(
    rows: &mut R,
    rests: &mut Rests,
    like: &Sighting,
    token: Token,
) -> Result<(), R::Error> {
    for rest in rests.of(rows, (token.collection, like.wallet))?.iter() {
        if same_question(&rest.sighting, like)
            && let Some(implied) = implied(rest, token)
        {
            keep_row(rows, implied)?;
        }
    }
    Ok(())
}

/// Keeps a rest, and what it says of the tokens that have sightings of their own.
///
/// Only the newer of two rests of the same ids stays. A token that one of them says nothing of, because
/// its look sighted the token by itself, keeps what the other says.
fn keep_rest<R: WriteRows>(
    rows: &mut R,
    rests: &mut Rests,
    new: &KeptSighting,
    collection: Collection,
) -> Result<(), R::Error> {
    let sighting = &new.sighting;
    for token in rows.tokens(collection, sighting.wallet)? {
        let Some(implied) = implied(new, token) else { continue };
        let own = rows.of_token(sighting.wallet, token)?;
        if own.iter().any(|row| same_question(&row.sighting, sighting)) {
            keep_row(rows, implied)?;
        }
    }
    let kept = rows.row(&RowKey::of(sighting))?;
    keep_row(rows, new.clone())?;
    rests.outdated(sighting);
    let Some(kept) = kept else { return Ok(()) };
    for id in kept.except.union(&new.except) {
        let token = collection.token(*id);
        let both = [implied(&kept, token), implied(new, token)];
        for implied in both.into_iter().flatten() {
            keep_row(rows, implied)?;
            imply(rows, rests, sighting, token)?;
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

fn keep_row<R: WriteRows>(rows: &mut R, new: KeptSighting) -> Result<(), R::Error> {
    let look = new.sighting.look;
    let own = RowKey::of(&new.sighting);
    let other = RowKey { proven: !own.proven, ..own.clone() };
    let beside = rows.row(&other)?;
    if own.proven {
        if beside.is_some_and(|it| it.sighting.look <= look) {
            rows.remove_row(&other)?;
        }
    } else if beside.is_some_and(|it| it.sighting.look >= look) {
        return Ok(());
    }
    match newer(rows.row(&own)?, new) {
        Some(news) => rows.put_row(&own, &news),
        None => Ok(()),
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

/// Everything kept of a wallet in a collection, proven or not.
///
/// # Errors
/// When rows cannot be read.
pub fn of_wallet<R: ReadRows>(
    rows: &R,
    collection: Collection,
    wallet: Address,
) -> Result<Vec<Sighting>, R::Error> {
    let kept = rows.of_wallet(collection, wallet)?;
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

/// What is kept and proven that says something about whether `wallet` holds `token`.
///
/// # Errors
/// When rows cannot be read.
pub fn proofs_about<R: ReadRows>(
    rows: &R,
    rests: &mut Rests,
    (wallet, token): (Address, Token),
) -> Result<Vec<Sighting>, R::Error> {
    let own = rows.of_token(wallet, token)?.into_iter();
    let own = own.filter(|it| it.sighting.finding.anchor().is_some());
    let rests = rests.of(rows, (token.collection, wallet))?;
    let rests = rests.iter().filter_map(|it| implied(it, token));
    Ok(own.chain(rests).map(|it| it.sighting).collect())
}
