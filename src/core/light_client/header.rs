//! A light client header: its roots, and whether what it says of execution belongs to it. Pure.
//!
//! Owns: `hash_tree_root` of headers and payload headers, and `is_valid_light_client_header`
//! (consensus-specs, `capella/`, `deneb/`, `electra/` and `gloas/light-client/sync-protocol.md`). Asked by:
//! the light client. Never: says whether the beacon header itself is the chain's.

use std::sync::Arc;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::merkle;
use super::refused::Refused;
use super::specification::{Fork, HeaderFormat, Specification};
use super::wire::{BeaconHeader, Branch, Execution, Header, PayloadHeader};
use crate::domain::ids::Timestamp;

/// Which field of a payload header `block_hash` is.
const BLOCK_HASH: usize = 12;

/// A beacon block that a sync committee signed, and the execution block it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub beacon_root: B256,
    pub slot: u64,
    /// The execution block. In Gloas it is the one *before* the block this beacon block promises.
    pub execution_hash: B256,
    /// `None` from Gloas on, whose headers have nothing but the hash.
    pub execution_number: Option<u64>,
    /// `None` from Gloas on: the execution block's own header, which hashes to `execution_hash`, has it.
    pub execution_state_root: Option<B256>,
    /// The execution block's own time. From Gloas on, the slot's, which is later than that.
    pub time: Timestamp,
    /// How many members of the committee signed.
    pub participation: u16,
    /// The slot of the signature. The committee does not sign it.
    pub signature_slot: u64,
    /// The fork of the slot.
    pub fork: Arc<str>,
}

impl BeaconHeader {
    /// `hash_tree_root(BeaconBlockHeader)`.
    pub(crate) fn root(&self) -> B256 {
        merkle::root_of(vec![
            merkle::number(self.slot),
            merkle::number(self.proposer_index),
            self.parent_root,
            self.state_root,
            self.body_root,
        ])
    }
}

impl PayloadHeader {
    /// `hash_tree_root(ExecutionPayloadHeader)`, of Deneb's where the blob fields are given. `None` where
    /// what is given is not in the format asked for: before Deneb the fields are absent, or zero in the
    /// container of a later fork.
    fn root(&self, format: HeaderFormat) -> Option<B256> {
        self.leaves(format).map(merkle::root_of)
    }

    /// The fields as leaves, in their order.
    fn leaves(&self, format: HeaderFormat) -> Option<Vec<B256>> {
        let bloom = self.logs_bloom.as_chunks::<32>().0;
        let extra_data = merkle::short(&self.extra_data);
        let extra_data_length = merkle::number(self.extra_data.len() as u64);
        let mut leaves = vec![
            self.parent_hash,
            merkle::short(self.fee_recipient.as_slice()),
            self.state_root,
            self.receipts_root,
            merkle::root_of(bloom.iter().map(B256::from).collect()),
            self.prev_randao,
            merkle::number(self.block_number),
            merkle::number(self.gas_limit),
            merkle::number(self.gas_used),
            merkle::number(self.timestamp),
            merkle::hash_pair(&extra_data, &extra_data_length),
            B256::from(self.base_fee_per_gas.to_le_bytes::<32>()),
            self.block_hash,
            self.transactions_root,
            self.withdrawals_root,
        ];
        match (format, self.blob_gas_used, self.excess_blob_gas) {
            (HeaderFormat::Deneb, Some(used), Some(excess)) => {
                leaves.push(merkle::number(used));
                leaves.push(merkle::number(excess));
            }
            (HeaderFormat::Capella, None | Some(0), None | Some(0)) => {}
            _ => return None,
        }
        Some(leaves)
    }

    fn time(&self) -> Option<Timestamp> {
        Timestamp::from_second(i64::try_from(self.timestamp).ok()?).ok()
    }
}

impl Header {
    /// The hash of the execution block, and the branch from it to the root of the block's body, whatever form the header
    /// has. What is not in that form is for [`Header::check`] to refuse.
    pub(super) fn block_hash_branch(&self, spec: &Specification) -> Option<(B256, Branch)> {
        let own = spec.fork_of(self.beacon.slot).layout?;
        match &self.execution {
            Execution::Nothing => None,
            Execution::BlockHash(hash) => {
                // In the container of a later fork it is filled up in front.
                let padding = self.execution_branch.len().checked_sub(own.block_hash()?.depth())?;
                Some((*hash, self.execution_branch[padding..].to_vec()))
            }
            Execution::Payload(payload) => {
                let mut branch = merkle::branch_of(payload.leaves(own.format)?, BLOCK_HASH);
                branch.extend(&self.execution_branch);
                Some((payload.block_hash, branch))
            }
        }
    }

    /// Checks that what it says of execution follows from its beacon header, whose root is `root`, within a
    /// container of the fork `container`: that of the attested header, which may be a later one than the
    /// header's own. Gives the head this header is, if `participation` members did sign in `signature_slot`.
    ///
    /// # Errors
    /// When it is from before Capella, in another format than the container's, or execution is not in the body.
    pub(super) fn check(
        &self,
        spec: &Specification,
        container: &Fork,
        root: B256,
        (participation, signature_slot): (u16, u64),
    ) -> Result<Head, Refused> {
        let slot = self.beacon.slot;
        let fork = spec.fork_of(slot);
        let (Some(own), Some(outer)) = (fork.layout, container.layout) else {
            return Err(Refused::NoExecution { slot });
        };
        let format = || Refused::HeaderFormat { slot, fork: container.name.to_string() };
        let mut head = Head {
            beacon_root: root,
            slot,
            execution_hash: B256::ZERO,
            execution_number: None,
            execution_state_root: None,
            time: spec.time_of(slot),
            participation,
            signature_slot,
            fork: Arc::clone(&fork.name),
        };
        let (leaf, index) = match (&self.execution, outer.format) {
            (Execution::BlockHash(hash), HeaderFormat::BlockHash) => {
                head.execution_hash = *hash;
                (*hash, own.block_hash().ok_or_else(format)?)
            }
            (Execution::Payload(payload), HeaderFormat::Capella | HeaderFormat::Deneb) => {
                head.execution_hash = payload.block_hash;
                head.execution_number = Some(payload.block_number);
                head.execution_state_root = Some(payload.state_root);
                head.time = payload.time().unwrap_or(head.time);
                (payload.root(own.format).ok_or_else(format)?, own.execution)
            }
            _ => return Err(format()),
        };
        let (body, length) = (&self.beacon.body_root, outer.execution.depth());
        if !merkle::leads_to(body, leaf, &self.execution_branch, index, length) {
            return Err(Refused::Branch { branch: "execution_branch", root: "body", slot });
        }
        Ok(head)
    }
}
