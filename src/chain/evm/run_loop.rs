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
use super::limits::{ACCOUNTS, BUSY, GAS, GAS_OF_STRANGERS, MISSES, MISSES_OF_STRANGERS};
use super::outcome_cache::OutcomeCache;
use super::proof_plan::{Wanted, choose};
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use entitled_core::domain::ownership::Cause;
use entitled_core::evm::execute::{Attempt, Call, Outcome, Stopped};
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::rules::Rules;
use entitled_core::proof::lru_cache::LruCache;
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
/// Of what is remembered of calls that took too much.
const GIVEN_UP_BYTES: usize = 1024 * 1024;
/// Rounds of finding out which of the slots that were looked at before have changed. A trie of a million
/// slots is five nodes deep. After these all are asked for.
const DESCENTS: usize = 12;

#[derive(Debug)]
pub(in crate::chain) struct RunLoop {
    pub(in crate::chain) executor: Executor,
    pub(in crate::chain) library: Arc<Mutex<Library>>,
    pub(in crate::chain) nodes: Arc<Mutex<Nodes>>,
    outcomes: Arc<Mutex<OutcomeCache>>,
    /// Calls of contracts that strangers chose, that took too much at some block.
    given_up: Mutex<LruCache<Call, B256>>,
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
            given_up: Mutex::new(LruCache::new(GIVEN_UP_BYTES)),
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
        let mut run = Run::new(calls, asker);
        self.recall_given_up(block, &mut run);
        let ended = self.advance(pool, block, (&mut run, asker), deadline).await;
        self.note_given_up(block, &run);
        run.fill(ended.err().unwrap_or(Cause::Contract))
    }

    /// Until all have ended.
    async fn advance(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        (run, asker): (&mut Run, Asker),
        deadline: Instant,
    ) -> Result<(), Cause> {
        if run.pending().is_empty() {
            return Ok(());
        }
        self.refresh(pool, block, (&run.calls, asker), deadline).await?;
        loop {
            let mut needs = self.round(block, run, (asker, deadline)).await?;
            if run.pending().is_empty() {
                return Ok(());
            }
            if run.rounds == ACCESS_LISTS_AFTER {
                self.prefetch_access_lists(pool, block, run, deadline).await;
                needs.retain(|need| !block.facts().has(need, &self.library()));
            }
            self.fetch(pool, block, &needs, deadline).await?;
        }
    }

    /// At the same block they would take as much again, for each wallet that is looked at.
    fn recall_given_up(&self, block: &Pinned, run: &mut Run) {
        if run.of_strangers {
            let mut given_up = locked(&self.given_up);
            for (call, ended) in run.calls.iter().zip(&mut run.ended) {
                if given_up.get(call) == Some(&block.hash) {
                    *ended = Some(Err(Cause::Contract));
                }
            }
        }
    }

    fn note_given_up(&self, block: &Pinned, run: &Run) {
        if run.of_strangers {
            let mut given_up = locked(&self.given_up);
            for (call, ended) in run.calls.iter().zip(&run.ended) {
                if matches!(ended, Some(Err(_))) {
                    given_up.put(call.clone(), block.hash, call.data.len() + size_of::<Call>());
                }
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
    of_strangers: bool,
    /// Misses and gas that each may have.
    each: (usize, u64),
    /// How long all may be executing.
    busy: Duration,
}

impl Run {
    fn new(calls: Vec<Call>, asker: Asker) -> Self {
        let count = calls.len();
        let times = u32::try_from(count).unwrap_or(u32::MAX);
        let busy = BUSY.max(BUSY_FOR_EACH.saturating_mul(times));
        let (each, busy) = match asker {
            Asker::Ourselves | Asker::Caller => ((MISSES, GAS), busy),
            // One that takes all it may must not take that of the others. They have a deadline.
            Asker::OfStranger => ((MISSES_OF_STRANGERS, GAS_OF_STRANGERS), Duration::MAX),
        };
        Self {
            of_strangers: asker == Asker::OfStranger,
            each,
            busy,
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
        self.took >= self.busy
    }

    /// The calls that have not ended, and how much gas is left to each.
    fn pending(&self) -> Vec<(usize, u64)> {
        let left = |index: usize| (index, self.each.1.saturating_sub(self.gas[index]));
        (0..self.calls.len()).filter(|it| self.ended[*it].is_none()).map(left).collect()
    }

    /// Takes note of an attempt. Returns what it lacked, if it is worth another one. A contract that looks
    /// at too much or takes too long gets no answer.
    fn note(&mut self, index: usize, attempt: &Attempt) -> Option<Need> {
        self.misses[index] += 1;
        self.gas[index] = self.gas[index].saturating_add(attempt.gas);
        let accounts = attempt.touched.iter().filter(|it| matches!(it, Need::Account(_))).count();
        let fits = self.misses[index] <= self.each.0 && accounts <= ACCOUNTS;
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
