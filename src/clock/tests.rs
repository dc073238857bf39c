use proptest::prelude::*;

use super::*;

const CHAIN: ChainId = ChainId(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn setting_the_clock_back_stops_no_time() {
    let (clock, hands) = Clock::manual(at(10_000));
    hands.advance(Duration::from_secs(100));
    hands.set_wall(at(500));
    assert_eq!(clock.now(), at(10_100));
    hands.advance(Duration::from_secs(50));
    assert_eq!(clock.now(), at(10_150));
}

/// What was looked at while the clock was ahead would otherwise be just looked at for as long as it had been ahead.
#[test]
fn after_a_clock_was_ahead_time_goes_on_at_half_its_pace_until_it_is_right() {
    let (clock, hands) = Clock::manual(at(10_000));
    hands.set_wall(at(20_000));
    assert_eq!(clock.now(), at(20_000));
    hands.set_wall(at(10_000));
    assert_eq!(clock.now(), at(20_000), "never an earlier time");
    hands.advance(Duration::from_secs(1_000));
    assert_eq!(clock.now(), at(20_500));
    hands.advance(Duration::from_secs(18_998));
    assert_eq!(clock.now(), at(29_999));
    hands.advance(Duration::from_secs(2));
    assert_eq!(clock.now(), at(30_000), "it is right again");
    hands.advance(Duration::from_secs(10));
    assert_eq!(clock.now(), at(30_010));
}

/// Nobody knows how often it is asked in between.
#[test]
fn how_often_the_time_is_asked_changes_nothing() {
    let (clock, hands) = Clock::manual(at(10_000));
    hands.set_wall(at(20_000));
    clock.now();
    hands.set_wall(at(10_000));
    for _ in 0..1_000 {
        hands.advance(Duration::from_secs(1));
        clock.now();
    }
    assert_eq!(clock.now(), at(20_500));
}

#[test]
fn a_clock_that_shows_what_no_calendar_holds_shows_the_end_of_it() {
    let shown = |seconds, nanoseconds| date(of_system(seconds, nanoseconds));
    assert_eq!(shown(253_402_300_800, 0), Timestamp::MAX);
    assert_eq!(shown(i64::MAX, 999_999_999), Timestamp::MAX);
    assert_eq!(date(Duration::MAX), Timestamp::MAX);
    assert_eq!(shown(i64::MIN, 0), Timestamp::UNIX_EPOCH);
    assert_eq!(shown(-1, 999_999_999), Timestamp::UNIX_EPOCH);
    assert_eq!(shown(1, 5), Timestamp::new(1, 5).unwrap());
    // And what is reckoned from there ends there.
    let (clock, hands) = Clock::manual(Timestamp::MAX);
    clock.raise_floor(CHAIN, Timestamp::MAX, Trust::Quorum);
    hands.advance(Duration::MAX);
    assert_eq!((clock.now(), clock.now_on([CHAIN])), (Timestamp::MAX, Timestamp::MAX));
    let (clock, hands) = Clock::manual(Timestamp::MIN);
    hands.advance(Duration::from_secs(u64::MAX));
    assert_eq!(clock.now(), Timestamp::MAX);
    hands.set_wall(Timestamp::MIN);
    assert!(!clock.is_rolled_back(CHAIN));
    clock.raise_floor(CHAIN, Timestamp::MAX, Trust::Quorum);
    assert!(clock.is_rolled_back(CHAIN));
}

/// What was lent for a time is not had for longer by a restart with the clock set back. That is of loans alone: the clock of
/// before may have been ahead by a mistake.
#[test]
fn a_time_that_was_seen_before_the_start_is_gone_on_from_for_loans() {
    let (clock, hands) = Clock::manual(at(1_000));
    assert_eq!(clock.loans_now(), at(1_000));
    clock.raise_loans(at(5_000));
    assert_eq!((clock.loans_now(), clock.now()), (at(5_000), at(1_000)));
    hands.advance(Duration::from_secs(100));
    assert_eq!((clock.loans_now(), clock.now()), (at(5_100), at(1_100)));
    clock.raise_loans(at(4_000));
    assert_eq!(clock.loans_now(), at(5_100));
    hands.set_wall(at(9_000));
    assert_eq!(clock.loans_now(), at(9_000));
}

#[test]
fn the_floor_of_a_chain_counts_for_those_who_ask_on_it() {
    let (clock, _hands) = Clock::manual(at(1_000));
    assert!(clock.raise_floor(CHAIN, at(5_000), Trust::Quorum));
    assert!(!clock.raise_floor(CHAIN, at(4_999), Trust::Quorum));
    assert_eq!(clock.floor(CHAIN), Some(at(5_000)));
    assert_eq!(clock.now(), at(1_000));
    assert_eq!(clock.now_on([ChainId(2)]), at(1_000));
    assert_eq!(clock.now_on([ChainId(2), CHAIN]), at(5_000));
}

/// A liar that is believed moves no clock that its own blocks are held against, in however small steps.
#[test]
fn what_one_endpoint_says_moves_no_present_that_it_is_held_against() {
    let (clock, hands) = Clock::manual(at(1_000));
    for step in 1..=100 {
        clock.raise_floor(CHAIN, at(1_000 + 36 * step), Trust::Single);
        assert_eq!(clock.vouched_now_on(CHAIN), at(1_000));
    }
    assert_eq!(clock.now_on([CHAIN]), at(4_600));
    assert!(!clock.raise_floor(CHAIN, at(2_000), Trust::Quorum), "it is no news");
    hands.advance(Duration::from_secs(50));
    assert_eq!(clock.vouched_now_on(CHAIN), at(2_050), "but now it is vouched for");
    clock.raise_floor(CHAIN, at(3_000), Trust::Consensus);
    assert_eq!(clock.vouched_now_on(CHAIN), at(3_000));
    assert_eq!(clock.vouched_now_on(ChainId(2)), at(1_050));
}

#[test]
fn behind_the_chain_time_goes_on_and_never_back() {
    let (clock, hands) = Clock::manual(at(1_000));
    clock.raise_floor(CHAIN, at(5_000), Trust::Quorum);
    hands.advance(Duration::from_secs(100));
    assert_eq!(clock.now_on([CHAIN]), at(5_100));
    clock.raise_floor(CHAIN, at(5_050), Trust::Quorum);
    assert_eq!((clock.now_on([CHAIN]), clock.floor(CHAIN)), (at(5_100), Some(at(5_050))));
    hands.advance(Duration::from_secs(10));
    assert_eq!(clock.now_on([CHAIN]), at(5_110));
}

#[test]
fn rolled_back_is_more_than_two_minutes_behind_the_chain() {
    let (clock, hands) = Clock::manual(at(10_000));
    assert!(!clock.is_rolled_back(CHAIN));
    clock.raise_floor(CHAIN, at(10_120), Trust::Quorum);
    assert!(!clock.is_rolled_back(CHAIN));
    hands.set_wall(at(9_999));
    assert!(clock.is_rolled_back(CHAIN));
}

#[test]
fn clones_share_their_floors() {
    let (clock, _hands) = Clock::manual(at(0));
    clock.clone().raise_floor(CHAIN, at(7), Trust::Quorum);
    assert_eq!(clock.floor(CHAIN), Some(at(7)));
}

#[test]
fn the_systems_clock_goes_on() {
    let clock = Clock::system();
    let (now, monotonic) = (clock.now(), clock.monotonic());
    assert!(clock.now() >= now);
    assert!(clock.monotonic() >= monotonic);
    assert!(monotonic > Duration::ZERO);
}

proptest! {
    #[test]
    fn time_never_runs_backwards(steps in proptest::collection::vec((any::<bool>(), 0_u32..1_000_000), 1..50)) {
        let (clock, hands) = Clock::manual(at(500_000));
        let mut before = clock.now();
        for (set, seconds) in steps {
            if set {
                hands.set_wall(at(i64::from(seconds)));
            } else {
                hands.advance(Duration::from_secs(u64::from(seconds)));
            }
            let now = clock.now();
            prop_assert!(now >= before);
            before = now;
        }
    }
}
