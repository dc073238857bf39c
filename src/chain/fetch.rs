//! Brings pieces of state from an endpoint, and keeps what their proofs prove.
//!
//! Asked by: `gather`, `signature`. Asks: `pool`. Never: keeps anything that was not verified.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use futures_util::FutureExt;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::endpoint::BlockName;
use super::endpoint::Endpoint;
use super::gather::Gatherer;
use super::nodes::Nodes;
use super::nodes::named;
use super::pinned::Pinned;
use super::plan::Plan;
use super::pool::Pool;
use super::proof::proofs_of;
use super::proof::verify;
use super::proof::verify_code;
use super::refusal::Refusal;
use super::state::Library;
use super::state::Need;
use super::state::locked;
use crate::domain::ownership::Cause;

/// Slots that are still asked for when a question for more of them was refused, for whatever reason.
const FEW: usize = 64;

impl Gatherer {
    /// Fetches and proves `needs`, from whichever endpoint can.
    pub(super) async fn fetch(
        &self,
        pool: &Pool,
        block: &Arc<Pinned>,
        needs: &BTreeSet<Need>,
        deadline: Instant,
    ) -> Result<(), Cause> {
        if needs.is_empty() {
            return Ok(());
        }
        let ask = |endpoint: Arc<Endpoint>| {
            async move { self.fetch_from(&endpoint, block, needs).await }.boxed()
        };
        pool.first(deadline, ask).await
    }

    /// What an endpoint before this one brought is not asked for again.
    async fn fetch_from(
        &self,
        endpoint: &Endpoint,
        block: &Arc<Pinned>,
        needs: &BTreeSet<Need>,
    ) -> Result<(), Refusal> {
        let mut parts = {
            let (mut facts, library) = (block.facts(), self.library());
            let lacks = |need: &&Need| !facts.has(need, &library);
            let lacking = needs.iter().filter(lacks).copied().collect();
            Plan::new(&lacking, &library).parts()
        };
        parts.reverse();
        while let Some(part) = parts.pop() {
            match self.fetch_part(endpoint, block, part.clone()).await {
                Ok(()) => {}
                Err(refusal) => {
                    let smaller = matches!(refusal, Refusal::TooMuch { .. })
                        || (refusal.is_no() && part.slots() > FEW);
                    let (first, second) =
                        smaller.then(|| part.halved()).flatten().ok_or(refusal)?;
                    parts.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    async fn fetch_part(
        &self,
        endpoint: &Endpoint,
        block: &Arc<Pinned>,
        plan: Plan,
    ) -> Result<(), Refusal> {
        let by_hash = endpoint.standing().takes_hashes;
        if by_hash {
            let name = json!({ "blockHash": block.hash });
            match endpoint.ask_all(&plan.questions(&name)).await {
                Ok(answers) => {
                    let learnt = self.learn(block, plan, answers).await;
                    return learnt.map_err(|it| endpoint.refute(it));
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
        let learnt = self.learn(block, plan, answers).await;
        let Err(refusal) = learnt else { return Ok(()) };
        match endpoint.header(BlockName::Number(block.header.number)).await? {
            Some((hash, _)) if hash == block.hash => Err(endpoint.refute(refusal)),
            _ => Err(Refusal::Pruned { message: "it has another block of this number".to_owned() }),
        }
    }

    /// Verifies every answer and keeps what they prove. Beside the threads of the network: a thousand proofs
    /// are some milliseconds of hashing.
    async fn learn(
        &self,
        block: &Arc<Pinned>,
        plan: Plan,
        answers: Vec<Box<RawValue>>,
    ) -> Result<(), Refusal> {
        let (block, library) = (Arc::clone(block), Arc::clone(&self.library));
        let nodes = Arc::clone(&self.nodes);
        let work = move || learn(&block, (&library, &nodes), &plan, &answers);
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Refusal::Garbled))
    }
}

fn learn(
    block: &Pinned,
    (library, nodes): (&Mutex<Library>, &Mutex<Nodes>),
    plan: &Plan,
    answers: &[Box<RawValue>],
) -> Result<(), Refusal> {
    let (proofs, codes) = answers.split_at_checked(plan.proofs.len()).ok_or(Refusal::Garbled)?;
    for (asked, answer) in plan.proofs.iter().zip(proofs) {
        let proof: EIP1186AccountProofResponse = read(answer)?;
        let proven = verify(&proof, asked.address, &asked.slots, block.header.state_root)?;
        let named = named(proofs_of(&proof, &asked.slots));
        locked(nodes).learn(named);
        locked(library).weigh(asked.address, asked.slots.len(), answer.get().len());
        block.facts().learn(asked.address, proven);
    }
    for (address, answer) in plan.codes.iter().zip(codes) {
        let code: Bytes = read(answer)?;
        let hash = block.facts().code_hash(*address).ok_or(Refusal::Garbled)?;
        verify_code(*address, &code, hash)?;
        locked(library).learn(*address, hash, code);
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(answer: &RawValue) -> Result<T, Refusal> {
    if answer.get() == "null" {
        return Err(Refusal::Pruned { message: "null".to_owned() });
    }
    serde_json::from_str(answer.get()).map_err(|_| Refusal::Garbled)
}
