//! Places, claimed and given back as many at a time as etcd takes in one transaction.
//!
//! How many one request is for is its user's choice, and how many operations a transaction may have is etcd's
//! (`--max-txn-ops`, 128 unless it says otherwise). So many places are claimed in parts: each is the machine's whole or not at
//! all, and where a later one is somebody else's the earlier ones are given back. Parts are claimed in the order of all places,
//! so that of two machines that are in each other's way one comes through.

use serde_json::json;

use super::Etcd;
use super::keys;
use super::wire::{self, KeyValue, absent, put};
use crate::fleet::engine::{FleetError, PART, Places};
use entitled_core::fleet::{Joined, Revision, Slot};

impl Etcd {
    /// As [`crate::fleet::engine::Engine::claim`]. Where an answer is missing it is not known what was got: the next listing has it.
    pub(super) async fn claim_in_parts(
        &self,
        joined: Joined,
        mut slots: Vec<Slot>,
        claim: u64,
    ) -> Result<Option<Places>, FleetError> {
        slots.sort_unstable();
        let (mut got, mut part) = (Places::new(), PART);
        while let Some(rest) = slots.get(got.len()..).filter(|it| !it.is_empty()) {
            let tried = rest.get(..part).unwrap_or(rest);
            match self.claim_part(joined, tried, claim).await {
                Ok(Some(created)) => got.extend(tried.iter().map(|it| (*it, created))),
                Ok(None) => {
                    self.release_in_parts(&got).await?;
                    return Ok(None);
                }
                Err(error) if is_too_large(&error) && tried.len() > 1 => part = tried.len() / 2,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(got))
    }

    async fn claim_part(
        &self,
        joined: Joined,
        slots: &[Slot],
        claim: u64,
    ) -> Result<Option<Revision>, FleetError> {
        let machine = self.keys.machine(joined.machine);
        let (mut compare, mut success, mut failure) =
            (vec![wire::created_at(&machine, joined.created)], Vec::new(), Vec::new());
        let value = keys::of_holder(joined.machine, claim);
        for key in slots.iter().map(|it| self.keys.slot(it)) {
            compare.push(absent(&key));
            success.push(put(&key, &value, Some(joined.lease)));
            failure.push(wire::range(&key));
        }
        let body = json!({"compare": compare, "success": success, "failure": failure});
        let done = match self.transact(body).await {
            // The lease is gone, which the next renewal finds out as well.
            Err(FleetError::Refused { why }) if why.contains("lease not found") => {
                return Ok(None);
            }
            done => done?,
        };
        if done.succeeded {
            return Ok(Some(Revision(done.header.revision)));
        }
        // It was asked twice, because the first answer was lost.
        let own: Vec<&KeyValue> = done
            .found()
            .filter(|it| keys::holder(it).by == Some((joined.machine, claim)))
            .collect();
        let all = own.len() == slots.len();
        Ok(own.first().filter(|_| all).map(|it| Revision(it.create_revision)))
    }

    /// As [`crate::fleet::engine::Engine::release`].
    pub(super) async fn release_in_parts(
        &self,
        slots: &[(Slot, Revision)],
    ) -> Result<(), FleetError> {
        for part in slots.chunks(PART) {
            // One of them may be another's by now: then each is for itself.
            let all = part.len() > 1 && self.release_part(part).await?;
            for alone in part.chunks(1).filter(|_| !all) {
                self.release_part(alone).await?;
            }
        }
        Ok(())
    }

    /// All of them or none; which of the two.
    async fn release_part(&self, slots: &[(Slot, Revision)]) -> Result<bool, FleetError> {
        let (mut compare, mut success) = (Vec::new(), Vec::new());
        for (slot, created) in slots {
            let key = self.keys.slot(slot);
            compare.push(wire::created_at(&key, *created));
            success.push(wire::delete(&key));
        }
        let done = self.transact(json!({"compare": compare, "success": success})).await;
        match done {
            Err(error) if is_too_large(&error) && slots.len() > 1 => Ok(false),
            done => Ok(done?.succeeded),
        }
    }
}

/// etcd has other limits than it has by default. Of fewer places it may be asked.
fn is_too_large(error: &FleetError) -> bool {
    let limits = ["too many operations", "request is too large"];
    matches!(error, FleetError::Refused { why } if limits.iter().any(|it| why.contains(it)))
}
