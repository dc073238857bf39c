//! A chain, as the actors ask it.
//!
//! Asked by: the actors. Asks: each part of the chain. Never: believes an endpoint, reads the time of day, or touches the
//! store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::block::Block;
use super::calls::TOKEN_DEADLINE;
use super::consensus::{self, sync::ChainSync};
use super::endpoint::pool::Pool;
use super::evm::run_loop::RunLoop;
use super::evm::signature;
use super::follow::interest::Interest;
use super::follow::{self, ChainEvent};
use super::inner::{Chain, Inner};
use super::look::{self, Look, Looked, receipt};
use super::settings::{self, ChainError, ChainSettings};
use super::status::{self, ChainStatus};
use entitled_core::domain::ids::{Standard, Timestamp, Token};
use entitled_core::domain::ownership::{Cause, Finality, Rule, Sighting, Trust};
use entitled_core::domain::wallet_proof::{NotSigned, SignedBy};
use entitled_core::evm::execute::Outcome;
use entitled_core::evm::signature::SignedHash;
use entitled_core::standards::dialect::Dialect;

/// Endpoints by how they are shown, and whether each proved something, or why not.
pub type EndpointProofs = Vec<(String, Result<(), String>)>;

impl Chain {
    /// Checks the settings. Connects to nobody yet.
    ///
    /// # Errors
    /// [`ChainError`], naming the setting and what would be right.
    pub fn open(mut settings: ChainSettings) -> Result<Self, ChainError> {
        let chain = settings.id;
        settings::check(&settings)?;
        let sync = consensus::follow_validators(&mut settings)?;
        let quorum = (settings.trust == Trust::Quorum).then_some(settings.quorum);
        let pace = (settings.poll, settings.now.clone());
        let pool = Pool::new(settings.identity(), settings.rpc.clone(), pace, quorum)
            .map_err(|source| ChainError::Tls { chain, source: source.without_url().into() })?;
        Ok(Self(Arc::new(Inner {
            run_loop: RunLoop::new(chain.0),
            settings,
            pool,
            interest: Interest::default(),
            sync,
            recent: Mutex::default(),
        })))
    }

    /// Which tokens a wallet holds. Never fails: what could not be found out until `deadline` is a finding as well.
    pub async fn look(&self, block: &Block, look: &Look<'_>, deadline: Instant) -> Looked {
        look::look(self, block, (look, deadline)).await
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

    /// Whether an account stands for a signature of `hash`, and how: by ERC-6492, ERC-1271 or its key, in
    /// the order ERC-6492 demands; or why it does not.
    ///
    /// # Errors
    /// Why that could not be found out.
    pub async fn signed_by(
        &self,
        block: &Block,
        account: Address,
        hash: B256,
        signature: &Bytes,
    ) -> Result<Result<SignedBy, NotSigned>, Cause> {
        if block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let signed = SignedHash { account, hash, signature: signature.clone() };
        let Inner { pool, run_loop, .. } = &*self.0;
        signature::prove(run_loop, pool, &block.pinned, signed).await
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

    /// How the chain and its endpoints are doing at `now`. Asks nobody.
    pub fn status(&self, now: Timestamp) -> ChainStatus {
        let finalized =
            self.0.pool.head_order().newest(Finality::Finalized).map(|it| it.header.number);
        let status = status::of(&self.0.settings, &self.0.pool, finalized, now);
        ChainStatus { sync: self.0.sync.as_ref().map(ChainSync::status), ..status }
    }

    /// Whether each endpoint proves something now, by how it is shown, or why not. One that says nothing within `patience` does not.
    pub async fn endpoints_prove(&self, patience: Duration) -> EndpointProofs {
        let asked = self.0.pool.all().iter().map(|it| async move {
            let late = |_| Err(format!("nothing came within {} seconds", patience.as_secs()));
            let proven = tokio::time::timeout(patience, it.prove_now()).await;
            (it.shown().to_owned(), proven.unwrap_or_else(late))
        });
        futures_util::future::join_all(asked).await
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
}

#[cfg(test)]
mod tests;
