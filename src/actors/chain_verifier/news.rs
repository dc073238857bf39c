//! What ChainVerifier tells: what happens on the chains it follows. What their light clients learn, it has kept.
//!
//! Where validators sign for blocks, what moved in a block can only be proven once that block, or a later
//! one, is signed: a slot or two after it was seen. So such news wait for that.

use actix::prelude::*;
use tokio::sync::{mpsc, watch};

use super::{LEDGER_TIME, Parts};
use crate::actors::ownership_ledger::KeepSynced;
use crate::chain::{Chain, ChainEvent, SyncEvent};
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;

/// News that wait for their blocks; beyond this, everybody is told to look.
const MOST_WAITING: usize = 256;
/// Where signed headers do not tell their numbers, news are told again with so many of them.
const TELL_AGAIN: u8 = 3;

/// Something happened on a chain, or may have. A notice: it may be lost.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChainNews {
    pub chain: ChainId,
    pub what: ChainEvent,
}

/// A task that ends with its owner.
pub(super) struct Follower(tokio::task::AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn follow(parts: &Parts, chain: Chain) -> Follower {
    let (events, arrived) = mpsc::channel(256);
    let (progress, synced) = mpsc::channel(16);
    let watched = match parts.places.get(&chain.id()) {
        Some(place) => place.contracts.subscribe(),
        None => watch::channel(Default::default()).1,
    };
    let by_consensus = chain.trust() == Trust::Consensus;
    let teller = Teller {
        parts: parts.clone(),
        chain: chain.id(),
        waiting: by_consensus.then(Vec::new),
        missed: false,
    };
    let task = parts.runtime.spawn(async move {
        tokio::join!(
            chain.follow(watched, events),
            chain.sync(progress),
            teller.run(arrived, synced)
        );
    });
    Follower(task.abort_handle())
}

/// Passes on what happens on one chain.
struct Teller {
    parts: Parts,
    chain: ChainId,
    /// News of blocks that are not signed yet; `None` where nobody signs.
    waiting: Option<Vec<Waiting>>,
    /// The last notice found no room.
    missed: bool,
}

struct Waiting {
    block: u64,
    event: ChainEvent,
    told: u8,
}

impl Teller {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<ChainEvent>,
        mut progress: mpsc::Receiver<SyncEvent>,
    ) {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.heard(event),
                    None => return,
                },
                // Without a light client nothing ever comes, and that is no end.
                Some(event) = progress.recv() => self.synced(event).await,
            }
        }
    }

    fn heard(&mut self, event: ChainEvent) {
        let block = match &event {
            ChainEvent::Changed { block, .. } => Some(*block),
            _ => None,
        };
        match (block, &mut self.waiting) {
            (Some(block), Some(waiting)) if waiting.len() < MOST_WAITING => {
                waiting.push(Waiting { block, event, told: 0 });
            }
            (Some(block), Some(waiting)) => {
                waiting.clear();
                waiting.push(Waiting { block, event: ChainEvent::Reorg, told: 0 });
            }
            _ => self.tell(event),
        }
    }

    async fn synced(&mut self, event: SyncEvent) {
        match event {
            SyncEvent::Progress { synced, seconds_per_slot } => {
                let order = KeepSynced { synced, seconds_per_slot };
                match self.parts.ledger.send(order).timeout(LEDGER_TIME).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the light client was not kept"),
                    Err(error) => tracing::warn!(%error, "the light client was not kept"),
                }
            }
            SyncEvent::Head { number, .. } => {
                for event in self.due(number) {
                    self.tell(event);
                }
                self.tell(ChainEvent::Head);
            }
            SyncEvent::CaughtUp => self.tell(ChainEvent::Found),
            // Of whom it changes the answer is not known here: everybody looks.
            SyncEvent::Agreed => self.tell(ChainEvent::Reorg),
        }
    }

    /// What can be proven at a signed block of this number.
    fn due(&mut self, number: Option<u64>) -> Vec<ChainEvent> {
        let Some(waiting) = &mut self.waiting else { return Vec::new() };
        let is_signed = |it: &Waiting| number.is_none_or(|number| it.block <= number);
        let due = waiting.iter().filter(|it| is_signed(it)).map(|it| it.event.clone()).collect();
        for it in waiting.iter_mut() {
            it.told = it.told.saturating_add(1);
        }
        waiting.retain(|it| match number {
            Some(_) => !is_signed(it),
            None => it.told < TELL_AGAIN,
        });
        due
    }

    /// A notice the cache has no room for is made up for by the next one.
    fn tell(&mut self, event: ChainEvent) {
        let what = if self.missed { ChainEvent::Reorg } else { event };
        self.missed = self.parts.news.try_send(ChainNews { chain: self.chain, what }).is_err();
    }
}
