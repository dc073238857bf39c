//! How long a machine may count on its places.

use std::time::Duration;

use crate::seats::BootTime;

/// The time of a lease, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(pub Duration);

impl Term {
    /// By so much the machine ends its use before the store may give its places away: for clocks that run at different
    /// speeds, and for the work of ending.
    pub fn margin(self) -> Duration {
        (self.0 / 10).min(Duration::from_secs(2))
    }

    /// Until when the machine may use its places after a renewal that was sent then, and succeeded.
    pub fn deadline(self, sent: BootTime) -> BootTime {
        sent.after(self.0.saturating_sub(self.margin()))
    }

    /// How long after one renewal the next is sent.
    pub fn renew_after(self) -> Duration {
        self.0 / 3
    }

    /// How long after a renewal that failed it is tried again.
    pub fn retry_after(self) -> Duration {
        (self.0 / 20).clamp(Duration::from_millis(100), Duration::from_secs(2))
    }

    /// How long the store may take for one answer.
    pub fn patience(self) -> Duration {
        (self.0 / 6).clamp(Duration::from_millis(500), Duration::from_secs(5))
    }
}
