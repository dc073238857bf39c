//! How an endpoint behaved so far, and what follows from that for asking it again. Pure: time is given.
//!
//! Owned by: one `endpoint`. Never: touches the network or reads the time.

use std::time::Duration;

use tokio::time::Instant;

use super::refusal::Refusal;

/// Failures in a row after which an endpoint is asked only when no other can answer.
const TIRED_AFTER: u32 = 5;
const REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(600);
/// The first quarantine; each further one lasts twice as long. Short at first, because what it says is
/// proven anyway and it may be all there is; a day after a dozen, because then it is no accident.
const QUARANTINE: Duration = Duration::from_secs(10);
const LONGEST_QUARANTINE: Duration = Duration::from_secs(86_400);
/// What an endpoint may demand by `Retry-After`, and what it gets if it demands nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const USUAL_WAIT: Duration = Duration::from_millis(500);

/// Why an endpoint is not asked for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bar {
    RateLimited,
    WrongChain,
    Quarantined,
}

#[derive(Debug)]
pub(super) struct Standing {
    /// When it last proved to be on the right chain; `None` when that has to be proven (again).
    pub(super) probed: Option<Instant>,
    pub(super) takes_batches: bool,
    /// Whether it takes a block hash where a block is named (EIP-1898).
    pub(super) takes_hashes: bool,
    /// Number and time of the newest block it named.
    pub(super) head: Option<(u64, u64)>,
    pub(super) last_error: Option<String>,
    /// How many of its answers were refuted by their own proof.
    pub(super) faults: u64,
    /// A moving average.
    pub(super) latency: Option<Duration>,
    pub(super) last_success: Option<Instant>,
    failures: u32,
    tired_until: Option<Instant>,
    barred: Option<(Bar, Instant)>,
    unsupported: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            probed: None,
            takes_batches: true,
            takes_hashes: true,
            head: None,
            last_error: None,
            faults: 0,
            latency: None,
            last_success: None,
            failures: 0,
            tired_until: None,
            barred: None,
            unsupported: false,
        }
    }
}

impl Standing {
    pub(super) fn answered(&mut self, took: Duration, now: Instant) {
        self.failures = 0;
        self.tired_until = None;
        self.unsupported = false;
        self.last_success = Some(now);
        self.latency = Some(self.latency.map_or(took, |it| (it * 7 + took) / 8));
    }

    /// It gave no answer at all. What is behind the address may have changed: probe again.
    pub(super) fn failed(&mut self, refusal: &Refusal, now: Instant) {
        self.last_error = Some(refusal.to_string());
        if let Refusal::RateLimited { retry_after } = refusal {
            let wait = retry_after.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT);
            self.barred = Some((Bar::RateLimited, now + wait));
            return;
        }
        self.probed = None;
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(TIRED_AFTER) {
            let rest = REST.saturating_mul(1 << beyond.min(8)).min(LONGEST_REST);
            self.tired_until = Some(now + rest);
        }
    }

    /// It answered, but not to the question.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.last_error = Some(refusal.to_string());
        self.unsupported = matches!(refusal, Refusal::Unsupported { .. });
    }

    /// It lied, or is broken in a way that cannot be told from lying. Returns how long it is left alone.
    pub(super) fn refuted(&mut self, refusal: &Refusal, now: Instant) -> Duration {
        self.last_error = Some(refusal.to_string());
        let earlier = u32::try_from(self.faults).unwrap_or(u32::MAX).min(16);
        let rest = QUARANTINE.saturating_mul(1 << earlier).min(LONGEST_QUARANTINE);
        self.faults = self.faults.saturating_add(1);
        self.probed = None;
        self.barred = Some((Bar::Quarantined, now + rest));
        rest
    }

    pub(super) fn wrong_chain(&mut self, refusal: &Refusal, until: Instant) {
        self.last_error = Some(refusal.to_string());
        self.barred = Some((Bar::WrongChain, until));
    }

    /// Whether a probe is due before the next question.
    ///
    /// # Errors
    /// The refusal that stands for now, without asking.
    pub(super) fn needs_probe(&self, now: Instant, good_for: Duration) -> Result<bool, Refusal> {
        match self.bar(now) {
            Some(Bar::RateLimited) => return Err(Refusal::RateLimited { retry_after: None }),
            Some(Bar::WrongChain) => {
                let message = self.last_error.clone().unwrap_or_default();
                return Err(Refusal::WrongChain { message });
            }
            Some(Bar::Quarantined) => return Err(Refusal::Quarantined),
            None => {}
        }
        Ok(self.probed.is_none_or(|at| now.saturating_duration_since(at) >= good_for))
    }

    fn bar(&self, now: Instant) -> Option<Bar> {
        self.barred.filter(|(_, until)| now < *until).map(|(bar, _)| bar)
    }

    /// The lower, the rather it is asked.
    pub(super) fn order(&self, now: Instant, newest: Option<u64>) -> u8 {
        match self.bar(now) {
            Some(Bar::Quarantined | Bar::WrongChain) => return 4,
            Some(Bar::RateLimited) => return 3,
            None => {}
        }
        if self.tired_until.is_some_and(|until| now < until) {
            return 2;
        }
        u8::from(self.is_stale(newest) || self.failures > 0)
    }

    /// Whether its newest block is more than a minute older than the newest anybody named.
    pub(super) fn is_stale(&self, newest: Option<u64>) -> bool {
        const LAG_S: u64 = 60;
        let own = self.head.map(|(_, time)| time);
        own.zip(newest).is_some_and(|(own, newest)| newest.saturating_sub(own) > LAG_S)
    }

    /// One word for the state, as the public API spells it.
    pub(super) fn word(&self, now: Instant, newest: Option<u64>) -> &'static str {
        match self.bar(now) {
            Some(Bar::Quarantined) => return "quarantined",
            Some(Bar::WrongChain) => return "wrong_chain",
            Some(Bar::RateLimited) => return "rate_limited",
            None => {}
        }
        if self.failures > 0 {
            "down"
        } else if self.unsupported {
            "unsupported"
        } else if self.is_stale(newest) {
            "stale"
        } else {
            "ok"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::proof::ProofError;
    use crate::chain::transport::WireError;
    use alloy_primitives::Address;

    const GOOD_FOR: Duration = Duration::from_secs(600);

    fn down() -> Refusal {
        Refusal::Down { source: WireError::Connect }
    }

    fn lie() -> Refusal {
        Refusal::Refuted { source: ProofError::Code { address: Address::ZERO } }
    }

    #[test]
    fn a_probe_is_due_at_first_after_a_failure_and_after_a_while() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert!(standing.needs_probe(now, GOOD_FOR).unwrap());
        standing.probed = Some(now);
        assert!(!standing.needs_probe(now, GOOD_FOR).unwrap());
        assert!(standing.needs_probe(now + GOOD_FOR, GOOD_FOR).unwrap());
        standing.failed(&down(), now);
        assert!(standing.needs_probe(now, GOOD_FOR).unwrap());
    }

    #[test]
    fn a_tired_endpoint_is_asked_last_but_still_asked() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        for _ in 0..TIRED_AFTER {
            standing.failed(&down(), now);
        }
        assert_eq!(standing.order(now, None), 2);
        assert!(standing.needs_probe(now, GOOD_FOR).is_ok());
        standing.answered(Duration::ZERO, now);
        assert_eq!(standing.order(now, None), 0);
    }

    #[test]
    fn quarantine_lasts_longer_each_time() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        let first = standing.refuted(&lie(), now);
        assert!(matches!(standing.needs_probe(now, GOOD_FOR), Err(Refusal::Quarantined)));
        assert!(standing.needs_probe(now + first, GOOD_FOR).is_ok());
        assert_eq!(standing.refuted(&lie(), now + first), first * 2);
        for _ in 0..40 {
            standing.refuted(&lie(), now);
        }
        assert_eq!(standing.refuted(&lie(), now), LONGEST_QUARANTINE);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_within_reason() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.failed(&Refusal::RateLimited { retry_after: Some(Duration::MAX) }, now);
        assert_eq!(standing.word(now, None), "rate_limited");
        assert!(standing.needs_probe(now + LONGEST_WAIT, GOOD_FOR).is_ok());
    }

    #[test]
    fn an_endpoint_is_stale_against_the_newest_block_anybody_named() {
        let standing = Standing { head: Some((7, 1_000)), ..Standing::default() };
        assert_eq!(standing.word(Instant::now(), Some(1_060)), "ok");
        assert_eq!(standing.word(Instant::now(), Some(1_061)), "stale");
    }
}
