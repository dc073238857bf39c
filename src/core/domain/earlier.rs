//! How old a look of an earlier run of the daemon is, where only the calendar says so. Pure.
//!
//! Asked by: TierCache, before anything is decided by what the ledger has. Never: makes a look younger than it says.

use super::ids::Timestamp;
use super::ownership::Sighting;

/// What there was when this run began; by default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EarlierLooks {
    /// The number of the last look.
    pub last: u64,
    /// When this run began: they were made before.
    pub until: Timestamp,
}

impl EarlierLooks {
    /// A look from the future was made while the clock was ahead, and would be a fresh one until that time has come. What
    /// can be shown of it is that its block was there: it counts as that old, and one without a block as older than
    /// any. How long it may be used does not change by that: that counts from the older of the two anyway.
    pub fn date(&self, sighting: &mut Sighting) {
        if sighting.look <= self.last && sighting.seen_at > self.until {
            let block = sighting.finding.anchor().map(|it| it.time);
            sighting.seen_at = block.map_or(Timestamp::MIN, |it| it.min(self.until));
        }
    }
}

#[cfg(test)]
mod tests;
