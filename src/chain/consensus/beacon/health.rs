//! How a beacon source behaved so far, and what follows from that for asking it again. Pure: time is given.
//!
//! Owned by: one `Source`. Never: touches the network or reads the time.

use std::time::Duration;

use tokio::time::Instant;

use super::SourceFault;

/// The first rest after a failure; each further one lasts twice as long.
const REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(120);
/// The first quarantine; each further one lasts twice as long.
const QUARANTINE: Duration = Duration::from_secs(10);
const LONGEST_QUARANTINE: Duration = Duration::from_secs(86_400);

#[derive(Debug, Default)]
pub(in crate::chain) struct Standing {
    pub(in crate::chain) last_error: Option<String>,
    /// How often it gave what no committee signed.
    pub(in crate::chain) faults: u64,
    failures: u32,
    until: Option<Instant>,
    quarantined: bool,
}

impl Standing {
    pub(in crate::chain) fn answered(&mut self) {
        self.failures = 0;
        self.until = None;
        self.quarantined = false;
    }

    pub(in crate::chain) fn failed(&mut self, fault: &SourceFault, now: Instant) {
        self.last_error = Some(fault.to_string());
        let rest = doubled(REST, self.failures, LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + rest);
    }

    /// Says how long it is left alone.
    pub(in crate::chain) fn refuted(&mut self, evidence: &str, now: Instant) -> Duration {
        self.last_error = Some(entitled_core::domain::ids::clip_to(evidence, 300));
        let earlier = u32::try_from(self.faults).unwrap_or(u32::MAX);
        let rest = doubled(QUARANTINE, earlier, LONGEST_QUARANTINE);
        self.faults = self.faults.saturating_add(1);
        self.quarantined = true;
        self.until = Some(now + rest);
        rest
    }

    pub(in crate::chain) fn rests(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The lower, the rather it is asked.
    pub(in crate::chain) fn order(&self, now: Instant) -> (bool, bool, u32) {
        (self.quarantined && self.rests(now), self.rests(now), self.failures)
    }

    /// One word for the state, as the public API spells it.
    pub(in crate::chain) fn word(&self, now: Instant) -> &'static str {
        match (self.quarantined && self.rests(now), self.failures > 0) {
            (true, _) => "quarantined",
            (false, true) => "down",
            (false, false) => "ok",
        }
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_rests_twice_as_long_each_time_and_is_well_after_an_answer() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.failed(&SourceFault::Connect, now);
        assert!(standing.rests(now) && !standing.rests(now + REST));
        standing.failed(&SourceFault::Connect, now);
        assert!(standing.rests(now + REST) && !standing.rests(now + REST * 2));
        for _ in 0..40 {
            standing.failed(&SourceFault::Connect, now);
        }
        assert!(!standing.rests(now + LONGEST_REST));
        assert_eq!(standing.word(now), "down");
        standing.answered();
        assert_eq!((standing.word(now), standing.rests(now)), ("ok", false));
    }

    #[test]
    fn a_liar_is_asked_last_and_longer_left_alone_each_time() {
        let (mut liar, now) = (Standing::default(), Instant::now());
        let mut tired = Standing::default();
        assert_eq!(liar.refuted("a signature", now), QUARANTINE);
        tired.failed(&SourceFault::Timeout, now);
        assert!(liar.order(now) > tired.order(now));
        assert_eq!(liar.word(now), "quarantined");
        liar.answered();
        assert_eq!(liar.refuted("a signature", now), QUARANTINE * 2);
        for _ in 0..40 {
            liar.refuted("again", now);
        }
        assert_eq!(liar.refuted("again", now), LONGEST_QUARANTINE);
    }
}
