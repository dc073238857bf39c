//! Following the verdict about one product.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use serde_json::value::RawValue;

use crate::asked::Asked;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::exchange::{Inbox, read_verdict};
use crate::verdict::Verdict;
use crate::wire::Wire;

/// How often the socket is read before a caller who does not wait has its turn again: a megabyte of what is not for it.
const READS_MAX: usize = 128;

/// The present verdict, then one per change. Ends when the daemon closes the connection; dropping it
/// closes the connection from here.
#[derive(Debug)]
pub struct Subscription {
    inbox: Inbox,
    wire: Wire,
    wait: Option<Duration>,
    /// Whose verdicts are followed.
    asked: Asked,
}

impl Subscription {
    pub(super) fn new(inbox: Inbox, wire: Wire, asked: Asked) -> Self {
        Self { inbox, wire, wait: None, asked }
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

    /// The next verdict of what has arrived already, without waiting; `None` when there is none yet. For a program with a
    /// loop of its own, which waits for the descriptor ([`AsFd`]) to be readable and then asks here until there is `None`:
    /// several may arrive at once.
    ///
    /// # Errors
    /// When the connection is of no more use; also when the daemon closed it.
    pub fn try_next(&mut self) -> Result<Option<Verdict>, ClientError> {
        if let Some(early) = self.inbox.early() {
            return self.read(&early).map(Some);
        }
        let mut reads = READS_MAX;
        while let Some(line) = self.wire.receive_arrived(&mut reads)? {
            if let Some(told) = self.inbox.hear(&line)? {
                return self.read(&told).map(Some);
            }
        }
        Ok(None)
    }

    fn read(&self, told: &RawValue) -> Result<Verdict, ClientError> {
        read_verdict(told, &self.asked)
    }
}

/// To wait for; what is read there is read by [`Subscription::try_next`] alone.
impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
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
        Some(raw.and_then(|it| self.read(&it)))
    }
}
