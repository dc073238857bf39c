use super::*;

const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(600) };

#[test]
fn each_time_is_twice_as_long_up_to_the_longest() {
    let seconds = |before| BACKOFF.whole(before).as_secs();
    assert_eq!([0, 1, 2, 4, 5, u32::MAX].map(seconds), [30, 60, 120, 480, 600, 600]);
}

#[test]
fn a_part_is_never_nothing_and_never_more_than_the_whole() {
    let whole = Duration::from_secs(30);
    for random in (0..5_000).chain([u64::MAX]) {
        let part = part(whole, random);
        assert!(part >= whole / 10 && part <= whole, "{random}: {part:?}");
    }
}
