//! Makes a path of what beacon nodes answer. Pure.
//!
//! Asked by: whoever fetches them. Never: judges what it takes; walking the path does.

use alloy_primitives::B256;

use super::{Absent, Begin, CommitteeSummary, Path, Signed, Step, Tip, least_slot};
use crate::light_client::committee::{Signers, key_root};
use crate::light_client::merkle;
use crate::light_client::refused::{KnownPeriods, Refused};
use crate::light_client::specification::Specification;
use crate::light_client::wire::{
    Aggregate, Bootstrap, CommitteeKeys, FinalityUpdate, Header, OptimisticUpdate, Update,
};

/// What was signed last, as a beacon node tells it.
#[derive(Debug, Clone, Copy)]
pub enum TipUpdate<'a> {
    Finality(&'a FinalityUpdate),
    Optimistic(&'a OptimisticUpdate),
}

impl TipUpdate<'_> {
    fn attested(&self) -> &Header {
        match self {
            Self::Finality(it) => &it.attested_header,
            Self::Optimistic(it) => &it.attested_header,
        }
    }

    fn signature(&self) -> (&Aggregate, u64) {
        match self {
            Self::Finality(it) => (&it.sync_aggregate, it.signature_slot),
            Self::Optimistic(it) => (&it.sync_aggregate, it.signature_slot),
        }
    }

    /// The period of the committee that signed it: a path to it needs the updates of all periods before.
    pub fn period(&self, spec: &Specification) -> u64 {
        spec.period_of(self.signature().1)
    }
}

impl Path {
    /// Takes of what beacon nodes answer as much as the way needs. Of `updates` only those of the periods on the way
    /// count, the last of each.
    ///
    /// # Errors
    /// When something is missing, or not in the form it should have. That it is true is for [`Self::walk`] to find.
    pub fn build(
        spec: &Specification,
        begin: &Bootstrap,
        updates: &[Update],
        tip: TipUpdate<'_>,
    ) -> Result<Self, Refused> {
        let header = begin.header.beacon.clone();
        let (mut period, last) = (spec.period_of(header.slot), tip.period(spec));
        let mut committee = &begin.current_sync_committee;
        let begin = Begin {
            header,
            committee: CommitteeSummary::of(committee),
            branch: begin.current_sync_committee_branch.clone(),
        };
        let mut steps = Vec::new();
        while period < last {
            let is_of = |it: &&Update| spec.period_of(it.attested_slot()) == period;
            let Some(update) = updates.iter().rfind(is_of) else {
                let known = KnownPeriods { first: period, last: period };
                return Err(Refused::NoCommittee { period: last, known });
            };
            steps.push(Step {
                attested: update.attested_header.beacon.clone(),
                finalized: update.finalized_header.beacon.clone(),
                finality_branch: update.finality_branch.clone(),
                next: CommitteeSummary::of(&update.next_sync_committee),
                next_branch: update.next_sync_committee_branch.clone(),
                signed: Signed::of(
                    spec,
                    committee,
                    (&update.sync_aggregate, update.signature_slot),
                    update.attested_slot(),
                )?,
            });
            committee = &update.next_sync_committee;
            period += 1;
        }
        let attested = tip.attested();
        let signed = Signed::of(spec, committee, tip.signature(), attested.beacon.slot)?;
        let (block, finality) = match tip {
            TipUpdate::Finality(it) => {
                let finality = (it.finalized_header.beacon.clone(), it.finality_branch.clone());
                (&it.finalized_header, Some(finality))
            }
            TipUpdate::Optimistic(it) => (&it.attested_header, None),
        };
        let slot = block.beacon.slot;
        let (execution, execution_branch) =
            block.block_hash_branch(spec).ok_or(Refused::NoExecution { slot })?;
        let attested = attested.beacon.clone();
        let tip = Tip { attested, finality, execution, execution_branch, signed };
        Ok(Self { begin, steps, tip })
    }
}

impl CommitteeSummary {
    fn of(keys: &CommitteeKeys) -> Self {
        let roots = keys.pubkeys.iter().map(key_root).collect();
        Self { keys: merkle::root_of(roots), sum: keys.aggregate_pubkey }
    }
}

impl Signed {
    /// A signature of the header of slot `attested` by some of a committee.
    fn of(
        spec: &Specification,
        committee: &CommitteeKeys,
        (aggregate, slot): (&Aggregate, u64),
        attested: u64,
    ) -> Result<Self, Refused> {
        let size = spec.committee_size;
        if committee.pubkeys.len() != size {
            let found = committee.pubkeys.len();
            return Err(Refused::CommitteeSize { found, expected: size });
        }
        let signers = Signers::of(aggregate, size)?;
        let roots: Vec<B256> = committee.pubkeys.iter().map(key_root).collect();
        let members = committee.pubkeys.iter().zip(&signers.signed).enumerate();
        let absent = members.filter(|(_, (_, signed))| !**signed).map(|(index, (key, _))| Absent {
            key: *key,
            branch: merkle::branch_of(roots.clone(), index),
        });
        Ok(Self {
            slot: least_slot(spec, attested, slot),
            bits: aggregate.sync_committee_bits.clone(),
            signature: aggregate.sync_committee_signature,
            absent: absent.collect(),
        })
    }
}
