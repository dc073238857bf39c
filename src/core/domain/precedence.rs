//! Which of several observations of one question counts. A proof speaks for its block.
//!
//! Sightings of one question differ in their look, their block and how settled that block is.
//! * Within one class of finality the newest look is right: only a look can see that blocks were replaced,
//!   and the chain sees to it that heads go back for no other reason.
//! * Between classes the word at the higher block is right, however old its look; at the same block, the
//!   more settled one. A look at an older block, made for whomever, takes back nothing that happened since.
//! * What was seen at a block that a later look shows to be of no chain says nothing: no later word of its class
//!   may ever come, and no honest block has a number that an endpoint once invented.
//! * That something could not be found out takes the place of no proof. It is kept beside it, by class.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use jiff::SignedDuration;

use super::ids::Timestamp;
use super::ownership::{Anchor, Finality, Finding, Sighting, Target, Trust};
use super::rule::Terms;

/// Of each class of finality the newest sighting that proves something, and the newest that found nothing out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Newest<'s> {
    proven: [Option<&'s Sighting>; CLASSES.len()],
    unknown: [Option<&'s Sighting>; CLASSES.len()],
}

/// So long may the time of a block that one endpoint names be ahead of our clock, and be believed.
pub const AHEAD_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// From the least settled to the most.
const CLASSES: [Finality; 3] = [Finality::Latest, Finality::Safe, Finality::Finalized];

impl<'s> Newest<'s> {
    /// Considers one more sighting of the same question.
    pub fn consider(&mut self, sighting: &'s Sighting) {
        let class = sighting.finding.finality() as usize;
        let proves = sighting.finding.anchor().is_some();
        let place = if proves { &mut self.proven[class] } else { &mut self.unknown[class] };
        if place.is_none_or(|known| newness(known) < newness(sighting)) {
            *place = Some(sighting);
        }
    }

    /// The word that counts among the proofs of some classes.
    pub fn counting(&self, classes: impl RangeBounds<Finality>) -> Option<&'s Sighting> {
        let among = CLASSES.iter().filter(|it| classes.contains(it));
        let words = among.filter_map(|it| self.proven[*it as usize]);
        let refuted = |word: &&Sighting| self.proofs().any(|it| refutes(it, word));
        words.filter(|it| !refuted(it)).max_by_key(|it| block(it))
    }

    /// The newest proof of each class.
    fn proofs(&self) -> impl Iterator<Item = &'s Sighting> {
        self.proven.into_iter().flatten()
    }

    /// The newest attempt at one finality, whatever it found.
    pub fn attempt(&self, finality: Finality) -> Option<&'s Sighting> {
        let class = finality as usize;
        [self.proven[class], self.unknown[class]].into_iter().flatten().max_by_key(|it| it.look)
    }

    /// The newest attempt at one finality that found nothing out.
    pub fn unknown(&self, finality: Finality) -> Option<&'s Sighting> {
        self.unknown[finality as usize]
    }
}

impl<'s> FromIterator<&'s Sighting> for Newest<'s> {
    fn from_iter<I: IntoIterator<Item = &'s Sighting>>(sightings: I) -> Self {
        let mut newest = Self::default();
        for sighting in sightings {
            newest.consider(sighting);
        }
        newest
    }
}

/// Where a proof stands among proofs of other classes: greater counts. What proves nothing is least.
pub fn block(sighting: &Sighting) -> Option<(u64, Finality)> {
    sighting.finding.anchor().map(|it| (it.number, it.finality))
}

/// Whether a later look than that of `earlier` shows that what it saw was at a block of no chain.
pub fn refutes(later: &Sighting, earlier: &Sighting) -> bool {
    let blocks = later.finding.anchor().zip(earlier.finding.anchor());
    later.look > earlier.look
        && blocks.is_some_and(|(at, of)| is_refuted((of, earlier.seen_at), (at, later.seen_at)))
}

/// Whether `later`, a block that was met since, shows that one which was met before is of no chain: its number is higher, yet
/// its time is not later, or has not come by far and one endpoint alone named it. What is trusted less shows nothing; nor does
/// a clock by which both are of the future, because then it is the clock that is wrong.
///
/// Each with when it was met, by the clock.
pub fn is_refuted(
    (block, met_at): (&Anchor, Timestamp),
    (later, later_met_at): (&Anchor, Timestamp),
) -> bool {
    let is_ahead = |it: &Anchor, of| it.time.duration_since(of) > AHEAD_AT_MOST;
    let is_of_the_future = block.trust == Trust::Single
        && is_ahead(block, met_at.max(later_met_at))
        && is_ahead(block, later.time)
        && !is_ahead(later, later_met_at);
    (block.chain == later.chain && block.number > later.number)
        && later.trust >= block.trust
        && (block.time < later.time || is_of_the_future)
}

/// Whether "not held" by `gone` may end what "held" by `held` began: of the same question, or of one that would count
/// more holders.
pub fn concerns(gone: &Sighting, held: &Sighting) -> bool {
    gone.rule == held.rule && gone.reach.covers(&held.reach)
}

/// Whether no "held" among what is proven of one holding has a "not held" beside it that may end it, at whichever
/// blocks: then no newer block of the same words makes a difference between the two.
pub fn are_unanimous(proofs: &[Sighting]) -> bool {
    let mut questions: BTreeMap<Terms, Newest<'_>> = BTreeMap::new();
    for proof in proofs {
        questions.entry(proof.terms()).or_default().consider(proof);
    }
    let words = questions.values().flat_map(Newest::proofs);
    let (held, gone): (Vec<&Sighting>, Vec<&Sighting>) =
        words.partition(|it| matches!(it.finding, Finding::Held { .. }));
    !held.iter().any(|held| gone.iter().any(|gone| concerns(gone, held)))
}

/// A total order in which, within one class, the newest sighting is the greatest, whatever order they are given
/// in. Of one look the sighting that names the token goes before the one of the rest.
fn newness(sighting: &Sighting) -> (u64, bool, &Sighting) {
    (sighting.look, matches!(sighting.target, Target::Token(_)), sighting)
}

#[cfg(test)]
mod tests;
