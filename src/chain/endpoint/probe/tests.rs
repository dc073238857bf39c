use super::*;

#[test]
fn two_blocks_show_the_time_between_blocks_unless_they_share_a_second() {
    let at = |number, timestamp| Header { number, timestamp, ..Header::default() };
    let seconds = |it| Some(Duration::from_secs(it));
    assert_eq!(block_time(&at(10, 1_000), &at(74, 1_768)), seconds(12));
    assert_eq!(block_time(&at(10, 1_000), &at(11, 9_000)), Some(SLOWEST));
    assert_eq!(block_time(&at(10, 1_000), &at(14, 1_001)), Some(Duration::from_millis(250)));
    // As on a chain of one's own after many blocks at once: that there is no time between them is not so.
    assert_eq!(block_time(&at(10, 1_000), &at(74, 1_000)), None);
    assert_eq!(block_time(&at(10, 1_000), &at(10, 1_000)), None);
}
