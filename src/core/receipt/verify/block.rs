//! Which block the receipt's header is, and how far that can be trusted.

use alloy_consensus::Header;
use alloy_primitives::B256;
use ring::digest;

use super::Evidence;
use crate::domain::consensus::{self, Attestation, Lineage, Objection};
use crate::domain::ids::{ChainId, Timestamp};
use crate::domain::ownership::{Anchor, Finality, Trust};
use crate::domain::product::Product;
use crate::evm::execute::{self, Rules};
use crate::light_client::{Checkpoint, EvmFork, Path, Specification};
use crate::receipt::fault::ReceiptFault;
use crate::receipt::format::BlockEvidence;

/// The block, and the rules of the EVM at it.
pub(super) fn anchor(
    product: &Product,
    evidence: &Evidence,
    header: &Header,
    now: Timestamp,
) -> Result<(Anchor, Rules), ReceiptFault> {
    let chain = evidence.token.collection.chain;
    let second = i64::try_from(header.timestamp).map_err(|_| ReceiptFault::Header)?;
    let time = Timestamp::from_second(second).map_err(|_| ReceiptFault::Header)?;
    let hash = header.hash_slow();
    let anchor = |trust, finality, attestation| Anchor {
        chain,
        number: header.number,
        hash,
        time,
        finality,
        trust,
        attestation,
    };
    match &evidence.block {
        BlockEvidence::Claimed { trust, finality } => {
            // Nobody can check it, whatever else it says.
            let trust = (*trust).min(Trust::Quorum);
            Ok((anchor(trust, *finality, None), execute::rules(header, None)))
        }
        BlockEvidence::Signed { specification, path } => {
            let of = (chain, specification.as_deref());
            let (attestation, fork, finality) = signed(product, of, (path, hash, time), now)?;
            let rules = execute::rules(header, fork);
            Ok((anchor(Trust::Consensus, finality, Some(attestation)), rules))
        }
    }
}

type Signed = (Attestation, Option<EvmFork>, Finality);

fn signed(
    product: &Product,
    (chain, text): (ChainId, Option<&str>),
    (path, hash, time): (&Path, B256, Timestamp),
    now: Timestamp,
) -> Result<Signed, ReceiptFault> {
    let (specification, spec) = specification(chain, text)?;
    let root = path.checkpoint();
    let (checkpoint, built_in) = vouched(product, chain, (root, spec), &specification)?;
    let reached = path.walk(&specification, &checkpoint, specification.slot_at(now))?;
    if reached.execution != hash {
        return Err(ReceiptFault::Header);
    }
    // Whoever verifies begins from the checkpoint now, however long ago the receipt was made.
    let age = now.duration_since(specification.time_of(reached.start)).as_secs();
    let lineage = Lineage { root, age_s: u64::try_from(age).unwrap_or(0), rest_s: 0 };
    let attestation = Attestation {
        checkpoint: root,
        spec,
        built_in,
        slot: reached.slot,
        period: reached.period,
        participation: reached.participation,
        of: u16::try_from(specification.committee_size()).unwrap_or(u16::MAX),
        signature_slot: reached.signature_slot,
        lineages: vec![lineage],
    };
    // Also where the product asks for less: trust that nobody vouches for is not told.
    if let Some(objection) = consensus::objection(&product.checkpoints, chain, &attestation) {
        return Err(ReceiptFault::Checkpoint(objection));
    }
    let finality = if reached.is_final { Finality::Finalized } else { Finality::Latest };
    Ok((attestation, specification.evm_fork_at(time), finality))
}

/// The chain's specification, and the digest by which a product names it: built in, or in the receipt.
fn specification(
    chain: ChainId,
    text: Option<&str>,
) -> Result<(Specification, Option<B256>), ReceiptFault> {
    let (found, digest) = match text {
        None => (Specification::built_in(chain), None),
        Some(text) => {
            let digest = digest::digest(&digest::SHA256, text.as_bytes());
            let digest = B256::from_slice(digest.as_ref());
            (Specification::parse(text).ok(), Some(digest))
        }
    };
    let found = found.filter(|it| it.chain() == chain);
    found.map(|it| (it, digest)).ok_or(ReceiptFault::Specification)
}

/// The checkpoint of this root, if the product vouches for it under this specification; and whether it is built in. Its
/// age is for the decision to judge.
fn vouched(
    product: &Product,
    chain: ChainId,
    (root, spec): (B256, Option<B256>),
    specification: &Specification,
) -> Result<(Checkpoint, bool), ReceiptFault> {
    let not_named = ReceiptFault::Checkpoint(Objection::NotNamed { checkpoint: root });
    let mut own = product.checkpoints.iter().filter(|it| it.chain == chain).peekable();
    if own.peek().is_none() && spec.is_none() {
        let mut brought = specification.checkpoints().iter();
        let found = brought.find(|it| it.root == root).ok_or(not_named)?;
        return Ok((*found, true));
    }
    let is_named = |it: &&consensus::Checkpoint| it.root == root && it.spec == spec;
    let found = own.find(is_named).ok_or(not_named)?;
    Ok((Checkpoint { root, slot: found.slot }, false))
}
