//! Counters of the socket: what metrics and the summary at the end read.
//!
//! Each is added to where the thing happens; they are not one consistent picture.

use crate::counter::Counter;

/// What happened on both doors since the daemon began.
#[derive(Debug, Default)]
pub struct SocketFigures {
    /// Connections being served now.
    pub connections_open: Counter,
    /// Connections ever served.
    pub connections_total: Counter,
    /// Connections turned away, over a limit or without credentials.
    pub connections_refused: Counter,
    /// Times the kernel would not give us a connection.
    pub accept_failures: Counter,
    /// Requests read, on every framing; those in a batch one by one.
    pub requests: Counter,
    /// Requests answered without waiting.
    pub answered_at_once: Counter,
    /// Requests answered with `LIMIT_EXCEEDED`.
    pub requests_limited: Counter,
    /// Handlers that panicked.
    pub panics: Counter,
    /// Connections dropped because they did not read what we wrote.
    pub slow_readers: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
}
