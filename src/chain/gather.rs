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
use std::sync::PoisonError;
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
use super::execute::execute;
use super::pool::Pool;
use super::proof::verify;
use super::proof::verify_code;
use super::refusal::Refusal;
use super::state::Facts;
use super::state::Library;
use super::state::Need;
use crate::domain::ownership::Cause;

/// No more pieces of state than this fetched for one call.
pub(super) const MISSES: usize = 256;
/// No more accounts than this looked at by one call.
pub(super) const ACCOUNTS: usize = 64;
/// No longer than this executing in one round: enough for thousands of honest calls, or a few that burn
/// all the gas there is.
const BUSY: Duration = Duration::from_secs(2);
/// Slots in one `eth_getProof`; geth allows 1,024, and 256 stay far below the bound on a body.
const SLOTS: usize = 256;

/// A verified header and what was proven at it.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) hash: B256,
    pub(super) header: Header,
    pub(super) facts: Mutex<Facts>,
}

impl Pinned {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Gatherer {
    pub(super) chain: u64,
    pub(super) library: Arc<Mutex<Library>>,
    trails: Mutex<HashMap<Call, BTreeSet<Need>>>,
}

impl Gatherer {
    const TRAILS: usize = 20_000;

    pub(super) fn new(chain: u64) -> Self {
        Self { chain, library: Arc::default(), trails: Mutex::default() }
    }

    /// Runs each of `calls` to its end. In their order: how it ended, or why that could not be found out.
    pub(super) async fn run(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        calls: Vec<Call>,
        deadline: Instant,
    ) -> Vec<Result<Outcome, Cause>> {
        let calls: Arc<[Call]> = calls.into();
        let mut ended: Vec<Option<Result<Outcome, Cause>>> = vec![None; calls.len()];
        let mut misses = vec![0_usize; calls.len()];
        let mut needs = self.expected(block, &calls);
        loop {
            if let Err(cause) = self.fetch(pool, block, &needs, deadline).await {
                return fill(ended, &cause);
            }
            let pending: Vec<usize> =
                (0..calls.len()).filter(|index| ended[*index].is_none()).collect();
            if pending.is_empty() {
                return fill(ended, &Cause::Contract);
            }
            needs.clear();
            for (index, attempt) in self.attempt(block, &calls, pending, deadline).await {
                misses[index] += 1;
                ended[index] = match within_bounds(&attempt, misses[index]) {
                    Err(cause) => Some(Err(cause)),
                    Ok(None) => {
                        needs.extend(attempt.ended.err());
                        None
                    }
                    Ok(Some(outcome)) => {
                        self.remember(&calls[index], attempt.touched);
                        Some(Ok(outcome))
                    }
                };
            }
            if needs.is_empty() && ended.iter().any(Option::is_none) {
                // The execution itself broke down; nothing more can be learnt by going on.
                return fill(ended, &Cause::Contract);
            }
        }
    }

    /// What the calls will need, going by what they looked at last time.
    fn expected(&self, block: &Pinned, calls: &[Call]) -> BTreeSet<Need> {
        let trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
        if trails.len() >= Self::TRAILS {
            trails.clear();
        }
        trails.insert(call.clone(), touched);
    }

    fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt at each pending call, away from the threads that serve the network. Calls that burn all
    /// their gas take long; what is not attempted in time is left out.
    async fn attempt(
        &self,
        block: &Arc<Pinned>,
        calls: &Arc<[Call]>,
        pending: Vec<usize>,
        deadline: Instant,
    ) -> Vec<(usize, Attempt)> {
        let (chain, block, calls) = (self.chain, Arc::clone(block), Arc::clone(calls));
        let library = Arc::clone(&self.library);
        let work = move || {
            let (facts, library) =
                (block.facts(), library.lock().unwrap_or_else(PoisonError::into_inner));
            let attempt = |index| execute(chain, &block.header, (&facts, &library), &calls[index]);
            let until = deadline.min(Instant::now() + BUSY);
            let in_time = |_: &usize| Instant::now() < until;
            pending.into_iter().take_while(in_time).map(|index| (index, attempt(index))).collect()
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
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

fn fill(ended: Vec<Option<Result<Outcome, Cause>>>, cause: &Cause) -> Vec<Result<Outcome, Cause>> {
    ended.into_iter().map(|it| it.unwrap_or_else(|| Err(cause.clone()))).collect()
}

/// The outcome of an attempt, if it has one. A contract that looks at too much gets no answer.
fn within_bounds(attempt: &Attempt, misses: usize) -> Result<Option<Outcome>, Cause> {
    let accounts = attempt.touched.iter().filter(|it| matches!(it, Need::Account(_))).count();
    if misses > MISSES || accounts > ACCOUNTS {
        return Err(Cause::Contract);
    }
    match &attempt.ended {
        Ok(outcome) => Ok(Some(outcome.clone())),
        Err(Need::BlockHash(_)) => Err(Cause::Contract),
        Err(_) => Ok(None),
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

    #[test]
    fn a_contract_that_looks_at_too_much_gets_no_answer() {
        let touched = |count: u64| {
            (0..count).map(|it| Need::Account(Address::from_word(U256::from(it).into()))).collect()
        };
        let attempt = |count| Attempt { ended: Ok(Outcome::Halted), touched: touched(count) };
        assert_eq!(within_bounds(&attempt(64), 1), Ok(Some(Outcome::Halted)));
        assert_eq!(within_bounds(&attempt(65), 1), Err(Cause::Contract));
        assert_eq!(within_bounds(&attempt(1), MISSES + 1), Err(Cause::Contract));
        let ended = Err(Need::BlockHash(1));
        assert_eq!(within_bounds(&Attempt { ended, touched: touched(1) }, 1), Err(Cause::Contract));
    }
}
