//! Which block may be named after which. Pure: time is given.
//!
//! Owns: the newest blocks that were proven to be of the chain, one of each finality, and how the blocks seen lately
//! descend from each other. Asked by: `anchor`, of each block that is named. Never: goes back to an older block,
//! unless it is shown that the newer one is of the chain no more.
//!
//! An endpoint that is late names a block on the way to the newest one, and so does a chain whose newest blocks were taken
//! back without others in their place: what it names is `Behind`. One that names another block where the way to the newest
//! one is known shows a reorganisation. A header's parent is part of what its hash covers, so it does not matter who
//! brought the headers that the way is known by.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::B256;
use tokio::time::Instant;

use entitled_core::domain::consensus::Attestation;
use entitled_core::domain::ownership::{Finality, Trust};

/// Headers whose parents are remembered.
const LINKS: usize = 512;
/// Seconds a block may be ahead of our clock and still make those before it too old.
const AHEAD: u64 = 60;
/// So many times as many blocks as usual, and so many more, may come in a time.
const OFTEN: u128 = 4;
const BURST: u128 = 32;

/// Why a block may not be named now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNext {
    /// It is before a block of this number, which counts already.
    Behind { number: u64 },
    /// It is another block of this number than the one that is final.
    Disagreement { number: u64 },
}

/// The present, and how fast the chain usually goes.
///
/// Invariant: the word of one endpoint alone moves neither. By a present that it moves, a block of the future is none.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Seconds since 1970.
    pub now: u64,
    pub block_time: Duration,
}

impl Pace {
    fn is_ahead(&self, header: &Header) -> bool {
        header.timestamp > self.now.saturating_add(AHEAD)
    }

    /// Whether there are more blocks between two of them than the time between them allows.
    fn is_too_far(&self, lower: &Header, higher: &Header) -> bool {
        let blocks = higher.number.saturating_sub(lower.number);
        let time = Duration::from_secs(higher.timestamp.saturating_sub(lower.timestamp));
        let usual = time.as_nanos().saturating_mul(OFTEN) / self.block_time.as_nanos().max(1);
        u128::from(blocks) > usual.saturating_add(BURST)
    }
}

/// A block that hashes to its name.
#[derive(Debug, Clone)]
pub struct KnownBlock {
    pub hash: B256,
    pub header: Header,
    /// What validators signed for it, where they are followed.
    pub attestation: Option<Box<Attestation>>,
    /// When it was named.
    pub at: Instant,
}

/// The newest block of an earlier run, of whose header only number and time are known.
#[derive(Debug, Clone)]
struct Earlier {
    head: KnownBlock,
    trust: Trust,
}

impl Earlier {
    /// Whether it is a bound now: what one endpoint alone named of the future is none, until its time has come.
    fn counts(&self, pace: Pace) -> bool {
        self.trust > Trust::Single || !pace.is_ahead(&self.head.header)
    }
}

/// What is known of the way the chain has come.
#[derive(Debug, Default)]
pub struct HeadOrder {
    newest: BTreeMap<Finality, KnownBlock>,
    /// Until as new ones are named.
    earlier: BTreeMap<Finality, Earlier>,
    /// Number and parent of headers seen lately, by their hashes.
    links: HashMap<B256, (u64, B256)>,
    order: VecDeque<B256>,
    /// The last block that was found to be impossible.
    told_impossible: Option<u64>,
    /// Since when only heads before the newest one have been named.
    missing: Option<Instant>,
    /// How often the chain was found to be another.
    resets: u64,
    /// Finalities whose blocks are named before their way from the last one is known.
    leaps: BTreeSet<Finality>,
}

impl HeadOrder {
    pub fn newest(&self, finality: Finality) -> Option<&KnownBlock> {
        self.newest.get(&finality)
    }

    /// Goes on from the newest block of an earlier run, which was so far trusted. Of its header only number and time
    /// are known.
    pub fn go_on_from(&mut self, finality: Finality, head: KnownBlock, trust: Trust) {
        self.earlier.insert(finality, Earlier { head, trust });
    }

    /// Goes on where another order of the same chain is now, whose blocks were so far trusted; for what had been
    /// trusted less than is `demanded` now, that bounds nothing.
    pub fn take_over(&mut self, other: &Self, trust: Trust, demanded: Trust) {
        let of_this_run = other.newest.iter().map(|(class, it)| (*class, it.clone(), trust));
        let earlier = other.earlier.iter().map(|(class, it)| (*class, it.head.clone(), it.trust));
        for (finality, head, trust) in of_this_run.chain(earlier) {
            let number = |it: &KnownBlock| it.header.number;
            let is_higher = self.known_ever(finality).is_none_or(|it| number(it) < number(&head));
            if trust >= demanded && is_higher {
                self.go_on_from(finality, head, trust);
            }
        }
    }

    /// The newest block of a finality in this run, or of the one before.
    pub fn known_ever(&self, finality: Finality) -> Option<&KnownBlock> {
        let earlier = || self.earlier.get(&finality).map(|it| &it.head);
        self.newest.get(&finality).or_else(earlier)
    }

    /// The same, where it is a bound now.
    fn known(&self, finality: Finality, pace: Pace) -> Option<&KnownBlock> {
        let earlier = || self.earlier.get(&finality).filter(|it| it.counts(pace));
        self.newest.get(&finality).or_else(|| earlier().map(|it| &it.head))
    }

    fn all_known(&self) -> impl Iterator<Item = &KnownBlock> {
        self.newest.values().chain(self.earlier.values().map(|it| &it.head))
    }

    /// Takes note of a header that somebody has, and that hashes to its name.
    pub fn saw(&mut self, hash: B256, header: &Header) {
        if self.known_ever(Finality::Latest).is_some_and(|it| it.header.number <= header.number) {
            self.missing = None;
        }
        if self.links.insert(hash, (header.number, header.parent_hash)).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > LINKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.links.remove(&oldest);
        }
    }

    /// Whether the next block of a finality is likely to be one whose way is not known.
    pub fn leaps(&self, finality: Finality) -> bool {
        self.known_ever(finality).is_none() || self.leaps.contains(&finality)
    }

    /// Whether a block is shown to be of the chain by what hashes cover, whoever named it: it goes on from the highest block
    /// before it that is known to be of the chain, or is on the way to a later one. Takes note of the answer.
    pub fn is_shown(&mut self, finality: Finality, hash: B256, header: &Header) -> bool {
        let is_shown = self.goes_on_from_known(hash, header) || self.is_on_known_way(hash, header);
        match is_shown {
            true => self.leaps.remove(&finality),
            false => self.leaps.insert(finality),
        };
        is_shown
    }

    fn goes_on_from_known(&self, hash: B256, header: &Header) -> bool {
        let before = self.all_known().filter(|it| it.header.number <= header.number);
        let highest = before.max_by_key(|it| it.header.number);
        highest.is_some_and(|it| self.way(hash, header).any(|at| at == it.hash))
    }

    fn is_on_known_way(&self, hash: B256, header: &Header) -> bool {
        let mut later = self.all_known().filter(|it| it.header.number > header.number);
        later.any(|it| self.way(it.hash, &it.header).any(|at| at == hash))
    }

    /// The hashes of a block and of those before it, as far as they are known.
    fn way(&self, hash: B256, header: &Header) -> impl Iterator<Item = B256> {
        let begin = (hash, Some(header.parent_hash));
        let before = |(_, parent): &(B256, Option<B256>)| {
            let hash = *parent.as_ref()?;
            Some((hash, self.links.get(&hash).map(|(_, parent)| *parent)))
        };
        std::iter::successors(Some(begin), before).map(|(hash, _)| hash)
    }

    /// Whether a block may be named at a finality; if so, none before it may be named any more. `false`: those before
    /// it count as well, because it is from the future: nobody's word for one of those makes an honest endpoint late.
    ///
    /// # Errors
    /// [`NotNext::Behind`], [`NotNext::Disagreement`].
    pub fn admit(
        &mut self,
        finality: Finality,
        named: &KnownBlock,
        pace: Pace,
    ) -> Result<bool, NotNext> {
        bear(self.known(Finality::Finalized, pace), finality, named)?;
        let number = named.header.number;
        let known = self.known(finality, pace);
        if let Some(known) = known
            && finality != Finality::Finalized
            && number < known.header.number
            && !self.shows_reorganisation(named, pace)
        {
            return Err(NotNext::Behind { number: known.header.number });
        }
        let is_too_far = |it: &KnownBlock| pace.is_too_far(&it.header, &named.header);
        let is_newest = !pace.is_ahead(&named.header) && !known.is_some_and(is_too_far);
        if is_newest {
            self.take(finality, named);
        }
        Ok(is_newest)
    }

    /// As [`Self::admit`], for what the chain's validators signed: the later slot counts, whatever its block's number.
    ///
    /// # Errors
    /// [`NotNext::Behind`], [`NotNext::Disagreement`].
    pub fn admit_signed(&mut self, finality: Finality, named: &KnownBlock) -> Result<(), NotNext> {
        bear(self.known_ever(Finality::Finalized), finality, named)?;
        let slot = |it: &KnownBlock| it.attestation.as_ref().map(|it| it.slot);
        if self.newest(finality).is_none_or(|it| slot(it) <= slot(named)) {
            self.take(finality, named);
        }
        Ok(())
    }

    fn take(&mut self, finality: Finality, named: &KnownBlock) {
        if finality == Finality::Latest {
            self.missing = None;
            // Then it went with the head it was on the way to.
            self.newest.retain(|class, it| {
                *class != Finality::Safe || it.header.number <= named.header.number
            });
        }
        self.earlier.remove(&finality);
        self.newest.insert(finality, named.clone());
    }

    /// Whether a block, if it may be named, takes the place of a newer one: whoever names it had better be on the
    /// right chain.
    pub fn would_go_back(&self, finality: Finality, named: &KnownBlock, pace: Pace) -> bool {
        let number = named.header.number;
        let is_below = self.known(finality, pace).is_some_and(|it| number < it.header.number);
        (is_below && self.shows_reorganisation(named, pace))
            || self.all_known().any(|it| pace.is_too_far(&named.header, &it.header))
    }

    /// Of two blocks between which there is too little time, the higher one cannot be of the chain that the
    /// lower one is the newest of. The number of the highest that was forgotten, if that is news: a chain of one's own on
    /// which many blocks are mined at once looks like this at each look.
    pub fn forget_impossible(&mut self, header: &Header, pace: Pace) -> Option<u64> {
        let is_possible = |it: &KnownBlock| !pace.is_too_far(header, &it.header);
        let gone = self.all_known().filter(|it| !is_possible(it));
        let forgot = gone.map(|it| it.header.number).max();
        self.newest.retain(|_, it| is_possible(it));
        self.earlier.retain(|_, it| is_possible(&it.head));
        let is_news = forgot.is_some() && forgot != self.told_impossible;
        self.told_impossible = forgot.or(self.told_impossible);
        forgot.filter(|_| is_news)
    }

    /// Whether the newest block is known to have another one at this number on its way.
    fn shows_reorganisation(&self, named: &KnownBlock, pace: Pace) -> bool {
        let number = named.header.number;
        let newest = self.newest.values().filter(|it| it.header.number >= number);
        // Of those of an earlier run the way is not known.
        let earlier = self.earlier.values().filter(|it| it.counts(pace)).map(|it| &it.head);
        let earlier = earlier.filter(|it| it.header.number == number);
        let on_the_way = newest.filter_map(|it| self.ancestor(it, number));
        on_the_way.chain(earlier.map(|it| it.hash)).any(|it| it != named.hash)
    }

    /// The block of this number on the way to another, as far as the way is known.
    fn ancestor(&self, of: &KnownBlock, number: u64) -> Option<B256> {
        let (mut at, mut hash, mut parent) = (of.header.number, of.hash, of.header.parent_hash);
        while at > number {
            (at, hash) = (at.checked_sub(1)?, parent);
            if at > number {
                let (known, next) = *self.links.get(&hash)?;
                (at == known).then_some(())?;
                parent = next;
            }
        }
        Some(hash)
    }

    /// Since when no head but older ones have been named.
    pub fn missing_since(&mut self, now: Instant) -> Instant {
        *self.missing.get_or_insert(now)
    }

    /// The chain is no longer the one that was known.
    pub fn begin_anew(&mut self) {
        self.newest.clear();
        self.earlier.clear();
        self.missing = None;
        self.resets += 1;
    }

    /// How often that has happened.
    pub fn resets(&self) -> u64 {
        self.resets
    }
}

/// What is final is final.
fn bear(floor: Option<&KnownBlock>, finality: Finality, named: &KnownBlock) -> Result<(), NotNext> {
    let Some(floor) = floor else { return Ok(()) };
    let (number, header) = (floor.header.number, &named.header);
    if header.number < number {
        return Err(NotNext::Behind { number });
    }
    if finality == Finality::Finalized {
        if header.timestamp < floor.header.timestamp {
            return Err(NotNext::Behind { number });
        }
        if header.number == number && named.hash != floor.hash {
            return Err(NotNext::Disagreement { number });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
