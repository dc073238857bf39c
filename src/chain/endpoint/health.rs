//! How an endpoint behaved so far, and what follows from that for asking it again. Pure: time is given.
//!
//! Owned by: one `endpoint`. Never: touches the network or reads the time.

use std::time::Duration;

use alloy_primitives::B256;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::error::{EndpointError, ON_ANOTHER_CHAIN};
use super::fault::Faults;
use super::latency::Latency;
use super::peers::{Head, Peers};
use super::transport::WireError;
use entitled_core::domain::ownership::Cause;

/// Failures in a row after which an endpoint is asked only when no other can answer.
const BREAKS_AFTER: u32 = 5;
/// How long at most it is then left alone; how long at first is a setting.
const LONGEST_REST: Duration = Duration::from_secs(600);
/// The quarantine of a liar is a third of that at first, because what it says is proven anyway and it may be
/// all there is; and a day after a dozen lies, because then it is no accident.
const QUARANTINE: u32 = 3;
const LONGEST_QUARANTINE: Duration = Duration::from_secs(86_400);
/// One on a wrong chain, or with headers that cannot be read, is left alone for half of it at first.
const WRONG: u32 = 2;
/// What an endpoint gets that wants fewer requests and does not say for how long.
const LIMITED: Backoff = Backoff { first: Duration::from_millis(500), longest: LONGEST_WAIT };
/// What an endpoint may demand by `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Silences in a row that somebody else filled, after which each is a failure.
const SILENT_OFTEN: u32 = 3;
/// An endpoint that was behind what is proven is asked after the others for this long.
const BEHIND: Duration = Duration::from_secs(10);

/// Why an endpoint is not asked for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bar {
    RateLimited,
    WrongChain,
    /// It has a header that this version cannot read, of this block.
    Unreadable(u64),
    Quarantined,
}

/// How gladly an endpoint is asked. The first two are asked without hesitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chain) enum Rank {
    /// Nothing is known against it.
    Well,
    /// It failed last time, is late, or cannot do all that is needed.
    Poor,
    /// It wants fewer requests, or our budget for it is used up.
    Limited,
    /// It failed so often that it is asked only when nobody else answers: its breaker is open.
    Open,
    /// It is not asked at all.
    Barred,
}

/// A genesis block that is not the one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) struct OtherGenesis {
    pub(in crate::chain) hash: B256,
    /// When it was seen first, and last.
    pub(in crate::chain) since: Instant,
    pub(in crate::chain) last: Instant,
}

/// What an endpoint was seen to be able to do. `None`: not seen yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It is not catching up (`eth_syncing`).
    pub synced: Option<bool>,
    /// It knows the tag `finalized`.
    pub finalized: Option<bool>,
    /// `eth_getProof` works at all.
    pub proofs: Option<bool>,
    /// `eth_getProof` works at the newest finalized block.
    pub finalized_proofs: Option<bool>,
    /// The oldest block it says it has proofs of (`eth_capabilities`).
    pub oldest_proof: Option<u64>,
    pub access_lists: Option<bool>,
}

#[derive(Debug)]
pub(in crate::chain) struct Health {
    /// When it last proved to be on the right chain; `None` when that has to be proven (again).
    pub(in crate::chain) probed: Option<Instant>,
    /// When its abilities were last looked at.
    pub(in crate::chain) examined: Option<Instant>,
    pub(in crate::chain) abilities: Abilities,
    /// Requests it takes in one body.
    pub(in crate::chain) batch: usize,
    /// Whether it takes a block hash where a block is named (EIP-1898).
    pub(in crate::chain) takes_hashes: bool,
    pub(in crate::chain) head: Option<Head>,
    /// The time between two blocks, as it showed them.
    pub(in crate::chain) block_time: Option<Duration>,
    /// The genesis block it has instead of the one that it should have.
    pub(in crate::chain) other_genesis: Option<OtherGenesis>,
    pub(in crate::chain) faults: Faults,
    pub(in crate::chain) latency: Latency,
    pub(in crate::chain) last_success: Option<Instant>,
    /// When and why it last failed to answer.
    pub(in crate::chain) last_failure: Option<(Instant, Cause)>,
    retry: Backoff,
    failures: u32,
    /// How often the breaker opened since it was last closed.
    trips: u32,
    open_until: Option<Instant>,
    barred: Option<(Bar, Instant)>,
    /// How often in a row it was found to be over its limit, or on a wrong chain.
    limited: u32,
    strayed: u32,
    /// How often in a row its header could not be read.
    unread: u32,
    /// How often it was put into quarantine.
    quarantines: u32,
    behind_until: Option<Instant>,
    /// How often in a row somebody else was quicker although asked later.
    silences: u32,
}

impl Health {
    /// Requests in one batch; some providers allow no more.
    pub(in crate::chain) const BATCH: usize = 10;

    /// `retry`: how long the breaker stays open at first.
    pub(in crate::chain) fn new(retry: Duration) -> Self {
        Self {
            probed: None,
            examined: None,
            abilities: Abilities::default(),
            batch: Self::BATCH,
            takes_hashes: true,
            head: None,
            block_time: None,
            other_genesis: None,
            faults: Faults::default(),
            latency: Latency::default(),
            last_success: None,
            last_failure: None,
            retry: Backoff { first: retry, longest: LONGEST_REST.max(retry) },
            failures: 0,
            trips: 0,
            open_until: None,
            barred: None,
            limited: 0,
            strayed: 0,
            unread: 0,
            quarantines: 0,
            behind_until: None,
            silences: 0,
        }
    }

    pub(in crate::chain) fn answered(&mut self, asked: &str, took: Duration, now: Instant) {
        self.latency.note(took);
        self.last_success = Some(now);
        self.limited = 0;
        if asked == "eth_getProof" {
            self.abilities.proofs = Some(true);
        }
        self.is_up();
    }

    /// It reacted, so it is not down.
    fn is_up(&mut self) {
        self.failures = 0;
        self.silences = 0;
        self.trips = 0;
        self.open_until = None;
        self.last_failure = None;
    }

    /// It gave no answer to a question, for whatever reason.
    pub(in crate::chain) fn refused(&mut self, asked: &str, error: &EndpointError, now: Instant) {
        self.faults.note(error, asked, now);
        match error {
            EndpointError::RateLimited { retry_after } => {
                let wait = retry_after.unwrap_or_else(|| LIMITED.whole(self.limited));
                self.limited = self.limited.saturating_add(1);
                self.bar(Bar::RateLimited, now, wait.min(LONGEST_WAIT));
            }
            EndpointError::Down { .. } | EndpointError::Garbled => self.failed(error, now),
            EndpointError::Behind { .. } => self.behind_until = Some(now + BEHIND),
            EndpointError::Unsupported { .. } if asked == "eth_getProof" => {
                self.abilities.proofs = Some(false);
                self.is_up();
            }
            EndpointError::Unsupported { .. }
            | EndpointError::Pruned { .. }
            | EndpointError::Refused { .. } => {
                self.is_up();
            }
            _ => {}
        }
    }

    /// A failure while the breaker is open was to be expected: it makes it stay open no longer.
    fn failed(&mut self, error: &EndpointError, now: Instant) {
        self.probed = None;
        self.last_failure = Some((now, error.cause()));
        self.failures = self.failures.saturating_add(1);
        if self.failures >= BREAKS_AFTER && self.open_until.is_none_or(|it| it <= now) {
            self.open_until = Some(now + self.retry.jittered(self.trips));
            self.trips = self.trips.saturating_add(1);
        }
    }

    /// It was silent for so long that somebody else's answer was taken. Once is an accident; what is silent
    /// again and again is down, although nobody waits long enough to see that.
    pub(in crate::chain) fn outpaced(&mut self, silent: Duration, now: Instant) {
        self.latency.note(silent);
        self.silences = self.silences.saturating_add(1);
        if self.silences >= SILENT_OFTEN {
            let error = EndpointError::Down { source: WireError::Timeout };
            self.refused("anything", &error, now);
        }
    }

    /// It lied, or is broken in a way that cannot be told from lying. Returns how long it is left alone. What it
    /// was asked before it was left alone belongs to the same lie: many who asked at once leave it alone for no longer.
    pub(in crate::chain) fn refuted(&mut self, error: &EndpointError, now: Instant) -> Duration {
        self.faults.note(error, "", now);
        self.probed = None;
        if let Some((Bar::Quarantined, until)) = self.barred.filter(|(_, until)| now < *until) {
            return until - now;
        }
        let quarantine =
            Backoff { first: self.retry.first / QUARANTINE, longest: LONGEST_QUARANTINE };
        let rest = quarantine.whole(self.quarantines);
        self.quarantines = self.quarantines.saturating_add(1);
        self.bar(Bar::Quarantined, now, rest);
        rest
    }

    /// It is on another chain. Whether that is news: of many who ask at once each finds it out.
    pub(in crate::chain) fn wrong_chain(&mut self, error: &EndpointError, now: Instant) -> bool {
        self.faults.note(error, "the identity of its chain", now);
        (self.probed, self.head) = (None, None);
        if self.bar_at(now) == Some(Bar::WrongChain) {
            return false;
        }
        let wrong = Backoff { first: self.retry.first / WRONG, longest: LONGEST_REST };
        self.bar(Bar::WrongChain, now, wrong.whole(self.strayed));
        self.strayed = self.strayed.saturating_add(1);
        true
    }

    /// It has a header that cannot be read, and need not be false. Returns how long it is left alone, unless it is already.
    pub(in crate::chain) fn unreadable(
        &mut self,
        number: u64,
        error: &EndpointError,
        now: Instant,
    ) -> Option<Duration> {
        self.faults.note(error, "eth_getBlockByNumber", now);
        if matches!(self.bar_at(now), Some(Bar::Unreadable(_) | Bar::Quarantined)) {
            return None;
        }
        let unread = Backoff { first: self.retry.first / WRONG, longest: LONGEST_REST };
        let rest = unread.whole(self.unread);
        self.unread = self.unread.saturating_add(1);
        self.bar(Bar::Unreadable(number), now, rest);
        Some(rest)
    }

    /// A header of it was read, and is true.
    pub(in crate::chain) fn reads_headers(&mut self) {
        self.unread = 0;
    }

    /// It is on the right chain.
    pub(in crate::chain) fn identified(&mut self, now: Instant) {
        self.probed = Some(now);
        self.strayed = 0;
        self.other_genesis = None;
    }

    /// It has another genesis block than it should have.
    pub(in crate::chain) fn has_other_genesis(&mut self, hash: B256, now: Instant) {
        let before = self.other_genesis.filter(|it| it.hash == hash);
        let since = before.map_or(now, |it| it.since);
        self.other_genesis = Some(OtherGenesis { hash, since, last: now });
    }

    /// The chain it is on is the right one after all.
    pub(in crate::chain) fn is_no_stranger(&mut self) {
        (self.strayed, self.other_genesis, self.head) = (0, None, None);
        self.barred = self.barred.filter(|(bar, _)| *bar != Bar::WrongChain);
    }

    /// A graver reason is not replaced by a lesser one that ends sooner.
    fn bar(&mut self, bar: Bar, now: Instant, rest: Duration) {
        if self.bar_at(now).is_none_or(|known| known != Bar::Quarantined || bar == known) {
            self.barred = Some((bar, now + rest));
        }
    }

    /// Whether a probe is due before the next question.
    ///
    /// # Errors
    /// The error that stands for now, without asking.
    pub(in crate::chain) fn needs_probe(
        &self,
        now: Instant,
        good_for: Duration,
    ) -> Result<bool, EndpointError> {
        match self.bar_at(now) {
            Some(Bar::RateLimited) => return Err(EndpointError::RateLimited { retry_after: None }),
            Some(Bar::WrongChain) => {
                let said = self.faults.last.as_ref().map_or("", |it| it.message.as_str());
                let message = said.strip_prefix(ON_ANOTHER_CHAIN).unwrap_or(said).to_owned();
                return Err(EndpointError::WrongChain { message });
            }
            Some(Bar::Unreadable(number)) => return Err(EndpointError::Unreadable { number }),
            Some(Bar::Quarantined) => return Err(EndpointError::Quarantined),
            None => {}
        }
        Ok(self.probed.is_none_or(|at| now.saturating_duration_since(at) >= good_for))
    }

    fn bar_at(&self, now: Instant) -> Option<Bar> {
        self.barred.filter(|(_, until)| now < *until).map(|(bar, _)| bar)
    }

    /// How gladly it is asked. `has_room`: whether our budget for it allows a few questions.
    pub(in crate::chain) fn rank(&self, now: Instant, peers: &Peers, has_room: bool) -> Rank {
        match self.bar_at(now) {
            Some(Bar::Quarantined | Bar::WrongChain | Bar::Unreadable(_)) => return Rank::Barred,
            Some(Bar::RateLimited) => return Rank::Limited,
            None => {}
        }
        if self.open_until.is_some() {
            return Rank::Open;
        }
        if !has_room {
            return Rank::Limited;
        }
        let able = self.abilities.proofs != Some(false) && self.abilities.synced != Some(false);
        if self.failures > 0 || !able || self.is_late(now, peers) { Rank::Poor } else { Rank::Well }
    }

    /// Whether it lacks proofs at the finalized block, which others may have.
    pub(in crate::chain) fn lacks_finalized_proofs(&self) -> bool {
        self.abilities.finalized_proofs == Some(false)
    }

    /// Whether it is behind: it was behind what is proven, or when it was asked, most of the others had
    /// already named a block that is much newer. Most, so that one that names blocks of the future does not make
    /// the honest ones late.
    pub(in crate::chain) fn is_late(&self, now: Instant, peers: &Peers) -> bool {
        if self.behind_until.is_some_and(|until| now < until) {
            return true;
        }
        let Some(own) = self.head else { return false };
        let lag = peers.lag().as_secs();
        let newer = |it: &&Head| it.at <= own.at && it.time.saturating_sub(own.time) > lag;
        let others = peers.heads.len().saturating_sub(1);
        peers.heads.iter().filter(newer).count() * 2 > others
    }

    /// When the breaker lets a trial through; `None` while it is closed.
    pub(in crate::chain) fn open_until(&self) -> Option<Instant> {
        self.open_until
    }

    /// When it may be asked again, if it may not now.
    pub(in crate::chain) fn rests_until(&self, now: Instant) -> Option<Instant> {
        let barred = self.barred.map(|(_, until)| until);
        [barred, self.open_until].into_iter().flatten().filter(|it| *it > now).max()
    }

    /// One word for the state, as the public API spells it.
    pub(in crate::chain) fn word(&self, now: Instant, peers: &Peers) -> &'static str {
        match self.bar_at(now) {
            Some(Bar::Quarantined) => return "quarantined",
            Some(Bar::WrongChain) => return "wrong_chain",
            Some(Bar::Unreadable(_)) => return "unreadable",
            Some(Bar::RateLimited) => return "rate_limited",
            None => {}
        }
        if self.failures > 0 {
            "down"
        } else if self.last_success.is_none() {
            "untried"
        } else if self.abilities.proofs == Some(false) {
            "unsupported"
        } else if self.abilities.synced == Some(false) {
            "syncing"
        } else if self.is_late(now, peers) {
            "stale"
        } else {
            "ok"
        }
    }
}

#[cfg(test)]
mod tests;
