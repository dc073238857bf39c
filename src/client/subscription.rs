//! Following the verdict about one product.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::exchange::{Inbox, read_verdict};
use crate::verdict::Verdict;
use crate::wire::Wire;

/// The present verdict, then one per change. Ends when the daemon closes the connection; dropping it
/// closes the connection from here.
#[derive(Debug)]
pub struct Subscription {
    inbox: Inbox,
    wire: Wire,
    wait: Option<Duration>,
}

impl Subscription {
    pub(super) fn new(inbox: Inbox, wire: Wire) -> Self {
        Self { inbox, wire, wait: None }
    }

    /// How long [`Self::next`] waits for a change before it gives [`ClientError::Timeout`], after which
    /// it may be called again. `None`, the default, waits until there is one.
    pub fn set_wait(&mut self, wait: Option<Duration>) {
        self.wait = wait;
    }

    /// The next verdict exactly as it came; `None` when the daemon closed the connection.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] after the wait; the others when the connection is of no more use.
    pub fn next_raw(&mut self) -> Result<Option<Box<RawValue>>, ClientError> {
        if let Some(early) = self.inbox.early() {
            return Ok(Some(early));
        }
        let deadline = self.wait.map_or_else(Deadline::never, Deadline::after);
        while let Some(line) = self.wire.receive(deadline)? {
            if let Some(told) = self.inbox.hear(&line)? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
impl Subscription {
    pub(super) fn send_for_test(&mut self, line: &str) {
        self.wire.send(line.as_bytes(), Deadline::never()).unwrap();
    }
}

impl Iterator for Subscription {
    type Item = Result<Verdict, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.next_raw().transpose()?;
        Some(raw.and_then(|it| read_verdict(&it)))
    }
}
