//! Whose turn it is in a look at many wallets, and how long each has: one behind a slow contract keeps no other from being
//! proven.
//!
//! Owns: at which look each wallet was last reached. Asked by: `survey`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::Address;
use tokio::time::Instant;

use entitled_core::domain::ids::{ChainId, ProductId};
use entitled_core::domain::ownership::Finality;

/// Wallets looked at side by side.
pub(super) const SIDE_BY_SIDE: usize = 4;
/// No wallet has less, as long as there is so much: with nothing but ends too early nobody would be proven. Who has no turn
/// for this is the first next time.
const LEAST: Duration = Duration::from_secs(10);
/// So many turns are remembered; of more, those of the later looks. Who is forgotten is the first.
const MOST: usize = 16_384;

/// A look at many wallets: at what, and how settled.
pub(super) type Of = (ProductId, ChainId, Finality);

/// At which look a wallet was last reached.
#[derive(Debug, Default)]
pub(in crate::actors::chain_verifier) struct Turns(Mutex<HashMap<(Of, Address), u64>>);

impl Turns {
    fn known(&self) -> MutexGuard<'_, HashMap<(Of, Address), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// First those that were not reached for longest.
    pub(super) fn in_order(&self, of: &Of, wallets: &[Address]) -> Vec<Address> {
        let reached = self.known();
        let mut wallets = wallets.to_vec();
        wallets.sort_by_cached_key(|it| reached.get(&(of.clone(), *it)).copied());
        wallets
    }

    pub(super) fn reached(&self, of: &Of, wallet: Address, look: u64) {
        let mut reached = self.known();
        reached.insert((of.clone(), wallet), look);
        if reached.len() > MOST {
            let mut looks: Vec<u64> = reached.values().copied().collect();
            let (_, middle, _) = looks.select_nth_unstable(MOST / 2);
            reached.retain(|_, look| *look > *middle);
        }
    }
}

/// When the look at the first of so many that wait has to be over, so that the others have as long, until `end`.
pub(super) fn turn_of_first(waiting: usize, now: Instant, end: Instant) -> Instant {
    let rounds = u32::try_from(waiting.div_ceil(SIDE_BY_SIDE)).unwrap_or(u32::MAX);
    let left = end.saturating_duration_since(now);
    now + (left / rounds.max(1)).max(LEAST).min(left)
}

#[cfg(test)]
mod tests;
