//! A verdict as it is kept: ready to be sent.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_primitives::Address;

use crate::clock::Clock;
use entitled_core::domain::entitlement::{Freshness, Verdict};
use entitled_core::domain::epoch::Epoch;
use entitled_core::domain::ids::Timestamp;

/// Writes a verdict as JSON up to the value of its last member, `seconds_until_change`.
pub type Render = fn(&Verdict) -> Vec<u8>;

/// A verdict ready to be sent.
#[derive(Debug)]
pub struct Cached {
    pub verdict: Verdict,
    /// The wallets it was worked out for.
    pub wallets: Box<[Address]>,
    pub(in crate::actors::tier_cache) evaluated_at: Timestamp,
    /// The monotonic time of that.
    pub(in crate::actors::tier_cache) evaluated: Duration,
    /// Of what it rests on.
    pub(in crate::actors::tier_cache) epoch: Epoch,
    /// The monotonic time at which it began to be gathered: what was gathered later knew more.
    pub(in crate::actors::tier_cache) gathered: Duration,
    /// From here on it wants another look, though it still holds.
    pub(in crate::actors::tier_cache) refresh_at: Timestamp,
    /// How long it may be kept.
    pub(in crate::actors::tier_cache) lifetime: Duration,
    /// The next block may make it another answer, or another count of seats.
    pub(in crate::actors::tier_cache) awaits_block: bool,
    rendered: Rendered,
    nudged: AtomicBool,
}

/// The JSON of a verdict once, fresh, and what is otherwise in it once it has gone stale.
#[derive(Debug)]
struct Rendered {
    fresh: Box<[u8]>,
    differing: Range<usize>,
    stale: Box<[u8]>,
}

impl Rendered {
    fn new(fresh: &[u8], stale: &[u8]) -> Self {
        let same = |(one, other): &(&u8, &u8)| one == other;
        let begin = fresh.iter().zip(stale).take_while(same).count();
        let (fresh_rest, stale_rest) = (&fresh[begin..], &stale[begin..]);
        let end = fresh_rest.iter().rev().zip(stale_rest.iter().rev()).take_while(same).count();
        Self {
            fresh: fresh.into(),
            differing: begin..fresh.len() - end,
            stale: stale_rest[..stale_rest.len() - end].into(),
        }
    }

    fn write_stale(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fresh[..self.differing.start]);
        out.extend_from_slice(&self.stale);
        out.extend_from_slice(&self.fresh[self.differing.end..]);
    }
}

impl Cached {
    pub fn new(verdict: Verdict, render: Render) -> Self {
        let stale = Verdict { freshness: Freshness::Stale, ..verdict.clone() };
        let rendered = Rendered::new(&render(&verdict), &render(&stale));
        Self {
            wallets: Box::default(),
            evaluated_at: Timestamp::MIN,
            evaluated: Duration::ZERO,
            epoch: Epoch::default(),
            gathered: Duration::ZERO,
            refresh_at: Timestamp::MAX,
            lifetime: Duration::MAX,
            awaits_block: false,
            verdict,
            rendered,
            nudged: AtomicBool::new(false),
        }
    }

    /// Writes the verdict as it reads at `now`, as one JSON object.
    pub fn write(&self, now: Timestamp, out: &mut Vec<u8>) {
        match self.has_gone_stale(now) {
            true => self.rendered.write_stale(out),
            false => out.extend_from_slice(&self.rendered.fresh),
        }
        match self.verdict.seconds_until_change(now) {
            Some(seconds) => out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    /// The verdict as it reads at `now`.
    pub fn verdict_at(&self, now: Timestamp) -> Verdict {
        let mut verdict = self.verdict.clone();
        if self.has_gone_stale(now) {
            verdict.freshness = Freshness::Stale;
        }
        verdict
    }

    fn has_gone_stale(&self, now: Timestamp) -> bool {
        self.verdict.freshness == Freshness::Fresh
            && self.verdict.stale_after.is_some_and(|it| it <= now)
    }

    /// Whether time alone has made it another answer.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.verdict.changes_at.is_some_and(|it| it <= now)
    }

    /// How long it is still the answer by time alone: zero when it is over, `None` if it does not end. By the clock, and
    /// by how much time has passed since it was worked out: the time of its chains may be ahead of the clock.
    pub(in crate::actors::tier_cache) fn left(&self, clock: &Clock) -> Option<Duration> {
        let passed = clock.monotonic().saturating_sub(self.evaluated);
        let by_chain = self.evaluated_at.checked_add(passed).unwrap_or(Timestamp::MAX);
        let left = self.verdict.changes_at?.duration_since(by_chain.max(clock.now()));
        Some(Duration::try_from(left).unwrap_or_default())
    }

    /// True once, for the first reader after it wants another look.
    pub fn wants_nudge(&self, now: Timestamp) -> bool {
        self.refresh_at <= now && !self.nudged.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
