use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Anvil {
    holder: Address,
    block: alloy_rpc_types_eth::Header,
    slot_42: U256,
    slot_999: U256,
    contract: EIP1186AccountProofResponse,
    plain_account: EIP1186AccountProofResponse,
    absent: EIP1186AccountProofResponse,
    code: Bytes,
}

impl Anvil {
    fn root(&self) -> B256 {
        self.block.inner.state_root
    }

    /// Checks the contract's proof after something was done to it.
    fn tampered(
        &self,
        slots: &[U256],
        with: impl FnOnce(&mut EIP1186AccountProofResponse),
    ) -> Result<ProvenAccount, ProofError> {
        let mut proof = self.contract.clone();
        with(&mut proof);
        verify(&proof, self.contract.address, slots, self.root())
    }
}

fn anvil() -> Anvil {
    serde_json::from_str(include_str!("../../../../tests/vectors/anvil_state.json")).unwrap()
}

#[test]
fn a_node_s_proof_is_accepted_for_present_and_absent_slots() {
    let anvil = anvil();
    let slots = [anvil.slot_42, anvil.slot_999, U256::ZERO];
    let proven = anvil.tampered(&slots, |_| {}).unwrap();
    let holder = U256::from_be_bytes(anvil.holder.into_word().0);
    assert_eq!(proven.slots[0], (anvil.slot_42, holder));
    assert_eq!(proven.slots[1], (anvil.slot_999, U256::ZERO));
    assert_eq!(proven.account.unwrap().nonce, 1);
}

#[test]
fn an_account_without_storage_has_zero_in_every_slot() {
    let anvil = anvil();
    let plain = &anvil.plain_account;
    for proof_of_slot in [vec![Bytes::from_static(&[0x80])], Vec::new()] {
        let mut plain = plain.clone();
        plain.storage_proof[0].proof = proof_of_slot;
        let proven = verify(&plain, plain.address, &[U256::ZERO], anvil.root()).unwrap();
        assert_eq!(proven.slots, [(U256::ZERO, U256::ZERO)]);
    }
}

/// Some nodes (ethereumjs) answer no slot of an account that has none: what the account itself proves needs no
/// answer. Of an account with storage each slot has to be answered.
#[test]
fn slots_of_an_account_without_storage_need_no_answer() {
    let anvil = anvil();
    for of in [&anvil.plain_account, &anvil.absent] {
        let mut proof = of.clone();
        proof.storage_proof.clear();
        let proven = verify(&proof, proof.address, &[U256::ZERO, U256::from(7)], anvil.root());
        let zeros = vec![(U256::ZERO, U256::ZERO), (U256::from(7), U256::ZERO)];
        assert_eq!(proven.unwrap().slots, zeros);
    }
    let left_out: [(&str, Tampering); 3] = [
        ("as it is", |_| {}),
        ("said to have no storage", |it| it.storage_hash = EMPTY_ROOT_HASH),
        ("said to be absent", |it| {
            (it.nonce, it.balance) = (0, U256::ZERO);
            it.storage_hash = EMPTY_ROOT_HASH;
            it.code_hash = KECCAK256_EMPTY;
        }),
    ];
    for (what, tampering) in left_out {
        let refused = anvil.tampered(&[anvil.slot_42], |proof| {
            proof.storage_proof.clear();
            tampering(proof);
        });
        assert!(refused.is_err(), "{what}: {refused:?}");
    }
}

/// An answer that is there is looked at all the same.
#[test]
fn a_value_in_an_account_without_storage_is_a_lie() {
    let anvil = anvil();
    let mut plain = anvil.plain_account.clone();
    plain.storage_proof[0].value = U256::from(1);
    let refused = verify(&plain, plain.address, &[U256::ZERO], anvil.root());
    assert!(matches!(refused, Err(ProofError::Slot { .. })), "{refused:?}");
}

#[test]
fn an_absent_account_is_proven_absent_whatever_hashes_it_is_said_to_have() {
    let anvil = anvil();
    let mut absent = anvil.absent.clone();
    // anvil names the hash of no code, geth names zero.
    for hash in [KECCAK256_EMPTY, B256::ZERO] {
        absent.code_hash = hash;
        let proven = verify(&absent, absent.address, &[], anvil.root()).unwrap();
        assert_eq!(proven.account, None);
    }
    absent.balance = U256::from(1);
    let refused = verify(&absent, absent.address, &[], anvil.root());
    assert!(matches!(refused, Err(ProofError::AbsentButUsed { .. })));
}

/// alloy-trie up to 0.9.6 accepted a proof that just ends before the slot as a proof that the slot is
/// zero, which forges "nobody owns it" and "not revoked" (alloy-rs/trie issue 134).
#[test]
fn a_truncated_proof_does_not_prove_that_a_slot_is_zero() {
    let anvil = anvil();
    let whole = anvil
        .contract
        .storage_proof
        .iter()
        .find(|it| it.key.as_b256() == B256::from(anvil.slot_42));
    for kept in 0..whole.unwrap().proof.len() {
        let forged = anvil.tampered(&[anvil.slot_42], |proof| {
            for slot in &mut proof.storage_proof {
                slot.value = U256::ZERO;
                slot.proof.truncate(kept);
            }
        });
        assert!(matches!(forged, Err(ProofError::Slot { .. })), "{kept}: {forged:?}");
    }
}

#[test]
fn a_truncated_proof_does_not_prove_that_an_account_is_absent() {
    let anvil = anvil();
    for kept in 0..anvil.contract.account_proof.len() {
        let forged = anvil.tampered(&[], |proof| {
            proof.account_proof.truncate(kept);
            (proof.nonce, proof.balance) = (0, U256::ZERO);
        });
        assert!(matches!(forged, Err(ProofError::Account { .. })), "{kept}: {forged:?}");
    }
}

/// What a lying endpoint does to a proof.
type Tampering = fn(&mut EIP1186AccountProofResponse);

#[test]
fn every_tampering_is_refused() {
    let anvil = anvil();
    let tamperings: [(&str, Tampering); 9] = [
        ("slot value", |it| it.storage_proof[0].value = U256::from(1)),
        ("proofs of two slots swapped", |it| {
            let other = it.storage_proof[1].proof.clone();
            it.storage_proof[0].proof = other;
        }),
        ("slot under another key", |it| it.storage_proof[0].key = it.storage_proof[1].key),
        ("slots left out", |it| it.storage_proof.clear()),
        ("storage root", |it| it.storage_hash = EMPTY_ROOT_HASH),
        ("code hash", |it| it.code_hash = B256::repeat_byte(7)),
        ("nonce", |it| it.nonce += 1),
        ("balance", |it| it.balance += U256::from(1)),
        ("another account", |it| it.address = Address::repeat_byte(1)),
    ];
    for (what, tampering) in tamperings {
        let forged = anvil.tampered(&[anvil.slot_42], tampering);
        assert!(forged.is_err(), "{what} was accepted");
    }
}

#[test]
fn no_bit_of_a_node_can_be_turned() {
    let anvil = anvil();
    let length = anvil.contract.account_proof[0].len();
    for at in (0..length).step_by(7) {
        let forged = anvil.tampered(&[], |proof| {
            let mut node = proof.account_proof[0].to_vec();
            node[at] ^= 1;
            proof.account_proof[0] = node.into();
        });
        assert!(forged.is_err(), "byte {at}");
    }
}

#[test]
fn a_proof_at_another_block_is_refused() {
    let anvil = anvil();
    let contract = &anvil.contract;
    assert!(verify(contract, contract.address, &[], B256::repeat_byte(1)).is_err());
}

#[test]
fn code_is_bound_by_its_hash() {
    let anvil = anvil();
    let (address, hash) = (anvil.contract.address, anvil.contract.code_hash);
    assert_eq!(verify_code(address, &anvil.code, hash), Ok(()));
    let mut other = anvil.code.to_vec();
    other[10] ^= 1;
    assert_eq!(verify_code(address, &other.into(), hash), Err(ProofError::Code { address }));
    assert_eq!(verify_code(address, &Bytes::new(), KECCAK256_EMPTY), Ok(()));
}

#[test]
fn a_header_is_bound_by_its_hash() {
    let anvil = anvil();
    let mut header = anvil.block.inner.clone();
    assert_eq!(verify_header(&header, anvil.block.hash), Ok(()));
    header.timestamp += 1;
    assert!(matches!(verify_header(&header, anvil.block.hash), Err(ProofError::Header { .. })));
}

/// A deep trie, and a slot that was never written.
#[test]
fn a_proof_from_mainnet_is_accepted_and_a_shorter_one_is_not() {
    #[derive(Deserialize)]
    struct Mainnet {
        state_root: B256,
        proof: EIP1186AccountProofResponse,
    }
    let Mainnet { state_root, mut proof } =
        serde_json::from_str(include_str!("../../../../tests/vectors/mainnet_state.json")).unwrap();
    let slots: Vec<U256> = proof.storage_proof.iter().map(|it| it.key.as_b256().into()).collect();
    assert!(!slots.is_empty());
    verify(&proof, proof.address, &slots, state_root).unwrap();
    proof.storage_proof[0].proof.pop();
    proof.storage_proof[0].value = U256::ZERO;
    assert!(verify(&proof, proof.address, &slots, state_root).is_err());
}

/// A header leaves out what its fork has not, and its hash is over what is left: so the same bytes could be read as other
/// fields, of another fork with other rules.
#[test]
fn fields_that_are_others_of_the_same_bytes_are_refused() {
    let (root, hash) = (Some(B256::repeat_byte(1)), Some(B256::repeat_byte(2)));
    let shanghai =
        Header { base_fee_per_gas: Some(7), withdrawals_root: root, ..Header::default() };
    let prague = Header {
        blob_gas_used: Some(0),
        excess_blob_gas: Some(1),
        parent_beacon_block_root: hash,
        requests_hash: Some(B256::repeat_byte(3)),
        ..shanghai.clone()
    };
    type Move = fn(&mut Header);
    let moves: [(&Header, Move); 5] = [
        (&shanghai, |it| it.parent_beacon_block_root = it.withdrawals_root.take()),
        (&shanghai, |it| it.block_access_list_hash = it.withdrawals_root.take()),
        (&shanghai, |it| {
            it.excess_blob_gas = it.base_fee_per_gas.take();
            it.requests_hash = it.withdrawals_root.take();
        }),
        (&prague, |it| it.block_access_list_hash = it.requests_hash.take()),
        (&prague, |it| {
            it.block_access_list_hash = it.requests_hash.take();
            it.requests_hash = it.parent_beacon_block_root.take();
        }),
    ];
    for (honest, shift) in moves {
        let named = honest.hash_slow();
        assert_eq!(verify_header(honest, named), Ok(()));
        let mut other = honest.clone();
        shift(&mut other);
        assert_eq!(other.hash_slow(), named, "the hash does not tell them apart");
        let refused = verify_header(&other, named);
        assert!(matches!(refused, Err(ProofError::HeaderForm { .. })), "{other:?}: {refused:?}");
    }
}

/// A path of a trie has 64 nibbles. One that goes on is of nobody's trie, but whoever makes up a state root can make one up
/// for it.
mod deeper_than_any_key {
    use super::*;
    use alloy_trie::TrieMask;
    use alloy_trie::nodes::{BranchNode, ExtensionNode, LeafNode, RlpNode, TrieNode};

    const AT: Address = Address::repeat_byte(0xc0);

    fn node(node: &TrieNode) -> Bytes {
        alloy_rlp::encode(node).into()
    }

    fn key_of(address: Address) -> Nibbles {
        Nibbles::unpack(keccak256(address))
    }

    fn extension(key: Nibbles, child: &Bytes) -> Bytes {
        node(&TrieNode::Extension(ExtensionNode::new(key, RlpNode::from_rlp(child))))
    }

    fn answer(account_proof: Vec<Bytes>) -> (EIP1186AccountProofResponse, B256) {
        let root = keccak256(&account_proof[0]);
        let proof =
            EIP1186AccountProofResponse { address: AT, account_proof, ..Default::default() };
        (proof, root)
    }

    /// Proofs about a path that are true as far as any hash can tell.
    fn invented(path: &Nibbles) -> Vec<Vec<Bytes>> {
        let leaf = |length: usize, value: &[u8]| {
            let key = Nibbles::from_nibbles(vec![1; length]);
            node(&TrieNode::Leaf(LeafNode::new(key, value.to_vec())))
        };
        let long = leaf(60, &[7; 40]);
        let twice = extension(path.slice(..60), &long);
        // A leaf that lies in its branch, as small ones do.
        let within = leaf(30, &[7]);
        let mut mask = TrieMask::default();
        mask.set_bit(path.get(40).unwrap());
        let branch =
            node(&TrieNode::Branch(BranchNode::new(vec![RlpNode::from_rlp(&within)], mask)));
        let beside = extension(Nibbles::from_nibbles(vec![path.get(0).unwrap() ^ 1; 40]), &long);
        vec![
            vec![twice.clone(), long.clone()],
            vec![extension(path.slice(..30), &twice), twice, long.clone()],
            vec![extension(path.slice(..40), &branch), branch],
            vec![beside, long],
        ]
    }

    #[test]
    fn it_is_refused_of_an_account() {
        for proof in invented(&key_of(AT)) {
            let (proof, root) = answer(proof);
            let refused = verify(&proof, AT, &[], root);
            assert!(matches!(refused, Err(ProofError::Account { .. })), "{refused:?}");
        }
    }

    #[test]
    fn it_is_refused_of_a_slot() {
        for slot_proof in invented(&Nibbles::unpack(keccak256(B256::ZERO))) {
            let account = TrieAccount {
                nonce: 1,
                storage_root: keccak256(&slot_proof[0]),
                ..TrieAccount::default()
            };
            let leaf = LeafNode::new(key_of(AT), alloy_rlp::encode(account));
            let (mut proof, root) = answer(vec![node(&TrieNode::Leaf(leaf))]);
            (proof.nonce, proof.storage_hash) = (1, account.storage_root);
            proof.code_hash = account.code_hash;
            for value in [U256::ZERO, U256::from(7)] {
                proof.storage_proof = vec![EIP1186StorageProof {
                    value,
                    proof: slot_proof.clone(),
                    ..EIP1186StorageProof::default()
                }];
                let refused = verify(&proof, AT, &[U256::ZERO], root);
                assert!(matches!(refused, Err(ProofError::Slot { .. })), "{refused:?}");
            }
        }
    }
}
