//! Merkle trees over SHA-256, as far as the sync protocol needs them. Pure.
//!
//! Owns: hashing pairs, roots of few leaves, branches by generalized index (consensus-specs,
//! `ssz/simple-serialize.md` and `ssz/merkle-proofs.md`). Asked by: the other files here. Never: knows what
//! a leaf means, or takes a branch of another length than its index asks for.

use std::fmt;

use alloy_primitives::B256;
use ring::digest::{Context, SHA256};

/// Where a leaf stands in a tree: 1 is the root, the children of n are 2n and 2n + 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GeneralizedIndex(u64);

impl GeneralizedIndex {
    /// The largest that is taken: it stands 32 steps below the root.
    pub(super) const MOST: u64 = u32::MAX as u64;

    /// `None` for the root itself and for what stands deeper than any tree of the protocol.
    pub(super) fn new(index: u64) -> Option<Self> {
        (2..=Self::MOST).contains(&index).then_some(Self(index))
    }

    /// How many nodes a branch from here to the root has.
    pub(super) fn depth(self) -> usize {
        self.0.ilog2() as usize
    }

    /// The place of what stands at `within` in the tree whose root stands here.
    pub(super) fn then(self, within: Self) -> Option<Self> {
        let steps = within.0.ilog2();
        let below = within.0 - (1 << steps);
        Self::new(self.0.checked_shl(steps)? | below)
    }
}

impl fmt::Debug for GeneralizedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

pub(super) fn hash_pair(left: &B256, right: &B256) -> B256 {
    let mut hash = Context::new(&SHA256);
    hash.update(left.as_slice());
    hash.update(right.as_slice());
    B256::from_slice(hash.finish().as_ref())
}

/// The root over `leaves`, filled up with zero leaves to a power of two. Of no leaves: zero.
pub(super) fn root_of(mut leaves: Vec<B256>) -> B256 {
    leaves.resize(leaves.len().next_power_of_two(), B256::ZERO);
    let mut width = leaves.len();
    while width > 1 {
        width /= 2;
        for at in 0..width {
            leaves[at] = hash_pair(&leaves[2 * at], &leaves[2 * at + 1]);
        }
    }
    leaves.first().copied().unwrap_or_default()
}

/// The branch from the leaf at `place` to the root of [`root_of`], from its sibling up.
pub(super) fn branch_of(mut leaves: Vec<B256>, mut place: usize) -> Vec<B256> {
    leaves.resize(leaves.len().next_power_of_two(), B256::ZERO);
    let mut branch = Vec::new();
    while leaves.len() > 1 {
        branch.extend(leaves.get(place ^ 1));
        leaves = leaves.as_chunks::<2>().0.iter().map(|[a, b]| hash_pair(a, b)).collect();
        place /= 2;
    }
    branch
}

/// A `uint64` as a leaf: little-endian, at the front.
pub(super) fn number(value: u64) -> B256 {
    let mut leaf = B256::ZERO;
    leaf[..8].copy_from_slice(&value.to_le_bytes());
    leaf
}

/// At most 32 bytes as a leaf, at the front. What is longer is cut; callers hold fixed sizes.
pub(super) fn short(bytes: &[u8]) -> B256 {
    B256::right_padding_from(bytes.get(..32).unwrap_or(bytes))
}

/// Whether `branch`, from the leaf's sibling up, leads from `leaf` at `index` to `root`. The branch has to
/// have exactly `length` nodes. Where that is more than the index asks for, the first of them must be zero:
/// so a later fork's container holds a branch of an earlier one (`is_valid_normalized_merkle_branch` of
/// consensus-specs, `electra/light-client/sync-protocol.md`).
pub(super) fn leads_to(
    root: &B256,
    leaf: B256,
    branch: &[B256],
    index: GeneralizedIndex,
    length: usize,
) -> bool {
    let Some(extra) = length.checked_sub(index.depth()) else { return false };
    if branch.len() != length {
        return false;
    }
    let (padding, nodes) = branch.split_at(extra);
    let climb = |(node, place): (B256, u64), sibling: &B256| {
        let above =
            if place & 1 == 1 { hash_pair(sibling, &node) } else { hash_pair(&node, sibling) };
        (above, place >> 1)
    };
    let (top, _) = nodes.iter().fold((leaf, index.0), climb);
    padding.iter().all(|it| it.is_zero()) && top == *root
}
