//! Following an answer, in a program's own loop.

use std::os::fd::{AsFd, AsRawFd};

use entitled_client::{ClientError, Subscription as Changes};
use entitled_core::domain::publisher::PublisherKey;

use crate::abi::{Failure, Verdict};
use crate::answer;

/// `entitled_subscription`
pub struct Subscription {
    pid: u32,
    changes: Changes,
    publisher: Option<PublisherKey>,
    /// What ended it; it is told again to whoever asks again.
    over: Option<Failure>,
}

impl Subscription {
    pub(crate) fn new(changes: Changes, publisher: Option<PublisherKey>) -> Self {
        Self { pid: std::process::id(), changes, publisher, over: None }
    }

    /// `None` in another process than the one that made it: who reads there takes the other's answers.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        self.is_ours().then(|| self.changes.as_fd().as_raw_fd())
    }

    /// The next answer, or why there is none.
    pub(crate) fn next(&mut self) -> Result<Verdict, Failure> {
        if !self.is_ours() {
            return Err(Failure::Closed);
        }
        if let Some(over) = self.over {
            return Err(over);
        }
        match self.changes.try_next() {
            Ok(Some(said)) => Ok(answer::of(Ok(said), self.publisher.as_ref())),
            Ok(None) => Err(Failure::Again),
            Err(error) => {
                let over = match error {
                    ClientError::Unreachable { .. } => Failure::Closed,
                    other => answer::failure_of(&other),
                };
                self.end(over);
                Err(over)
            }
        }
    }

    pub(crate) fn end(&mut self, over: Failure) {
        self.over = Some(over);
    }

    fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }
}
