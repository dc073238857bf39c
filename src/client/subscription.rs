//! Following the verdict about one product.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::message;
use crate::message::Message;
use crate::verdict::Verdict;
use crate::wire::Wire;

/// One notification of a change.
#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    subscription: Value,
    result: Box<RawValue>,
}

impl Notice {
    /// `None` for notifications of other kinds, which later daemons may send.
    pub(super) fn read(
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Option<Self>, ClientError> {
        if method != "entitlement_changed" {
            return Ok(None);
        }
        let params = params.ok_or_else(|| ClientError::protocol("a notice says nothing"))?;
        let notice = serde_json::from_str(params.get());
        notice.map(Some).map_err(|it| ClientError::Protocol {
            reason: "a notice has another shape than expected",
            source: Some(it),
        })
    }
}

/// The present verdict, then one per change. Ends when the daemon closes the connection; dropping it
/// closes the connection from here.
#[derive(Debug)]
pub struct Subscription {
    id: Value,
    wire: Wire,
    waiting: VecDeque<Notice>,
    wait: Option<Duration>,
}

impl Subscription {
    pub(super) fn new(id: Value, wire: Wire, waiting: VecDeque<Notice>) -> Self {
        Self { id, wire, waiting, wait: None }
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
        let deadline = self.wait.map_or_else(Deadline::never, Deadline::after);
        loop {
            let notice = match self.waiting.pop_front() {
                Some(notice) => Some(notice),
                None => match self.wire.receive(deadline)? {
                    None => return Ok(None),
                    Some(line) => read_notice(&line)?,
                },
            };
            match notice {
                Some(notice) if notice.subscription == self.id => return Ok(Some(notice.result)),
                _ => {}
            }
        }
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
        Some(raw.and_then(|it| {
            serde_json::from_str(it.get()).map_err(|it| ClientError::Protocol {
                reason: "a verdict has another shape than expected",
                source: Some(it),
            })
        }))
    }
}

fn read_notice(line: &[u8]) -> Result<Option<Notice>, ClientError> {
    match message::read(line)? {
        Message::Notification { method, params } => Notice::read(&method, params),
        Message::Reply { outcome: Err(refusal), .. } => Err(refusal),
        Message::Reply { .. } => Err(ClientError::protocol("an answer to no question came")),
    }
}
