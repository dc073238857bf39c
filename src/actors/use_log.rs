//! How often what users do is told to the log: they may do it as often as they are answered, and the log is not
//! theirs to fill, nor its room theirs to take from other records.
//!
//! Asked by: WalletKeeper of uses of keys, SeatKeeper of seats. Never: writes a record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;

use entitled_core::domain::ids::Timestamp;

const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Above so many remembered users, those who have been quiet long enough are forgotten.
const REMEMBERED: usize = 1_024;

/// Clones share one count.
#[derive(Debug, Clone)]
pub(in crate::actors) struct UseLog {
    /// Uses by one user that are told one by one, in a minute.
    most: u32,
    users: Arc<Mutex<HashMap<u32, Uses>>>,
}

/// What one user did lately.
#[derive(Debug)]
struct Uses {
    since: Timestamp,
    told: u32,
    /// Since something was told last.
    untold: u64,
}

impl Uses {
    fn are_of_now(&self, now: Timestamp) -> bool {
        // A clock that was set back begins anew.
        let passed = now.duration_since(self.since);
        !passed.is_negative() && passed < A_MINUTE
    }
}

impl UseLog {
    pub(in crate::actors) fn telling(most: u32) -> Self {
        Self { most, users: Arc::default() }
    }

    /// One more use by a user. If it is to be told: how many before it were not.
    pub(in crate::actors) fn note(&self, uid: u32, now: Timestamp) -> Option<u64> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() > REMEMBERED {
            users.retain(|_, it| it.are_of_now(now));
        }
        let uses = users.entry(uid).or_insert(Uses { since: now, told: 0, untold: 0 });
        if !uses.are_of_now(now) {
            (uses.since, uses.told) = (now, 0);
        }
        if uses.told < self.most {
            uses.told += 1;
            return Some(std::mem::take(&mut uses.untold));
        }
        uses.untold += 1;
        None
    }
}

#[cfg(test)]
mod tests;
