//! A sync committee: its keys, and whether enough of them signed. Pure.
//!
//! Owns: `hash_tree_root(SyncCommittee)`, the validation of keys, and `eth_fast_aggregate_verify`
//! (consensus-specs, `altair/beacon-chain.md` and `altair/bls.md`). Asked by: the light client. Never:
//! decides which committee ought to have signed.
//!
//! Keys are validated when the committee has first to judge a signature, all of them once: decompressed,
//! on the curve, in the subgroup, not the point at infinity. Until then a committee is 25 KB of bytes that
//! a signed state committed to; nothing rests on them. Their sum is kept, so that a signature by nearly all
//! costs a subtraction for each who did not sign, not an addition for each who did.

use std::fmt;

use alloy_primitives::{B256, FixedBytes};
use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, PublicKey, Signature};

use super::merkle;
use super::refused::Refused;
use super::wire::{Aggregate, CommitteeKeys};

/// The ciphersuite of the beacon chain (consensus-specs, `phase0/beacon-chain.md`, "BLS signatures").
pub(super) const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// The committee of one period, as a signed state committed to it.
#[derive(Clone)]
pub(super) struct Committee {
    pub(super) keys: CommitteeKeys,
    pub(super) root: B256,
    validated: Option<Validated>,
}

#[derive(Clone)]
struct Validated {
    keys: Vec<PublicKey>,
    sum: AggregatePublicKey,
}

impl fmt::Debug for Committee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Committee({})", self.root)
    }
}

/// Who signed, and that they are enough.
#[derive(Debug, Clone)]
pub(super) struct Signers {
    pub(super) signed: Vec<bool>,
    pub(super) count: u16,
}

impl Signers {
    /// Two thirds of the committee, for every kind of claim. The protocol lets an optimistic header pass
    /// with half of the greatest participation seen of late; we act on nothing that could not be final.
    ///
    /// # Errors
    /// When the bits are not as many as the committee has members, or fewer than two thirds are set.
    pub(super) fn of(aggregate: &Aggregate, size: usize) -> Result<Self, Refused> {
        let bits = &aggregate.sync_committee_bits;
        if bits.len() * 8 != size {
            return Err(Refused::Bits { found: bits.len(), expected: size / 8 });
        }
        let signed: Vec<bool> =
            (0..size).map(|member| bits[member / 8] >> (member % 8) & 1 == 1).collect();
        let count = signed.iter().filter(|it| **it).count();
        let needed = (2 * size).div_ceil(3);
        let few = Refused::Participation { signed: count, size, needed };
        match u16::try_from(count) {
            Ok(count16) if count >= needed => Ok(Self { signed, count: count16 }),
            _ => Err(few),
        }
    }
}

impl CommitteeKeys {
    /// `hash_tree_root(SyncCommittee)`.
    ///
    /// # Errors
    /// When there are not `size` keys.
    pub(super) fn root(&self, size: usize) -> Result<B256, Refused> {
        if self.pubkeys.len() != size {
            return Err(Refused::CommitteeSize { found: self.pubkeys.len(), expected: size });
        }
        let keys = merkle::root_of(self.pubkeys.iter().map(key_root).collect());
        Ok(merkle::hash_pair(&keys, &key_root(&self.aggregate_pubkey)))
    }
}

/// `hash_tree_root(BLSPubkey)`: 48 bytes take two leaves.
pub(super) fn key_root(key: &FixedBytes<48>) -> B256 {
    merkle::hash_pair(&merkle::short(&key[..32]), &merkle::short(&key[32..]))
}

impl Committee {
    /// `root` is that of `keys`, and proven.
    pub(super) fn new(keys: CommitteeKeys, root: B256) -> Self {
        Self { keys, root, validated: None }
    }

    /// Whether `signers` of this committee, that of `period`, signed `message` in `slot`.
    ///
    /// # Errors
    /// When a key of the committee is none, or the signature is not theirs.
    pub(super) fn verify(
        &mut self,
        (period, slot): (u64, u64),
        signers: &Signers,
        aggregate: &Aggregate,
        message: &B256,
    ) -> Result<(), Refused> {
        let wrong = || Refused::Signature { slot, period, signed: usize::from(signers.count) };
        let bytes = &aggregate.sync_committee_signature;
        // The point at infinity signs for nobody; the subgroup is checked together with the pairing.
        let signature = Signature::from_bytes(bytes.as_slice()).map_err(|_| wrong())?;
        let signer = self.validated(period)?.sum_of(signers);
        match signature.verify(true, message.as_slice(), CIPHERSUITE, &[], &signer, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            _ => Err(wrong()),
        }
    }

    fn validated(&mut self, period: u64) -> Result<&Validated, Refused> {
        let validated = match self.validated.take() {
            Some(validated) => validated,
            None => validate(&self.keys, period)?,
        };
        Ok(self.validated.insert(validated))
    }
}

fn validate(keys: &CommitteeKeys, period: u64) -> Result<Validated, Refused> {
    let valid = |(index, key): (usize, &FixedBytes<48>)| {
        PublicKey::key_validate(key.as_slice()).map_err(|_| Refused::Key { period, index })
    };
    let keys: Vec<PublicKey> =
        keys.pubkeys.iter().enumerate().map(valid).collect::<Result<_, _>>()?;
    let all: Vec<&PublicKey> = keys.iter().collect();
    let sum = AggregatePublicKey::aggregate(&all, false)
        .map_err(|_| Refused::CommitteeSize { found: 0, expected: 1 })?;
    Ok(Validated { keys, sum })
}

impl Validated {
    fn sum_of(&self, signers: &Signers) -> PublicKey {
        let mut sum = self.sum;
        let absent = self.keys.iter().zip(&signers.signed).filter(|(_, signed)| !**signed);
        for (key, _) in absent {
            sum.sub_aggregate(&AggregatePublicKey::from_public_key(key));
        }
        sum.to_public_key()
    }
}
