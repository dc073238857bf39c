//! A chain whose validators are followed: setting that up, keeping it, and feeding it by hand.
//!
//! Asked by: the actors. Asks: `sync`. Never: does anything for a chain of another trust.

pub(in crate::chain) mod beacon;
pub(in crate::chain) mod sync;

use alloy_primitives::B256;
use tokio::sync::mpsc;

use super::inner::Chain;
use super::settings::{ChainError, ChainSettings};
use entitled_core::domain::consensus::{Checkpoint, Synced};
use entitled_core::domain::ownership::Trust;
use sync::{Brought, ChainSync, FeedError, SyncEvent};

impl Chain {
    /// Has the light client go on from what was kept of it. For before [`Self::sync`].
    pub fn restore(&self, kept: &Synced) {
        if let Some(sync) = &self.0.sync {
            sync.restore(kept);
        }
    }

    /// Follows the chain's validators until nobody listens. Without trust `consensus` there is nothing to do.
    pub async fn sync(&self, events: mpsc::Sender<SyncEvent>) {
        if let Some(sync) = &self.0.sync {
            sync.run(self.id(), self.poll(), events).await;
        }
    }

    /// Takes note of the checkpoints that products vouch for.
    pub fn offer(&self, checkpoints: &[Checkpoint]) {
        if let Some(sync) = &self.0.sync {
            let own = |it: &&Checkpoint| it.chain == self.id();
            let own: Vec<Checkpoint> = checkpoints.iter().filter(own).copied().collect();
            sync.offer(&own);
        }
    }

    /// Has the light client take what an administrator brings, or go on at once where that is nothing. `true`
    /// when something was learned.
    ///
    /// # Errors
    /// [`FeedError`]
    pub async fn feed(&self, brought: Option<Brought>) -> Result<bool, FeedError> {
        let sync = self.0.sync.as_ref().ok_or(FeedError::NoLightClient)?;
        match brought {
            Some(brought) => sync.feed(self.id(), brought).await,
            None => {
                sync.hurry();
                Ok(false)
            }
        }
    }
}

/// SHA-256 of a specification's text, by which products name one that is not built in.
pub fn digest(text: &[u8]) -> B256 {
    let digest = ring::digest::digest(&ring::digest::SHA256, text);
    B256::from_slice(digest.as_ref())
}

/// The light client of a chain whose trust is `Consensus`. Block 0 is the one its specification names.
pub(super) fn follow_validators(
    settings: &mut ChainSettings,
) -> Result<Option<ChainSync>, ChainError> {
    let chain = settings.id;
    if settings.trust != Trust::Consensus {
        return Ok(None);
    }
    let consensus = settings.consensus.take().ok_or(ChainError::NoSpecification { chain })?;
    let specification = &consensus.specification;
    if specification.chain() != chain {
        return Err(ChainError::OtherSpecification { chain, other: specification.chain() });
    }
    let (named, other) = (settings.genesis, specification.genesis_block());
    if let Some(named) = named.filter(|it| *it != other) {
        return Err(ChainError::OtherGenesis { chain, named, other });
    }
    settings.genesis = Some(other);
    let pinned = specification.pinned_blocks().iter().map(|it| (it.number, it.hash));
    settings.pinned.extend(pinned.filter(|(number, _)| *number > 0));
    let opened = ChainSync::new(consensus);
    opened.map(Some).map_err(|source| ChainError::Beacon { chain, source })
}
