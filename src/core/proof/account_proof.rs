//! What a proof proves. Pure: Merkle-Patricia proofs of accounts and slots (EIP-1186), code and headers.
//!
//! Asked by: `chain/evm/proof_fetch`, `chain/endpoint/probe`. Never: believes a field that no hash covers.

use std::collections::HashMap;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_trie::nodes::TrieNode;
use alloy_trie::proof::ProofVerificationError;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};

use super::trie_nodes::child;

/// What an endpoint said does not follow from the block.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the proof is for {got}, not for {asked}")]
    OtherAccount { asked: Address, got: Address },
    #[error("the account {address} does not follow from the state root")]
    Account { address: Address, source: Box<ProofVerificationError> },
    #[error("the account {address} is absent, but was said to have a nonce or a balance")]
    AbsentButUsed { address: Address },
    #[error("slot {slot} of {address} was not answered")]
    MissingSlot { address: Address, slot: B256 },
    #[error("slot {slot} of {address} does not follow from the storage root")]
    Slot { address: Address, slot: B256, source: Box<ProofVerificationError> },
    #[error("the code of {address} has another hash")]
    Code { address: Address },
    #[error("the header of block {number} hashes to {got}, not to {named}")]
    Header { number: u64, named: B256, got: B256 },
    #[error("the header of block {number} has fields that are others of the same bytes")]
    HeaderForm { number: u64 },
}

/// An account and the slots asked for, all of them proven. `None`: proven not to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenAccount {
    pub account: Option<TrieAccount>,
    pub slots: Vec<(U256, U256)>,
}

/// Checks an `eth_getProof` answer for `address` and every slot in `slots` against a state root.
///
/// # Errors
/// The first thing that does not follow from the root. What was not asked for is not looked at.
pub fn verify(
    proof: &EIP1186AccountProofResponse,
    address: Address,
    slots: &[U256],
    state_root: B256,
) -> Result<ProvenAccount, ProofError> {
    let account = verify_account(proof, address, state_root)?;
    let root = account.map_or(EMPTY_ROOT_HASH, |it| it.storage_root);
    let by_key = by_key(proof);
    let mut proven = Vec::with_capacity(slots.len());
    for slot in slots {
        let key = B256::from(*slot);
        let Some(found) = by_key.get(&key) else {
            // Proven to have no storage, every slot is proven to be zero; some nodes leave such slots out.
            if root != EMPTY_ROOT_HASH {
                return Err(ProofError::MissingSlot { address, slot: key });
            }
            proven.push((*slot, U256::ZERO));
            continue;
        };
        verify_slot(root, key, found.value, &found.proof).map_err(|source| ProofError::Slot {
            address,
            slot: key,
            source: Box::new(source),
        })?;
        proven.push((*slot, found.value));
    }
    Ok(ProvenAccount { account, slots: proven })
}

/// Under its own key, whatever the order; nodes write keys in different lengths. The first one counts.
fn by_key(proof: &EIP1186AccountProofResponse) -> HashMap<B256, &EIP1186StorageProof> {
    proof.storage_proof.iter().rev().map(|it| (it.key.as_b256(), it)).collect()
}

/// The nodes of everything in a proof that [`verify`] verified for the same slots.
pub fn proofs_of<'a>(
    proof: &'a EIP1186AccountProofResponse,
    slots: &[U256],
) -> impl Iterator<Item = &'a Bytes> {
    let by_key = by_key(proof);
    let of_slots: Vec<_> =
        slots.iter().filter_map(|it| by_key.get(&B256::from(*it)).copied()).collect();
    proof.account_proof.iter().chain(of_slots.into_iter().flat_map(|it| &it.proof))
}

fn verify_account(
    proof: &EIP1186AccountProofResponse,
    address: Address,
    state_root: B256,
) -> Result<Option<TrieAccount>, ProofError> {
    if proof.address != address {
        return Err(ProofError::OtherAccount { asked: address, got: proof.address });
    }
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let key = Nibbles::unpack(keccak256(address));
    let included =
        verify_proof(state_root, key, Some(alloy_rlp::encode(account)), &proof.account_proof);
    let Err(source) = included else { return Ok(Some(account)) };
    if verify_proof(state_root, key, None, &proof.account_proof).is_err() {
        return Err(ProofError::Account { address, source: Box::new(source) });
    }
    // Nodes disagree on the hashes of an absent account, but it has neither nonce nor balance.
    if proof.nonce != 0 || !proof.balance.is_zero() {
        return Err(ProofError::AbsentButUsed { address });
    }
    Ok(None)
}

/// The RLP encoding of zero.
const ZERO: [u8; 1] = [alloy_rlp::EMPTY_STRING_CODE];

/// A slot of value zero is not in the trie, so that its proof is one of exclusion. For a trie without
/// any slot the proof may be empty. Development nodes keep a slot that was set back to zero in their
/// trie, as zero: its proof is one of inclusion, and proves the same against the same root.
fn verify_slot(
    storage_root: B256,
    slot: B256,
    value: U256,
    proof: &[Bytes],
) -> Result<(), ProofVerificationError> {
    let key = Nibbles::unpack(keccak256(slot));
    if !value.is_zero() {
        return verify_proof(storage_root, key, Some(alloy_rlp::encode(value)), proof);
    }
    verify_proof(storage_root, key, None, proof).or_else(|excluded| {
        verify_proof(storage_root, key, Some(ZERO.to_vec()), proof).map_err(|_| excluded)
    })
}

/// As the library does it, of a proof whose nodes do not go on below where a key ends: there it would panic.
fn verify_proof(
    root: B256,
    key: Nibbles,
    expected: Option<Vec<u8>>,
    proof: &[Bytes],
) -> Result<(), ProofVerificationError> {
    if is_too_deep(&key, proof) {
        return Err(alloy_rlp::Error::Custom("the path is longer than a key").into());
    }
    alloy_trie::proof::verify_proof(root, key, expected, proof)
}

fn is_too_deep(key: &Nibbles, proof: &[Bytes]) -> bool {
    let mut depth = 0;
    for bytes in proof {
        // What is no node is refused in any case.
        let Ok(node) = TrieNode::decode(&mut &bytes[..]) else { return false };
        match depth_below(&node, depth, key) {
            Some(below) => depth = below,
            None => return true,
        }
    }
    false
}

/// How deep a walk comes through a node at `depth`, and through those that lie in it; `None` for deeper than a key is long.
fn depth_below(node: &TrieNode, depth: usize, key: &Nibbles) -> Option<usize> {
    let (depth, below) = match node {
        TrieNode::EmptyRoot => (depth, None),
        TrieNode::Branch(branch) => match key.get(depth).and_then(|it| child(branch, it)) {
            Some(below) => (depth + 1, Some(below)),
            None => (depth, None),
        },
        TrieNode::Extension(extension) => (depth + extension.key.len(), Some(&extension.child)),
        TrieNode::Leaf(leaf) => (depth + leaf.key.len(), None),
    };
    if depth > key.len() {
        return None;
    }
    let within = below.filter(|it| !it.is_hash());
    match within.and_then(|it| TrieNode::decode(&mut &it[..]).ok()) {
        Some(node) => depth_below(&node, depth, key),
        None => Some(depth),
    }
}

/// Checks code against the hash in its proven account.
///
/// # Errors
/// When it hashes to something else.
pub fn verify_code(address: Address, code: &Bytes, hash: B256) -> Result<(), ProofError> {
    let got = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
    if got == hash { Ok(()) } else { Err(ProofError::Code { address }) }
}

/// Checks that a header hashes to the hash it is named by, and that its bytes do not read as another one.
///
/// # Errors
/// When it does not. A header with fields this version does not know fails too, which is the safe side. So does one that
/// leaves out a field before others, where what is hashed, one field behind the other, is a header without a gap. Where it
/// is none (development nodes make such at early forks), there is no other header to be taken for.
pub fn verify_header(header: &Header, named: B256) -> Result<(), ProofError> {
    let number = header.number;
    let bytes = alloy_rlp::encode(header);
    let got = keccak256(&bytes);
    if got != named {
        return Err(ProofError::Header { number, named, got });
    }
    match alloy_rlp::decode_exact::<Header>(&bytes) {
        Ok(read) if read != *header => Err(ProofError::HeaderForm { number }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
