use super::*;

#[test]
fn the_pause_grows_but_never_beyond_four_polls_or_half_a_minute() {
    for poll in [Duration::from_millis(100), Duration::from_secs(12), Duration::from_secs(3600)] {
        for failures in 1..100 {
            let pause = pause(poll, failures);
            assert!(pause <= (poll * 4).min(LONGEST_PAUSE), "{poll:?} {failures} {pause:?}");
            assert!(pause >= poll.min(LONGEST_PAUSE) / 10, "{poll:?} {failures} {pause:?}");
        }
    }
}

#[test]
fn an_idle_chain_is_polled_ten_times_as_rarely_but_every_ten_minutes() {
    let seconds = |poll| idle_pause(Duration::from_secs(poll)).as_secs();
    assert_eq!([seconds(12), seconds(120), seconds(3_600)], [120, 600, 3_600]);
}
