//! Notifications of one connection on their way out, and what happens when the reader is too slow for them.
//!
//! Invariant: never holds more than twice the send queue; a reader who lets it fill loses the connection, and only
//! that connection.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};
use std::time::Duration;

use jsonrpsee::MethodSink;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// The other side does not read what we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) struct TooSlow;

pub(in crate::rpc) struct Outbox {
    sink: MethodSink,
    queue: mpsc::Receiver<Box<RawValue>>,
    /// What arrived while a write was blocked.
    backlog: VecDeque<Box<RawValue>>,
    room: usize,
}

impl Outbox {
    pub(in crate::rpc) fn new(room: usize) -> Self {
        let (sender, queue) = mpsc::channel(room.max(1));
        Self { sink: MethodSink::new(sender), queue, backlog: VecDeque::new(), room }
    }

    /// Where subscriptions send.
    pub(in crate::rpc) fn sink(&self) -> &MethodSink {
        &self.sink
    }

    /// The next notification, if there is one now.
    pub(in crate::rpc) fn try_next(&mut self) -> Option<Box<RawValue>> {
        self.backlog.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// Whether there is no notification now.
    pub(in crate::rpc) fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.queue.is_empty()
    }

    /// Waits for the next notification. Loses none when dropped.
    pub(in crate::rpc) async fn next(&mut self) -> Box<RawValue> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next notification. Our own sink keeps the queue open: it does not end.
    pub(in crate::rpc) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Box<RawValue>> {
        if let Some(first) = self.backlog.pop_front() {
            return Poll::Ready(first);
        }
        match self.queue.poll_recv(context) {
            Poll::Ready(Some(line)) => Poll::Ready(line),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Lets a write finish, while notifications gather behind it.
    ///
    /// # Errors
    /// When it takes longer than `allowed`, or more notifications gather than there is room for.
    pub(in crate::rpc) async fn while_writing<T>(
        &mut self,
        allowed: Duration,
        writing: impl Future<Output = T>,
    ) -> Result<T, TooSlow> {
        let deadline = tokio::time::sleep(allowed);
        tokio::pin!(deadline, writing);
        loop {
            tokio::select! {
                biased;
                written = &mut writing => return Ok(written),
                Some(line) = self.queue.recv() => {
                    if self.backlog.len() >= self.room {
                        return Err(TooSlow);
                    }
                    self.backlog.push_back(line);
                }
                () = &mut deadline => return Err(TooSlow),
            }
        }
    }
}

#[cfg(test)]
mod tests;
