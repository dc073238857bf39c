//! A chain, as the actors ask it.
//!
//! Owns: what one chain remembers: its endpoints, proven state in memory, code and nodes by hash. Asks: the endpoints.
//! Never: believes an endpoint, reads the time of day, or touches the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use entitled_core::domain::ids::{ChainId, Standard, Timestamp, Token};
use entitled_core::domain::ownership::{Cause, Finality, Rule, Sighting, Trust};
use entitled_core::domain::wallet_proof::SignedBy;

use super::block::Block;
use super::consensus::{self, sync::ChainSync};
use super::endpoint::pool::Pool;
use super::endpoint::terms::EndpointSettings;
use super::endpoint::terms::Terms;
use super::evm::executor::Asker;
use super::evm::run_loop::Gatherer;
use super::evm::signature;
use super::follow;
use super::follow::ChainEvent;
use super::look::{self, Look, Looked, receipt};
use super::settings::{self, ChainError, ChainSettings};
use super::status::{self, ChainStatus};
use entitled_core::evm::execute::{Call, Outcome};
use entitled_core::evm::signature::Claim;
use entitled_core::proof::pinned::Pinned;
use entitled_core::proof::state::Need;
use entitled_core::proof::state::locked;
use entitled_core::standards::dialect::Dialect;

/// No longer than this for one token.
pub(super) const TOKEN_DEADLINE: Duration = Duration::from_secs(30);
/// Accounts whose code is fetched together.
const CODES: usize = 256;

/// A chain, ready to be asked. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Chain(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: ChainSettings,
    pub(super) pool: Pool,
    pub(super) gatherer: Gatherer,
    pub(super) interest: follow::Interest,
    pub(super) sync: Option<ChainSync>,
    pub(super) recent: Mutex<VecDeque<Arc<Pinned>>>,
}

impl Chain {
    /// Checks the settings. Connects to nobody yet.
    ///
    /// # Errors
    /// [`ChainError`], naming the setting and what would be right.
    pub fn open(mut settings: ChainSettings) -> Result<Self, ChainError> {
        let chain = settings.id;
        let read = |(index, endpoint): (usize, &EndpointSettings)| {
            Terms::read(endpoint).map_err(|source| ChainError::Endpoint {
                chain,
                number: index + 1,
                source,
            })
        };
        let endpoints: Vec<Terms> =
            settings.rpc.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        settings::check(&settings, &endpoints)?;
        let sync = consensus::follow_validators(&mut settings)?;
        let pool = Pool::new(&settings, endpoints)
            .map_err(|source| ChainError::Tls { chain, source: source.without_url().into() })?;
        Ok(Self(Arc::new(Inner {
            gatherer: Gatherer::new(chain.0),
            settings,
            pool,
            interest: follow::Interest::default(),
            sync,
            recent: Mutex::default(),
        })))
    }

    pub fn id(&self) -> ChainId {
        self.0.settings.id
    }

    /// How far the anchors of this chain are trusted.
    pub fn trust(&self) -> Trust {
        self.0.settings.trust
    }

    /// Which tokens a wallet holds. Never fails: what could not be found out is a finding as well.
    pub async fn look(&self, block: &Block, look: &Look<'_>) -> Looked {
        look::look(self, block, look).await
    }

    /// Whether one token counts as held by the wallet of `look`, whatever else it may hold: what is left of
    /// `look` is how, and what goes into the sighting.
    pub async fn sight(&self, block: &Block, look: &Look<'_>, token: Token) -> Sighting {
        look::sight(self, block, (look, token)).await
    }

    /// Who holds a token by a rule, proven. `None`: proven that nobody does.
    ///
    /// # Errors
    /// Why that could not be found out; [`Cause::Unsupported`] for what has no single holder (ERC-1155).
    pub async fn holder_of(
        &self,
        block: &Block,
        token: Token,
        rule: Rule,
    ) -> Result<Option<Address>, Cause> {
        if token.collection.chain != self.id() || block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        if token.collection.standard != Standard::Erc721 {
            return Err(Cause::Unsupported);
        }
        // Who holds a token is the same question for every rule but `user`.
        let rule = if rule == Rule::User { Rule::User } else { Rule::Owner };
        let dialect = Dialect::learn(rule, None)?;
        let question = dialect.ask_holder(token.collection.contract, token.id);
        match self.call(block, question.to, question.data).await? {
            Outcome::NoCode => Err(Cause::NoContract),
            outcome => dialect.holder(token.id, &outcome),
        }
    }

    /// Calls a contract as nobody (the zero address) and says how that ended, proven: over the block's state, with its own
    /// number and time, and some 30 million gas. The step every answer is made of, for whoever measures or checks it.
    ///
    /// # Errors
    /// Why that could not be found out. [`Cause::Contract`]: the call asks for more than is proven for any contract.
    pub async fn call(&self, block: &Block, to: Address, data: Bytes) -> Result<Outcome, Cause> {
        if block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let calls = (vec![Call { to, data }], Asker::Caller);
        let ended = self.run(block, calls, Instant::now() + TOKEN_DEADLINE).await;
        ended.into_iter().next().unwrap_or(Err(Cause::Contract))
    }

    /// Whether an account stands for a signature of `hash`, and how: by ERC-6492, ERC-1271 or its key, in
    /// the order ERC-6492 demands. `None`: proven that it does not.
    ///
    /// # Errors
    /// Why that could not be found out.
    pub async fn signed_by(
        &self,
        block: &Block,
        account: Address,
        hash: B256,
        signature: &Bytes,
    ) -> Result<Option<SignedBy>, Cause> {
        if block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let claim = Claim { account, hash, signature: signature.clone() };
        let Inner { pool, gatherer, .. } = &*self.0;
        signature::prove(gatherer, pool, &block.pinned, claim).await
    }

    /// Whether a transaction moved a token to a wallet, at or before a block. As an endpoint says: this
    /// is where a claim came from, not what it rests on.
    ///
    /// # Errors
    /// Why that could not be found out.
    pub async fn moved_by(
        &self,
        block: &Block,
        transaction: B256,
        token: Token,
        wallet: Address,
    ) -> Result<bool, Cause> {
        if token.collection.chain != self.id() || block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let deadline = Instant::now() + TOKEN_DEADLINE;
        receipt::moved(&self.0.pool, &block.pinned, (transaction, token, wallet), deadline).await
    }

    /// Tells what happens on the chain until nobody listens. The first head comes at once.
    pub async fn follow(
        &self,
        watched: watch::Receiver<BTreeSet<Address>>,
        events: mpsc::Sender<ChainEvent>,
    ) {
        follow::follow(self, watched, events).await;
    }

    /// Takes the words of an event of a contract, ids and wallets, as a hint where to look first once the contract
    /// has changed. They need not be true.
    pub fn heard(&self, contract: Address, words: impl IntoIterator<Item = B256>) {
        locked(&self.0.gatherer.rumours).note(contract, words);
    }

    /// How the chain and its endpoints are doing at `now`. Asks nobody.
    pub fn status(&self, now: Timestamp) -> ChainStatus {
        let finalized =
            self.0.pool.lineage().newest(Finality::Finalized).map(|it| it.header.number);
        let status = status::of(&self.0.settings, &self.0.pool, finalized, now);
        ChainStatus { sync: self.0.sync.as_ref().map(ChainSync::status), ..status }
    }

    pub(super) fn interest(&self) -> &follow::Interest {
        &self.0.interest
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(super) fn poll(&self) -> Duration {
        self.0.settings.poll
    }

    pub(super) async fn run(
        &self,
        block: &Block,
        calls: (Vec<Call>, Asker),
        deadline: Instant,
    ) -> Vec<Result<Outcome, Cause>> {
        self.0.gatherer.run(&self.0.pool, &block.pinned, calls, deadline).await
    }

    /// Which of these accounts are proven to have no code.
    ///
    /// # Errors
    /// Why that could not be found out.
    pub async fn without_code(
        &self,
        block: &Block,
        accounts: BTreeSet<Address>,
    ) -> Result<BTreeSet<Address>, Cause> {
        if block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let codes = self.codes(block, accounts, Instant::now() + TOKEN_DEADLINE).await?;
        Ok(codes.into_iter().filter(|(_, code)| code.is_empty()).map(|(it, _)| it).collect())
    }

    /// The proven code of each account; empty where there is none.
    pub(super) async fn codes(
        &self,
        block: &Block,
        accounts: BTreeSet<Address>,
        deadline: Instant,
    ) -> Result<BTreeMap<Address, Bytes>, Cause> {
        let Inner { gatherer, pool, .. } = &*self.0;
        let accounts: Vec<Address> = accounts.into_iter().collect();
        let mut codes = BTreeMap::new();
        for part in accounts.chunks(CODES) {
            let lacking = |need: &Need| !block.pinned.facts().has(need, &locked(&gatherer.library));
            let needs = part.iter().map(|it| Need::Account(*it)).filter(lacking).collect();
            gatherer.fetch(pool, &block.pinned, &needs, deadline).await?;
            let code_of = |it: &Address| Some((*it, block.pinned.facts().code_hash(*it)?));
            let hashes: Vec<(Address, B256)> = part.iter().filter_map(code_of).collect();
            let needs = hashes.iter().map(|(it, hash)| Need::Code(*it, *hash));
            let needs = needs.filter(lacking).collect();
            gatherer.fetch(pool, &block.pinned, &needs, deadline).await?;
            for (account, hash) in hashes {
                let code = locked(&gatherer.library).code(hash).ok_or(Cause::Unreachable)?;
                codes.insert(account, code.original_bytes());
            }
        }
        Ok(codes)
    }
}

#[cfg(test)]
mod tests;
