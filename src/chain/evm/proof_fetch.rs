//! Brings pieces of state from an endpoint, and keeps what their proofs prove.
//!
//! Asked by: `run_loop`, `signature`. Asks: `pool`. Never: keeps anything that was not verified.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Bytes, U64};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use futures_util::FutureExt;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::proof_plan::Plan;
use super::run_loop::RunLoop;
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use crate::chain::endpoint::{BlockName, Endpoint};
use entitled_core::domain::ownership::Cause;
use entitled_core::evm::pinned::Pinned;
use entitled_core::proof::account_proof::{proofs_of, verify, verify_code};
use entitled_core::proof::state::{Library, Need, locked};
use entitled_core::proof::trie_nodes::{Nodes, named};

/// Slots that are still asked for when a question for more of them was refused, for whatever reason.
const FEW: usize = 64;

impl RunLoop {
    /// Fetches and proves `needs`, from whichever endpoint can.
    pub(in crate::chain) async fn fetch(
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
    ) -> Result<(), EndpointError> {
        let mut batches = {
            let (mut facts, library) = (block.facts(), self.library());
            let lacks = |need: &&Need| !facts.has(need, &library);
            let lacking = needs.iter().filter(lacks).copied().collect();
            Plan::new(&lacking, &library).batches()
        };
        batches.reverse();
        while let Some(batch) = batches.pop() {
            match self.fetch_batch(endpoint, block, batch.clone()).await {
                Ok(()) => {}
                Err(error) => {
                    let smaller = matches!(error, EndpointError::TooMuch { .. })
                        || (error.is_no() && batch.slots() > FEW);
                    let (first, second) = smaller.then(|| batch.halved()).flatten().ok_or(error)?;
                    batches.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    async fn fetch_batch(
        &self,
        endpoint: &Endpoint,
        block: &Arc<Pinned>,
        plan: Plan,
    ) -> Result<(), EndpointError> {
        let by_hash = endpoint.health().takes_hashes;
        if by_hash {
            let name = json!({ "blockHash": block.hash });
            match endpoint.ask_all(&plan.questions(&name)).await {
                Ok(answers) => {
                    let learnt = self.learn(block, plan, answers).await;
                    return learnt.map_err(|it| endpoint.refute(it));
                }
                Err(EndpointError::Refused { .. } | EndpointError::Unsupported { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Some nodes do not take a hash here (EIP-1898). A number is as safe, the proof is checked
        // against the same root; but another block of that number is a reorganisation and not a lie.
        let name = json!(U64::from(block.header.number));
        let answers = endpoint.ask_all(&plan.questions(&name)).await?;
        let learnt = self.learn(block, plan, answers).await;
        if learnt.is_ok() && !by_hash {
            return Ok(());
        }
        let named = endpoint.header(BlockName::Number(block.header.number)).await;
        let has_block = matches!(&named, Ok(Some((hash, _))) if *hash == block.hash);
        // One that does not know the block refuses its hash as well: a head that somebody invented says nothing of it.
        if by_hash && has_block {
            endpoint.health().takes_hashes = false;
        }
        match (learnt, named) {
            (Ok(()), _) => Ok(()),
            (Err(error), _) if has_block => Err(endpoint.refute(error)),
            (Err(_), Err(unnamed)) => Err(unnamed),
            (Err(_), Ok(_)) => Err(EndpointError::Pruned {
                message: "it has another block of this number".to_owned(),
            }),
        }
    }

    /// Verifies every answer and keeps what they prove. Beside the threads of the network: a thousand proofs
    /// are some milliseconds of hashing.
    async fn learn(
        &self,
        block: &Arc<Pinned>,
        plan: Plan,
        answers: Vec<Box<RawValue>>,
    ) -> Result<(), EndpointError> {
        let (block, library) = (Arc::clone(block), Arc::clone(&self.library));
        let nodes = Arc::clone(&self.nodes);
        let work = move || learn(&block, (&library, &nodes), &plan, &answers);
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(EndpointError::Garbled))
    }
}

fn learn(
    block: &Pinned,
    (library, nodes): (&Mutex<Library>, &Mutex<Nodes>),
    plan: &Plan,
    answers: &[Box<RawValue>],
) -> Result<(), EndpointError> {
    let (proofs, codes) =
        answers.split_at_checked(plan.proofs.len()).ok_or(EndpointError::Garbled)?;
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
        let hash = block.facts().code_hash(*address).ok_or(EndpointError::Garbled)?;
        verify_code(*address, &code, hash)?;
        locked(library).learn(*address, hash, code);
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(answer: &RawValue) -> Result<T, EndpointError> {
    if answer.get() == "null" {
        return Err(EndpointError::Pruned { message: "null".to_owned() });
    }
    serde_json::from_str(answer.get()).map_err(|_| EndpointError::Garbled)
}
