//! The groups of callers, by the user database: that may be on a network, and slow.
//!
//! Invariant: of one user one look-up runs at a time, on whichever thread, so that of the threads beside each that serves
//! connections one is left for the next user. Who waits for an answer that does not come is told so: what groups somebody is in
//! is never guessed.

use std::time::Duration;

use super::peer;
use crate::actors::cpu_pool::{CpuPool, PoolLimits};

/// How long a look-up may take, with the wait for one's turn.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);
/// Those of one user, one that runs and those that wait.
const PLACES: usize = 64;
/// Of how many users they are passed on to the threads at a time. There they wait in the order in which they came.
const USERS: usize = 1_024;

/// Nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum NotFoundOut {
    #[error("the groups of the caller could not be found out in time")]
    InTime,
    #[error("the groups of the caller could not be found out: the user database says {0}")]
    Database(std::io::Error),
}

/// Clones share the turns.
#[derive(Debug, Clone)]
pub struct Groups(CpuPool);

impl Default for Groups {
    fn default() -> Self {
        let limits = PoolLimits { threads: USERS, running_per_uid: 1, places_per_uid: PLACES };
        Self(CpuPool::new(limits))
    }
}

impl Groups {
    /// All groups of a process of `uid` that runs in `gid`, and those of the user whose subordinate uid it is.
    ///
    /// # Errors
    /// [`NotFoundOut`], where the user database fails or is too slow, or the user asks too often at once.
    pub(in crate::rpc) async fn of(
        &self,
        (uid, gid): (u32, Option<u32>),
        account: u32,
    ) -> Result<Vec<u32>, NotFoundOut> {
        let found = self.look_up(account, move || peer::groups(uid, gid, account)).await?;
        found.map_err(NotFoundOut::Database)
    }

    async fn look_up<T: Send + 'static>(
        &self,
        account: u32,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotFoundOut> {
        let looked_up = tokio::time::timeout(LOOK_UP_TIME, self.0.run(account, what)).await;
        looked_up.map_err(|_| NotFoundOut::InTime)?.map_err(|_| NotFoundOut::InTime)
    }
}

#[cfg(test)]
mod tests;
