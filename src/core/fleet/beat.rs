//! Whether another machine uses the identity of this one.
//!
//! A store renews a lease for whoever names it. So each renewal also writes the machine's record anew, on condition that it
//! is what the machine wrote last: two that write by turns notice it at the next renewal of one of them.

use serde::{Deserialize, Serialize};

/// What a machine says of itself in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this format.
    pub v: u32,
    /// For people.
    pub name: String,
    /// How often it was renewed.
    pub beat: u64,
    /// Drawn for each beat, so that a write whose answer was lost is known again.
    pub random: String,
    /// Of the daemon.
    pub version: String,
    /// It gives no new seats.
    #[serde(default)]
    pub draining: bool,
}

impl Record {
    pub const VERSION: u32 = 1;

    /// The next, with what was drawn for it.
    #[must_use]
    pub fn next(&self, random: String) -> Self {
        Self { beat: self.beat + 1, random, ..self.clone() }
    }
}

/// Why a machine is not in the fleet any more, or not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatFault {
    /// The lease has run out, or was taken back.
    Gone,
    /// Another machine has the identity of this one.
    Cloned,
    /// The store has gone back to an earlier state.
    Restored,
    /// An administrator has put the machine out.
    Evicted,
}

/// What follows from `found`, where `last` should have been. `tried` was written before if the answer was lost. `Ok`: the
/// record that is there is our own.
///
/// # Errors
/// Why it is not.
pub fn judge(last: &Record, tried: &Record, found: Option<&Record>) -> Result<(), BeatFault> {
    match found {
        None => Err(BeatFault::Gone),
        Some(found) if found == tried => Ok(()),
        Some(found) if found.beat < last.beat => Err(BeatFault::Restored),
        Some(_) => Err(BeatFault::Cloned),
    }
}
