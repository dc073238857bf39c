//! Nodes of tries by their hash, and walks down from a root over those that are here. Pure.
//!
//! Filled by: `chain/evm/proof_fetch`, from proofs that were verified. Walked by: `state`. Never: says of anything that it
//! is not there unless the walk came to where it would be. A node that is not here is unknown, not zero.
//!
//! A node is named by the Keccak hash of its bytes, and a parent names its children so: whoever comes down
//! from a proven root over such names needs no other proof (Yellow Paper, appendix D). So what a proof
//! brought once proves the same under every later root that still leads to it.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::{BranchNode, RlpNode, TrieNode};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

use super::lru_cache::LruCache;

/// What a node takes beside its own bytes.
const OVERHEAD: usize = 160;

/// What a walk came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The value at the key, encoded as the trie has it.
    Found(Vec<u8>),
    /// Proven: there is none.
    Absent,
    /// Not known for want of this node, so many nibbles below the root.
    Unknown { node: B256, depth: usize },
}

/// A node and its hash.
pub type Named = (B256, TrieNode, usize);

/// Nodes of tries (yellow paper, appendix D) by their hashes, each of which proves its node at every block.
#[derive(Debug)]
pub struct Nodes(LruCache<B256, TrieNode>);

impl Nodes {
    /// Some fifty thousand nodes of common size: a few collections of ten thousand tokens.
    const MOST_BYTES: usize = 32 * 1024 * 1024;

    /// Keeps nodes whose hashes [`named`] computed.
    pub fn learn(&mut self, nodes: impl IntoIterator<Item = Named>) {
        for (hash, node, bytes) in nodes {
            self.0.put(hash, node, bytes + OVERHEAD);
        }
    }

    /// Looks up the value whose key hashes to `path` in the trie under `root`.
    pub(crate) fn walk(&mut self, root: B256, path: B256) -> Walk {
        self.walk_by(root, path, |_, _| {})
    }

    /// The same; `seen` is told of each node on the way.
    pub(crate) fn walk_by(
        &mut self,
        root: B256,
        path: B256,
        mut seen: impl FnMut(B256, &TrieNode),
    ) -> Walk {
        if root == EMPTY_ROOT_HASH {
            return Walk::Absent;
        }
        let path = Nibbles::unpack_array(&path.0);
        let (mut name, mut depth) = (root, 0);
        loop {
            let unknown = Walk::Unknown { node: name, depth };
            let Some(node) = self.0.get(&name) else { return unknown };
            seen(name, node);
            match visit(node, &path, depth) {
                // Nothing an honest trie has. Whoever proves the key will be told by the proof.
                Visit::Broken => return unknown,
                Visit::Ended(end) => return end,
                Visit::Down(child, below) => (name, depth) = (child, below),
            }
        }
    }
}

impl Default for Nodes {
    fn default() -> Self {
        Self(LruCache::new(Self::MOST_BYTES))
    }
}

/// The nodes of some proofs, each once. They must belong to proofs that were verified.
pub fn named<'a>(proofs: impl IntoIterator<Item = &'a Bytes>) -> Vec<Named> {
    let distinct: std::collections::HashSet<&[u8]> =
        proofs.into_iter().map(AsRef::as_ref).collect();
    let decoded = |bytes: &[u8]| {
        let node = TrieNode::decode(&mut &*bytes).ok()?;
        Some((keccak256(bytes), node, bytes.len()))
    };
    distinct.into_iter().filter_map(decoded).collect()
}

/// Where one node leads.
enum Visit {
    /// To the node of this hash, which begins at this depth.
    Down(B256, usize),
    Ended(Walk),
    Broken,
}

/// From `node`, which begins at `depth`, towards the end of `path`. Small nodes lie inside their parents and
/// are gone through at once; each takes up some of the path, so that this ends.
fn visit(node: &TrieNode, path: &Nibbles, depth: usize) -> Visit {
    match node {
        TrieNode::Branch(branch) => match path.get(depth) {
            None => Visit::Broken,
            Some(nibble) => match child(branch, nibble) {
                None => Visit::Ended(Walk::Absent),
                Some(child) => down(child, path, depth + 1, false),
            },
        },
        TrieNode::Extension(extension) => {
            let below = depth + extension.key.len();
            if extension.key.is_empty() || below >= path.len() {
                return Visit::Broken;
            }
            if path.slice(depth..below) != extension.key {
                return Visit::Ended(Walk::Absent);
            }
            down(&extension.child, path, below, true)
        }
        TrieNode::Leaf(leaf) => {
            if depth + leaf.key.len() != path.len() {
                return Visit::Broken;
            }
            let is_it = path.slice(depth..) == leaf.key;
            Visit::Ended(if is_it { Walk::Found(leaf.value.clone()) } else { Walk::Absent })
        }
        TrieNode::EmptyRoot => Visit::Broken,
    }
}

/// Into a child, by its name or as it lies there. Below an extension there is a branch and nothing else.
fn down(child: &RlpNode, path: &Nibbles, depth: usize, below_extension: bool) -> Visit {
    if let Some(hash) = child.as_hash() {
        return Visit::Down(hash, depth);
    }
    match TrieNode::decode(&mut &child[..]) {
        Ok(TrieNode::Branch(branch)) => visit(&TrieNode::Branch(branch), path, depth),
        Ok(node) if !below_extension => visit(&node, path, depth),
        _ => Visit::Broken,
    }
}

/// Children lie in the order of their nibbles, without gaps.
pub(super) fn child(branch: &BranchNode, nibble: u8) -> Option<&RlpNode> {
    if !branch.state_mask.is_bit_set(nibble) {
        return None;
    }
    let before = (0..nibble).filter(|it| branch.state_mask.is_bit_set(*it)).count();
    branch.stack.get(before)
}

#[cfg(test)]
mod tests;
