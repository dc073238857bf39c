//! Whether what a connection waits for beside the next bytes has to be polled.
//!
//! What was polled without result has the waker of the connection's task and keeps it until it uses it. A task has one waker
//! as long as it lives, so nothing is gained by polling again before that. Invariant: armed only while each of them has the
//! waker, or says by itself that it has something to tell.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde_json::value::RawValue;
use tokio::task::coop::has_budget_remaining;

use super::reply::Reply;
use super::stop::Stop;

/// What a connection waits for.
pub(in crate::rpc) enum Event {
    /// So many bytes; `None` when reading failed.
    Read(Option<usize>),
    Reply(Option<Reply>),
    Line(Box<RawValue>),
    Stop,
    Idle,
}

pub(in crate::rpc) struct Waiting {
    stop: Stop,
    requested: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether the stop was told already.
    stopping: bool,
    armed: bool,
}

impl Waiting {
    pub(in crate::rpc) fn new(stop: Stop) -> Self {
        let requested = Box::pin(stop.clone().requested());
        Self { stop, requested, stopping: false, armed: false }
    }

    /// Whether nothing needs to be polled, unless a reply, a line or the idle limit says so.
    pub(in crate::rpc) fn is_armed(&self) -> bool {
        self.armed && (self.stopping || !self.stop.has_come())
    }

    /// All were polled, and none had anything. A task that has used up its turn is not told the truth by what it polls,
    /// and is not woken by it: it is polled again at its next turn.
    pub(in crate::rpc) fn arm(&mut self) {
        self.armed = has_budget_remaining();
    }

    /// One of them used its waker.
    pub(in crate::rpc) fn disarm(&mut self) {
        self.armed = false;
    }

    /// Ready once.
    pub(in crate::rpc) fn poll_stop(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.stopping {
            return Poll::Pending;
        }
        let polled = self.requested.as_mut().poll(context);
        self.stopping = polled.is_ready();
        polled
    }
}
