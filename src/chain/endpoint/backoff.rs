//! How long to leave alone what failed: twice as long each time, and of that a random part. Pure, but for
//! the randomness.
//!
//! Asked by: `health`, `new_heads`, `follow`, `consensus/beacon`. Never: matters for an answer; it spreads load.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A length that doubles from `first` to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) struct Backoff {
    pub(in crate::chain) first: Duration,
    pub(in crate::chain) longest: Duration,
}

impl Backoff {
    /// The whole length after so many failures before this one.
    pub(in crate::chain) fn whole(self, before: u32) -> Duration {
        self.first.saturating_mul(1_u32 << before.min(16)).min(self.longest)
    }

    /// A random part of it, anything from a tenth to all: enough that many daemons do not come back at once, and
    /// never nothing.
    pub(in crate::chain) fn jittered(self, before: u32) -> Duration {
        part(self.whole(before), random())
    }
}

fn part(whole: Duration, random: u64) -> Duration {
    let tenth = whole / 10;
    let share = u32::try_from(random % 1_024).unwrap_or_default();
    tenth + (whole - tenth) / 1_024 * share
}

/// Not for secrets.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
