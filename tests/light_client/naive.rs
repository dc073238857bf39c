//! A judge of light client messages that shares nothing with the simulation nor with the product: it reads the JSON
//! as it comes, and follows the specifications word by word. Mainnet's messages show that it judges rightly.

use alloy_primitives::{U256, hex};
use blst::BLST_ERROR;
use blst::min_pk::{PublicKey, Signature};
use ring::digest::{Context, SHA256};
use serde_json::Value;

type Node = [u8; 32];

/// What has to be known of a chain to judge a message of it.
pub struct Rules {
    pub genesis_validators_root: Node,
    /// The fork version in the slot before the signature's.
    pub version: [u8; 4],
    /// Generalized indices: finalized root, current and next committee.
    pub state: [u64; 3],
    /// Generalized index of what a header shows of execution.
    pub execution: u64,
}

fn hash(left: &Node, right: &Node) -> Node {
    let mut context = Context::new(&SHA256);
    context.update(left);
    context.update(right);
    context.finish().as_ref().try_into().unwrap()
}

/// The root of a tree of `depth` levels over these leaves, from the top down.
fn tree(leaves: &[Node], depth: u32) -> Node {
    if depth == 0 {
        return leaves.first().copied().unwrap_or_default();
    }
    let half = (1_usize << (depth - 1)).min(leaves.len());
    hash(&tree(&leaves[..half], depth - 1), &tree(&leaves[half..], depth - 1))
}

/// The bytes of a hexadecimal member.
fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_else(|| panic!("no text: {value}"))).unwrap()
}

fn padded(bytes: &[u8]) -> Node {
    let mut node = [0; 32];
    node[..bytes.len()].copy_from_slice(bytes);
    node
}

fn node(value: &Value) -> Node {
    bytes(value).try_into().unwrap()
}

pub fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

fn little_endian(value: &Value) -> Node {
    value.as_str().unwrap().parse::<U256>().unwrap().to_le_bytes()
}

pub fn header_root(beacon: &Value) -> Node {
    let leaves = [
        little_endian(&beacon["slot"]),
        little_endian(&beacon["proposer_index"]),
        node(&beacon["parent_root"]),
        node(&beacon["state_root"]),
        node(&beacon["body_root"]),
    ];
    tree(&leaves, 3)
}

/// Of Capella's execution payload header, or with the blob gas of the later ones.
fn execution_root(execution: &Value, blobs: bool) -> Node {
    let bloom = bytes(&execution["logs_bloom"]);
    let bloom: Vec<Node> = bloom.chunks(32).map(padded).collect();
    assert_eq!(bloom.len(), 8);
    let extra = bytes(&execution["extra_data"]);
    let mut leaves = vec![
        node(&execution["parent_hash"]),
        padded(&bytes(&execution["fee_recipient"])),
        node(&execution["state_root"]),
        node(&execution["receipts_root"]),
        tree(&bloom, 3),
        node(&execution["prev_randao"]),
        little_endian(&execution["block_number"]),
        little_endian(&execution["gas_limit"]),
        little_endian(&execution["gas_used"]),
        little_endian(&execution["timestamp"]),
        hash(&padded(&extra), &padded(&[extra.len() as u8])),
        little_endian(&execution["base_fee_per_gas"]),
        node(&execution["block_hash"]),
        node(&execution["transactions_root"]),
        node(&execution["withdrawals_root"]),
    ];
    if !blobs {
        return tree(&leaves, 4);
    }
    leaves.push(little_endian(&execution["blob_gas_used"]));
    leaves.push(little_endian(&execution["excess_blob_gas"]));
    tree(&leaves, 5)
}

fn committee_root(committee: &Value) -> Node {
    let key = |it: &Value| {
        let bytes = bytes(it);
        assert_eq!(bytes.len(), 48);
        hash(&padded(&bytes[..32]), &padded(&bytes[32..]))
    };
    let keys: Vec<Node> = committee["pubkeys"].as_array().unwrap().iter().map(key).collect();
    assert_eq!(keys.len(), 512);
    hash(&tree(&keys, 9), &key(&committee["aggregate_pubkey"]))
}

/// Whether `leaf` is at the generalized index `index` under `root`.
fn proven(leaf: Node, branch: &Value, index: u64, root: &Value) -> bool {
    let mut at = index;
    let mut reached = leaf;
    for beside in branch.as_array().unwrap() {
        let beside = node(beside);
        reached = if at % 2 == 1 { hash(&beside, &reached) } else { hash(&reached, &beside) };
        at /= 2;
    }
    at == 1 && reached == node(root)
}

/// `blobs`: whether the header's own fork has blob gas.
pub fn judge_header(rules: &Rules, header: &Value, blobs: bool) {
    let leaf = match header.get("execution_block_hash") {
        Some(hash) => node(hash),
        None => execution_root(&header["execution"], blobs),
    };
    let (branch, root) = (&header["execution_branch"], &header["beacon"]["body_root"]);
    assert!(proven(leaf, branch, rules.execution, root), "execution branch of {header}");
}

pub fn judge_bootstrap(rules: &Rules, data: &Value) {
    let leaf = committee_root(&data["current_sync_committee"]);
    let (branch, header) = (&data["current_sync_committee_branch"], &data["header"]["beacon"]);
    assert!(
        proven(leaf, branch, rules.state[1], &header["state_root"]),
        "current committee branch"
    );
}

pub fn judge_finality(rules: &Rules, data: &Value) {
    let leaf = header_root(&data["finalized_header"]["beacon"]);
    let (branch, header) = (&data["finality_branch"], &data["attested_header"]["beacon"]);
    assert!(proven(leaf, branch, rules.state[0], &header["state_root"]), "finality branch");
}

pub fn judge_next_committee(rules: &Rules, data: &Value) {
    let leaf = committee_root(&data["next_sync_committee"]);
    let (branch, header) =
        (&data["next_sync_committee_branch"], &data["attested_header"]["beacon"]);
    assert!(proven(leaf, branch, rules.state[2], &header["state_root"]), "next committee branch");
}

/// Checks the signature over the attested header with each signer's own key; returns how many they are.
pub fn judge_signature(rules: &Rules, data: &Value, committee: &Value) -> usize {
    let bits = bytes(&data["sync_aggregate"]["sync_committee_bits"]);
    assert_eq!(bits.len(), 64);
    let keys: Vec<PublicKey> = committee["pubkeys"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(member, _)| bits[member / 8] & 1 << (member % 8) != 0)
        .map(|(_, key)| PublicKey::uncompress(&bytes(key)).unwrap())
        .collect();
    let fork = hash(&padded(&rules.version), &rules.genesis_validators_root);
    let domain = padded(&[&[7, 0, 0, 0], &fork[..28]].concat());
    let message = hash(&header_root(&data["attested_header"]["beacon"]), &domain);
    let signature = bytes(&data["sync_aggregate"]["sync_committee_signature"]);
    let signature = Signature::sig_validate(&signature, true).unwrap();
    let suite = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    let all: Vec<&PublicKey> = keys.iter().collect();
    let outcome = signature.fast_aggregate_verify(true, &message, suite, &all);
    assert_eq!(outcome, BLST_ERROR::BLST_SUCCESS, "signature");
    keys.len()
}
