//! How a beacon source behaved so far, and what follows from that for asking it again. Pure: time is given.
//!
//! Owned by: one `Source`. Never: touches the network or reads the time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::SourceFault;
use crate::chain::endpoint::backoff::Backoff;

/// After a failure.
const REST: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(120) };
/// After a lie.
const QUARANTINE: Backoff =
    Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(86_400) };

// No comment that documents it: the public document has the words alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    Ok,
    Down,
    Quarantined,
}

#[derive(Debug, Default)]
pub(in crate::chain) struct Health {
    pub(in crate::chain) last_error: Option<String>,
    /// How often it gave what no committee signed.
    pub(in crate::chain) faults: u64,
    failures: u32,
    until: Option<Instant>,
    quarantined: bool,
}

impl Health {
    pub(in crate::chain) fn answered(&mut self) {
        self.failures = 0;
        self.until = None;
        self.quarantined = false;
    }

    pub(in crate::chain) fn failed(&mut self, fault: &SourceFault, now: Instant) {
        self.last_error = Some(fault.to_string());
        let rest = REST.whole(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + rest);
    }

    /// Says how long it is left alone.
    pub(in crate::chain) fn refuted(&mut self, evidence: &str, now: Instant) -> Duration {
        self.last_error = Some(entitled_core::domain::ids::clip_to(evidence, 300));
        let earlier = u32::try_from(self.faults).unwrap_or(u32::MAX);
        let rest = QUARANTINE.whole(earlier);
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

    pub(in crate::chain) fn state(&self, now: Instant) -> SourceState {
        match (self.quarantined && self.rests(now), self.failures > 0) {
            (true, _) => SourceState::Quarantined,
            (false, true) => SourceState::Down,
            (false, false) => SourceState::Ok,
        }
    }
}

#[cfg(test)]
mod tests;
