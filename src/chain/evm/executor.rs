//! Executes calls away from the threads that serve the network, few at a time.
//!
//! Owns: the places where contracts run. Asked by: `run_loop`, `signature`. Asks: `execute`. Never: goes on for somebody
//! who no longer waits, or gives all its places to questions from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::effort::Effort;
use super::outcome_cache::{OutcomeCache, cache_outcome};
use entitled_core::domain::ids::ChainId;
use entitled_core::evm::execute::{Attempt, Call, execute};
use entitled_core::evm::gas_meter::Limits;
use entitled_core::evm::pinned::Pinned;
use entitled_core::proof::state::{Library, locked};

/// Executions of a chain at once, of the threads that all chains have for this and for names.
const PLACES: usize = 3;
/// Of these, how many may run contracts that some caller named.
const FOR_CALLERS: usize = 1;
/// And how many those that a stranger chose. What callers ask for keeps nobody's licence from being proven, so it has no part
/// of these.
const FOR_STRANGERS: usize = 1;
/// No attempt takes more of a processor. Honest ones take microseconds, and even all the gas there is is mostly used up
/// sooner.
const SLICE: Duration = Duration::from_secs(1);
/// No turn begins an attempt later: however many calls there are, others get their turn in between.
const TURN: Duration = Duration::from_millis(100);

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) enum Asker {
    /// The daemon, of a contract that a product names.
    Ourselves,
    /// The daemon, of a contract that a stranger chose.
    OfStranger,
    /// Somebody, of any contract there is.
    Caller,
}

/// One attempt at each of some calls.
pub(in crate::chain) struct Round {
    pub(in crate::chain) block: Arc<Pinned>,
    pub(in crate::chain) library: Arc<Mutex<Library>>,
    pub(in crate::chain) outcomes: Arc<Mutex<OutcomeCache>>,
    pub(in crate::chain) calls: Arc<[Call]>,
    /// Which of the calls, and how much gas each may use.
    pub(in crate::chain) pending: Vec<(usize, u64)>,
    pub(in crate::chain) asker: Asker,
    pub(in crate::chain) deadline: Instant,
}

/// How the attempts went, in order; those there was no time for in this turn are left out.
#[derive(Debug, Default)]
pub(in crate::chain) struct Attempts {
    pub(in crate::chain) attempts: Vec<(usize, Attempt)>,
    /// Of a processor.
    pub(in crate::chain) took: Duration,
}

#[derive(Debug)]
pub(in crate::chain) struct Executor {
    pub(in crate::chain) chain: u64,
    places: Arc<Semaphore>,
    for_callers: Arc<Semaphore>,
    for_strangers: Arc<Semaphore>,
    /// Whether that was told.
    rules_in_doubt: AtomicBool,
}

/// Set when the one who waits is gone.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Executor {
    pub(in crate::chain) fn new(chain: u64) -> Self {
        Self {
            chain,
            places: Arc::new(Semaphore::new(PLACES)),
            for_callers: Arc::new(Semaphore::new(FOR_CALLERS)),
            for_strangers: Arc::new(Semaphore::new(FOR_STRANGERS)),
            rules_in_doubt: AtomicBool::new(false),
        }
    }

    /// Tells once that a contract did what the rules of a later fork may tell otherwise.
    pub(in crate::chain) fn rules_in_doubt(&self) {
        if !self.rules_in_doubt.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                chain = %ChainId(self.chain),
                "a contract does what is not known to be in force on its chain, or is not the same on all: its answers are \
                 unknown. If the chain's EVM has newer rules than its headers show, name them by `evm`",
            );
        }
    }

    /// Waits for a place and runs a round for one turn. Nothing was attempted when there was no place before
    /// the deadline.
    pub(in crate::chain) async fn run(&self, round: Round) -> Attempts {
        let (chain, asker, deadline) = (self.chain, round.asker, round.deadline);
        let work = move |given_up: &AtomicBool| round.attempt(chain, given_up);
        self.at_place(asker, deadline, work).await.unwrap_or_default()
    }

    /// Waits for a place and does `work` there, which has to ask [`goes_on`] and obey. `None`: there was no
    /// place before the deadline, or the work broke down.
    pub(in crate::chain) async fn at_place<T: Send + 'static>(
        &self,
        asker: Asker,
        deadline: Instant,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Option<T> {
        let places = tokio::time::timeout_at(deadline, async {
            let of_these = match asker {
                Asker::Ourselves => None,
                Asker::OfStranger => Some(&self.for_strangers),
                Asker::Caller => Some(&self.for_callers),
            };
            let of_these = match of_these {
                Some(places) => Some(Arc::clone(places).acquire_owned().await),
                None => None,
            };
            (of_these, Arc::clone(&self.places).acquire_owned().await)
        });
        let places = places.await.ok()?;
        let abandoned = Abandon(Arc::default());
        let given_up = Arc::clone(&abandoned.0);
        let work = move || {
            let done = work(&given_up);
            // Not given back before the work is over, whoever still waits for it.
            drop(places);
            done
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Whether an attempt may go on that has taken so much so far.
pub(in crate::chain) fn goes_on(given_up: &AtomicBool, deadline: Instant, effort: &Effort) -> bool {
    !given_up.load(Ordering::Relaxed) && Instant::now() < deadline && effort.is_below(SLICE)
}

impl Round {
    fn attempt(&self, chain: u64, given_up: &AtomicBool) -> Attempts {
        let turn = Effort::begin();
        let goes_on = |effort: &Effort| goes_on(given_up, self.deadline, effort);
        let in_turn = || goes_on(&turn) && turn.is_below(TURN);
        let mut attempts = Vec::new();
        for (index, gas) in self.pending.iter().copied().take_while(|_| in_turn()) {
            let call = &self.calls[index];
            // One lock at a time: whoever asks what is expected holds the other.
            let known = locked(&self.outcomes).get(call);
            let known = known.and_then(|it| it.recall(&self.block));
            let attempt = known.map(Attempt::recalled).unwrap_or_else(|| {
                let own = Effort::begin();
                let limits = Limits { gas, go_on: &|| goes_on(&own) };
                let state = (&self.block.facts, &*self.library);
                let attempt = {
                    let rules = (chain, self.block.rules);
                    execute(rules, &self.block.header, state, call, limits)
                };
                cache_outcome(&self.outcomes, &self.block, call, &attempt);
                attempt
            });
            attempts.push((index, attempt));
        }
        Attempts { attempts, took: turn.so_far() }
    }
}

#[cfg(test)]
mod tests;
