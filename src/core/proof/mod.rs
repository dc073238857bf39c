//! State of a chain, proven against a block's state root (EIP-1186), piece by piece. Pure.

pub mod account_proof;
pub mod lru_cache;
pub mod state;
pub mod trie_nodes;
pub mod witness;
