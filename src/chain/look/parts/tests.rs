use std::collections::BTreeSet;

use super::part;

#[test]
fn a_short_list_is_read_whole_and_in_order() {
    assert_eq!(part(0, 4, 9).next(), None);
    assert!(part(3, 4, 9).eq(0..3));
    assert!(part(4, 4, 9).eq(0..4));
}

#[test]
fn of_a_long_list_each_look_reads_as_much_and_all_of_it_comes_round() {
    for count in [5, 1_000, 10_000] {
        let mut read = BTreeSet::new();
        for look in 0..400 {
            let part: BTreeSet<u64> = part(count, count / 4, look).collect();
            assert_eq!(part.len() as u64, count / 4);
            read.extend(part);
        }
        assert!(read.into_iter().eq(0..count));
    }
}

#[test]
fn the_longest_list_has_no_index_beyond_its_end() {
    for look in 0..100 {
        assert!(part(u64::MAX, 100, look).all(|it| it < u64::MAX));
        assert_eq!(part(u64::MAX, 100, look).count(), 100);
    }
}

#[test]
fn a_few_more_entries_hardly_move_the_part() {
    for look in 0..100 {
        let (before, after) = (part(10_000, 4_096, look).next(), part(10_010, 4_096, look).next());
        assert!(after.unwrap() - before.unwrap() <= 10);
    }
}
