//! Which block the receipt's header is, and how far that can be trusted.

use alloy_consensus::Header;
use alloy_primitives::B256;
use ring::digest;

use super::Evidence;
use crate::domain::consensus::{self, Attestation, Lineage, Objection};
use crate::domain::ids::{ChainId, Timestamp};
use crate::domain::ownership::{Anchor, Finality, Trust};
use crate::domain::product::Product;
use crate::evm::rules::{Named, Rules};
use crate::light_client::{Checkpoint, Path, Specification};
use crate::receipt::fault::ReceiptFault;
use crate::receipt::format::BlockEvidence;

/// What the header of a receipt may be the header of, before anything was proven of it.
pub(super) struct Claimed<'a> {
    product: &'a Product,
    chain: ChainId,
    hash: B256,
    time: Timestamp,
    number: u64,
    trust: Rests<'a>,
}

/// What its trust rests on.
enum Rests<'a> {
    /// Nobody can check that, whatever else the receipt says.
    OnItsMaker(Trust, Finality),
    OnValidators {
        path: &'a Path,
        specification: Box<Specification>,
        spec: Option<B256>,
        checkpoint: Checkpoint,
        built_in: bool,
    },
}

impl<'a> Claimed<'a> {
    pub(super) fn new(
        product: &'a Product,
        evidence: &'a Evidence,
        header: &Header,
    ) -> Result<Self, ReceiptFault> {
        let chain = evidence.token.collection.chain;
        let second = i64::try_from(header.timestamp).map_err(|_| ReceiptFault::Header)?;
        let time = Timestamp::from_second(second).map_err(|_| ReceiptFault::Header)?;
        let hash = header.hash_slow();
        let trust = match &evidence.block {
            BlockEvidence::Claimed { trust, finality } => {
                Rests::OnItsMaker((*trust).min(Trust::Quorum), *finality)
            }
            BlockEvidence::Signed { specification, path } => {
                if path.tip.execution != hash {
                    return Err(ReceiptFault::Header);
                }
                let (specification, spec) = self::specification(chain, specification.as_deref())?;
                let (checkpoint, built_in) =
                    vouched(product, chain, (path.checkpoint(), spec), &specification)?;
                let specification = specification.into();
                Rests::OnValidators { path, specification, spec, checkpoint, built_in }
            }
        };
        Ok(Self { product, chain, hash, time, number: header.number, trust })
    }

    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// The rules of the EVM at it.
    pub(super) fn rules(&self, header: &Header) -> Rules {
        let exactly = match &self.trust {
            Rests::OnItsMaker(..) => None,
            Rests::OnValidators { specification, .. } => specification.evm_fork_at(self.time),
        };
        Rules::at(self.chain, header, Named { exactly, at_least: None })
    }

    /// A block of this number and time, of which nothing else is known: for questions.
    pub(super) fn unproven(&self) -> Anchor {
        self.anchor(Trust::Single, Finality::Latest, None)
    }

    /// The block, proven as far as it can be.
    pub(super) fn prove(&self, now: Timestamp) -> Result<Anchor, ReceiptFault> {
        let Rests::OnValidators { path, specification, spec, checkpoint, built_in } = &self.trust
        else {
            let Rests::OnItsMaker(trust, finality) = self.trust else {
                return Err(ReceiptFault::Header);
            };
            return Ok(self.anchor(trust, finality, None));
        };
        // Whoever verifies begins from the checkpoint now, however long ago the receipt was made.
        let start = path.begin.header.slot;
        let age = now.duration_since(specification.time_of(start)).as_secs();
        let root = checkpoint.root;
        let lineage = Lineage { root, age_s: u64::try_from(age).unwrap_or(0), rest_s: 0 };
        let mut attestation = Attestation {
            checkpoint: root,
            spec: *spec,
            built_in: *built_in,
            slot: 0,
            period: 0,
            participation: 0,
            of: u16::try_from(specification.committee_size()).unwrap_or(u16::MAX),
            signature_slot: 0,
            lineages: vec![lineage],
        };
        // Also where the product asks for less: trust that nobody vouches for is not told.
        let checkpoints = &self.product.checkpoints;
        if let Some(objection) = consensus::objection(checkpoints, self.chain, &attestation) {
            return Err(ReceiptFault::Checkpoint(objection));
        }
        let reached = path.walk(specification, checkpoint, specification.slot_at(now))?;
        if reached.execution != self.hash {
            return Err(ReceiptFault::Header);
        }
        attestation.slot = reached.slot;
        attestation.period = reached.period;
        attestation.participation = reached.participation;
        attestation.signature_slot = reached.signature_slot;
        let finality = if reached.is_final { Finality::Finalized } else { Finality::Latest };
        Ok(self.anchor(Trust::Consensus, finality, Some(attestation)))
    }

    fn anchor(&self, trust: Trust, finality: Finality, attestation: Option<Attestation>) -> Anchor {
        let Self { chain, number, hash, time, .. } = *self;
        let attestation = attestation.map(Box::new);
        Anchor { chain, number, hash, time, finality, trust, attestation }
    }
}

/// The chain's specification, and the digest by which a product names it: built in, or in the receipt.
fn specification(
    chain: ChainId,
    text: Option<&str>,
) -> Result<(Specification, Option<B256>), ReceiptFault> {
    let (found, digest) = match text {
        None => (Specification::built_in(chain).cloned(), None),
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
