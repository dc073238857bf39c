//! Runs calls at a block, fetching and proving what they need until they end.
//!
//! Owns: code by hash, nodes of tries by hash, and how calls ended before. Asked by: `block`, `calls`,
//! `signature`. Asks: `executor`, `proof_fetch`. Never: executes over anything a proof did not establish.
//!
//! All calls advance together: each round runs every one that has not ended, and fetches what they all
//! lack at once. What a call looked at last time is proven first, as far as that may have changed; then
//! most calls need not be run at all (`outcome_cache`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::B256;
use tokio::time::Instant;

use super::access_list;
use super::event_hints::EventHints;
use super::executor::{Asker, Executor, Round};
use super::limits::{ACCOUNTS, BUSY, GAS, MISSES};
use super::outcome_cache::OutcomeCache;
use super::proof_plan::{Wanted, choose};
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use entitled_core::domain::ownership::Cause;
use entitled_core::evm::execute::{Attempt, Call, Outcome, Stopped};
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::rules::Rules;
use entitled_core::proof::state::{Facts, Library, Need, locked};
use entitled_core::proof::trie_nodes::Nodes;

/// Or so long for each, where they are very many.
const BUSY_FOR_EACH: Duration = Duration::from_millis(2);

/// Rounds after which an endpoint is asked what the calls will look at. Most have ended by then: a proxy,
/// its code, a slot or two. One that goes through its slots (ERC-721A) has only begun.
const ACCESS_LISTS_AFTER: usize = 4;
/// Calls about which it is asked.
const ACCESS_LISTS: usize = 32;
/// Slots collected while their accounts are not proven yet: of more, a few are asked for, and all are gone
/// through once it is known whose storage has changed.
const AHEAD: usize = 128;
/// Rounds of finding out which of the slots that were looked at before have changed. A trie of a million
/// slots is five nodes deep. After these all are asked for.
const DESCENTS: usize = 12;

#[derive(Debug)]
pub(in crate::chain) struct RunLoop {
    pub(in crate::chain) executor: Executor,
    pub(in crate::chain) library: Arc<Mutex<Library>>,
    pub(in crate::chain) nodes: Arc<Mutex<Nodes>>,
    outcomes: Arc<Mutex<OutcomeCache>>,
    pub(in crate::chain) event_hints: Arc<Mutex<EventHints>>,
}

impl RunLoop {
    pub(in crate::chain) fn new(chain: u64) -> Self {
        let (library, nodes, outcomes) = (Arc::default(), Arc::default(), Arc::default());
        Self {
            executor: Executor::new(chain),
            library,
            nodes,
            outcomes,
            event_hints: Arc::default(),
        }
    }

    /// A block to run calls at. `hash` must be that of `header`.
    pub(in crate::chain) fn pin(&self, hash: B256, header: Header, rules: Rules) -> Pinned {
        let facts = Mutex::new(Facts::at(header.state_root, Arc::clone(&self.nodes)));
        Pinned { hash, header, rules, facts }
    }

    /// Runs each of `calls` to its end. In their order: how it ended, or why that could not be found out.
    pub(in crate::chain) async fn run(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        (calls, asker): (Vec<Call>, Asker),
        deadline: Instant,
    ) -> Vec<Result<Outcome, Cause>> {
        let mut run = Run::new(calls);
        if let Err(cause) = self.refresh(pool, block, (&run.calls, asker), deadline).await {
            return run.fill(cause);
        }
        loop {
            let mut needs = match self.round(block, &mut run, (asker, deadline)).await {
                Ok(needs) => needs,
                Err(cause) => return run.fill(cause),
            };
            if run.pending().is_empty() {
                return run.fill(Cause::Contract);
            }
            if run.rounds == ACCESS_LISTS_AFTER {
                self.prefetch_access_lists(pool, block, &run, deadline).await;
                needs.retain(|need| !block.facts().has(need, &self.library()));
            }
            if let Err(cause) = self.fetch(pool, block, &needs, deadline).await {
                return run.fill(cause);
            }
        }
    }

    /// Attempts every call that has not ended, in as many turns as that takes. What they lack.
    async fn round(
        &self,
        block: &Arc<Pinned>,
        run: &mut Run,
        (asker, deadline): (Asker, Instant),
    ) -> Result<BTreeSet<Need>, Cause> {
        let mut pending = run.pending();
        let mut needs = BTreeSet::new();
        while !pending.is_empty() {
            if run.is_over() {
                return Err(Cause::Contract);
            }
            let round = Round {
                block: Arc::clone(block),
                library: Arc::clone(&self.library),
                outcomes: Arc::clone(&self.outcomes),
                calls: Arc::clone(&run.calls),
                pending: pending.clone(),
                asker,
                deadline,
            };
            let done = self.executor.run(round).await;
            if Instant::now() >= deadline {
                return Err(EndpointError::Late.cause());
            }
            if done.attempts.is_empty() {
                // The execution itself broke down; nothing more can be learnt by going on.
                return Err(Cause::Contract);
            }
            run.took += done.took;
            pending.drain(..done.attempts.len());
            for (index, attempt) in done.attempts {
                if attempt.ended == Err(Stopped::RulesInDoubt) {
                    self.executor.rules_in_doubt();
                }
                needs.extend(run.note(index, &attempt));
            }
        }
        run.rounds += 1;
        Ok(needs)
    }

    /// Proves what the calls looked at last time, as far as it may have changed since: first the accounts,
    /// with a few slots each; then, where an account's storage has changed, what lies below nodes that
    /// are not here.
    async fn refresh(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        (calls, asker): (&Arc<[Call]>, Asker),
        deadline: Instant,
    ) -> Result<(), Cause> {
        let mut wanted = None;
        for descent in 0..=DESCENTS {
            let (at, calls) = (Arc::clone(block), Arc::clone(calls));
            let (library, outcomes) = (Arc::clone(&self.library), Arc::clone(&self.outcomes));
            let event_hints = Arc::clone(&self.event_hints);
            let work = move |_: &std::sync::atomic::AtomicBool| {
                let mut facts = at.facts();
                let (mut needs, mut wanted) = wanted.map_or_else(
                    || expected(&calls, (&outcomes, &event_hints), &mut facts),
                    |it| (BTreeSet::new(), it),
                );
                let library = locked(&library);
                needs.extend(choose(&mut wanted, &mut facts, &library));
                (needs, wanted)
            };
            let done = self.executor.at_place(asker, deadline, work).await;
            let (mut needs, rest) = done.ok_or_else(|| EndpointError::Late.cause())?;
            if needs.is_empty() {
                return Ok(());
            }
            if descent == DESCENTS {
                needs.extend(rest.iter().map(|it| Need::Slot(it.address, it.slot)));
            }
            self.fetch(pool, block, &needs, deadline).await?;
            // What an account's storage root decides is seen best from the start.
            let accounts = needs.iter().any(|it| matches!(it, Need::Account(_)));
            wanted = (!accounts).then_some(rest);
        }
        Ok(())
    }

    /// Fetches beforehand what an endpoint believes the remaining calls will look at. Whatever fails here
    /// is fetched when it is missed.
    async fn prefetch_access_lists(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        run: &Run,
        deadline: Instant,
    ) {
        let pending = run.pending().into_iter().take(ACCESS_LISTS);
        let calls: Vec<Call> = pending.map(|(index, _)| run.calls[index].clone()).collect();
        let hinted = access_list::needs(pool, block, &calls, deadline).await;
        let lacks = |need: &Need| !block.facts().has(need, &self.library());
        let lacking = hinted.into_iter().filter(lacks).collect();
        if let Err(cause) = self.fetch(pool, block, &lacking, deadline).await {
            tracing::debug!(?cause, "what a hint named was not proven");
        }
    }

    pub(in crate::chain) fn library(&self) -> MutexGuard<'_, Library> {
        locked(&self.library)
    }
}

/// What the calls will need, going by what they looked at last time: what is needed in any case, and slots
/// that may have changed.
fn expected(
    calls: &[Call],
    (outcomes, event_hints): (&Mutex<OutcomeCache>, &Mutex<EventHints>),
    facts: &mut Facts,
) -> (BTreeSet<Need>, Vec<Wanted>) {
    let (mut needs, mut slots) = (BTreeSet::new(), BTreeMap::new());
    for call in calls {
        if facts.account(call.to).is_none() {
            needs.insert(Need::Account(call.to));
        }
        let Some(before) = locked(outcomes).get(call) else { continue };
        let (accounts, changed) = before.wants(facts);
        let unknown = !accounts.is_empty();
        needs.extend(accounts.into_iter().map(Need::Account));
        if unknown && slots.len() >= AHEAD {
            continue;
        }
        let hinted = !changed.is_empty() && locked(event_hints).concern(call);
        for slot in changed {
            *slots.entry(slot).or_default() |= hinted;
        }
    }
    let wanted = slots.into_iter().map(|((at, slot), hinted)| Wanted::new(at, slot, hinted));
    (needs, wanted.collect())
}

/// Calls on their way to an end, and what they cost so far.
struct Run {
    calls: Arc<[Call]>,
    ended: Vec<Option<Result<Outcome, Cause>>>,
    misses: Vec<usize>,
    /// Gas used by each call in all its attempts.
    gas: Vec<u64>,
    /// How long all were executing.
    took: Duration,
    rounds: usize,
}

impl Run {
    fn new(calls: Vec<Call>) -> Self {
        let count = calls.len();
        Self {
            calls: calls.into(),
            ended: vec![None; count],
            misses: vec![0; count],
            gas: vec![0; count],
            took: Duration::ZERO,
            rounds: 0,
        }
    }

    /// Whether they have been executing for too long.
    fn is_over(&self) -> bool {
        let calls = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.took >= BUSY.max(BUSY_FOR_EACH.saturating_mul(calls))
    }

    /// The calls that have not ended, and how much gas is left to each.
    fn pending(&self) -> Vec<(usize, u64)> {
        let left = |index: usize| (index, GAS.saturating_sub(self.gas[index]));
        (0..self.calls.len()).filter(|it| self.ended[*it].is_none()).map(left).collect()
    }

    /// Takes note of an attempt. Returns what it lacked, if it is worth another one. A contract that looks
    /// at too much or takes too long gets no answer.
    fn note(&mut self, index: usize, attempt: &Attempt) -> Option<Need> {
        self.misses[index] += 1;
        self.gas[index] = self.gas[index].saturating_add(attempt.gas);
        let accounts = attempt.touched.iter().filter(|it| matches!(it, Need::Account(_))).count();
        let fits = self.misses[index] <= MISSES && accounts <= ACCOUNTS;
        let ended = match &attempt.ended {
            Ok(outcome) if fits => Ok(outcome.clone()),
            Err(Stopped::Missing(need)) if fits && !matches!(need, Need::BlockHash(_)) => {
                return Some(*need);
            }
            _ => Err(Cause::Contract),
        };
        self.ended[index] = Some(ended);
        None
    }

    /// What has not ended, did not for this cause.
    fn fill(self, cause: Cause) -> Vec<Result<Outcome, Cause>> {
        self.ended.into_iter().map(|it| it.unwrap_or_else(|| Err(cause))).collect()
    }
}

#[cfg(test)]
mod tests;
