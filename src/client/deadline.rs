//! A limit on how long something may take altogether, however many waits it is made of.

use std::time::{Duration, Instant};

use crate::error::ClientError;

/// The moment by which something has to be done, on the monotonic clock; or never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    end: Option<Instant>,
    /// What was granted in the beginning, for the error message.
    granted: Duration,
}

impl Deadline {
    /// A duration beyond what the clock can count is as good as never.
    pub(super) fn after(granted: Duration) -> Self {
        Self { end: Instant::now().checked_add(granted), granted }
    }

    pub(super) fn never() -> Self {
        Self { end: None, granted: Duration::MAX }
    }

    pub(super) fn missed(&self) -> ClientError {
        ClientError::Timeout { after: self.granted }
    }

    /// What is left: `Ok(None)` when there is no end, `Err` when the time is up.
    pub(super) fn left(&self) -> Result<Option<Duration>, TimeIsUp> {
        let Some(end) = self.end else { return Ok(None) };
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(TimeIsUp),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeIsUp;

#[cfg(test)]
mod tests;
