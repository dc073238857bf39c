//! A bounded pool of threads for work whose cost depends on what a caller sent: hashing, recovering, parsing.
//!
//! Asked by the actors, which all share one thread and must not spend it on such work. Each uid has places of its own:
//! who asks for more than that is told so, and who waits does not wait for what another uid has piled up.
//!
//! Invariant: of one uid no more than its share runs at a time, so that a thread comes free for the next uid as soon
//! as one piece of work is over. Never decides who may ask what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// How large the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Pieces of work that run at a time.
    pub threads: usize,
    /// How many of those may be of one uid.
    pub running_per_uid: usize,
    /// Pieces of work of one uid, those that run and those that wait.
    pub places_per_uid: usize,
}

impl Default for PoolLimits {
    /// As many threads as there are processors, half of them for one uid.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, |it| it.get().clamp(2, 8));
        Self { threads, running_per_uid: threads / 2, places_per_uid: 64 }
    }
}

/// Why a piece of work did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CpuPoolError {
    #[error("a user has at most {most} pieces of work under way here")]
    Full { most: usize },
    /// It panicked, or the daemon is ending.
    #[error("the work was broken off")]
    BrokenOff { source: Option<JoinError> },
}

/// Clones share the same threads and places.
#[derive(Debug, Clone)]
pub struct CpuPool {
    limits: PoolLimits,
    threads: Arc<Semaphore>,
    shares: Arc<Mutex<HashMap<u32, Share>>>,
}

/// What one uid has in the pool. Forgotten when that is nothing.
#[derive(Debug)]
struct Share {
    places_taken: usize,
    running: Arc<Semaphore>,
}

/// The place of one piece of work, given back when dropped.
#[derive(Debug)]
struct Place {
    shares: Arc<Mutex<HashMap<u32, Share>>>,
    uid: u32,
    running: Arc<Semaphore>,
}

/// Given back when dropped, the thread first.
#[derive(Debug)]
pub struct Turn {
    _thread: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
    _place: Place,
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new(PoolLimits::default())
    }
}

impl CpuPool {
    pub fn new(limits: PoolLimits) -> Self {
        let threads = Arc::new(Semaphore::new(limits.threads));
        Self { limits, threads, shares: Arc::default() }
    }

    /// Does `work` for `uid` on a thread of the pool, as soon as one is free and the share of `uid` allows it. Work
    /// that has begun goes on to its end and keeps its place, even if nobody waits for it any more.
    ///
    /// # Errors
    /// At once when all places of `uid` are taken; later when the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        uid: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CpuPoolError> {
        let turn = self.turn(uid).await?;
        let worker = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worker.await.map_err(|source| CpuPoolError::BrokenOff { source: Some(source) })
    }

    /// Waits until `uid` may do one piece of work, wherever it is done: for as long as the turn is kept.
    ///
    /// # Errors
    /// At once when all places of `uid` are taken.
    pub async fn turn(&self, uid: u32) -> Result<Turn, CpuPoolError> {
        let place = self.place(uid)?;
        let closed = |_| CpuPoolError::BrokenOff { source: None };
        // First one's own share, then a thread: so that of one uid no more than its share ever waits among the others.
        let share = Arc::clone(&place.running).acquire_owned().await.map_err(closed)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(closed)?;
        Ok(Turn { _thread: thread, _share: share, _place: place })
    }

    fn place(&self, uid: u32) -> Result<Place, CpuPoolError> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(uid).or_insert_with(|| Share {
            places_taken: 0,
            running: Arc::new(Semaphore::new(self.limits.running_per_uid)),
        });
        if share.places_taken >= self.limits.places_per_uid {
            return Err(CpuPoolError::Full { most: self.limits.places_per_uid });
        }
        share.places_taken += 1;
        let running = Arc::clone(&share.running);
        Ok(Place { shares: Arc::clone(&self.shares), uid, running })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get_mut(&self.uid) {
            share.places_taken = share.places_taken.saturating_sub(1);
            if share.places_taken == 0 {
                shares.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests;
