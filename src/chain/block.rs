//! Blocks to pin a verification to: the newest of a finality, and the number of a look at them.
//!
//! Owns: [`Block`]. Asked by: the actors. Asks: `anchor` who names a block, `head_order` which is the newest.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::B256;
use tokio::time::Instant;

use super::anchor;
use super::head_order::KnownBlock;
use super::inner::{Chain, Inner};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::{Anchor, Cause, Finality, Trust};
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::rules::{Named, Rules};
use entitled_core::proof::state::locked;

/// Blocks whose proven state is kept for the next question about them.
const BLOCKS: usize = 4;

/// A block everything in one verification is pinned to. Its header hashes to the anchor's hash.
#[derive(Clone)]
pub struct Block {
    pub anchor: Anchor,
    pub(super) pinned: Arc<Pinned>,
    /// It was the newest of its finality when it was named, and not from the future.
    is_newest: bool,
}

impl Block {
    /// Its anchor, if no newer block of its finality was known when it was named.
    pub fn newest(&self) -> Option<&Anchor> {
        self.is_newest.then_some(&self.anchor)
    }

    pub(super) fn pinned(&self) -> &Arc<Pinned> {
        &self.pinned
    }
}

impl Chain {
    /// Goes on from the newest blocks of an earlier run: no older ones are taken for the newest. What was trusted less
    /// than is demanded now bounds nothing. For before the first question.
    pub fn go_on_from(&self, heads: &[Anchor]) {
        let own = |it: &&Anchor| it.chain == self.id() && it.trust >= self.trust();
        for head in heads.iter().filter(own) {
            let Ok(timestamp) = u64::try_from(head.time.as_second()) else { continue };
            let header = Header { number: head.number, timestamp, ..Header::default() };
            let attestation = head.attestation.clone();
            let known = KnownBlock { hash: head.hash, header, attestation, at: Instant::now() };
            self.0.pool.head_order().go_on_from(head.finality, known, head.trust);
        }
    }

    /// Takes the place of the same chain by another configuration: goes on from the newest blocks that are known there.
    /// The ledger does not know those of looks that are under way. For before the first question.
    pub fn take_over(&self, other: &Self) {
        let known = other.0.pool.head_order();
        self.0.pool.head_order().take_over(&known, other.trust(), self.trust());
    }

    /// The newest block of a finality, named by as many endpoints as the settings demand.
    ///
    /// # Errors
    /// Why there is none to rely on. It never goes back, unless the chain did: [`Cause::Behind`].
    pub async fn anchor(&self, finality: Finality) -> Result<Block, Cause> {
        let Inner { pool, settings, interest, .. } = &*self.0;
        interest.asked();
        let named = match settings.trust {
            Trust::Single => anchor::single(pool, finality).await,
            Trust::Quorum => anchor::quorum(pool, finality, settings.quorum).await,
            Trust::Consensus => {
                let sync = self.0.sync.as_ref().ok_or(Cause::NotConfigured)?;
                let signed = sync.head(finality)?;
                let of = (&signed.head, signed.attestation);
                return self.block(anchor::consensus(pool, of, finality).await?, finality);
            }
        };
        // Of many machines behind one name some are a block late, and so is the most that a quorum agrees on
        // when one of them is silent: what was proven a moment ago is the newest still.
        let still = |cause| match cause {
            Cause::Behind => pool.still_newest(finality).map(|it| (it, true)).ok_or(cause),
            _ => Err(cause),
        };
        self.block(named.or_else(still)?, finality)
    }

    /// Takes the number of a look at these blocks. Where a newer one has been proven since, the look is at that one: so
    /// of two looks the one with the greater number is never at an older block.
    pub fn begin_look(&self, blocks: &mut [Block], take: impl FnOnce() -> u64) -> u64 {
        let (number, newest) = {
            let head_order = self.0.pool.head_order();
            let newest = |it: &Block| head_order.newest(it.anchor.finality).cloned();
            (take(), blocks.iter().map(newest).collect::<Vec<_>>())
        };
        for (block, newest) in blocks.iter_mut().zip(newest) {
            let Some(newest) = newest.filter(|it| block.is_newest && it.hash != block.anchor.hash)
            else {
                continue;
            };
            if let Ok(newest) = self.block((newest, true), block.anchor.finality) {
                *block = newest;
            }
        }
        number
    }

    /// How often the chain was found to have begun anew: what was seen before the last time is of a chain that is gone.
    pub fn resets(&self) -> u64 {
        self.0.pool.head_order().resets()
    }

    fn block(
        &self,
        (known, is_newest): anchor::Anchored,
        finality: Finality,
    ) -> Result<Block, Cause> {
        let KnownBlock { hash, header, attestation, .. } = known;
        let anchor = self.anchored((hash, &header), finality, self.0.settings.trust)?;
        let anchor = Anchor { attestation, ..anchor };
        Ok(Block { anchor, pinned: self.pinned(hash, header), is_newest })
    }

    /// A block's time beyond what a calendar holds is nothing an honest chain has.
    pub(super) fn anchored(
        &self,
        (hash, header): (B256, &Header),
        finality: Finality,
        trust: Trust,
    ) -> Result<Anchor, Cause> {
        let seconds = i64::try_from(header.timestamp).map_err(|_| Cause::Refuted)?;
        let time = Timestamp::from_second(seconds).map_err(|_| Cause::Refuted)?;
        let (chain, number) = (self.id(), header.number);
        Ok(Anchor { chain, number, hash, time, finality, trust, attestation: None })
    }

    /// What was proven at a block before, if it was.
    fn pinned(&self, hash: B256, header: Header) -> Arc<Pinned> {
        let mut recent = locked(&self.0.recent);
        if let Some(known) = recent.iter().find(|it| it.hash == hash) {
            return Arc::clone(known);
        }
        let exactly = self.0.sync.as_ref().and_then(|it| it.evm_fork_at(header.timestamp));
        let named = Named { exactly, at_least: self.0.settings.evm };
        let rules = Rules::at(self.id(), &header, named);
        let pinned = Arc::new(self.0.run_loop.pin(hash, header, rules));
        recent.truncate(BLOCKS - 1);
        recent.push_front(Arc::clone(&pinned));
        pinned
    }
}
