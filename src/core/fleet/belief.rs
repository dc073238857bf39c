//! What a machine believes of what a store says of itself. Nothing signs that: whoever may write below the fleet's prefix may
//! write it, and is to lead no machine to where it does not come back from.
//!
//! An **epoch** only grows. In one life of a store nobody but the machines writes it, and each has the greatest that it has
//! believed: what somebody has lowered is put back. A store that has gone back is known by when its word was written, which
//! is before what was believed.

use std::time::Duration;

use super::ids::{FleetId, Revision};
use super::table::Found;
use crate::seats::BootTime;
use crate::seats::Naming;

/// By so much an epoch may be later than the one a machine knows. Who was away for long may have missed some restoring, and
/// nobody restores a store so often.
pub const MOST_RESTORED: u32 = 16;
/// After so long a machine believes one epoch more: [`MOST_RESTORED`] a day. Else whoever writes on and on there comes to the
/// last in hours.
const REFILL: Duration = Duration::from_secs(90 * 60);

/// What a machine knows of its store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// Which fleet it is in, if it is in one.
    pub fleet: Option<FleetId>,
    pub epoch: u32,
    /// When what it believed last was written, if that is known.
    pub written: Option<Revision>,
    /// How places were named when it came in. `None` of a machine that is not in: who comes may find other names.
    pub naming: Option<Naming>,
    /// The store was seen to have gone back, and nobody has said that it was meant.
    pub went_back: bool,
    /// By how much an epoch may be later now.
    pub credit: u32,
}

/// Why a store is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is of another fleet.
    Another,
    /// It has gone back.
    Restored,
    /// It says nothing of itself.
    Emptied,
    /// Its epoch is later than any that the machine could have missed.
    Ahead,
    /// Its epoch is so much earlier that no other machine would believe the one that this machine knows.
    Behind,
    /// Its places have other names than when the machine came in.
    Renamed,
    /// What it says has no form that is known.
    Unreadable,
}

/// What follows from what a store says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    Believed,
    /// Somebody has lowered its epoch: the one that is known belongs there.
    PutBack,
    Doubted(Doubt),
}

pub fn believe(known: &Known, found: &Found) -> Belief {
    let went_back = known.went_back || known.written.is_some_and(|it| found.written < it);
    let (ahead, behind) = (
        found.meta.epoch.saturating_sub(known.epoch),
        known.epoch.saturating_sub(found.meta.epoch),
    );
    if known.fleet.is_some_and(|it| it != found.meta.fleet) {
        Belief::Doubted(Doubt::Another)
    } else if ahead == 0 && (went_back || behind > 0 && known.written.is_none()) {
        Belief::Doubted(Doubt::Restored)
    } else if ahead > known.credit {
        Belief::Doubted(Doubt::Ahead)
    } else if behind > MOST_RESTORED {
        Belief::Doubted(Doubt::Behind)
    } else if known.naming.is_some_and(|it| it != found.meta.naming) {
        Belief::Doubted(Doubt::Renamed)
    } else if behind > 0 {
        Belief::PutBack
    } else {
        Belief::Believed
    }
}

/// How many later epochs a machine still believes today.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credit {
    spent: u32,
    since: BootTime,
}

impl Credit {
    fn refilled(&self, now: BootTime) -> u32 {
        let parts = now.since(self.since).as_secs() / REFILL.as_secs();
        u32::try_from(parts).unwrap_or(u32::MAX).min(self.spent)
    }

    pub fn left(&self, now: BootTime) -> u32 {
        MOST_RESTORED.saturating_sub(self.spent - self.refilled(now))
    }

    /// So many more were believed.
    pub fn spend(&mut self, now: BootTime, epochs: u32) {
        let refilled = self.refilled(now);
        self.spent -= refilled;
        self.since = if self.spent == 0 { now } else { self.since.after(REFILL * refilled) };
        self.spent = self.spent.saturating_add(epochs);
    }
}

#[cfg(test)]
mod tests;
