//! Places for the connections to a page: few, so that the command stays small, and kept by nobody who does nothing.
//!
//! Any program of the same user may connect, and need say nothing. So whoever comes takes the place of the connection that was of no
//! use for longest; one on which an answer to the browser is under way is of use. Never decides who may come in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::AbortHandle;

/// Connections at a time. A browser makes six.
const CONNECTIONS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<Vec<(AbortHandle, Arc<Use>)>>,
}

/// Whether a connection is of use to the browser that has the session.
#[derive(Debug)]
pub(super) struct Use {
    under_way: AtomicUsize,
    last: Mutex<Instant>,
}

/// An answer to the browser, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Use>);

impl Places {
    /// Gives a connection a place, and ends another where there is none.
    pub(super) fn give(&self, connection: AbortHandle, used: Arc<Use>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|(it, _)| !it.is_finished());
        if taken.len() >= CONNECTIONS_MAX {
            let idlest = taken.iter().enumerate().min_by_key(|(_, (_, it))| it.standing());
            if let Some((at, _)) = idlest {
                taken.remove(at).0.abort();
            }
        }
        taken.push((connection, used));
    }
}

impl Use {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { under_way: AtomicUsize::new(0), last: Mutex::new(Instant::now()) })
    }

    /// An answer to the browser begins.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// The least is the first to go.
    fn standing(&self) -> (bool, Instant) {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.under_way.load(Ordering::Relaxed) > 0, last)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
