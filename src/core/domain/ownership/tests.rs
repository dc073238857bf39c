use super::*;

fn ranges(pairs: &[(u64, u64)]) -> IdRanges {
    IdRanges::new(pairs.iter().map(|(a, b)| (U256::from(*a), U256::from(*b))))
}

#[test]
fn ranges_are_sorted_and_joined() {
    assert_eq!(ranges(&[(5, 9), (1, 4), (20, 20)]).ranges().len(), 2);
    assert_eq!(ranges(&[(1, 4), (3, 9)]).count(), Some(9));
    assert_eq!(ranges(&[(1, 3)]).iter().count(), 3);
    assert!(ranges(&[(9, 1)]).ranges().is_empty());
}

#[test]
fn the_last_id_of_all_is_an_id() {
    let last = IdRanges::new([(U256::MAX - U256::from(1), U256::MAX)]);
    assert_eq!(last.iter().count(), 2);
    assert!(last.contains(U256::MAX));
    assert_eq!(IdRanges::new([(U256::ZERO, U256::MAX)]).count(), None);
}

#[test]
fn every_covers_all_and_only_every_covers_every() {
    assert!(IdRanges::every().covers(&ranges(&[(1, 2)])));
    assert!(!ranges(&[(1, 2)]).covers(&IdRanges::every()));
    assert!(ranges(&[(1, 9)]).covers(&ranges(&[(2, 3), (5, 5)])));
    assert!(!ranges(&[(1, 3)]).covers(&ranges(&[(2, 4)])));
}
