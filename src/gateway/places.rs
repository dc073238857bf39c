//! Places that several share. Each has its part of them as long as there are any, and more only while at least twice as many
//! as it has are free: so neither one nor two can take them all, and whoever is alone has what others leave.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    all: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

/// By whom.
#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<Arc<str>, usize>,
}

/// One of them, until it is dropped.
pub(super) struct Place {
    places: Places,
    by: Arc<str>,
}

/// Who asks for one, and what part of all is its own: so many of `among`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share<'a> {
    pub(super) by: &'a Arc<str>,
    pub(super) part: usize,
    pub(super) among: usize,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Whoever asks has as many as it may have now.
    Own,
    All,
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self(Arc::new(Shared { all, taken: Mutex::default(), freed: Notify::new() }))
    }

    pub(super) fn take(&self, share: Share<'_>) -> Result<Place, Full> {
        let Share { by, part, among } = share;
        let mut taken = self.taken();
        let own = taken.by.get(by).copied().unwrap_or(0);
        let free = self.0.all - taken.all;
        let part = (self.0.all * part / among.max(1)).max(1);
        if own >= part && free <= 2 * own {
            return Err(Full::Own);
        }
        if free == 0 {
            return Err(Full::All);
        }
        taken.all += 1;
        *taken.by.entry(Arc::clone(by)).or_default() += 1;
        Ok(Place { places: self.clone(), by: Arc::clone(by) })
    }

    /// The same, if there is one before `until`.
    pub(super) async fn wait(&self, share: Share<'_>, until: Instant) -> Result<Place, Full> {
        loop {
            let mut freed = pin!(self.0.freed.notified());
            // What is freed from here on is heard of.
            freed.as_mut().enable();
            let full = match self.take(share) {
                Err(full) => full,
                taken => return taken,
            };
            if tokio::time::timeout_at(until, freed).await.is_err() {
                return Err(full);
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.by) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.by);
            }
        }
        drop(taken);
        self.places.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
