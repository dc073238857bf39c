//! The nodes of tries that prove what an execution looked at, and no others. Pure.
//!
//! Asked by: whoever makes a receipt, for what to put into it; and `receipt`, for whether there is more in one than was
//! needed: a byte on which nothing rests could be altered, and nobody would notice.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

use super::state::{Library, Need};
use super::trie_nodes::{Nodes, Walk};

/// What proves some pieces of state at a state root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// Nodes of tries by their hashes.
    pub nodes: BTreeMap<B256, Bytes>,
    /// The hashes of the code of every account among the pieces.
    pub codes: BTreeSet<B256>,
}

impl Witness {
    /// What proves `touched` at `state_root`, of the nodes that are here. `None` when one is missing.
    pub fn of(nodes: &mut Nodes, state_root: B256, touched: &BTreeSet<Need>) -> Option<Self> {
        let mut witness = Self::default();
        for need in touched {
            let (Need::Account(address) | Need::Slot(address, _)) = *need else { continue };
            let account = witness.follow(nodes, state_root, keccak256(address))?;
            let Some(account) = account else { continue };
            let account: TrieAccount = alloy_rlp::decode_exact(account).ok()?;
            if account.code_hash != KECCAK256_EMPTY {
                witness.codes.insert(account.code_hash);
            }
            if let Need::Slot(_, slot) = need
                && account.storage_root != EMPTY_ROOT_HASH
            {
                let path = keccak256(B256::from(*slot));
                witness.follow(nodes, account.storage_root, path)?;
            }
        }
        Some(witness)
    }

    /// The value at `path`, if there is one. Keeps the nodes on the way.
    fn follow(&mut self, nodes: &mut Nodes, root: B256, path: B256) -> Option<Option<Vec<u8>>> {
        let mut intact = true;
        let walk = nodes.walk_by(root, path, |name, node| {
            self.nodes.entry(name).or_insert_with(|| {
                let bytes = Bytes::from(alloy_rlp::encode(node));
                intact &= keccak256(&bytes) == name;
                bytes
            });
        });
        match walk {
            _ if !intact => None,
            Walk::Found(value) => Some(Some(value)),
            Walk::Absent => Some(None),
            Walk::Unknown { .. } => None,
        }
    }

    /// The code of each hash, as far as it is here: what was not run need not be.
    pub fn codes_in(&self, library: &Library) -> BTreeMap<B256, Bytes> {
        let code = |hash: &B256| {
            let bytes = library.code(*hash)?.original_bytes();
            (keccak256(&bytes) == *hash).then_some((*hash, bytes))
        };
        self.codes.iter().filter_map(code).collect()
    }
}
