//! The proof of one holding in one piece: a block, why it is the chain's, and the state that proves who holds the token.
//!
//! Asked by: `facade`'s callers, for receipts. Asks: `consensus` for the way to the block, `evm` for what is lacking. What is
//! asked of the contract, and how, is [`entitled_core::receipt::Question`]'s: whoever verifies asks the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::block::Block;
use super::endpoint::error::EndpointError;
use super::endpoint::{BlockName, Endpoint};
use super::evm::effort::Effort;
use super::evm::executor::{Asker, goes_on};
use super::evm::limits::{ACCOUNTS, BUSY, GAS, MISSES};
use super::inner::Chain;
use entitled_core::domain::consensus::Checkpoint;
use entitled_core::domain::ids::{Timestamp, Token};
use entitled_core::domain::ownership::{Anchor, Cause, Finality, Terms, Trust, Via};
use entitled_core::evm::gas_meter::Limits;
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::rules::{Named, Rules};
use entitled_core::evm::session::Session;
use entitled_core::evm::signature::Stop;
use entitled_core::proof::state::{Need, locked};
use entitled_core::proof::witness::Witness;
use entitled_core::receipt::{BlockEvidence, Link, Question, Unanswered};

/// No longer than this for one proof.
const DEADLINE: Duration = Duration::from_secs(40);
/// How often everything is proven anew because a node that was proven before is not held any more.
const TRIES: usize = 2;

/// What is to be proven.
#[derive(Debug, Clone)]
pub struct Holding {
    pub token: Token,
    pub terms: Terms,
    pub wallet: Address,
    /// Through whom the wallet holds it, as was seen.
    pub via: Vec<Via>,
    /// Where a contract stands for the wallet.
    pub link: Option<Link>,
}

/// Why the block has to be the chain's.
#[derive(Clone, Copy)]
pub enum Foundation<'a> {
    /// It is named as for every look.
    Named(&'a Block),
    /// Its validators signed for it, from one of these checkpoints.
    Signed { checkpoints: &'a [Checkpoint], finality: Finality },
}

/// A proof in one piece.
#[derive(Debug, Clone)]
pub struct Proof {
    pub block: BlockEvidence,
    /// In RLP.
    pub header: Bytes,
    pub nodes: Vec<Bytes>,
    pub codes: Vec<Bytes>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    #[error("it cannot be proven now: {0}")]
    Unknown(Cause),
    #[error("the way from a checkpoint of the product cannot be had now: {why}")]
    NoWay { why: String },
    #[error("the wallet does not hold the token at the block that counts for the product")]
    NotHeld,
    #[error("the wallet's contract does not stand for its link any more")]
    NotLinked,
}

impl From<Cause> for ProofFault {
    fn from(cause: Cause) -> Self {
        Self::Unknown(cause)
    }
}

/// One attempt, what it looked at, and what it cost.
struct Attempt {
    answer: Result<(), Unanswered>,
    touched: BTreeSet<Need>,
    gas: u64,
    took: Duration,
}

impl Chain {
    /// Proves a holding.
    ///
    /// # Errors
    /// [`ProofFault`]
    pub async fn prove(
        &self,
        holding: &Holding,
        foundation: Foundation<'_>,
    ) -> Result<Proof, ProofFault> {
        let deadline = Instant::now() + DEADLINE;
        let (block, (hash, header), exactly) = match foundation {
            Foundation::Named(block) => {
                let Anchor { trust, finality, .. } = block.anchor;
                // What validators signed is worth no more than its maker's word to whoever cannot see it.
                let trust = trust.min(Trust::Quorum);
                let claimed = BlockEvidence::Claimed { trust, finality };
                let pinned = block.pinned();
                (claimed, (pinned.hash, pinned.header.clone()), None)
            }
            Foundation::Signed { checkpoints, finality } => {
                let sync = self.0.sync.as_ref().ok_or(Cause::TrustOutOfReach)?;
                let (path, hash) = sync
                    .way(checkpoints, finality)
                    .await
                    .map_err(|why| ProofFault::NoWay { why })?;
                let header = self.header_of(hash, deadline).await?;
                let specification = sync.text().map(str::to_owned);
                let signed = BlockEvidence::Signed { specification, path: path.into() };
                let fork = sync.evm_fork_at(header.timestamp);
                (signed, (hash, header), fork)
            }
        };
        // Those of whoever verifies, who does not know the configuration here.
        let rules = Rules::at(self.id(), &header, Named { exactly, at_least: None });
        for _ in 0..TRIES {
            let pinned = Arc::new(self.0.run_loop.pin(hash, header.clone(), rules));
            let touched = self.ask_until_told(&pinned, holding, deadline).await?;
            let nodes = &mut locked(&self.0.run_loop.nodes);
            let Some(witness) = Witness::of(nodes, header.state_root, &touched) else { continue };
            let codes = witness.codes_in(&self.0.run_loop.library());
            return Ok(Proof {
                block,
                header: alloy_rlp::encode(&header).into(),
                nodes: witness.nodes.into_values().collect(),
                codes: codes.into_values().collect(),
            });
        }
        Err(ProofFault::Unknown(Cause::Unreachable))
    }

    /// Asks, fetches what is lacking, and asks again: everything that was looked at in the end.
    async fn ask_until_told(
        &self,
        pinned: &Arc<Pinned>,
        holding: &Holding,
        deadline: Instant,
    ) -> Result<BTreeSet<Need>, ProofFault> {
        let run_loop = &self.0.run_loop;
        let holding = Arc::new(holding.clone());
        let (mut gas, mut took) = (GAS, Duration::ZERO);
        for _ in 0..MISSES {
            let attempt = self.attempt(pinned, &holding, (gas, deadline)).await?;
            gas = attempt.gas;
            took += attempt.took;
            if Instant::now() >= deadline {
                return Err(ProofFault::Unknown(EndpointError::Late.cause()));
            }
            let accounts = attempt.touched.iter().filter(|it| matches!(it, Need::Account(_)));
            if accounts.count() > ACCOUNTS || took >= BUSY {
                return Err(ProofFault::Unknown(Cause::Contract));
            }
            let need = match attempt.answer {
                Ok(()) => return Ok(attempt.touched),
                Err(Unanswered::NotHeld) => return Err(ProofFault::NotHeld),
                Err(Unanswered::NotLinked) => return Err(ProofFault::NotLinked),
                Err(Unanswered::Stopped(Stop::Lacking(need)))
                    if !matches!(need, Need::BlockHash(_)) =>
                {
                    need
                }
                Err(Unanswered::Stopped(_)) => return Err(ProofFault::Unknown(Cause::Contract)),
            };
            run_loop.fetch(&self.0.pool, pinned, &BTreeSet::from([need]), deadline).await?;
        }
        Err(ProofFault::Unknown(Cause::Contract))
    }

    async fn attempt(
        &self,
        pinned: &Arc<Pinned>,
        holding: &Arc<Holding>,
        (gas, deadline): (u64, Instant),
    ) -> Result<Attempt, ProofFault> {
        let (chain, library) = (self.id(), Arc::clone(&self.0.run_loop.library));
        let (pinned, holding) = (Arc::clone(pinned), Arc::clone(holding));
        let work = move |given_up: &AtomicBool| {
            let effort = Effort::begin();
            let go_on = || goes_on(given_up, deadline, &effort);
            let limits = Limits { gas, go_on: &go_on };
            let state = (&pinned.facts, &*library);
            let mut session = Session::new((chain.0, pinned.rules), &pinned.header, state, limits);
            let question = Question {
                token: holding.token,
                terms: holding.terms,
                wallet: holding.wallet,
                via: &holding.via,
                link: holding.link.as_ref(),
            };
            let second = i64::try_from(pinned.header.timestamp).unwrap_or(i64::MAX);
            let at = Anchor {
                chain,
                number: pinned.header.number,
                hash: pinned.hash,
                time: Timestamp::from_second(second).unwrap_or(Timestamp::MAX),
                finality: Finality::Latest,
                trust: Trust::Single,
                attestation: None,
            };
            let answer = question.ask(&mut session, &at).map(drop);
            let (touched, gas) = (session.touched().clone(), session.gas());
            Attempt { answer, touched, gas, took: effort.so_far() }
        };
        let done = self.0.run_loop.executor.at_place(Asker::Caller, deadline, work).await;
        done.ok_or(ProofFault::Unknown(Cause::Unreachable))
    }

    /// The header of a block, from whichever endpoint has it. It hashes to its name.
    async fn header_of(&self, hash: B256, deadline: Instant) -> Result<Header, Cause> {
        let ask = |endpoint: Arc<Endpoint>| {
            async move {
                let found = endpoint.header(BlockName::Hash(hash)).await?;
                let missing = || EndpointError::Pruned { message: "no such block".to_owned() };
                found.map(|(_, header)| header).ok_or_else(missing)
            }
            .boxed()
        };
        self.0.pool.first(deadline, ask).await
    }
}
