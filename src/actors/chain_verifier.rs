//! ChainVerifier: looks at the chains, and has what it saw recorded.
//!
//! Owns: the chains, their followers, and the number of the next look. Asked by: TierCache (`Survey`,
//! `Watch`) and `rpc` (`Sight`, `Claim`, `ChainStates`), WalletKeeper
//! (`CheckSignature`), `daemon` (`Reconfigure`). Asks: OwnershipLedger. Tells: TierCache, by
//! notices that may be lost. Never: decides an entitlement.

mod messages;
mod news;
mod work;

use news::{Follower, follow};
use work::turns::Turns;
use work::{Place, survey};

pub use messages::{
    ChainStates, CheckSignature, Claim, Examined, Fed, Feed, FindUnavailable, Prove, Reconfigure,
    Sight, Sighted, Stands, Survey, Surveyed, TakeSighting, VerifierError, Watch,
};
pub use news::ChainNews;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;

use crate::actors::cpu_pool::{CpuPool, PoolLimits};
use crate::actors::ownership_ledger::{ForgetChain, OwnershipLedger, RaiseFloor, RecordSightings};
use crate::chain::{Block, Chain};
use crate::clock::Clock;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::{Anchor, Cause, Finality, Ownership, Trust};
use entitled_core::domain::precedence::AHEAD_AT_MOST;

pub use crate::chain::{
    Abilities, BeaconSource, Brought, ChainEvent, ChainStatus, Concerned, EndpointCost,
    EndpointStatus, Evidence, FaultStatus, Holding, Latency, Proof, ProofFault, SyncStatus,
};

/// How long one survey, or one question about a token, may take in all.
const SURVEY_TIME: Duration = Duration::from_secs(60);
/// How long the ledger may take to record what was seen.
const LEDGER_TIME: Duration = Duration::from_secs(10);

/// No more signatures than two are checked at once: anybody may name the contract that runs for one. Who has named many
/// such contracts waits behind everybody else.
const SIGNATURES: PoolLimits = PoolLimits { threads: 2, running_per_uid: 1, places_per_uid: 64 };
/// The same for questions about one token, of which one place that runs contracts is shared by all.
const QUESTIONS: PoolLimits = PoolLimits { threads: 16, running_per_uid: 4, places_per_uid: 128 };

/// What the actor is made of; cheap to clone, and all that outlives a restart.
#[derive(Clone)]
pub struct Parts {
    chains: Arc<BTreeMap<ChainId, Chain>>,
    places: Arc<BTreeMap<ChainId, Place>>,
    /// What the chains are followed for, for those that come later.
    watched: Arc<Watch>,
    ledger: Addr<OwnershipLedger>,
    news: Recipient<ChainNews>,
    clock: Clock,
    /// Where looks and followers run, so that they never hold up the actors.
    runtime: tokio::runtime::Handle,
    next_look: Arc<AtomicU64>,
    /// Whose turn it is to be looked at.
    turns: Arc<Turns>,
    /// Whose turn it is to have a signature judged.
    signatures: CpuPool,
    /// And a question about a token answered.
    questions: CpuPool,
}

pub struct ChainVerifier {
    parts: Parts,
    followers: BTreeMap<ChainId, Follower>,
}

impl Parts {
    /// `last_look` is the number of the last look in the ledger.
    pub fn new(
        chains: Vec<Chain>,
        ledger: Addr<OwnershipLedger>,
        news: Recipient<ChainNews>,
        (clock, last_look): (Clock, u64),
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let chains: BTreeMap<_, _> = chains.into_iter().map(|it| (it.id(), it)).collect();
        let places = chains.keys().map(|id| (*id, Place::new())).collect();
        Self {
            chains: Arc::new(chains),
            places: Arc::new(places),
            watched: Arc::default(),
            ledger,
            news,
            clock,
            runtime,
            next_look: Arc::new(AtomicU64::new(last_look + 1)),
            turns: Arc::default(),
            signatures: CpuPool::new(SIGNATURES),
            questions: CpuPool::new(QUESTIONS),
        }
    }

    /// The number of a look at these blocks, which are the newest then. It is taken once they are known: of looks that
    /// race, the one with the greater number is at no older block.
    fn begin(&self, chain: &Chain, blocks: &mut [Block]) -> u64 {
        chain.begin_look(blocks, || self.next_look.fetch_add(1, Ordering::Relaxed))
    }

    /// A look at the head of a chain.
    async fn begin_at_head(&self, chain: &Chain) -> Result<(u64, Block), Cause> {
        let mut blocks = [self.anchor(chain, Finality::Latest).await?];
        let number = self.begin(chain, &mut blocks);
        let [block] = blocks;
        Ok((number, block))
    }

    /// The block to look at. A finalized one raises the floor under the chain's time.
    async fn anchor(&self, chain: &Chain, finality: Finality) -> Result<Block, Cause> {
        let block = chain.anchor(finality).await?;
        self.forget_vanished(chain).await?;
        let anchor = &block.anchor;
        let settled = finality == Finality::Finalized && self.may_raise_floor(anchor);
        if settled && self.clock.raise_floor(anchor.chain, anchor.time, anchor.trust) {
            let raise = RaiseFloor { chain: anchor.chain, time: anchor.time };
            match self.ledger.send(raise).timeout(LEDGER_TIME).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the chain-time floor was not kept"),
                Err(error) => tracing::warn!(%error, "the ledger did not keep the floor"),
            }
        }
        Ok(block)
    }

    /// Has what was seen of a chain forgotten once it began anew, before anything is seen of the new one: the words of
    /// the old one are at higher blocks, and would count.
    async fn forget_vanished(&self, chain: &Chain) -> Result<(), Cause> {
        let (id, resets) = (chain.id(), chain.resets());
        let Some(place) = self.places.get(&id) else { return Ok(()) };
        // Of several that notice it, the others wait until it is done.
        let mut told = place.resets_told.lock().await;
        if *told >= resets {
            return Ok(());
        }
        match self.ledger.send(ForgetChain { chain: id }).timeout(LEDGER_TIME).await {
            Ok(Ok(sightings)) => {
                tracing::warn!(chain = %id, sightings, "what was seen of the chain that is gone is forgotten");
                *told = resets;
                return Ok(());
            }
            Ok(Err(error)) => tracing::error!(chain = %id, %error, "cannot forget what is gone"),
            Err(error) => tracing::error!(chain = %id, %error, "cannot forget what is gone"),
        }
        Err(Cause::Behind)
    }

    /// Whether a block's time is to be believed for good. One endpoint alone must not be able to end all
    /// grace by naming a time far ahead of ours.
    fn may_raise_floor(&self, anchor: &Anchor) -> bool {
        let ahead = anchor.time.duration_since(self.clock.now());
        let believed = anchor.trust > Trust::Single || ahead <= AHEAD_AT_MOST;
        // Each look meets it for as long as it, or our clock, is wrong.
        let place = self.places.get(&anchor.chain);
        if !believed && place.is_some_and(|it| it.may_tell_of_the_future(self.clock.monotonic())) {
            tracing::warn!(chain = %anchor.chain, time = %anchor.time, "a block from the future");
        }
        believed
    }

    async fn record(&self, order: RecordSightings) -> Result<Vec<Ownership>, VerifierError> {
        match self.ledger.send(order).timeout(LEDGER_TIME).await {
            Ok(reply) => reply.map_err(|source| VerifierError::Ledger { source }),
            Err(_) => Err(VerifierError::BrokenOff),
        }
    }

    async fn check_signature(self, ask: CheckSignature) -> Result<Stands, VerifierError> {
        let unknown = |cause| VerifierError::Unknown { cause };
        let chain = self.chains.get(&ask.chain).ok_or(unknown(Cause::NotConfigured))?;
        let _turn = self.signatures.turn(ask.uid).await.map_err(|_| VerifierError::BrokenOff)?;
        let block = self.anchor(chain, Finality::Latest).await.map_err(unknown)?;
        let by = chain.signed_by(&block, ask.address, ask.hash, &ask.signature).await;
        Ok((by.map_err(unknown)?, block.anchor))
    }
}

impl ChainVerifier {
    pub fn new(parts: Parts) -> Self {
        Self { parts, followers: BTreeMap::new() }
    }
}

impl Actor for ChainVerifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(1_024);
        let parts = &self.parts;
        let follow = |(id, chain): (&ChainId, &Chain)| (*id, follow(parts, chain.clone()));
        self.followers = parts.chains.iter().map(follow).collect();
    }
}

impl Supervised for ChainVerifier {
    fn restarting(&mut self, _: &mut Context<Self>) {
        *self = Self::new(self.parts.clone());
    }
}

/// Runs `work` on the runtime of the chains for so long at most. Its limit is a timer of that runtime as well: one of the
/// actors' would panic whoever still waits for it when they have ended.
fn limited<T: Send + 'static>(
    chains: &tokio::runtime::Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<Result<T, Elapsed>> {
    chains.spawn(async move { tokio::time::timeout(SURVEY_TIME, work).await })
}

/// Runs `work` beside the actors, bounded in time, and replies with what it came to.
fn beside<T: Send + 'static>(
    actor: &ChainVerifier,
    work: impl Future<Output = Result<T, VerifierError>> + Send + 'static,
) -> ResponseActFuture<ChainVerifier, Result<T, VerifierError>> {
    let task = limited(&actor.parts.runtime, work);
    let reply = async {
        match task.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(VerifierError::Unknown { cause: Cause::Unreachable }),
            Err(_) => Err(VerifierError::BrokenOff),
        }
    };
    Box::pin(reply.into_actor(actor))
}

impl Handler<Survey> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Surveyed, VerifierError>>;
    fn handle(&mut self, ask: Survey, _: &mut Self::Context) -> Self::Result {
        beside(self, survey::run(self.parts.clone(), ask))
    }
}

impl Handler<Sight> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Sighted, VerifierError>>;
    fn handle(&mut self, ask: Sight, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        beside(self, parts.clone().on(ask.token.collection.chain, parts.sight(ask)))
    }
}

impl Handler<Claim> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Ownership, VerifierError>>;
    fn handle(&mut self, claim: Claim, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        beside(self, parts.clone().on(claim.token.collection.chain, parts.claim(claim)))
    }
}

impl Handler<Prove> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Proof, VerifierError>>;
    fn handle(&mut self, ask: Prove, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        beside(self, parts.clone().on(ask.holding.token.collection.chain, parts.prove(ask)))
    }
}

impl Handler<TakeSighting> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<(), VerifierError>>;
    fn handle(&mut self, order: TakeSighting, _: &mut Self::Context) -> Self::Result {
        let (chain, parts) = (order.sighting.target.collection().chain, self.parts.clone());
        beside(self, parts.clone().on(chain, parts.take(order)))
    }
}

impl Handler<FindUnavailable> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Examined, VerifierError>>;
    fn handle(&mut self, ask: FindUnavailable, _: &mut Self::Context) -> Self::Result {
        beside(self, self.parts.clone().find_unavailable(ask))
    }
}

impl Handler<CheckSignature> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Stands, VerifierError>>;
    fn handle(&mut self, ask: CheckSignature, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        beside(self, parts.clone().on(ask.chain, parts.check_signature(ask)))
    }
}

impl Handler<Watch> for ChainVerifier {
    type Result = ();
    fn handle(&mut self, order: Watch, _: &mut Self::Context) {
        self.parts.watched = Arc::new(order);
        self.parts.watch();
    }
}

impl Handler<Feed> for ChainVerifier {
    type Result = ResponseActFuture<Self, Result<Fed, VerifierError>>;
    fn handle(&mut self, order: Feed, _: &mut Self::Context) -> Self::Result {
        let (id, parts) = (order.chain, self.parts.clone());
        beside(
            self,
            parts.clone().on(id, async move {
                let chain = parts
                    .chains
                    .get(&id)
                    .ok_or(VerifierError::Unknown { cause: Cause::NotConfigured })?;
                let fed = chain.feed(order.brought).await;
                let learned = fed.map_err(|source| VerifierError::Feed { source })?;
                Ok(Fed { learned, status: chain.status(parts.clock.now()) })
            }),
        )
    }
}

impl Handler<ChainStates> for ChainVerifier {
    type Result = MessageResult<ChainStates>;
    fn handle(&mut self, _: ChainStates, _: &mut Self::Context) -> Self::Result {
        let now = self.parts.clock.now();
        MessageResult(self.parts.chains.values().map(|it| it.status(now)).collect())
    }
}

#[cfg(test)]
mod tests;
