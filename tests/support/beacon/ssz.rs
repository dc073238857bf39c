//! Hash tree roots and Merkle branches (consensus-specs: ssz/simple-serialize.md, ssz/merkle-proofs.md), as plainly
//! as they can be written down. Shares nothing with the product, so that a mistake of one is seen by the other.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use ring::digest;

pub fn sha256(bytes: &[u8]) -> B256 {
    B256::from_slice(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The node above two.
pub fn pair(left: B256, right: B256) -> B256 {
    sha256(&[left, right].concat())
}

/// A number as a leaf: little-endian, filled up.
pub fn number(value: u64) -> B256 {
    let mut leaf = B256::ZERO;
    leaf[..8].copy_from_slice(&value.to_le_bytes());
    leaf
}

/// At most 32 bytes as a leaf, filled up.
pub fn bytes(value: &[u8]) -> B256 {
    B256::right_padding_from(value)
}

/// The root of a container or vector with these members.
pub fn merkleize(leaves: &[B256]) -> B256 {
    let mut level = leaves.to_vec();
    level.resize(leaves.len().next_power_of_two(), B256::ZERO);
    while level.len() > 1 {
        level = level.chunks(2).map(|it| pair(it[0], it[1])).collect();
    }
    level[0]
}

/// The root of a fixed number of bytes.
pub fn vector(value: &[u8]) -> B256 {
    merkleize(&value.chunks(32).map(bytes).collect::<Vec<_>>())
}

/// The root of a list of at most 32 bytes.
pub fn short_list(value: &[u8]) -> B256 {
    pair(bytes(value), number(value.len() as u64))
}

/// A tree of which only some leaves matter: the others, of which a light client sees no more than the hashes
/// beside its branches, are filler.
#[derive(Debug, Clone)]
pub struct SparseTree(BTreeMap<u64, B256>);

impl SparseTree {
    /// Of leaves at generalized indices; `filler` makes the rest another for another number.
    ///
    /// # Panics
    /// When a leaf lies above another.
    pub fn new(leaves: &[(u64, B256)], filler: u64) -> Self {
        let mut todo: BTreeMap<u64, B256> = leaves.iter().copied().collect();
        let mut nodes = BTreeMap::new();
        while let Some((index, node)) = todo.pop_last() {
            nodes.insert(index, node);
            if index == 1 {
                break;
            }
            let beside = index ^ 1;
            let other = todo
                .remove(&beside)
                .unwrap_or_else(|| merkleize(&[number(filler), number(beside), B256::ZERO]));
            nodes.insert(beside, other);
            let above = if index % 2 == 0 { pair(node, other) } else { pair(other, node) };
            assert!(todo.insert(index / 2, above).is_none(), "{} is above a leaf", index / 2);
        }
        Self(nodes)
    }

    pub fn root(&self) -> B256 {
        self.0[&1]
    }

    /// The hashes beside the way from `index` to the root.
    pub fn branch(&self, index: u64) -> Vec<B256> {
        let way = std::iter::successors(Some(index), |it| Some(it / 2)).take_while(|it| *it > 1);
        way.map(|it| self.0[&(it ^ 1)]).collect()
    }
}
