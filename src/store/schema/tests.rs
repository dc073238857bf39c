use proptest::prelude::*;

use alloy_primitives::{B256, U256};

use super::*;
use entitled_core::domain::ownership::{IdRanges, Reach};

fn any_customer() -> impl Strategy<Value = CustomerId> {
    prop_oneof![
        Just(CustomerId::Machine),
        any::<u32>().prop_map(CustomerId::Uid),
        any::<u64>().prop_map(CustomerId::Numbered),
    ]
}

proptest! {
    #[test]
    fn customers_sort_as_their_keys(a in any_customer(), b in any_customer()) {
        prop_assert_eq!(a.cmp(&b), customer(a).cmp(&customer(b)));
        prop_assert_eq!(customer_of(&customer(a)), Some(a));
    }

    #[test]
    fn times_sort_as_their_keys(a in -10_000_i64..10_000, b in -10_000_i64..10_000) {
        let at = |it: i64| Timestamp::from_nanosecond(i128::from(it) * 777_777_777).unwrap();
        prop_assert_eq!(a.cmp(&b), time(at(a)).cmp(&time(at(b))));
        prop_assert_eq!(time_of(&time(at(a))), Some(at(a)));
    }
}

#[test]
fn the_tables_stand_at_their_own_places() {
    for (place, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table as usize, place);
    }
}

#[test]
fn the_end_of_a_prefix_carries_over() {
    assert_eq!(end_of(&[1, 2]), Bound::Excluded(vec![1, 3]));
    assert_eq!(end_of(&[1, 255]), Bound::Excluded(vec![2]));
    assert_eq!(end_of(&[255, 255]), Bound::Unbounded);
    assert_eq!(end_of(&[]), Bound::Unbounded);
}

#[test]
fn different_terms_have_different_keys() {
    let rules = [Rule::Owner, Rule::User, Rule::Subscription, Rule::Expiry, Rule::Unlock];
    let balances = [1, 2].map(|it| Rule::Balance { min: U256::from(it) });
    let rights = [None, Some(B256::ZERO), Some(B256::repeat_byte(7))];
    let mut keys = std::collections::BTreeSet::new();
    for rule in rules.into_iter().chain(balances) {
        for delegation in rights {
            for token_bound in [false, true] {
                let reach = Reach { delegation, token_bound };
                assert!(keys.insert(terms(Terms { rule, reach })), "{rule:?} {reach:?}");
            }
        }
    }
    assert_eq!(terms(Terms::direct(Rule::Owner)), [0], "as in files of schema 1");
}

#[test]
fn different_rests_have_different_keys() {
    let contract = Address::repeat_byte(7);
    let collection = Collection { chain: ChainId(1), standard: Standard::Erc721, contract };
    let rest = |ids| target(&Target::Rest { collection, ids });
    assert_ne!(rest(IdRanges::every()), rest(IdRanges::only(U256::ZERO)));
}
