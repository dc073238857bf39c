//! What an HTTP connection is at, and until when it may stay like that.
//!
//! Only a completed request keeps a connection open: neither a header that drips in nor a ping does. A reply that is
//! not written in time ends the connection, as a blocked write does: under HTTP/2 nothing is written, and so nothing
//! blocks, while the other side grants no window.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;

/// Which time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Idle,
    /// The head of a request did not come to its end.
    Head,
    /// A reply was not read.
    Unwritten,
}

pub(crate) struct Progress {
    idle: Duration,
    head: Duration,
    write: Duration,
    /// Whether requests come one after the other, each after its head: HTTP/1. Under HTTP/2 what comes need not
    /// belong to any request.
    has_heads: bool,
    state: Mutex<State>,
    /// Some deadline is nearer than the one that is waited for.
    nearer: Notify,
}

struct State {
    serving: usize,
    completed: Instant,
    head_since: Option<Instant>,
    /// Replies that are not written, by number, and since when; the oldest first.
    unwritten: Vec<(u64, Instant)>,
    replies: u64,
    /// Until when is waited. Invariant: not after any deadline. It is not put off when the deadline it was chosen for is
    /// no more: so of many requests in a row hardly one costs a wake-up.
    awaited: Option<Instant>,
}

/// A request is being served for as long as this is there.
pub(crate) struct Serving(Arc<Progress>);

/// A reply is not written for as long as this is there.
pub(crate) struct Unwritten {
    progress: Arc<Progress>,
    number: u64,
}

impl Progress {
    /// Of a connection whose first bytes are there.
    pub(crate) fn new(limits: &Limits, has_heads: bool) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            serving: 0,
            completed: now,
            head_since: has_heads.then_some(now),
            unwritten: Vec::new(),
            replies: 0,
            awaited: None,
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
    pub(crate) fn heard(&self) {
        let mut state = self.state();
        if self.has_heads && state.serving == 0 && state.head_since.is_none() {
            let now = Instant::now();
            state.head_since = Some(now);
            self.wait_until(now + self.head, &mut state);
        }
    }

    /// The head of a request is there.
    pub(crate) fn serve(self: &Arc<Self>) -> Serving {
        let mut state = self.state();
        state.serving += 1;
        state.head_since = None;
        Serving(Arc::clone(self))
    }

    /// A request is there to its last byte.
    pub(crate) fn completed(&self) {
        self.state().completed = Instant::now();
    }

    /// A reply is ready to be written.
    pub(crate) fn reply(self: &Arc<Self>) -> Unwritten {
        let mut state = self.state();
        state.replies += 1;
        let number = state.replies;
        let now = Instant::now();
        state.unwritten.push((number, now));
        self.wait_until(now + self.write, &mut state);
        Unwritten { progress: Arc::clone(self), number }
    }

    /// There is another deadline. Who waits is woken only if it is nearer than what is waited for.
    fn wait_until(&self, deadline: Instant, state: &mut State) {
        if state.awaited.is_none_or(|it| deadline < it) {
            state.awaited = Some(deadline);
            self.nearer.notify_one();
        }
    }

    /// Something has come to its end: if it was the last, the connection is idle.
    fn may_rest(&self, state: &mut State) {
        if state.is_at_rest() {
            self.wait_until(state.completed + self.idle, state);
        }
    }

    fn next(&self, state: &State) -> Option<(Instant, Overdue)> {
        let idle = state.is_at_rest().then(|| (state.completed + self.idle, Overdue::Idle));
        let head = state.head_since.map(|it| (it + self.head, Overdue::Head));
        let oldest = state.unwritten.first();
        let unwritten = oldest.map(|(_, it)| (*it + self.write, Overdue::Unwritten));
        [idle, head, unwritten].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What is overdue, or else until when to wait.
    fn look(&self) -> Result<Overdue, Option<Instant>> {
        let mut state = self.state();
        let (now, next) = (Instant::now(), self.next(&state));
        match next {
            Some((at, what)) if at <= now => return Ok(what),
            _ if state.awaited.is_none_or(|it| it <= now) => state.awaited = next.map(|it| it.0),
            _ => {}
        }
        Err(state.awaited)
    }

    /// Waits until some time is over.
    pub(crate) async fn overdue(&self) -> Overdue {
        loop {
            match self.look() {
                Ok(what) => return what,
                Err(Some(at)) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.nearer.notified() => {}
                },
                Err(None) => self.nearer.notified().await,
            }
        }
    }
}

impl State {
    /// Nothing is served, and nothing waits to be written.
    fn is_at_rest(&self) -> bool {
        self.serving == 0 && self.unwritten.is_empty()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.serving -= 1;
        self.0.may_rest(&mut state);
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.unwritten.retain(|(number, _)| *number != self.number);
        state.completed = Instant::now();
        self.progress.may_rest(&mut state);
    }
}
