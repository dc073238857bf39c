//! What all kinds of light client updates have in common, and what one comes to if its signature is good. Pure.
//!
//! Owns: the rules of `validate_light_client_update` (consensus-specs, `altair/light-client/sync-protocol.md`)
//! that need nothing but the update itself. Asked by: the light client. Never: knows what is known already.

use alloy_primitives::B256;

use super::committee::Committee;
use super::header::Head;
use super::merkle;
use super::merkle::GeneralizedIndex;
use super::refused::Refused;
use super::specification::Specification;
use super::wire::{Aggregate, Branch, CommitteeKeys, Header};

/// What all kinds of updates have in common.
pub(super) struct UpdateView<'a> {
    pub(super) attested: &'a Header,
    pub(super) finality: Option<(&'a Header, &'a Branch)>,
    pub(super) next_committee: Option<(&'a CommitteeKeys, &'a Branch)>,
    pub(super) aggregate: &'a Aggregate,
    pub(super) signature_slot: u64,
}

/// An update that is true if its signature is.
pub(super) struct Examined {
    pub(super) attested: Head,
    pub(super) finalized: Option<Head>,
    /// The committee of the period after the attested header's, and whether that header's own period is
    /// final in it: only then can the committee not change any more.
    pub(super) next: Option<(Committee, bool)>,
}

impl UpdateView<'_> {
    /// Checks that the slots are in order, the signature is not of the future, and a finalized header is named.
    ///
    /// # Errors
    /// When one of these is not so.
    pub(super) fn check_order(&self, now: u64) -> Result<(), Refused> {
        let (signature, attested) = (self.signature_slot, self.attested.beacon.slot);
        let finalized = self.finality.map_or(0, |(header, _)| header.beacon.slot);
        if !(signature > attested && attested >= finalized) {
            return Err(Refused::SlotOrder { signature, attested, finalized });
        }
        if signature > now {
            return Err(Refused::TooEarly { signature, now });
        }
        match self.finality {
            // An update without finality has an empty header, and a chain that never was final names none.
            Some((header, _)) if header.beacon.slot == 0 => Err(Refused::NotFinalized),
            _ => Ok(()),
        }
    }

    /// Checks everything that does not depend on what is known already, except the signature.
    ///
    /// # Errors
    /// When a header has not its fork's form, or something is not where a branch says.
    pub(super) fn examine(
        &self,
        spec: &Specification,
        participation: u16,
    ) -> Result<Examined, Refused> {
        let slot = self.attested.beacon.slot;
        let container = spec.fork_of(slot);
        let layout = container.layout.ok_or(Refused::NoExecution { slot })?;
        let signed = (participation, self.signature_slot);
        let attested = self.attested.check(spec, container, self.attested.beacon.root(), signed)?;
        let mut finalized = None;
        if let Some((header, branch)) = self.finality {
            let root = header.beacon.root();
            in_state(self.attested, ("finality_branch", branch), root, layout.finalized_root)?;
            finalized = Some(header.check(spec, container, root, signed)?);
        }
        let mut next = None;
        if let Some((keys, branch)) = self.next_committee {
            let root = keys.root(spec.committee_size)?;
            let branch = ("next_sync_committee_branch", branch);
            in_state(self.attested, branch, root, layout.next_committee)?;
            let period = spec.period_of(slot);
            let is_final = finalized.as_ref().is_some_and(|it| spec.period_of(it.slot) == period);
            next = Some((Committee::new(keys.clone(), root), is_final));
        }
        Ok(Examined { attested, finalized, next })
    }
}

/// Checks that `leaf` stands at `index` in the state of `header`.
///
/// # Errors
/// When the branch of that name does not lead there.
pub(super) fn in_state(
    header: &Header,
    (name, branch): (&'static str, &Branch),
    leaf: B256,
    index: GeneralizedIndex,
) -> Result<(), Refused> {
    let beacon = &header.beacon;
    if merkle::leads_to(&beacon.state_root, leaf, branch, index, index.depth()) {
        return Ok(());
    }
    Err(Refused::Branch { branch: name, root: "state", slot: beacon.slot })
}
