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
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(600) };

    #[test]
    fn each_time_is_twice_as_long_up_to_the_longest() {
        let seconds = |before| BACKOFF.whole(before).as_secs();
        assert_eq!([0, 1, 2, 4, 5, u32::MAX].map(seconds), [30, 60, 120, 480, 600, 600]);
    }

    #[test]
    fn a_part_is_never_nothing_and_never_more_than_the_whole() {
        let whole = Duration::from_secs(30);
        for random in (0..5_000).chain([u64::MAX]) {
            let part = part(whole, random);
            assert!(part >= whole / 10 && part <= whole, "{random}: {part:?}");
        }
    }
}
