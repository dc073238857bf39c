//! What an HTTP connection is at, and until when it may stay like that.
//!
//! Only a completed request keeps a connection open: neither a header that drips in nor a ping does. A reply that is
//! not written in time ends the connection, as a blocked write does: under HTTP/2 nothing is written, and so nothing
//! blocks, while the other side grants no window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;

/// Which time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Overdue {
    Idle,
    /// The head of a request did not come to its end.
    Head,
    /// A reply was not read.
    Unwritten,
}

pub(in crate::rpc) struct Progress {
    idle: Duration,
    head: Duration,
    write: Duration,
    /// Whether requests come one after the other, each after its head: HTTP/1. Under HTTP/2 what comes need not
    /// belong to any request.
    has_heads: bool,
    state: Mutex<State>,
    /// Some deadline may have come nearer.
    nearer: Notify,
}

struct State {
    serving: usize,
    completed: Instant,
    head_since: Option<Instant>,
    /// Replies that are not written, by number, and since when.
    unwritten: BTreeMap<u64, Instant>,
    replies: u64,
}

/// A request is being served for as long as this is there.
pub(in crate::rpc) struct Serving(Arc<Progress>);

/// A reply is not written for as long as this is there.
pub(in crate::rpc) struct Unwritten {
    progress: Arc<Progress>,
    number: u64,
}

impl Progress {
    /// Of a connection whose first bytes are there.
    pub(in crate::rpc) fn new(limits: &Limits, has_heads: bool) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            serving: 0,
            completed: now,
            head_since: has_heads.then_some(now),
            unwritten: BTreeMap::new(),
            replies: 0,
        };
        Arc::new(Self {
            idle: limits.idle,
            head: limits.first_byte,
            write: limits.write,
            has_heads,
            state: Mutex::new(state),
            nearer: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came from the other side.
    pub(in crate::rpc) fn heard(&self) {
        let mut state = self.state();
        if self.has_heads && state.serving == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
            self.nearer.notify_one();
        }
    }

    /// The head of a request is there.
    pub(in crate::rpc) fn serve(self: &Arc<Self>) -> Serving {
        let mut state = self.state();
        state.serving += 1;
        state.head_since = None;
        Serving(Arc::clone(self))
    }

    /// A request is there to its last byte.
    pub(in crate::rpc) fn completed(&self) {
        self.state().completed = Instant::now();
    }

    /// A reply is ready to be written.
    pub(in crate::rpc) fn reply(self: &Arc<Self>) -> Unwritten {
        let mut state = self.state();
        state.replies += 1;
        let number = state.replies;
        state.unwritten.insert(number, Instant::now());
        self.nearer.notify_one();
        Unwritten { progress: Arc::clone(self), number }
    }

    fn next(&self) -> Option<(Instant, Overdue)> {
        let state = self.state();
        let is_at_rest = state.serving == 0 && state.unwritten.is_empty();
        let idle = is_at_rest.then(|| (state.completed + self.idle, Overdue::Idle));
        let head = state.head_since.map(|it| (it + self.head, Overdue::Head));
        let oldest = state.unwritten.values().next();
        let unwritten = oldest.map(|it| (*it + self.write, Overdue::Unwritten));
        [idle, head, unwritten].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Waits until some time is over.
    pub(in crate::rpc) async fn overdue(&self) -> Overdue {
        loop {
            let next = self.next();
            match next {
                Some((at, what)) if at <= Instant::now() => return what,
                Some((at, _)) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.nearer.notified() => {}
                },
                None => self.nearer.notified().await,
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.state().serving -= 1;
        self.0.nearer.notify_one();
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.unwritten.remove(&self.number);
        state.completed = Instant::now();
        drop(state);
        self.progress.nearer.notify_one();
    }
}
