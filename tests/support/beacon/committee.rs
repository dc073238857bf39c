//! Sync committees: 512 BLS keys each, and what some of them sign together.
//!
//! The secret keys are numbers in a row, `base`, `base + 1` and so on, so that the public keys are found by adding
//! the generator, and a signature of many is one signature with the sum of their secrets: the same bytes
//! as the aggregate of their signatures, for a five-hundredth of the work. `base` is different for each committee and
//! so large that no sum of some is another's key.

use alloy_primitives::{B256, U256, hex};
use blst::min_pk::{AggregatePublicKey, PublicKey, SecretKey};
use serde_json::{Value, json};

use super::ssz;

/// How many keys a sync committee has (`SYNC_COMMITTEE_SIZE`).
pub const SIZE: usize = 512;

/// The ciphersuite of the consensus layer (consensus-specs: phase0/beacon-chain.md, "BLS signatures").
pub const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

pub struct Committee {
    base: U256,
    pub public_keys: Vec<[u8; 48]>,
    pub aggregate: [u8; 48],
    root: B256,
}

impl Committee {
    /// The committee with this number: always the same keys.
    pub fn numbered(number: u64) -> Self {
        let seed = ssz::merkleize(&[ssz::bytes(b"sync committee"), ssz::number(number)]);
        // At most 2^239, so that not even the sum of all 512 reaches the order of the group, near 2^255.
        let base = (U256::from_be_bytes(seed.0) >> 17) | U256::ONE << 238;
        let one = secret(U256::ONE).sk_to_pk();
        let mut key = AggregatePublicKey::from_public_key(&secret(base).sk_to_pk());
        let mut all: Vec<PublicKey> = vec![key.to_public_key()];
        while all.len() < SIZE {
            key.add_public_key(&one, false).unwrap();
            all.push(key.to_public_key());
        }
        let aggregate = AggregatePublicKey::aggregate(&all.iter().collect::<Vec<_>>(), false);
        let aggregate = aggregate.unwrap().to_public_key().compress();
        let public_keys: Vec<[u8; 48]> = all.iter().map(PublicKey::compress).collect();
        let leaves: Vec<B256> = public_keys.iter().map(|it| ssz::vector(it)).collect();
        let root = ssz::pair(ssz::merkleize(&leaves), ssz::vector(&aggregate));
        Self { base, public_keys, aggregate, root }
    }

    /// `hash_tree_root(SyncCommittee)`
    pub fn root(&self) -> B256 {
        self.root
    }

    pub fn json(&self) -> Value {
        json!({
            "pubkeys": self.public_keys.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
            "aggregate_pubkey": hex::encode_prefixed(self.aggregate),
        })
    }

    /// The signature of those who take part.
    pub fn sign(&self, signers: &Signers, message: B256) -> [u8; 96] {
        let sum = (0..SIZE)
            .filter(|it| signers.includes(*it))
            .map(|it| self.base + U256::from(it))
            .sum::<U256>();
        if sum.is_zero() {
            // Nobody's signature is the point at infinity (altair/bls.md, `G2_POINT_AT_INFINITY`).
            let mut nobody = [0; 96];
            nobody[0] = 0xc0;
            return nobody;
        }
        secret(sum).sign(message.as_slice(), CIPHERSUITE, &[]).compress()
    }
}

fn secret(number: U256) -> SecretKey {
    SecretKey::from_bytes(&number.to_be_bytes::<32>()).unwrap()
}

/// Who of a committee takes part: one bit each (`Bitvector[512]`).
#[derive(Clone, PartialEq, Eq)]
pub struct Signers([u8; SIZE / 8]);

impl Signers {
    /// This many, spread evenly.
    pub fn count(many: usize) -> Self {
        assert!(many <= SIZE, "a committee has {SIZE} members");
        let mut bits = [0; SIZE / 8];
        for member in (0..SIZE).filter(|it| it * many / SIZE != (it + 1) * many / SIZE) {
            bits[member / 8] |= 1 << (member % 8);
        }
        Self(bits)
    }

    pub fn from_bits(bits: [u8; SIZE / 8]) -> Self {
        Self(bits)
    }

    pub fn includes(&self, member: usize) -> bool {
        self.0[member / 8] >> (member % 8) & 1 == 1
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|it| it.count_ones() as usize).sum()
    }

    pub fn hex(&self) -> String {
        hex::encode_prefixed(self.0)
    }
}
