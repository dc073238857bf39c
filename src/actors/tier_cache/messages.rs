//! What TierCache can be asked, ordered and told, and its handlers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::watch;

use super::flight;
use super::{Cached, Key, TierCache};
use crate::actors::ownership_ledger::{Asked, LedgerError};
use crate::products::{Catalogue, FileFault};
use entitled_core::domain::entitlement::{Step, Verdict, explain};
use entitled_core::domain::ids::{ChainId, ProductId};
use entitled_core::domain::ownership::Cause;

pub use crate::products::ChangeError as InstallError;

/// Why no verdict could be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckError {
    #[error("cannot read what is known")]
    Ledger { source: LedgerError },
    #[error("the ledger is too busy")]
    Busy,
}

/// A verdict once it has landed; `None` while it is worked out.
pub type Landing = Option<Arc<Cached>>;

/// Begin to work out a verdict, or join who already does. The reply lands when it is there.
#[derive(Debug, Clone, Message)]
#[rtype(result = "watch::Receiver<Landing>")]
pub struct Check {
    pub key: Key,
}

/// Have another look at the chain for this verdict, behind the answer that still holds.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Refresh {
    pub key: Key,
}

/// What is known now, without a look at the chain. Never cached: whoever is answered compares epochs.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Verdict, CheckError>")]
pub struct Stored {
    pub key: Key,
}

/// What is known now, and why it comes to that.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Explained, CheckError>")]
pub struct Explain {
    pub key: Key,
}

#[derive(Debug, Clone)]
pub struct Explained {
    pub verdict: Verdict,
    pub steps: Vec<Step>,
}

/// Be told whenever the verdict is made anew. What is told may be outdated when it is read: whoever is told asks
/// [`VerdictReader::still_holds`](super::VerdictReader::still_holds), and waits for the next if it does not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "watch::Receiver<Landing>")]
pub struct Subscribe {
    pub key: Key,
}

/// Read the product files again, perhaps from other directories, and perhaps keep another pace.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reloaded")]
pub struct Reload {
    pub catalogue: Option<Catalogue>,
    pub refresh: Option<Duration>,
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub struct Reloaded {
    pub products: usize,
    /// Files with mistakes; what they said before still holds.
    pub faults: Vec<FileFault>,
}

/// Put a product file into the last product directory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<ProductId, InstallError>")]
pub struct Install {
    pub text: String,
    pub asked: Asked,
}

/// Take a product file out of the last product directory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), InstallError>")]
pub struct Remove {
    pub product: ProductId,
    pub asked: Asked,
}

/// Something happened on a chain.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChainNews {
    pub chain: ChainId,
    pub what: News,
}

#[derive(Debug, Clone)]
pub enum News {
    NewHead,
    /// Blocks were replaced, or it is not certain what was missed.
    Reorged,
    /// Something of a contract changed, and it may concern anybody who has to do with it.
    Changed {
        contract: Address,
    },
    /// Tokens of a contract went from and to these wallets.
    Moved {
        contract: Address,
        wallets: BTreeSet<Address>,
    },
    Lost {
        cause: Cause,
    },
    Found,
}

impl Handler<Check> for TierCache {
    type Result = MessageResult<Check>;
    fn handle(&mut self, ask: Check, context: &mut Self::Context) -> Self::Result {
        MessageResult(self.fly(ask.key, false, context))
    }
}

impl Handler<Refresh> for TierCache {
    type Result = ();
    fn handle(&mut self, order: Refresh, context: &mut Self::Context) {
        self.fly(order.key, true, context);
    }
}

impl Handler<Stored> for TierCache {
    type Result = ResponseActFuture<Self, Result<Verdict, CheckError>>;
    fn handle(&mut self, ask: Stored, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let work = async move {
            let scene = flight::gather(&parts, &ask.key).await?;
            Ok(scene.verdict(&parts.clock))
        };
        Box::pin(work.into_actor(self))
    }
}

impl Handler<Explain> for TierCache {
    type Result = ResponseActFuture<Self, Result<Explained, CheckError>>;
    fn handle(&mut self, ask: Explain, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let work = async move {
            let scene = flight::gather(&parts, &ask.key).await?;
            let verdict = scene.verdict(&parts.clock);
            let steps = explain(&scene.question(), scene.now(&parts.clock));
            Ok(Explained { verdict, steps })
        };
        Box::pin(work.into_actor(self))
    }
}

impl Handler<Subscribe> for TierCache {
    type Result = MessageResult<Subscribe>;
    fn handle(&mut self, ask: Subscribe, context: &mut Self::Context) -> Self::Result {
        self.subscribers.retain(|_, told| told.receiver_count() > 0);
        let standing = self.parts.reader.peek(&ask.key);
        let told = self
            .subscribers
            .entry(ask.key.clone())
            .or_insert_with(|| watch::channel(standing.clone()).0);
        let receiver = told.subscribe();
        // What is not installed is no other by itself, and anybody may make up any number of names.
        if self.parts.reader.products().products.contains_key(&ask.key.product) {
            let due = self.parts.clock.monotonic();
            self.due.entry(ask.key.clone()).or_insert(due);
        }
        if standing.is_none() {
            self.fly(ask.key, false, context);
        }
        MessageResult(receiver)
    }
}
