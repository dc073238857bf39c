//! Counters of the socket: what metrics and the summary at the end read.
//!
//! Each is its own atomic, added to where the thing happens; they are not one consistent picture.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only the socket changes and anybody reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(super) fn one_more(&self) {
        self.add(1);
    }

    pub(super) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What happened on both doors since the daemon began.
#[derive(Debug, Default)]
pub struct SocketFigures {
    /// Connections being served now.
    pub connections_open: Count,
    /// Connections ever served.
    pub connections_total: Count,
    /// Connections turned away, over a limit or without credentials.
    pub connections_refused: Count,
    /// Times the kernel would not give us a connection.
    pub accept_failures: Count,
    /// Requests read, on every framing; those in a batch one by one.
    pub requests: Count,
    /// Requests answered without waiting.
    pub answered_at_once: Count,
    /// Requests answered with `LIMIT_EXCEEDED`.
    pub requests_limited: Count,
    /// Handlers that panicked.
    pub panics: Count,
    /// Connections dropped because they did not read what we wrote.
    pub slow_readers: Count,
    pub bytes_in: Count,
    pub bytes_out: Count,
}
