//! Runs calls at a block, fetching and proving what they need until they end.
//!
//! Owns: code by hash, and the trail each call left last time. Asked by: `mod`, `look`. Asks: `pool`.
//! Never: executes over anything a proof did not establish.
//!
//! All calls advance together: each round runs every one that has not ended, and fetches what they all
//! lack at once. A call seen before starts with everything it looked at last time.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::U256;
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use futures_util::FutureExt;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::endpoint::BlockName;
use super::endpoint::Endpoint;
use super::execute::Attempt;
use super::execute::Call;
use super::execute::Outcome;
use super::execute::Stopped;
use super::executor::Asker;
use super::executor::Executor;
use super::executor::Round;
use super::hint;
use super::pool::Pool;
use super::proof::verify;
use super::proof::verify_code;
use super::refusal::Refusal;
use super::state::Facts;
use super::state::Library;
use super::state::Need;
use super::state::locked;
use crate::domain::ownership::Cause;

/// No more pieces of state than this fetched for one call.
pub(super) const MISSES: usize = 256;
/// No more accounts than this looked at by one call.
pub(super) const ACCOUNTS: usize = 64;
/// No more gas than this for one call, over all its attempts. Each begins at the start again: 256 misses at
/// some 2,300 gas add up to 75 million.
pub(super) const GAS: u64 = 100_000_000;
/// No longer than this executing calls that were asked for together, over all their attempts: enough for
/// tens of thousands of honest ones, or a few that burn all the gas they have.
pub(super) const BUSY: Duration = Duration::from_secs(8);
/// Slots in one `eth_getProof`; geth allows 1,024, and 256 stay far below the bound on a body.
const SLOTS: usize = 256;

/// Rounds after which an endpoint is asked what the calls will look at. Most have ended by then: a proxy,
/// its code, a slot or two. One that goes through its slots (ERC-721A) has only begun.
const HINT_AFTER: usize = 4;
/// Calls about which it is asked.
const HINTS: usize = 32;

/// A verified header and what was proven at it.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) hash: B256,
    pub(super) header: Header,
    pub(super) facts: Mutex<Facts>,
}

impl Pinned {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        locked(&self.facts)
    }
}

#[derive(Debug)]
pub(super) struct Gatherer {
    pub(super) executor: Executor,
    pub(super) library: Arc<Mutex<Library>>,
    trails: Mutex<HashMap<Call, BTreeSet<Need>>>,
}

impl Gatherer {
    const TRAILS: usize = 20_000;

    pub(super) fn new(chain: u64) -> Self {
        Self { executor: Executor::new(chain), library: Arc::default(), trails: Mutex::default() }
    }

    /// Runs each of `calls` to its end. In their order: how it ended, or why that could not be found out.
    pub(super) async fn run(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        (calls, asker): (Vec<Call>, Asker),
        deadline: Instant,
    ) -> Vec<Result<Outcome, Cause>> {
        let mut run = Run::new(calls);
        let mut needs = self.expected(block, &run.calls);
        loop {
            if let Err(cause) = self.fetch(pool, block, &needs, deadline).await {
                return run.fill(cause);
            }
            let pending = run.pending();
            if pending.is_empty() || run.took >= BUSY {
                return run.fill(Cause::Contract);
            }
            let (library, calls) = (Arc::clone(&self.library), Arc::clone(&run.calls));
            let at = Arc::clone(block);
            let round = Round { block: at, library, calls, pending, asker, deadline };
            let done = self.executor.run(round).await;
            if Instant::now() >= deadline {
                return run.fill(Refusal::Late.cause());
            }
            if done.attempts.is_empty() {
                // The execution itself broke down; nothing more can be learnt by going on.
                return run.fill(Cause::Contract);
            }
            run.took += done.took;
            run.rounds += 1;
            needs.clear();
            for (index, attempt) in done.attempts {
                needs.extend(run.note(index, &attempt));
                if matches!(run.ended[index], Some(Ok(_))) {
                    self.remember(&run.calls[index], attempt.touched);
                }
            }
            if run.rounds == HINT_AFTER {
                self.follow_hint(pool, block, &run, deadline).await;
                needs.retain(|need| !block.facts().has(need, &self.library()));
            }
        }
    }

    /// Fetches beforehand what an endpoint believes the remaining calls will look at. Whatever fails here
    /// is fetched when it is missed.
    async fn follow_hint(&self, pool: &Pool, block: &Pinned, run: &Run, deadline: Instant) {
        let pending = run.pending().into_iter().take(HINTS);
        let calls: Vec<Call> = pending.map(|(index, _)| run.calls[index].clone()).collect();
        if calls.is_empty() {
            return;
        }
        let hinted = hint::needs(pool, block, &calls, deadline).await;
        let lacks = |need: &Need| !block.facts().has(need, &self.library());
        let lacking = hinted.into_iter().filter(lacks).collect();
        if let Err(cause) = self.fetch(pool, block, &lacking, deadline).await {
            tracing::debug!(?cause, "what a hint named was not proven");
        }
    }

    /// What the calls will need, going by what they looked at last time.
    fn expected(&self, block: &Pinned, calls: &[Call]) -> BTreeSet<Need> {
        let trails = locked(&self.trails);
        let (facts, library) = (block.facts(), self.library());
        calls
            .iter()
            .flat_map(|call| {
                let trail = trails.get(call).into_iter().flatten().copied();
                trail.chain([Need::Account(call.to)])
            })
            .filter(|need| !facts.has(need, &library))
            .collect()
    }

    fn remember(&self, call: &Call, touched: BTreeSet<Need>) {
        let mut trails = locked(&self.trails);
        if trails.len() >= Self::TRAILS {
            trails.clear();
        }
        trails.insert(call.clone(), touched);
    }

    fn library(&self) -> MutexGuard<'_, Library> {
        locked(&self.library)
    }

    /// Fetches and proves `needs`, from whichever endpoint can.
    pub(super) async fn fetch(
        &self,
        pool: &Pool,
        block: &Pinned,
        needs: &BTreeSet<Need>,
        deadline: Instant,
    ) -> Result<(), Cause> {
        if needs.is_empty() {
            return Ok(());
        }
        let plan = &Plan::new(needs, &self.library());
        let ask = |endpoint: Arc<Endpoint>| {
            async move { self.fetch_from(&endpoint, block, plan).await }.boxed()
        };
        pool.first(deadline, ask).await
    }

    async fn fetch_from(
        &self,
        endpoint: &Endpoint,
        block: &Pinned,
        plan: &Plan,
    ) -> Result<(), Refusal> {
        let by_hash = endpoint.standing().takes_hashes;
        if by_hash {
            let name = json!({ "blockHash": block.hash });
            match endpoint.ask_all(&plan.questions(&name)).await {
                Ok(answers) => {
                    return self.learn(block, plan, &answers).map_err(|it| endpoint.refute(it));
                }
                Err(Refusal::Refused { .. } | Refusal::Unsupported { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        // Some nodes do not take a hash here (EIP-1898). A number is as safe, the proof is checked
        // against the same root; but another block of that number is a reorganisation and not a lie.
        let name = json!(U64::from(block.header.number));
        let answers = endpoint.ask_all(&plan.questions(&name)).await?;
        if by_hash {
            endpoint.standing().takes_hashes = false;
        }
        let learnt = self.learn(block, plan, &answers);
        let Err(refusal) = learnt else { return Ok(()) };
        match endpoint.header(BlockName::Number(block.header.number)).await? {
            Some((hash, _)) if hash == block.hash => Err(endpoint.refute(refusal)),
            _ => Err(Refusal::Pruned { message: "it has another block of this number".to_owned() }),
        }
    }

    /// Verifies every answer and keeps what they prove.
    fn learn(&self, block: &Pinned, plan: &Plan, answers: &[Box<RawValue>]) -> Result<(), Refusal> {
        let (proofs, codes) =
            answers.split_at_checked(plan.proofs.len()).ok_or(Refusal::Garbled)?;
        for ((address, slots), answer) in plan.proofs.iter().zip(proofs) {
            let proof: EIP1186AccountProofResponse = read(answer)?;
            let proven = verify(&proof, *address, slots, block.header.state_root)?;
            block.facts().learn(*address, proven);
        }
        for (address, answer) in plan.codes.iter().zip(codes) {
            let code: Bytes = read(answer)?;
            let hash = block.facts().code_hash(*address).ok_or(Refusal::Garbled)?;
            verify_code(*address, &code, hash)?;
            self.library().learn(*address, hash, code);
        }
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: &RawValue) -> Result<T, Refusal> {
    if answer.get() == "null" {
        return Err(Refusal::Pruned { message: "null".to_owned() });
    }
    serde_json::from_str(answer.get()).map_err(|_| Refusal::Garbled)
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

/// The requests that will bring what is needed.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    proofs: Vec<(Address, Vec<U256>)>,
    codes: Vec<Address>,
}

impl Plan {
    fn new(needs: &BTreeSet<Need>, library: &Library) -> Self {
        let mut slots = BTreeMap::<Address, Vec<U256>>::new();
        let mut codes = BTreeSet::new();
        for need in needs {
            match *need {
                Need::Account(address) => {
                    slots.entry(address).or_default();
                    // Who is looked at is usually also run; its code comes along if it is not here yet.
                    if !library.probably_has_code_of(address) {
                        codes.insert(address);
                    }
                }
                Need::Slot(address, slot) => slots.entry(address).or_default().push(slot),
                Need::Code(address, _) => {
                    codes.insert(address);
                }
                Need::BlockHash(_) => {}
            }
        }
        let mut proofs = Vec::new();
        for (address, slots) in slots {
            if slots.is_empty() {
                proofs.push((address, slots));
                continue;
            }
            proofs.extend(slots.chunks(SLOTS).map(|part| (address, part.to_vec())));
        }
        Self { proofs, codes: codes.into_iter().collect() }
    }

    /// Keys are always written with 32 bytes: some nodes refuse shorter ones.
    fn questions(&self, block: &Value) -> Vec<(&'static str, Value)> {
        let proofs = self.proofs.iter().map(|(address, slots)| {
            let keys: Vec<B256> = slots.iter().map(|it| B256::from(*it)).collect();
            ("eth_getProof", json!([address, keys, block]))
        });
        let codes = self.codes.iter().map(|it| ("eth_getCode", json!([it, block])));
        proofs.chain(codes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Address = Address::repeat_byte(1);

    #[test]
    fn many_slots_of_one_account_take_few_requests() {
        let needs = (0..600_u64).map(|it| Need::Slot(AT, U256::from(it))).collect();
        let plan = Plan::new(&needs, &Library::default());
        assert_eq!(
            plan.proofs.iter().map(|(_, slots)| slots.len()).collect::<Vec<_>>(),
            [256, 256, 88]
        );
        assert!(plan.codes.is_empty());
    }

    #[test]
    fn an_account_seen_for_the_first_time_brings_its_code() {
        let needs = BTreeSet::from([Need::Account(AT)]);
        let mut library = Library::default();
        assert_eq!(Plan::new(&needs, &library).codes, [AT]);
        library.learn(AT, B256::repeat_byte(3), Bytes::from_static(&[0]));
        assert!(Plan::new(&needs, &library).codes.is_empty());
    }

    #[test]
    fn keys_have_32_bytes() {
        let needs = BTreeSet::from([Need::Slot(AT, U256::ZERO)]);
        let questions = Plan::new(&needs, &Library::default()).questions(&json!("latest"));
        assert_eq!(questions[0].1[1][0].as_str().map(str::len), Some(66));
    }

    fn touching(accounts: u64, ended: Result<Outcome, Stopped>) -> Attempt {
        let account = |it: u64| Need::Account(Address::from_word(U256::from(it).into()));
        Attempt { ended, touched: (0..accounts).map(account).collect(), gas: 1_000 }
    }

    fn run() -> Run {
        Run::new(vec![Call { to: AT, data: Bytes::new() }])
    }

    #[test]
    fn a_contract_that_looks_at_too_many_accounts_gets_no_answer() {
        for (accounts, ended) in [(64, Ok(Outcome::Halted)), (65, Err(Cause::Contract))] {
            let mut run = run();
            assert_eq!(run.note(0, &touching(accounts, Ok(Outcome::Halted))), None);
            assert_eq!(run.ended[0], Some(ended), "{accounts}");
        }
    }

    #[test]
    fn a_contract_that_misses_too_often_gets_no_answer() {
        let (mut run, need) = (run(), Need::Slot(AT, U256::ZERO));
        for _ in 0..MISSES {
            assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), Some(need));
        }
        assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), None);
        assert_eq!(run.ended[0], Some(Err(Cause::Contract)));
    }

    #[test]
    fn what_nobody_can_prove_and_what_takes_too_long_is_no_answer() {
        for stopped in [Stopped::Missing(Need::BlockHash(1)), Stopped::Limited] {
            let mut run = run();
            assert_eq!(run.note(0, &touching(1, Err(stopped))), None);
            assert_eq!(run.ended[0], Some(Err(Cause::Contract)), "{stopped:?}");
        }
    }

    #[test]
    fn gas_is_counted_over_all_attempts() {
        let (mut run, need) = (run(), Need::Slot(AT, U256::ZERO));
        for attempts in 1..=200 {
            run.note(0, &touching(1, Err(Stopped::Missing(need))));
            assert_eq!(run.pending(), [(0, GAS - attempts * 1_000)]);
        }
    }

    #[test]
    fn a_contract_that_burns_gas_before_each_miss_is_not_run_for_long() {
        use crate::chain::effort::Limits;
        use crate::chain::execute::execute;
        use crate::chain::state::tests::having;
        use crate::chain::state::tests::prove_zero;
        // Grows its memory for 20 million gas, then reads slot after slot.
        let code = alloy_primitives::hex!("6000623030005260005b805450600101600956");
        let (facts, library) = having(AT, &code);
        let (mut run, mut used) = (run(), 0);
        while let [(index, gas)] = run.pending()[..] {
            let limits = Limits { gas, go_on: &|| true };
            let call = &run.calls[index].clone();
            let attempt = execute(1, &Header::default(), (&facts, &library), call, limits);
            used += attempt.gas;
            assert!(run.misses[0] < 10, "{attempt:?}");
            if let Some(Need::Slot(_, slot)) = run.note(index, &attempt) {
                prove_zero(&facts, AT, slot);
            }
        }
        assert_eq!(run.ended[0], Some(Err(Cause::Contract)));
        assert!((GAS..GAS + 31_000_000).contains(&used), "{used}");
    }
}
