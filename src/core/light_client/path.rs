//! The way from a checkpoint to one signed block, with no more than it takes to walk it once. Pure.
//!
//! Owns: what of a light client's bootstrap, updates and last finality update has to be kept to prove one block to
//! somebody who has followed nothing. Asked by: `receipt`, and by whoever makes one. Never: takes less than
//! [`super::client::LightClient`] does: two thirds of each committee, each committee final in its own period.
//!
//! A committee is 25 KB of keys, and its root commits to their sum as well (`aggregate_pubkey`). So a signature is
//! judged by the sum without the keys of those who did *not* sign, each shown to be in its place: some KB for each
//! period. That the sum is that of the keys is part of the state which the committee before has signed, or the
//! checkpoint names, as the keys themselves are.

use alloy_primitives::{B256, Bytes, FixedBytes};
use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, PublicKey, Signature};

use super::committee::{CIPHERSUITE, Signers, key_root};
use super::merkle;
use super::merkle::GeneralizedIndex;
use super::refused::{KnownPeriods, Refused};
use super::specification::{Checkpoint, Layout, Specification};
use super::wire::{Aggregate, BeaconHeader, Branch};

mod build;

pub use build::TipUpdate;

/// The way from a checkpoint to one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub(crate) begin: Begin,
    /// One for each period on the way.
    pub(crate) steps: Vec<Step>,
    pub(crate) tip: Tip,
}

/// The checkpoint's header, and who signs in its period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) header: BeaconHeader,
    pub(crate) committee: CommitteeSummary,
    pub(crate) branch: Branch,
}

/// What the root of a committee commits to: its keys, and their sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitteeSummary {
    pub(crate) keys: B256,
    pub(crate) sum: FixedBytes<48>,
}

/// Who signs in the next period, as the committee of this one signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) attested: BeaconHeader,
    pub(crate) finalized: BeaconHeader,
    pub(crate) finality_branch: Branch,
    pub(crate) next: CommitteeSummary,
    pub(crate) next_branch: Branch,
    pub(crate) signed: Signed,
}

/// The header that was signed last, and the execution block of it or of the header that it holds to be final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) attested: BeaconHeader,
    pub(crate) finality: Option<(BeaconHeader, Branch)>,
    pub(crate) execution: B256,
    pub(crate) execution_branch: Branch,
    pub(crate) signed: Signed,
}

/// A committee's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The least slot that stands for the same: nothing else of it is signed.
    pub(crate) slot: u64,
    pub(crate) bits: Bytes,
    pub(crate) signature: FixedBytes<96>,
    /// Those who did not sign, in their order.
    pub(crate) absent: Vec<Absent>,
}

/// A key, and the branch from it to the root of all keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) key: FixedBytes<48>,
    pub(crate) branch: Branch,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The checkpoint's slot.
    pub start: u64,
    /// Of the beacon block that holds the execution block.
    pub slot: u64,
    /// The execution block. From Gloas on it is the one before the block that the beacon block promises.
    pub execution: B256,
    /// Whether two thirds signed that it is final, and not only the block itself.
    pub is_final: bool,
    /// Of the committee that signed last.
    pub period: u64,
    pub participation: u16,
    /// No later than the signature.
    pub signature_slot: u64,
}

impl Path {
    /// The root of the checkpoint it begins from.
    pub fn checkpoint(&self) -> B256 {
        self.begin.header.root()
    }

    /// Walks the way from `checkpoint`: every branch, every signature. Nothing of it is believed but the checkpoint.
    ///
    /// # Errors
    /// The first rule of the protocol that it does not meet.
    pub fn walk(
        &self,
        spec: &Specification,
        checkpoint: &Checkpoint,
        now_slot: u64,
    ) -> Result<Reached, Refused> {
        let start = self.begin.header.slot;
        let root = self.checkpoint();
        if root != checkpoint.root {
            return Err(Refused::NotTheCheckpoint { expected: checkpoint.root, found: root });
        }
        if let Some(expected) = checkpoint.slot.filter(|named| *named != start) {
            return Err(Refused::CheckpointSlot { expected, found: start });
        }
        let begin = &self.begin;
        let place = layout(spec, start)?.current_committee;
        let branch = ("current_sync_committee_branch", &begin.branch);
        in_state(&begin.header, branch, begin.committee.root(), place)?;
        // What costs least goes first: a signature takes as long as some thousand branches.
        let begun = spec.period_of(start);
        for (step, period) in self.steps.iter().zip(begun..) {
            step.check(spec, period, now_slot)?;
        }
        self.tip.check(spec, (start, now_slot))?;
        let (mut committee, mut period) = (&begin.committee, begun);
        for step in &self.steps {
            committee.verify(spec, period, &step.attested, &step.signed)?;
            committee = &step.next;
            period += 1;
        }
        let Tip { attested, finality, execution, signed, .. } = &self.tip;
        let participation = committee.verify(spec, period, attested, signed)?;
        Ok(Reached {
            start,
            slot: self.tip.block().slot,
            execution: *execution,
            is_final: finality.is_some(),
            period,
            participation,
            signature_slot: signed.slot,
        })
    }
}

impl Step {
    /// Everything but the signature.
    fn check(&self, spec: &Specification, period: u64, now_slot: u64) -> Result<(), Refused> {
        let slot = self.attested.slot;
        in_order(&self.signed, (slot, self.finalized.slot), now_slot)?;
        let layout = layout(spec, slot)?;
        let finality = ("finality_branch", &self.finality_branch);
        in_state(&self.attested, finality, self.finalized.root(), layout.finalized_root)?;
        let next = ("next_sync_committee_branch", &self.next_branch);
        in_state(&self.attested, next, self.next.root(), layout.next_committee)?;
        // A committee that is not final yet may still become another.
        for slot in [slot, self.finalized.slot] {
            if spec.period_of(slot) != period {
                let known = KnownPeriods { first: period, last: period };
                return Err(Refused::NoCommittee { period: spec.period_of(slot), known });
            }
        }
        Ok(())
    }
}

impl Tip {
    /// The header whose execution block it is about.
    fn block(&self) -> &BeaconHeader {
        self.finality.as_ref().map_or(&self.attested, |(header, _)| header)
    }

    /// Everything but the signature.
    fn check(&self, spec: &Specification, (start, now_slot): (u64, u64)) -> Result<(), Refused> {
        let (attested, block) = (self.attested.slot, self.block());
        in_order(&self.signed, (attested, block.slot), now_slot)?;
        if let Some((header, branch)) = &self.finality {
            let place = layout(spec, attested)?.finalized_root;
            in_state(&self.attested, ("finality_branch", branch), header.root(), place)?;
        }
        let slot = block.slot;
        if slot < start {
            return Err(Refused::Old { slot, have: start });
        }
        let place = layout(spec, slot)?.block_hash().ok_or(Refused::NoExecution { slot })?;
        let (body, branch) = (&block.body_root, &self.execution_branch);
        if merkle::leads_to(body, self.execution, branch, place, place.depth()) {
            return Ok(());
        }
        Err(Refused::Branch { branch: "execution_branch", root: "body", slot })
    }
}

impl CommitteeSummary {
    /// `hash_tree_root(SyncCommittee)`.
    fn root(&self) -> B256 {
        merkle::hash_pair(&self.keys, &key_root(&self.sum))
    }

    /// How many of this committee, that of `period`, signed `attested`.
    fn verify(
        &self,
        spec: &Specification,
        period: u64,
        attested: &BeaconHeader,
        signed: &Signed,
    ) -> Result<u16, Refused> {
        let signature_period = spec.period_of(signed.slot);
        if signature_period != period {
            let known = KnownPeriods { first: period, last: period };
            return Err(Refused::NoCommittee { period: signature_period, known });
        }
        if signed.slot != least_slot(spec, attested.slot, signed.slot) {
            let (signature, attested) = (signed.slot, attested.slot);
            return Err(Refused::SlotOrder { signature, attested, finalized: attested });
        }
        let signers = Signers::of(&signed.aggregate(), spec.committee_size)?;
        let signer = self.sum_of(&signers, signed, period)?;
        let count = usize::from(signers.count);
        let wrong = || Refused::Signature { slot: signed.slot, period, signed: count };
        // The point at infinity signs for nobody; the subgroup is checked together with the pairing.
        let signature = Signature::from_bytes(signed.signature.as_slice()).map_err(|_| wrong())?;
        let message = spec.signing_root(attested.root(), signed.slot);
        match signature.verify(true, message.as_slice(), CIPHERSUITE, &[], &signer, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(signers.count),
            _ => Err(wrong()),
        }
    }

    /// The sum of the keys of those who signed: that of all, without those who did not.
    fn sum_of(
        &self,
        signers: &Signers,
        signed: &Signed,
        period: u64,
    ) -> Result<PublicKey, Refused> {
        let size = signers.signed.len();
        let read = |key: &FixedBytes<48>, index: usize| {
            PublicKey::key_validate(key.as_slice()).map_err(|_| Refused::Key { period, index })
        };
        let mut sum = AggregatePublicKey::from_public_key(&read(&self.sum, size)?);
        let absent: Vec<usize> =
            (0..size).filter(|it| !signers.signed.get(*it).is_some_and(|it| *it)).collect();
        if absent.len() != signed.absent.len() {
            return Err(Refused::Bits { found: signed.absent.len(), expected: absent.len() });
        }
        let width = size.next_power_of_two() as u64;
        for (index, Absent { key, branch }) in absent.into_iter().zip(&signed.absent) {
            let place = GeneralizedIndex::new(width + index as u64);
            let leads = place.is_some_and(|it| {
                merkle::leads_to(&self.keys, key_root(key), branch, it, it.depth())
            });
            if !leads {
                return Err(Refused::Key { period, index });
            }
            sum.sub_aggregate(&AggregatePublicKey::from_public_key(&read(key, index)?));
        }
        Ok(sum.to_public_key())
    }
}

impl Signed {
    fn aggregate(&self) -> Aggregate {
        Aggregate {
            sync_committee_bits: self.bits.clone(),
            sync_committee_signature: self.signature,
        }
    }
}

/// The least slot after `attested` whose signatures are made by the same committee, under the same fork, as those of
/// `slot`. More than that of its slot is not signed, so that it is written in one way only.
fn least_slot(spec: &Specification, attested: u64, slot: u64) -> u64 {
    let period = spec.period_of(slot).saturating_mul(spec.epochs_per_period);
    let fork = spec.fork_of(slot.saturating_sub(1)).epoch;
    let begins = |epoch: u64| epoch.saturating_mul(spec.slots_per_epoch);
    let fork = begins(fork).saturating_add(1);
    attested.saturating_add(1).max(begins(period)).max(fork)
}

fn in_order(signed: &Signed, (attested, finalized): (u64, u64), now: u64) -> Result<(), Refused> {
    let signature = signed.slot;
    if !(signature > attested && attested >= finalized) {
        return Err(Refused::SlotOrder { signature, attested, finalized });
    }
    if signature > now {
        return Err(Refused::TooEarly { signature, now });
    }
    if finalized == 0 { Err(Refused::NotFinalized) } else { Ok(()) }
}

fn layout(spec: &Specification, slot: u64) -> Result<Layout, Refused> {
    spec.fork_of(slot).layout.ok_or(Refused::NoExecution { slot })
}

fn in_state(
    header: &BeaconHeader,
    (name, branch): (&'static str, &Branch),
    leaf: B256,
    place: GeneralizedIndex,
) -> Result<(), Refused> {
    if merkle::leads_to(&header.state_root, leaf, branch, place, place.depth()) {
        return Ok(());
    }
    Err(Refused::Branch { branch: name, root: "state", slot: header.slot })
}
