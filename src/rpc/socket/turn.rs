//! Whose turn it is. The connections of a thread go on in rounds, each until it has done so much; then it waits until
//! every other one that is ready had its turn, and the kernel was asked who else is.
//!
//! Turns are by user, at the gateway by address: while others ask, one with many connections has smaller ones. What costs
//! more than a turn takes as many of them. Asked by the framings and by the gateway's connections, as they read and as
//! requests begin. Never decides who may ask what.

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// What any request by HTTP takes of a turn, beside its bytes: with its headers it costs what dozens of checks in raw JSON
/// do.
pub(crate) const ANY_REQUEST: usize = 2 * 1024;
/// The turn of a user's only connection, in bytes of requests and what any request costs beside them: some hundred
/// checks.
const TURN: usize = 16 * 1024;
/// No turn is smaller: each also costs a write, and a look at who is ready.
pub(crate) const LEAST: usize = TURN / 32;
/// The turns in a round of who asks alone: so long waits who comes then, and no longer.
const TURNS_ALONE: usize = 16;
/// Others who have asked may ask again, for so long.
const OTHERS_ASK: Duration = Duration::from_millis(100);

thread_local! {
    static ASKING: Asking = const { Asking { last: Cell::new(None), changed: Cell::new(None) } };
}

/// Who has turns.
pub(crate) trait User: std::fmt::Debug + Send + Sync {
    /// Tells one from another.
    fn number(&self) -> u64;

    /// How many connections the user has.
    fn connections(&self) -> usize;
}

/// Who asks on this thread.
struct Asking {
    /// The user who asked last.
    last: Cell<Option<u64>>,
    /// When it was last somebody else than the one before.
    changed: Cell<Option<Instant>>,
}

/// The turns of one connection. Who works on several requests of it at once shares them.
#[derive(Debug)]
pub(crate) struct Turn {
    round: Arc<Round>,
    /// Requests that find no turn go through here one after the other, so that none is passed by several of them.
    gate: tokio::sync::Mutex<()>,
    /// How many are there.
    queued: AtomicUsize,
}

/// Woken when all others had their turn.
#[derive(Debug)]
struct Round {
    user: Box<dyn User>,
    size: AtomicUsize,
    /// What was done, of which the turns that are over have been taken off.
    worked: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whether the next turn has been asked for.
    is_asked: bool,
    wakers: Vec<Waker>,
}

/// One of those at the gate.
struct Queued<'a>(&'a AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turn {
    pub(crate) fn new(user: impl User + 'static) -> Self {
        let size = AtomicUsize::new(size(&user));
        let user = Box::new(user);
        let round = Round { user, size, worked: AtomicUsize::new(0), waiting: Mutex::default() };
        Self {
            round: Arc::new(round),
            gate: tokio::sync::Mutex::default(),
            queued: AtomicUsize::new(0),
        }
    }

    /// After so much work the turn is over.
    pub(crate) fn size(&self) -> usize {
        self.round.size.load(Ordering::Relaxed)
    }

    /// Something has come from the user.
    pub(crate) fn asks(&self) {
        ASKING.with(|it| it.hear(self.round.user.number()));
    }

    /// So much was done.
    pub(crate) fn spend(&self, work: usize) {
        self.round.worked.fetch_add(work, Ordering::Relaxed);
    }

    /// Waits until it is this connection's turn, unless it is.
    pub(crate) async fn begin(&self) {
        std::future::poll_fn(|context| self.poll_begin(context)).await;
    }

    /// Spends what was done, and waits for the next turn: how much it is.
    pub(crate) async fn next(&self, worked: usize) -> usize {
        self.spend(worked);
        self.begin().await;
        self.size()
    }

    /// As [`Self::begin`].
    pub(crate) fn poll_begin(&self, context: &Context<'_>) -> Poll<()> {
        if !self.round.is_over() {
            return Poll::Ready(());
        }
        let mut waiting = self.round.waiting();
        if !waiting.wakers.iter().any(|it| it.will_wake(context.waker())) {
            waiting.wakers.push(context.waker().clone());
        }
        if std::mem::replace(&mut waiting.is_asked, true) {
            return Poll::Pending;
        }
        drop(waiting);
        // Not for whoever polls, who may be woken by something else meanwhile.
        let waker = Waker::from(Arc::clone(&self.round));
        pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker)).map(|()| waker.wake())
    }

    /// Spends what one of several requests costs, if it is its turn.
    pub(crate) fn try_take(&self, work: usize) -> bool {
        let is_free = self.queued.load(Ordering::Relaxed) == 0 && !self.round.is_over();
        if is_free {
            self.spend(work);
        }
        is_free
    }

    /// As [`Self::try_take`], and waits for the turn.
    pub(crate) async fn take(&self, work: usize) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let _queued = Queued(&self.queued);
        let _gate = self.gate.lock().await;
        self.begin().await;
        self.spend(work);
    }
}

impl Round {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.worked.load(Ordering::Relaxed) >= self.size.load(Ordering::Relaxed)
    }
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        let mut waiting = self.waiting();
        waiting.is_asked = false;
        let turn = self.size.swap(size(&*self.user), Ordering::Relaxed);
        let less = |worked: usize| Some(worked.saturating_sub(turn));
        // What it gives back is what was done before.
        let _ = self.worked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Asking {
    fn hear(&self, user: u64) {
        if self.last.get() != Some(user) && self.last.replace(Some(user)).is_some() {
            self.changed.set(Some(Instant::now()));
        }
    }

    /// Whether more than one user asks.
    fn are_several(&self) -> bool {
        self.changed.get().is_some_and(|it| it.elapsed() < OTHERS_ASK)
    }
}

fn size(user: &dyn User) -> usize {
    let turns = if ASKING.with(Asking::are_several) { 1 } else { TURNS_ALONE };
    (TURN * turns / user.connections().max(1)).clamp(LEAST, TURN)
}
