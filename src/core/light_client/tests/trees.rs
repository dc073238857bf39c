//! Roots and branches, against a merkleizer that is written from the definition.

use alloy_primitives::B256;
use proptest::prelude::*;

use crate::light_client::merkle;
use crate::light_client::merkle::GeneralizedIndex;
use crate::sync_committee::{Tree, plain_root};

fn index(number: u64) -> GeneralizedIndex {
    GeneralizedIndex::new(number).unwrap()
}

fn node() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

proptest! {
    #[test]
    fn roots_are_those_of_the_definition(leaves in prop::collection::vec(node(), 1..70)) {
        let width = leaves.len().next_power_of_two();
        prop_assert_eq!(merkle::root_of(leaves.clone()), plain_root(&leaves, width));
    }

    #[test]
    fn a_branch_leads_to_its_root_and_to_no_other(
        at in 2_u64..5_000,
        leaf in node(),
        other in node(),
        step in any::<prop::sample::Index>(),
    ) {
        let tree = Tree(vec![(at, leaf)]);
        let (root, branch) = (tree.root(), tree.branch(at));
        let leads = |leaf, branch: &[B256], at, length| {
            merkle::leads_to(&root, leaf, branch, index(at), length)
        };
        let length = branch.len();
        prop_assert!(leads(leaf, &branch, at, length));
        prop_assert!(other == leaf || !leads(other, &branch, at, length));
        prop_assert!(!leads(leaf, &branch, at ^ 1, length));
        let mut altered = branch.clone();
        altered[step.index(length)].0[0] ^= 1;
        prop_assert!(!leads(leaf, &altered, at, length));
    }

    #[test]
    fn a_branch_has_exactly_the_length_asked_for(at in 2_u64..5_000, leaf in node(), more in 1_usize..5) {
        let tree = Tree(vec![(at, leaf)]);
        let (root, branch) = (tree.root(), tree.branch(at));
        let length = branch.len();
        let leads = |branch: &[B256], length| {
            merkle::leads_to(&root, leaf, branch, index(at), length)
        };
        let padded = [vec![B256::ZERO; more], branch.clone()].concat();
        prop_assert!(leads(&padded, length + more));
        prop_assert!(!leads(&padded, length));
        prop_assert!(!leads(&branch, length + more));
        prop_assert!(!leads(&branch[1..], length - 1));
        prop_assert!(!leads(&branch[1..], length));
        let mut dirty = padded;
        dirty[more - 1].0[31] = 1;
        prop_assert!(!leads(&dirty, length + more));
    }
}

#[test]
fn an_index_within_a_tree_within_a_tree() {
    // `EXECUTION_BLOCK_HASH_GINDEX` and `_DENEB` of `gloas/light-client/sync-protocol.md`.
    for (outer, inner, whole) in [(25, 28, 412), (25, 44, 812), (2, 3, 5), (3, 2, 6)] {
        assert_eq!(index(outer).then(index(inner)), Some(index(whole)));
    }
    assert_eq!(index(GeneralizedIndex::MOST).then(index(2)), None);
}

#[test]
fn an_index_knows_its_depth() {
    for (at, depth) in
        [(2, 1), (54, 5), (86, 6), (105, 6), (169, 7), (735, 9), (2_856, 11), (2_945, 11)]
    {
        assert_eq!(index(at).depth(), depth, "{at}");
    }
    for not in [0, 1, GeneralizedIndex::MOST + 1, u64::MAX] {
        assert_eq!(GeneralizedIndex::new(not), None);
    }
}

#[test]
fn nothing_has_the_root_zero() {
    assert_eq!(merkle::root_of(Vec::new()), B256::ZERO);
}
