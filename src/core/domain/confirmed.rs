//! How what is kept of one wallet in one collection is written down: a row says what was seen, and one record beside
//! all rows which look saw it last. A look that says what the one before said rewrites that record and no row.
//!
//! What it means is for [`super::kept`] to say: what is read here is what would stand there had each row been written
//! anew. A row is *confirmed* when it takes look, time and block from the record, and *whole* when it has its own.
//!
//! Asked by: `store`, which has rows and records in its file. Never: knows where they are.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::ids::{Collection, Timestamp, Token};
use super::kept::{self, KeptSighting, Look, ReadRows, Rests, RowKey};
use super::ownership::{Anchor, Finality, Finding, Sighting, Target};
use super::precedence;
use super::rule::{Reach, Rule, Terms, Via};

mod rows;
mod said;

/// What the wallet's tokens of the collection answer together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    terms: Terms,
    finality: Finality,
}

/// The look that saw the confirmed rows of one question last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Confirmation {
    rule: Rule,
    #[serde(default, skip_serializing_if = "Reach::is_direct")]
    reach: Reach,
    look: u64,
    seen_at: Timestamp,
    anchor: Anchor,
    /// SHA-256 of all it said, if it was whole and newer than every row of the question before it: a later look
    /// that says the same changes nothing but this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<B256>,
}

/// The record beside the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmations {
    looks: Vec<Confirmation>,
    /// That no two of the questions contradict each other over a token. Where they do, which of them counts goes by
    /// their blocks, so that the same words at another block may open or close an ownership.
    unanimous: bool,
}

/// A row as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Whole(Box<KeptSighting>),
    Confirmed(Box<Confirmed>),
}

/// What was proven, without which look did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    rule: Rule,
    #[serde(default, skip_serializing_if = "Reach::is_direct")]
    reach: Reach,
    target: Target,
    finality: Finality,
    word: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<U256>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<U256>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    via: Vec<Via>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    except: BTreeSet<U256>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Held { until: Option<Timestamp> },
    NotHeld,
}

impl Question {
    fn of(sighting: &Sighting) -> Self {
        Self { terms: sighting.terms(), finality: sighting.finding.finality() }
    }
}

impl Confirmation {
    fn question(&self) -> Question {
        let terms = Terms { rule: self.rule, reach: self.reach };
        Question { terms, finality: self.anchor.finality }
    }

    fn of(sighting: &Sighting, anchor: &Anchor) -> Self {
        let Sighting { rule, reach, look, seen_at, .. } = *sighting;
        Self { rule, reach, look, seen_at, anchor: anchor.clone(), said: None }
    }

    /// Whether this is the look, with its time and block, that a sighting is of.
    fn is_of(&self, sighting: &Sighting) -> bool {
        (self.look, self.seen_at) == (sighting.look, sighting.seen_at)
            && sighting.finding.anchor() == Some(&self.anchor)
    }
}

/// The sightings by their question.
fn by_question<'s>(
    sightings: impl IntoIterator<Item = &'s Sighting>,
) -> Vec<(Question, Vec<&'s Sighting>)> {
    let mut found: Vec<(Question, Vec<&Sighting>)> = Vec::new();
    let mut last = 0;
    for sighting in sightings {
        let question = Question::of(sighting);
        if found.get(last).is_none_or(|it| it.0 != question) {
            last = found.iter().position(|it| it.0 == question).unwrap_or_else(|| {
                found.push((question, Vec::new()));
                found.len() - 1
            });
        }
        found[last].1.push(sighting);
    }
    found
}

/// The one look, time and block that all proofs among some sightings of one question share.
fn basis(sightings: &[&Sighting]) -> Option<Confirmation> {
    let mut proofs = sightings.iter().filter(|it| it.finding.anchor().is_some());
    let first = proofs.next()?;
    let basis = Confirmation::of(first, first.finding.anchor()?);
    proofs.all(|it| basis.is_of(it)).then_some(basis)
}

/// As [`basis`], where everything was proven, with a digest of what was: in one pass, because there may be thousands.
fn whole(sightings: &[&Sighting]) -> Option<Confirmation> {
    let first = sightings.first()?;
    let basis = Confirmation::of(first, first.finding.anchor()?);
    let mut digest = Context::new(&SHA256);
    let mut bytes = Vec::with_capacity(2 * AT_ONCE);
    for sighting in sightings {
        if !basis.is_of(sighting) {
            return None;
        }
        said::say(&mut bytes, sighting);
        if bytes.len() >= AT_ONCE {
            digest.update(&bytes);
            bytes.clear();
        }
    }
    digest.update(&bytes);
    let said = Some(B256::from_slice(digest.finish().as_ref()));
    Some(Confirmation { said, ..basis })
}

/// Bytes that are hashed at once.
const AT_ONCE: usize = 4_096;

impl Confirmations {
    /// Takes note of all that a look saw of the wallet in the collection, if it says what was said before, of each of its
    /// questions, and so changes nothing else. `false`: it has to be recorded row by row, and nothing was noted.
    pub fn confirm<'s>(&mut self, part: impl IntoIterator<Item = &'s Sighting>) -> bool {
        if !self.unanimous {
            return false;
        }
        let mut news = Vec::new();
        for (question, sightings) in by_question(part) {
            let known = self.looks.iter().position(|it| it.question() == question);
            let Some((place, new)) = known.zip(whole(&sightings)) else { return false };
            let kept = &self.looks[place];
            if kept.said != new.said || kept.look >= new.look {
                return false;
            }
            news.push((place, new));
        }
        for (place, new) in news {
            self.looks[place] = new;
        }
        true
    }

    fn of(&self, question: Question) -> Option<&Confirmation> {
        self.looks.iter().find(|it| it.question() == question)
    }

    /// What a row says, with the look that says it. `None` where the record lacks that look.
    pub fn read(&self, wallet: Address, row: Row) -> Option<KeptSighting> {
        let row = match row {
            Row::Whole(kept) => return Some(*kept),
            Row::Confirmed(row) => *row,
        };
        let Confirmed { rule, reach, target, finality, word, amount, whole, via, except } = row;
        let Confirmation { look, seen_at, anchor, .. } =
            self.of(Question { terms: Terms { rule, reach }, finality })?.clone();
        let finding = match word {
            Word::Held { until } => Finding::Held { until, anchor },
            Word::NotHeld => Finding::NotHeld { anchor },
        };
        let sighting =
            Sighting { look, seen_at, wallet, rule, reach, target, finding, amount, whole, via };
        Some(KeptSighting { sighting, except })
    }

    /// How a row is to be written.
    fn write(&self, kept: &KeptSighting) -> Row {
        let sighting = &kept.sighting;
        let confirmed = self.of(Question::of(sighting)).is_some_and(|it| it.is_of(sighting));
        let word = match sighting.finding {
            Finding::Held { until, .. } => Word::Held { until },
            Finding::NotHeld { .. } => Word::NotHeld,
            Finding::Unknown { .. } => return Row::Whole(Box::new(kept.clone())),
        };
        if !confirmed {
            return Row::Whole(Box::new(kept.clone()));
        }
        let finality = sighting.finding.finality();
        let Sighting { rule, reach, target, amount, whole, via, .. } = sighting.clone();
        Row::Confirmed(Box::new(Confirmed {
            rule,
            reach,
            target,
            finality,
            word,
            amount,
            whole,
            via,
            except: kept.except.clone(),
        }))
    }
}

/// All that is kept of one wallet in one collection, as long as a look is recorded.
#[derive(Debug)]
pub struct Holder {
    collection: Collection,
    wallet: Address,
    confirmations: Confirmations,
    /// As they were written.
    written: BTreeMap<RowKey, Row>,
    /// As they are to be read.
    rows: BTreeMap<RowKey, KeptSighting>,
    /// What was asked in looks that were recorded since.
    touched: BTreeSet<Question>,
}

/// What has to be written so that a [`Holder`] is read as it is.
#[derive(Debug)]
pub struct Revision {
    pub confirmations: Confirmations,
    pub put: Vec<(RowKey, Row)>,
    pub removed: Vec<RowKey>,
}

impl Holder {
    /// `None` where a row names a look that the record lacks.
    pub fn new(
        (collection, wallet): (Collection, Address),
        confirmations: Confirmations,
        rows: impl IntoIterator<Item = Row>,
    ) -> Option<Self> {
        let (mut written, mut read) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            let kept = confirmations.read(wallet, row.clone())?;
            let key = RowKey::of(&kept.sighting);
            written.insert(key.clone(), row);
            read.insert(key, kept);
        }
        let touched = BTreeSet::new();
        Some(Self { collection, wallet, confirmations, written, rows: read, touched })
    }

    /// Keeps what is news of all that a look saw of the wallet in the collection.
    pub fn record(&mut self, part: &[&Sighting]) {
        let newest = self.newest_looks();
        let sightings = part.iter().copied().cloned().collect();
        let Ok(()) = kept::keep(self, &Look { sightings, ..Look::default() });
        for (question, sightings) in by_question(part.iter().copied()) {
            self.touched.insert(question);
            let is_newest =
                |it: &Confirmation| newest.get(&question).is_none_or(|last| *last < it.look);
            let whole = whole(&sightings).filter(is_newest);
            self.confirm(question, whole.or_else(|| basis(&sightings)));
        }
        self.confirmations.unanimous = self.is_unanimous();
    }

    /// The greatest look of each question.
    fn newest_looks(&self) -> BTreeMap<Question, u64> {
        let mut newest = BTreeMap::new();
        for KeptSighting { sighting, .. } in self.rows.values() {
            let look = newest.entry(Question::of(sighting)).or_insert(0);
            *look = sighting.look.max(*look);
        }
        newest
    }

    /// Takes a look for the one that confirms rows of its question, if so more of them are confirmed than by the one
    /// before: the others are to be written whole.
    fn confirm(&mut self, question: Question, new: Option<Confirmation>) {
        let place = self.confirmations.looks.iter().position(|it| it.question() == question);
        let count = |of: &Confirmation| {
            let rows = self.rows.values().map(|it| &it.sighting);
            rows.filter(|it| Question::of(it) == question && of.is_of(it)).count()
        };
        let looks = &self.confirmations.looks;
        let kept = place.map(|it| (looks[it].look, count(&looks[it])));
        let better =
            |it: &Confirmation| kept.is_none_or(|(look, rows)| it.look > look && count(it) >= rows);
        let new = new.filter(better);
        match (place, new) {
            (Some(place), Some(new)) => self.confirmations.looks[place] = new,
            (None, Some(new)) => self.confirmations.looks.push(new),
            // Rows of the question may have changed, so that what was said is not all there is.
            (Some(place), None) => self.confirmations.looks[place].said = None,
            (None, None) => {}
        }
    }

    fn is_unanimous(&self) -> bool {
        let mut rests = Rests::default();
        let Ok(tokens) = self.tokens(self.collection, self.wallet);
        tokens.into_iter().all(|token| {
            let Ok(proofs) = kept::proofs_about(self, &mut rests, (self.wallet, token));
            precedence::are_unanimous(&proofs)
        })
    }

    /// What is kept and proven that says something about whether the wallet holds `token`.
    pub fn proofs_about(&self, rests: &mut Rests, token: Token) -> Vec<Sighting> {
        let Ok(proofs) = kept::proofs_about(self, rests, (self.wallet, token));
        proofs
    }

    /// The tokens that there are sightings of their own of.
    pub fn own_tokens(&self) -> BTreeSet<Token> {
        let Ok(tokens) = self.tokens(self.collection, self.wallet);
        tokens
    }

    /// What has to be written.
    pub fn revision(self) -> Revision {
        let Self { confirmations, written, rows, touched, .. } = self;
        let removed = written.keys().filter(|it| !rows.contains_key(it)).cloned().collect();
        let mut put = Vec::new();
        for (key, kept) in rows {
            if !touched.contains(&Question::of(&kept.sighting)) {
                continue;
            }
            let row = confirmations.write(&kept);
            if written.get(&key) != Some(&row) {
                put.push((key, row));
            }
        }
        Revision { confirmations, put, removed }
    }
}

#[cfg(test)]
mod tests;
