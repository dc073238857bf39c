//! The light client: what is known of a beacon chain, and what may be added to it. Pure.
//!
//! Owns: the sync protocol's store and its rules (consensus-specs, `altair/light-client/sync-protocol.md`,
//! `validate_light_client_update` and `apply_light_client_update`). Asked by: whoever feeds it what beacon
//! nodes answer. Never: asks anybody, reads a clock, goes back, or changes on anything it refuses.
//!
//! It is stricter than the protocol in four ways. Two thirds must sign every update, optimistic ones too.
//! Nothing is forced: without finality it stands still, where the protocol lets a header pass for final
//! after a period without. A second signed header of a slot, or committee of a period, is refused by name.
//! And a header that says nothing of execution is none.

use alloy_primitives::B256;

use super::committee::{Committee, Signers};
use super::header::Head;
use super::refused::{KnownPeriods, Refused};
use super::specification::{Checkpoint, Specification};
use super::update_view::{Examined, UpdateView, in_state};
use super::wire::{Bootstrap, FinalityUpdate, OptimisticUpdate, Update};

/// What is known of a chain. It only ever moves forward.
///
/// Invariant: `current` is the committee of `period`, `next` of the period after it. Neither head is older
/// than the start, the optimistic one not older than the finalized one.
#[derive(Debug, Clone)]
pub struct LightClient {
    /// The checkpoint it began from.
    pub(super) start: Start,
    pub(super) period: u64,
    pub(super) current: Committee,
    pub(super) next: Option<Committee>,
    pub(super) finalized: Option<Head>,
    pub(super) optimistic: Option<Head>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Start {
    pub(super) root: B256,
    pub(super) slot: u64,
}

/// What an update that was taken has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It says what is known already. Its signature was not looked at.
    Nothing,
    Advanced {
        /// There is a newer finalized head.
        finalized: bool,
        /// There is a newer optimistic head.
        optimistic: bool,
        /// The committee of this period is known now.
        committee: Option<u64>,
    },
}

impl Applied {
    /// Whether more is known now than before.
    pub fn is_news(self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Advanced { finalized, optimistic, committee } => {
                finalized || optimistic || committee.is_some()
            }
        }
    }
}

impl LightClient {
    /// Begins from a header that somebody trustworthy named. There is no head before the first update: a
    /// checkpoint is a promise, not a signature.
    ///
    /// # Errors
    /// When `it` is not the checkpoint's header with its committee.
    pub fn bootstrap(
        spec: &Specification,
        checkpoint: &Checkpoint,
        it: &Bootstrap,
    ) -> Result<Self, Refused> {
        let slot = it.header.beacon.slot;
        let root = it.header.beacon.root();
        if root != checkpoint.root {
            return Err(Refused::NotTheCheckpoint { expected: checkpoint.root, found: root });
        }
        if let Some(expected) = checkpoint.slot.filter(|named| *named != slot) {
            return Err(Refused::CheckpointSlot { expected, found: slot });
        }
        let fork = spec.fork_of(slot);
        it.header.check(spec, fork, root, (0, slot))?;
        let layout = fork.layout.ok_or(Refused::NoExecution { slot })?;
        let committee_root = it.current_sync_committee.root(spec.committee_size)?;
        in_state(
            &it.header,
            ("current_sync_committee_branch", &it.current_sync_committee_branch),
            committee_root,
            layout.current_committee,
        )?;
        Ok(Self {
            start: Start { root, slot },
            period: spec.period_of(slot),
            current: Committee::new(it.current_sync_committee.clone(), committee_root),
            next: None,
            finalized: None,
            optimistic: None,
        })
    }

    /// Takes the committee of a period; its finalized and attested headers too, where they are newer.
    ///
    /// # Errors
    /// When a rule of the protocol does not let it pass; then nothing has changed.
    pub fn apply_update(
        &mut self,
        spec: &Specification,
        it: &Update,
        now_slot: u64,
    ) -> Result<Applied, Refused> {
        let view = UpdateView {
            attested: &it.attested_header,
            finality: Some((&it.finalized_header, &it.finality_branch)),
            next_committee: Some((&it.next_sync_committee, &it.next_sync_committee_branch)),
            aggregate: &it.sync_aggregate,
            signature_slot: it.signature_slot,
        };
        self.apply(spec, &view, now_slot)
    }

    /// Takes a finalized header, and the attested one whose state says that it is.
    ///
    /// # Errors
    /// As [`LightClient::apply_update`].
    pub fn apply_finality(
        &mut self,
        spec: &Specification,
        it: &FinalityUpdate,
        now_slot: u64,
    ) -> Result<Applied, Refused> {
        let view = UpdateView {
            attested: &it.attested_header,
            finality: Some((&it.finalized_header, &it.finality_branch)),
            next_committee: None,
            aggregate: &it.sync_aggregate,
            signature_slot: it.signature_slot,
        };
        self.apply(spec, &view, now_slot)
    }

    /// Takes a head that may still be reorganised away.
    ///
    /// # Errors
    /// As [`LightClient::apply_update`].
    pub fn apply_optimistic(
        &mut self,
        spec: &Specification,
        it: &OptimisticUpdate,
        now_slot: u64,
    ) -> Result<Applied, Refused> {
        let view = UpdateView {
            attested: &it.attested_header,
            finality: None,
            next_committee: None,
            aggregate: &it.sync_aggregate,
            signature_slot: it.signature_slot,
        };
        self.apply(spec, &view, now_slot)
    }

    /// The newest header that the attested chain holds to be final. `None` until an update named one.
    pub fn finalized(&self) -> Option<&Head> {
        self.finalized.as_ref()
    }

    /// The newest header that two thirds of a committee signed. `None` until the first.
    pub fn optimistic(&self) -> Option<&Head> {
        self.optimistic.as_ref()
    }

    /// The newest slot known of: the chain cannot be younger than this.
    pub fn highest_slot(&self) -> u64 {
        self.optimistic.as_ref().map_or(self.start.slot, |it| it.slot)
    }

    /// The checkpoint it began from.
    pub fn start(&self) -> Checkpoint {
        Checkpoint { root: self.start.root, slot: Some(self.start.slot) }
    }

    /// The period of the newest finalized header, or of the checkpoint.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// `hash_tree_root` of the committee of [`LightClient::period`]. Two light clients of one period and one
    /// committee take the same claims from there on.
    pub fn committee_root(&self) -> B256 {
        self.current.root
    }

    /// The first period whose update is missing, if the chain has got so far by `now_slot`. Asking for the
    /// updates from there on, in their order, leads to the present. The update of a period can only be had
    /// once a header of that period is final, about a quarter of an hour into it.
    pub fn wants(&self, spec: &Specification, now_slot: u64) -> Option<u64> {
        let missing = if self.next.is_none() { self.period } else { self.period + 1 };
        (missing <= spec.period_of(now_slot)).then_some(missing)
    }

    fn apply(
        &mut self,
        spec: &Specification,
        view: &UpdateView<'_>,
        now_slot: u64,
    ) -> Result<Applied, Refused> {
        view.check_order(now_slot)?;
        let signers = Signers::of(view.aggregate, spec.committee_size)?;
        if let Some(known) = self.as_known(spec, view) {
            return known;
        }
        let signature_period = spec.period_of(view.signature_slot);
        self.has_committee(signature_period)?;
        let examined = view.examine(spec, signers.count)?;
        let message = spec.signing_root(examined.attested.beacon_root, view.signature_slot);
        let place = (signature_period, view.signature_slot);
        match &mut self.next {
            Some(next) if signature_period > self.period => {
                next.verify(place, &signers, view.aggregate, &message)?;
            }
            _ => self.current.verify(place, &signers, view.aggregate, &message)?,
        }
        self.contradicts(spec, &examined)?;
        Ok(self.take(spec, examined))
    }

    /// The answer to an update from which nothing could be learned, whatever its signature: it is what is
    /// known, or older. `None` for one that has to be examined.
    fn as_known(
        &self,
        spec: &Specification,
        view: &UpdateView<'_>,
    ) -> Option<Result<Applied, Refused>> {
        let attested = &view.attested.beacon;
        let finalized = view.finality.map(|(header, _)| &header.beacon);
        // The same header once more, or an older one, tells nothing. Another one of the same slot does.
        let dull = |known: Option<&Head>, slot: u64, root: &dyn Fn() -> B256| match known {
            Some(known) => known.slot > slot || (known.slot == slot && known.beacon_root == root()),
            None => slot < self.start.slot,
        };
        let dull_finality =
            finalized.is_none_or(|it| dull(self.finalized.as_ref(), it.slot, &|| it.root()));
        let dull_head = dull(self.optimistic.as_ref(), attested.slot, &|| attested.root());
        let dull_committee = view.next_committee.is_none_or(|(keys, _)| {
            let period = spec.period_of(attested.slot);
            let same = |it: &Committee| it.keys == *keys;
            match &self.next {
                _ if period != self.period => true,
                Some(next) => same(next),
                None => finalized.is_none_or(|it| spec.period_of(it.slot) != period),
            }
        });
        if !(dull_finality && dull_head && dull_committee) {
            return None;
        }
        let (newest, have) = match finalized {
            Some(finalized) => (finalized.slot, self.finalized.as_ref()),
            None => (attested.slot, self.optimistic.as_ref()),
        };
        let have = have.map_or(self.start.slot, |it| it.slot);
        Some(if newest == have {
            Ok(Applied::Nothing)
        } else {
            Err(Refused::Old { slot: newest, have })
        })
    }

    fn has_committee(&self, period: u64) -> Result<(), Refused> {
        let last = self.period + u64::from(self.next.is_some());
        if (self.period..=last).contains(&period) {
            return Ok(());
        }
        Err(Refused::NoCommittee { period, known: KnownPeriods { first: self.period, last } })
    }

    /// Whether what two thirds signed now is something else than what two thirds signed before.
    fn contradicts(&self, spec: &Specification, examined: &Examined) -> Result<(), Refused> {
        let start = Some((self.start.slot, self.start.root));
        let name = |head: &Head| (head.slot, head.beacon_root);
        let finalized = self.finalized.as_ref().map(name);
        let optimistic = self.optimistic.as_ref().map(name);
        let attested = Some(name(&examined.attested));
        let final_now = examined.finalized.as_ref().map(name);
        // A header that becomes final beside another optimistic one of its slot is a reorganisation.
        let pairs = [(attested, start), (attested, finalized), (attested, optimistic)];
        for (new, old) in pairs.into_iter().chain([(final_now, start), (final_now, finalized)]) {
            if let (Some((slot, other)), Some((of, known))) = (new, old)
                && slot == of
                && other != known
            {
                return Err(Refused::TwoHeaders { slot, known, other });
            }
        }
        let Some((committee, _)) = &examined.next else { return Ok(()) };
        let attested_period = spec.period_of(examined.attested.slot);
        let known = match &self.next {
            Some(next) if attested_period == self.period => next.root,
            _ => return Ok(()),
        };
        if known == committee.root {
            return Ok(());
        }
        let other = committee.root;
        Err(Refused::TwoCommittees { period: attested_period + 1, known, other })
    }

    /// Moves on. What comes here is proven and signed.
    fn take(&mut self, spec: &Specification, examined: Examined) -> Applied {
        let before = self.period + u64::from(self.next.is_some());
        let attested_period = spec.period_of(examined.attested.slot);
        let newer = |head: &Head, known: &Option<Head>, start: u64| {
            known.as_ref().map_or(head.slot >= start, |it| head.slot > it.slot)
        };
        let finalized = examined.finalized.filter(|it| newer(it, &self.finalized, self.start.slot));
        let optimistic = newer(&examined.attested, &self.optimistic, self.start.slot);
        // The finalized header is of the signature's period at most, whose committee is known.
        if finalized.as_ref().is_some_and(|it| spec.period_of(it.slot) > self.period)
            && let Some(next) = self.next.take()
        {
            self.current = next;
            self.period += 1;
        }
        if let (None, Some((committee, true))) = (&self.next, examined.next)
            && attested_period == self.period
        {
            self.next = Some(committee);
        }
        let after = self.period + u64::from(self.next.is_some());
        let moved = finalized.is_some();
        if let Some(finalized) = finalized {
            self.finalized = Some(finalized);
        }
        if optimistic {
            self.optimistic = Some(examined.attested);
        }
        let committee = (after > before).then_some(after);
        Applied::Advanced { finalized: moved, optimistic, committee }
    }
}
