//! What asking an endpoint costs, and how much may be spent on it. Pure: time is given.
//!
//! Owned by: one `endpoint`. Never: waits itself; it says how long to.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::{Budget, UNITS};

/// No longer than this is waited for units; whoever would have to is refused, and asks somebody else.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// What must be affordable at once for an endpoint to be preferred, or asked beside another: a few proofs.
const PIECE: u64 = 100;
/// What a method costs that is not listed.
const USUAL: u32 = 20;

/// What may still be spent.
#[derive(Debug, Default)]
pub(in crate::chain) struct RateLimiter {
    budget: Option<Budget>,
    costs: BTreeMap<String, u32>,
    /// When everything spent so far will have been earned again: the generic cell rate algorithm.
    earned_at: Option<Instant>,
}

impl RateLimiter {
    pub(in crate::chain) fn new(budget: Option<Budget>, costs: BTreeMap<String, u32>) -> Self {
        Self { budget, costs, earned_at: None }
    }

    /// What one question costs, in compute units.
    pub(in crate::chain) fn cost(&self, method: &str) -> u64 {
        let listed = || UNITS.iter().find(|(it, _)| *it == method).map(|(_, cost)| *cost);
        u64::from(self.costs.get(method).copied().or_else(listed).unwrap_or(USUAL))
    }

    /// Spends `units`. Returns how long to wait before asking.
    ///
    /// # Errors
    /// How long one would have to wait, when that is too long; then nothing is spent.
    pub(in crate::chain) fn spend(
        &mut self,
        units: u64,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let Some(budget) = self.budget else { return Ok(Duration::ZERO) };
        let wait = self.wait(units, now);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        let from = self.earned_at.map_or(now, |it| it.max(now));
        self.earned_at = from.checked_add(earning(units, budget));
        Ok(wait)
    }

    /// Whether a few questions can be afforded at once.
    pub(in crate::chain) fn has_room(&self, now: Instant) -> bool {
        let most = self.budget.map_or(PIECE, |it| u64::from(it.burst));
        self.wait(PIECE.min(most), now).is_zero()
    }

    fn wait(&self, units: u64, now: Instant) -> Duration {
        let Some(budget) = self.budget else { return Duration::ZERO };
        let owed = self.earned_at.map_or(Duration::ZERO, |it| it.saturating_duration_since(now));
        let burst = earning(u64::from(budget.burst), budget);
        // What is dearer than all that can be saved up is paid for afterwards.
        (owed + earning(units, budget).min(burst)).saturating_sub(burst)
    }
}

/// How long it takes to earn `units`.
fn earning(units: u64, budget: Budget) -> Duration {
    let nanoseconds =
        u128::from(units) * 1_000_000_000 / u128::from(budget.units_per_second.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 4).min(u64::MAX / 4))
}

#[cfg(test)]
mod tests;
