//! Whether anybody wants to know something of a chain: where nobody does, it is followed less often.
//!
//! Told by: `block`, of each block that is asked for. Asked by: `follow`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When somebody last wanted to know something of the chain.
#[derive(Debug, Default)]
pub(in crate::chain) struct Interest {
    last: Mutex<Option<Instant>>,
    /// Changes with each question.
    pub(in crate::chain) woken: watch::Sender<()>,
}

impl Interest {
    pub(in crate::chain) fn asked(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.woken.send_replace(());
    }

    /// Whether somebody asked within this time.
    pub(in crate::chain) fn within(&self, time: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < time)
    }
}

#[cfg(test)]
mod tests;
