//! What a piece of work has taken of a processor. On a busy machine that is less than the time that went by, and how busy
//! the machine is says nothing of a contract.
//!
//! Asked by: `executor`, `signature`. Never: leaves the thread it was begun on.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use nix::time::ClockId;

/// Begun on a thread, whose work it measures.
#[derive(Debug)]
pub(in crate::chain) struct Effort {
    since: Instant,
    /// What the thread had taken before. `None`: the system does not say, and the time that goes by stands for it.
    before: Option<Duration>,
    on_this_thread: PhantomData<*const ()>,
}

impl Effort {
    pub(in crate::chain) fn begin() -> Self {
        Self { since: Instant::now(), before: of_thread(), on_this_thread: PhantomData }
    }

    pub(in crate::chain) fn so_far(&self) -> Duration {
        let went_by = self.since.elapsed();
        let taken = self.before.and_then(|before| Some(of_thread()?.saturating_sub(before)));
        taken.unwrap_or(went_by)
    }

    /// Whether it is less than `most`. Asked often: as long as less time went by, the system is not asked.
    pub(in crate::chain) fn is_below(&self, most: Duration) -> bool {
        self.since.elapsed() < most || self.so_far() < most
    }
}

fn of_thread() -> Option<Duration> {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().ok().map(Duration::from)
}
