use std::collections::BTreeMap;

use alloy_primitives::U256;
use alloy_trie::HashBuilder;
use alloy_trie::proof::{ProofRetainer, verify_proof};
use proptest::prelude::*;

use super::*;

/// A trie of `values` by the hash of their keys: its root, and a proof for each of `keys`.
fn trie(values: &BTreeMap<B256, u64>, keys: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let targets = keys.iter().map(|it| Nibbles::unpack(*it)).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
    for (key, value) in values {
        builder.add_leaf(Nibbles::unpack(*key), &alloy_rlp::encode(U256::from(*value)));
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let proof = |key: &B256| -> Vec<Bytes> {
        let on_the_way = nodes.matching_nodes_sorted(&Nibbles::unpack(*key));
        // Nodes write down no node that lies inside its parent.
        let own = |at: usize, node: &Bytes| at == 0 || node.len() >= 32;
        let nodes = on_the_way.into_iter().map(|(_, node)| node).enumerate();
        nodes.filter(|(at, node)| own(*at, node)).map(|(_, node)| node).collect()
    };
    (root, keys.iter().map(proof).collect())
}

fn holding(proofs: &[Vec<Bytes>]) -> Nodes {
    let mut nodes = Nodes::default();
    nodes.learn(named(proofs.iter().flatten()));
    nodes
}

fn found(value: u64) -> Walk {
    Walk::Found(alloy_rlp::encode(U256::from(value)))
}

/// Keys that share long beginnings, so that tries get deep, with extensions and small nodes in place.
fn key() -> impl Strategy<Value = B256> {
    let crowded = (0_u8..4, 28_usize..32, any::<u8>()).prop_map(|(first, at, byte)| {
        let mut key = B256::repeat_byte(first);
        key[at] = byte;
        key
    });
    prop_oneof![any::<[u8; 32]>().prop_map(B256::from), crowded]
}

fn values() -> impl Strategy<Value = BTreeMap<B256, u64>> {
    proptest::collection::btree_map(key(), 1..u64::MAX, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is known of the trie, a walk says what the verifier of proofs says, or that it does not know.
    #[test]
    fn a_walk_says_what_a_proof_proves_or_nothing(
        values in values(),
        others in proptest::collection::vec(key(), 1..20),
        known in any::<u64>(),
    ) {
        let keys: Vec<B256> = values.keys().copied().chain(others).collect();
        let (root, proofs) = trie(&values, &keys);
        let some: Vec<_> =
            proofs.iter().enumerate().filter(|(at, _)| known >> (at % 64) & 1 == 1).collect();
        let mut nodes = holding(&some.iter().map(|(_, it)| (*it).clone()).collect::<Vec<_>>());
        for (at, key) in keys.iter().enumerate() {
            let expected = values.get(key).map(|it| alloy_rlp::encode(U256::from(*it)));
            verify_proof(root, Nibbles::unpack(*key), expected.clone(), &proofs[at]).unwrap();
            let truth = expected.map_or(Walk::Absent, Walk::Found);
            let walk = nodes.walk(root, *key);
            let proven = some.iter().any(|(it, _)| *it == at);
            prop_assert!(walk == truth || (!proven && matches!(walk, Walk::Unknown { .. })), "{walk:?}");
        }
    }

    /// After values were changed and deleted, what is known of the old trie never speaks for the new one,
    /// and the two together say of each key what its own root says.
    #[test]
    fn what_was_known_of_another_root_misleads_nobody(
        before in values(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..10),
        asked in any::<u64>(),
    ) {
        let keys: Vec<B256> = before.keys().copied().chain([B256::repeat_byte(0x77)]).collect();
        let mut after = before.clone();
        for (index, deleted) in &changes {
            let key = keys[index.index(keys.len())];
            if *deleted { after.remove(&key); } else { after.insert(key, 7); }
        }
        let (old, of_old) = trie(&before, &keys);
        let (new, of_new) = trie(&after, &keys);
        let mut nodes = holding(&of_old);
        let fresh: Vec<_> =
            of_new.iter().enumerate().filter(|(at, _)| asked >> (at % 64) & 1 == 1).collect();
        nodes.learn(named(fresh.iter().flat_map(|(_, it)| it.iter())));
        for (at, key) in keys.iter().enumerate() {
            prop_assert_eq!(nodes.walk(old, *key), before.get(key).map_or(Walk::Absent, |it| found(*it)));
            let truth = after.get(key).map_or(Walk::Absent, |it| found(*it));
            let walk = nodes.walk(new, *key);
            let was_asked = fresh.iter().any(|(it, _)| *it == at);
            prop_assert!(
                walk == truth || (!was_asked && matches!(walk, Walk::Unknown { .. })),
                "{walk:?}"
            );
        }
    }
}

/// The forgery that alloy-trie up to 0.9.6 believed of proofs (alloy-rs/trie issue 134), told to a walk: the
/// way to a value ends before it. That is unknown at every length, and never "there is none".
#[test]
fn a_way_that_is_cut_off_does_not_prove_that_nothing_is_there() {
    let values: BTreeMap<B256, u64> =
        (0..300_u64).map(|it| (keccak256(it.to_be_bytes()), it + 1)).collect();
    let key = keccak256(42_u64.to_be_bytes());
    let (root, proofs) = trie(&values, &[key]);
    let whole = &proofs[0];
    assert!(whole.len() > 2);
    for kept in 0..whole.len() {
        let walk = holding(&[whole[..kept].to_vec()]).walk(root, key);
        let node = keccak256(&whole[kept]);
        assert_eq!(walk, Walk::Unknown { node, depth: kept }, "{kept} nodes");
    }
    assert_eq!(holding(&proofs).walk(root, key), found(43));
}

#[test]
fn any_node_of_a_way_may_be_the_missing_one() {
    let values: BTreeMap<B256, u64> =
        (0..300_u64).map(|it| (keccak256(it.to_be_bytes()), it + 1)).collect();
    let absent = keccak256(b"nobody");
    let (root, proofs) = trie(&values, &[absent]);
    for gap in 0..proofs[0].len() {
        let mut holed = proofs[0].clone();
        holed.remove(gap);
        assert!(matches!(holding(&[holed]).walk(root, absent), Walk::Unknown { .. }), "{gap}");
    }
    assert_eq!(holding(&proofs).walk(root, absent), Walk::Absent);
}

#[test]
fn an_empty_trie_has_nothing_and_an_unknown_root_says_nothing() {
    let mut nodes = Nodes::default();
    assert_eq!(nodes.walk(EMPTY_ROOT_HASH, B256::ZERO), Walk::Absent);
    let root = B256::repeat_byte(1);
    assert_eq!(nodes.walk(root, B256::ZERO), Walk::Unknown { node: root, depth: 0 });
}

/// No honest trie has these, but their hashes name them all the same.
#[test]
fn a_malformed_node_proves_nothing() {
    use alloy_trie::nodes::{ExtensionNode, LeafNode};
    let leaf = |nibbles: usize| {
        let key = Nibbles::from_nibbles(vec![0; nibbles]);
        TrieNode::Leaf(LeafNode::new(key, vec![1]))
    };
    let in_place = RlpNode::from_rlp(&alloy_rlp::encode(leaf(1)));
    let short = Nibbles::from_nibbles([0]);
    let too_deep = Nibbles::from_nibbles([0; 64]);
    let hash = RlpNode::word_rlp(&B256::repeat_byte(2));
    for (what, node) in [
        ("a leaf that ends too early", leaf(63)),
        ("an extension to a leaf", TrieNode::Extension(ExtensionNode::new(short, in_place))),
        ("an extension beyond the key", TrieNode::Extension(ExtensionNode::new(too_deep, hash))),
        ("an empty root by another name", TrieNode::EmptyRoot),
    ] {
        let mut nodes = Nodes::default();
        let root = B256::repeat_byte(9);
        nodes.learn([(root, node, 0)]);
        assert_eq!(nodes.walk(root, B256::ZERO), Walk::Unknown { node: root, depth: 0 }, "{what}");
    }
}
