//! What real nodes said, kept as it was: geth's answers of the execution-apis test chain, and proofs from
//! mainnet. All of it is accepted as it is, and nothing of it with a node missing or a byte changed.
//!
//! The recordings lie beside the checkout, in `../shared/fixtures`. Where they are not, these tests say so and pass.
#![allow(clippy::print_stderr, reason = "tests say on stderr what they left out")]

use std::path::PathBuf;

use alloy_rpc_types_eth::Header as Named;
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use alloy_primitives::U256;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse as Proof, EIP1186StorageProof as SlotProof};
use entitled_core::domain::ids::ChainId;
use entitled_core::evm::rules::{self, Rules};
use entitled_core::proof::account_proof::{verify, verify_code, verify_header};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there are no recordings in {}", folder.display());
    None
}

/// Request and response of one recorded exchange; `None` where the recordings are not there.
pub(super) fn exchange(method: &str, name: &str) -> Option<(Value, Value)> {
    let file = folder()?.join(format!("execution-apis/tests_{method}_{name}.io"));
    let text = std::fs::read_to_string(&file).unwrap();
    let line = |mark: &str| text.lines().find_map(|it| it.strip_prefix(mark)).unwrap();
    let read = |mark: &str| serde_json::from_str(line(mark)).unwrap();
    Some((read(">> "), read("<< ")))
}

fn recorded<T: DeserializeOwned>(file: &str) -> Option<T> {
    let text = std::fs::read_to_string(folder()?.join(file)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// With the least that the fields of each tell.
const BLOCKS: [(&str, SpecId); 9] = [
    ("get-genesis", SpecId::BERLIN),
    ("get-block-london-fork", SpecId::LONDON),
    ("get-block-merge-fork", SpecId::MERGE),
    ("get-block-shanghai-fork", SpecId::SHANGHAI),
    ("get-block-cancun-fork", SpecId::CANCUN),
    // Nothing in a header tells Prague from Osaka.
    ("get-block-prague-fork", SpecId::PRAGUE),
    ("get-latest", SpecId::PRAGUE),
    ("get-safe", SpecId::PRAGUE),
    ("get-finalized", SpecId::PRAGUE),
];

#[test]
fn headers_of_every_fork_hash_to_their_names() {
    for (name, rules) in BLOCKS {
        let Some((_, response)) = exchange("eth_getBlockByNumber", name) else { return };
        let header: Named = serde_json::from_value(response["result"].clone()).unwrap();
        assert_eq!(verify_header(&header.inner, header.hash), Ok(()), "{name}");
        let told = Rules::at(ChainId(0), &header.inner, rules::Named::default());
        assert_eq!(told, Rules::at_least(rules), "{name}");
    }
}

/// What a block has beside its header: no hash of the header covers it, and nobody here looks at it.
const BESIDE: [&str; 5] = ["size", "totalDifficulty", "transactions", "uncles", "withdrawals"];

#[test]
fn no_field_of_a_header_can_be_another() {
    for (name, _) in BLOCKS {
        let Some((_, response)) = exchange("eth_getBlockByNumber", name) else { return };
        let block = response["result"].as_object().unwrap();
        for field in block.keys().filter(|it| !BESIDE.contains(&it.as_str())) {
            for altered in others(&block[field]) {
                let mut block = block.clone();
                match altered {
                    Some(value) => block.insert(field.clone(), value),
                    None => block.remove(field),
                };
                let Ok(header) = serde_json::from_value::<Named>(block.into()) else { continue };
                assert!(
                    verify_header(&header.inner, header.hash).is_err(),
                    "{name}: {field} was altered"
                );
            }
        }
    }
}

/// The same quantity or bytes with one digit changed, one more, and none at all.
fn others(value: &Value) -> [Option<Value>; 3] {
    let text = value.as_str().unwrap();
    let mut turned = text.to_owned();
    let last = turned.pop().unwrap();
    turned.push(if last == '1' { '2' } else { '1' });
    [Some(turned.into()), Some(format!("{text}01").into()), None]
}

#[test]
fn a_block_that_is_not_there_is_null() {
    let found = exchange("eth_getBlockByNumber", "get-block-notfound");
    let Some((_, response)) = found else { return };
    let header: Option<Named> = serde_json::from_value(response["result"].clone()).unwrap();
    assert!(header.is_none());
}

#[test]
fn proofs_of_geth_are_accepted() {
    let Some((_, head)) = exchange("eth_getBlockByNumber", "get-latest") else { return };
    let head: Named = serde_json::from_value(head["result"].clone()).unwrap();
    for name in ["blockhash", "default-block", "latest", "with-storage"] {
        let found = exchange("eth_getProof", &format!("get-account-proof-{name}"));
        let (request, response) = found.unwrap();
        let address: Address = serde_json::from_value(request["params"][0].clone()).unwrap();
        let keys: Vec<U256> = serde_json::from_value(request["params"][1].clone()).unwrap();
        let proof: Proof = serde_json::from_value(response["result"].clone()).unwrap();
        let proven = verify(&proof, address, &keys, head.inner.state_root).unwrap();
        assert_eq!(proven.slots.len(), usize::from(name == "with-storage"), "{name}");
        assert!(proven.account.is_some(), "{name}");
        every_change_is_refused(name, &proof, &keys, head.inner.state_root);
    }
}

#[test]
fn a_proof_from_mainnet_after_capella_is_accepted() {
    #[derive(Deserialize)]
    struct Recorded {
        account: Value,
        code: Bytes,
    }
    let Some(block) = recorded::<Named>("mainnet-capella/block.json") else { return };
    assert_eq!(verify_header(&block.inner, block.hash), Ok(()));
    let proof: Proof = recorded("mainnet-capella/proof.json").unwrap();
    let keys = keys(&proof);
    let proven = verify(&proof, proof.address, &keys, block.inner.state_root).unwrap();
    let Recorded { account, code } = recorded("mainnet-capella/account.json").unwrap();
    let found = proven.account.unwrap();
    assert_eq!(serde_json::json!(found.storage_root), account["storageRoot"]);
    assert_eq!(verify_code(proof.address, &code, found.code_hash), Ok(()));
    every_change_is_refused("capella", &proof, &keys, block.inner.state_root);
}

/// A pair of Uniswap, and a slot that was never written: a true proof of absence.
#[test]
fn a_proof_of_absence_from_mainnet_after_deneb_is_accepted() {
    let Some(update) = recorded::<Value>("mainnet-deneb/finality_update.json") else { return };
    let execution = &update["data"]["finalized_header"]["execution"];
    let root: B256 = serde_json::from_value(execution["state_root"].clone()).unwrap();
    let response: Value = recorded("mainnet-deneb/eth_getProof.json").unwrap();
    let proof: Proof = serde_json::from_value(response["result"].clone()).unwrap();
    let keys = keys(&proof);
    let proven = verify(&proof, proof.address, &keys, root).unwrap();
    assert_eq!(proven.slots, [(keys[0], U256::ZERO)]);
    every_change_is_refused("deneb", &proof, &keys, root);
}

fn keys(proof: &Proof) -> Vec<U256> {
    proof.storage_proof.iter().map(|it| it.key.as_b256().into()).collect()
}

/// Takes one node away after the other, cuts the rest off, changes bytes; with the values as they were and
/// with those a liar would like.
fn every_change_is_refused(name: &str, proof: &Proof, keys: &[U256], root: B256) {
    let refused = |what: String, altered: &Proof| {
        let accepted = verify(altered, proof.address, keys, root);
        assert!(accepted.is_err(), "{name}: {what} was accepted: {accepted:?}");
    };
    let gone = |proof: &mut Proof| (proof.nonce, proof.balance) = (0, U256::ZERO);
    for (what, nodes) in changes(&proof.account_proof) {
        let mut altered = Proof { account_proof: nodes, ..proof.clone() };
        refused(format!("an account {what}"), &altered);
        gone(&mut altered);
        refused(format!("an absent account {what}"), &altered);
    }
    for index in 0..proof.storage_proof.len() {
        for (what, nodes) in changes(&proof.storage_proof[index].proof) {
            for value in [proof.storage_proof[index].value, U256::ZERO, U256::ONE] {
                let mut altered = proof.clone();
                let slot: &mut SlotProof = &mut altered.storage_proof[index];
                (slot.proof, slot.value) = (nodes.clone(), value);
                refused(format!("a slot of {value} {what}"), &altered);
            }
        }
    }
}

fn changes(nodes: &[Bytes]) -> Vec<(String, Vec<Bytes>)> {
    let mut changes = Vec::new();
    for at in 0..nodes.len() {
        let mut without = nodes.to_vec();
        without.remove(at);
        changes.push((format!("without node {at}"), without));
        changes.push((format!("cut off before node {at}"), nodes[..at].to_vec()));
        let length = nodes[at].len();
        let places = (0..length).step_by(37).chain([1, 2, length / 2, length - 1]);
        for byte in places.filter(|it| *it < length) {
            for bit in [1, 0x80] {
                let mut turned = nodes.to_vec();
                let mut node = turned[at].to_vec();
                node[byte] ^= bit;
                turned[at] = node.into();
                changes.push((
                    format!("with bit {bit:#x} of byte {byte} of node {at} turned"),
                    turned,
                ));
            }
        }
        for shorter in [0, 1, length / 2, length - 1] {
            let mut short = nodes.to_vec();
            short[at] = short[at].slice(..shorter);
            changes.push((format!("with {shorter} bytes of node {at}"), short));
        }
    }
    for at in 1..nodes.len() {
        let mut swapped = nodes.to_vec();
        swapped.swap(at - 1, at);
        changes.push((format!("with nodes {} and {at} swapped", at - 1), swapped));
    }
    changes
}
