//! Follows who may sign for a chain: from a checkpoint, committee by committee, to the newest signed block.
//!
//! Owns: the light client of one chain, and the checkpoints offered to begin from. Asked by: `block`, for the
//! block to pin a verification to. Asks: `beacon`, for what committees signed. Tells: progress, to be kept.
//! Never: believes a source, goes back, reads the time of day (it is handed a function for that), or
//! touches the store.
//!
//! `foundation` decides what may be begun from, `descent` what a signature may claim, `passes` does the work,
//! `intake` takes what was fetched or brought, `progress` tells how far it is.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::{Notify, mpsc};

use super::beacon::Source;
use crate::chain::now::Now;
use crate::endpoint::Address;
use entitled_core::domain::consensus::{Attestation, Checkpoint, Synced};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::{Cause, Finality};
use entitled_core::light_client::{Head, LightClient, Specification};

mod descent;
mod foundation;
mod intake;
mod meeting;
mod passes;
mod progress;
mod way;

pub use intake::{Brought, FeedError};
pub use progress::{SyncState, SyncStatus};

use descent::Descent;
use foundation::{Offer, Voucher};

/// Epochs without a newer finalized block after which validators count as silent: mainnet needs two or
/// three at its best.
const SILENT_EPOCHS: u64 = 8;

/// How validators of a chain are followed.
#[derive(Debug, Clone)]
pub struct ConsensusSettings {
    pub specification: Specification,
    /// SHA-256 of its text; `None` for one that the program brings along.
    pub digest: Option<B256>,
    /// Its text, for whoever does not have it; `None` for one that the program brings along.
    pub text: Option<String>,
    /// Beacon nodes, mirrors and directories.
    pub beacon: Vec<Address>,
    /// One that the administrator names.
    pub checkpoint: Option<B256>,
    /// How old the newest finalized block may be before validators count as silent.
    pub silence: Option<Duration>,
    pub now: Now,
}

/// What following brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEvent {
    /// To be kept: what the light client knows now, and how long the slots it counts by are.
    Progress { synced: Synced, seconds_per_slot: u64 },
    /// There is a newer signed block. Its number, where headers tell it.
    Head { number: Option<u64>, finalized: bool },
    /// The present was reached, or reached again.
    CaughtUp,
    /// Another checkpoint was found to agree: what is proven from now on serves its product too.
    Agreed,
}

/// The light client of one chain.
pub(in crate::chain) struct ChainSync {
    specification: Specification,
    digest: Option<B256>,
    text: Option<String>,
    sources: Vec<Source>,
    /// What the administrator and the program offer.
    own: Vec<Offer>,
    silence: Duration,
    now: Now,
    state: Mutex<State>,
    /// Held by whoever changes the light client, while working on it.
    working: tokio::sync::Mutex<()>,
    /// Wakes up whoever waits for the next pass.
    kick: Notify,
}

#[derive(Default)]
struct State {
    client: Option<LightClient>,
    /// Of the client, as long as there is one.
    descent: Option<Descent>,
    /// What product files offer.
    offered: Vec<Offer>,
    /// Checkpoints found to lead to another committee. One of the two was not the chain's.
    disagreeing: BTreeSet<B256>,
    /// Nothing below this finalized slot is taken for final any more.
    lowest: u64,
    /// Committees are being learned one after the other, and what was signed last was not asked for yet.
    moving: bool,
    caught_up: bool,
    /// A pass ended and had brought nothing: there is no way on for now.
    stalled: bool,
    /// Two histories that validators signed.
    equivocation: Option<String>,
    /// Why the last pass did not come further.
    trouble: Option<String>,
    events: Option<mpsc::Sender<SyncEvent>>,
}

/// A signed block, and what that rests on.
pub(in crate::chain) struct Signed {
    pub(in crate::chain) head: Head,
    pub(in crate::chain) attestation: Attestation,
}

impl ChainSync {
    /// # Errors
    /// When an address is of a WebSocket, or TLS cannot be set up.
    pub(in crate::chain) fn new(
        settings: ConsensusSettings,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let ConsensusSettings { specification, digest, text, beacon, checkpoint, silence, now } =
            settings;
        let sources = beacon.iter().map(Source::open).collect::<Result<_, _>>()?;
        let epochs = specification.slots_per_epoch().saturating_mul(SILENT_EPOCHS);
        let usual = Duration::from_secs(epochs.saturating_mul(specification.seconds_per_slot()));
        let own = foundation::own(&specification, checkpoint);
        Ok(Self {
            specification,
            digest,
            text,
            sources,
            own,
            silence: silence.unwrap_or(usual),
            now,
            state: Mutex::default(),
            working: tokio::sync::Mutex::default(),
            kick: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.now.read()
    }

    fn now_slot(&self) -> u64 {
        self.specification.slot_at(self.now())
    }

    /// Goes on from what was kept. What cannot be read, or was kept under another specification, is not gone
    /// on from; but nothing before its slot is taken for final all the same.
    pub(in crate::chain) fn restore(&self, kept: &Synced) {
        let mut state = self.state();
        // Of what comes with the program the name alone says which it is, and that stays when it is corrected.
        let is_same_calendar = self.specification.time_of(kept.slot) == kept.time;
        let restored = match is_same_calendar {
            true => foundation::restore(&self.specification, self.digest, &kept.bytes),
            false => Err("what was kept counts slots by another calendar".to_owned()),
        };
        match restored {
            Ok((client, descent)) => {
                state.lowest = kept.slot;
                state.client = Some(client);
                state.descent = Some(descent);
            }
            Err(why) => {
                tracing::warn!(chain = %kept.chain, why, "the light client begins anew");
                // Slots of another chain's calendar mean nothing here.
                if is_same_calendar {
                    state.lowest = kept.slot;
                }
            }
        }
    }

    /// Takes note of what products vouch for.
    pub(in crate::chain) fn offer(&self, checkpoints: &[Checkpoint]) {
        let own = |it: &&Checkpoint| it.spec == self.digest;
        let offers = checkpoints.iter().filter(own).map(|it| Offer {
            root: it.root,
            slot: it.slot,
            max_age: it.max_age,
            by: Voucher::Product,
        });
        let offers: Vec<Offer> = offers.collect();
        let mut state = self.state();
        if state.offered != offers {
            state.offered = offers;
            drop(state);
            self.kick.notify_one();
        }
    }

    /// Has the next pass begin now.
    pub(in crate::chain) fn hurry(&self) {
        self.kick.notify_one();
    }

    /// The newest signed block of a finality. For `Safe` it is a finalized one: nothing less is signed for.
    ///
    /// # Errors
    /// Why there is none to rely on.
    pub(in crate::chain) fn head(&self, finality: Finality) -> Result<Signed, Cause> {
        let now = self.now();
        let now_slot = self.specification.slot_at(now);
        let state = self.state();
        let offers = self.offers(&state);
        let Some(client) = &state.client else {
            let any = foundation::in_order(&offers, &self.specification, now).next().is_some();
            return Err(if any { Cause::NotSynced } else { Cause::CheckpointTooOld });
        };
        if foundation::has_rested_too_long(client, &offers, &self.specification, now) {
            return Err(Cause::CheckpointTooOld);
        }
        // On the way there are heads too, each soon to be an old one.
        if state.moving && !state.caught_up {
            return Err(Cause::NotSynced);
        }
        let settled = client.finalized().filter(|it| it.slot >= state.lowest);
        let settled = settled.ok_or(Cause::NotSynced)?;
        let is_silent = |head: &Head| {
            let since = self.specification.time_of(head.slot);
            Duration::try_from(now.duration_since(since)).is_ok_and(|it| it > self.silence)
        };
        let head = match finality {
            Finality::Latest => client.optimistic().filter(|it| it.slot >= settled.slot),
            Finality::Safe | Finality::Finalized => None,
        };
        let head = head.unwrap_or(settled);
        if is_silent(head) {
            let behind = client.wants(&self.specification, now_slot);
            let begun = state.caught_up || state.stalled;
            let catching_up = behind.is_some() && (state.moving || !begun);
            return Err(if catching_up { Cause::NotSynced } else { Cause::CommitteeSilent });
        }
        let descent = state.descent.as_ref().ok_or(Cause::NotSynced)?;
        Ok(Signed { head: head.clone(), attestation: self.attestation(client, descent, head) })
    }

    fn attestation(&self, client: &LightClient, descent: &Descent, head: &Head) -> Attestation {
        let checkpoint = client.start().root;
        let period = self.specification.period_of(head.signature_slot);
        let built_in = self.specification.checkpoints().iter().any(|it| it.root == checkpoint);
        Attestation {
            checkpoint,
            spec: self.digest,
            built_in: built_in && self.digest.is_none(),
            slot: head.slot,
            period,
            participation: head.participation,
            of: u16::try_from(self.specification.committee_size()).unwrap_or(u16::MAX),
            signature_slot: head.signature_slot,
            lineages: descent.claimed_in(period),
        }
    }

    fn offers(&self, state: &State) -> Vec<Offer> {
        state.offered.iter().chain(&self.own).copied().collect()
    }
}

#[cfg(test)]
mod tests;
