use super::*;
use crate::seat_journal::testing;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;
use entitled_core::seats::UnitKey;

const HOUR: Duration = Duration::from_secs(3_600);
const CHAIN: ChainId = ChainId(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Borrowed at 0 for two hours, of which half an hour had passed when it was written.
fn kept() -> KeptSeat {
    let hold = Hold::Borrowed { until: BootTime(999_999_999) };
    let kept = testing::kept(7, UnitKey::Borrowed(SeatId(7)), hold);
    let terms = Borrowed { chain: CHAIN, since: at(0), until: at(7_200), left_ms: 5_400_000 };
    let seat =
        Seat { since: BootTime(99_999_999), drains_at: Some(BootTime(5)), ..kept.seat.clone() };
    KeptSeat { seat, borrowed: Some(terms), ..kept }
}

/// How long it goes on in a boot in which the clock shows `wall`, and its chain has proven `floor`.
fn left(wall: i64, floor: Option<i64>) -> Option<Duration> {
    let (clock, _hands) = Clock::manual(at(wall));
    if let Some(floor) = floor {
        clock.raise_floor(CHAIN, at(floor), Trust::Single);
    }
    let carried = carried_over(kept(), &clock)?;
    assert_eq!((carried.seat.drains_at, carried.seat.since), (None, BootTime(0)));
    let Hold::Borrowed { until } = carried.seat.hold else { panic!("{:?}", carried.seat) };
    Some(until.since(boot_time(&clock)))
}

#[test]
fn what_is_borrowed_goes_on_in_another_boot_until_the_same_moment() {
    assert_eq!(left(3_600, None), Some(HOUR));
    assert_eq!(left(7_199, None), Some(Duration::from_secs(1)));
    assert_eq!(left(7_200, None), None);
    assert_eq!(left(1_000_000, None), None);
}

#[test]
fn a_clock_that_was_set_back_gives_it_no_longer_than_was_left() {
    assert_eq!(left(-31_536_000, None), Some(HOUR + HOUR / 2));
}

#[test]
fn a_clock_that_is_behind_the_chain_is_not_asked() {
    assert_eq!(left(-31_536_000, Some(3_600)), Some(HOUR));
    assert_eq!(left(-31_536_000, Some(7_200)), None);
}

#[test]
fn what_is_held_by_a_process_is_not_carried_over() {
    let (clock, _hands) = Clock::manual(at(0));
    assert_eq!(carried_over(KeptSeat { borrowed: None, ..kept() }, &clock), None);
}

#[test]
fn a_borrowed_seat_is_over_by_the_time_of_its_chain_and_not_by_the_wall_clock() {
    let (clock, hands) = Clock::manual(at(0));
    let mut all = AllBorrowed::default();
    all.enter(SeatId(7), kept().borrowed.unwrap());
    clock.raise_floor(CHAIN, at(0), Trust::Quorum);
    hands.set_wall(at(31_536_000));
    assert_eq!(all.over(&clock), [], "whatever the clock is set to");
    clock.raise_floor(ChainId(2), at(7_200), Trust::Quorum);
    assert_eq!(all.over(&clock), [], "another chain");
    clock.raise_floor(CHAIN, at(7_000), Trust::Quorum);
    assert_eq!(all.over(&clock), []);
    hands.advance(Duration::from_secs(200));
    assert_eq!(all.over(&clock), [SeatId(7)], "time has passed there too");
}

#[test]
fn how_long_it_has_to_go_is_written_down_now_and_then() {
    let mut all = AllBorrowed::default();
    assert_eq!(all.take_unwritten(BootTime(3_600_000)), [], "nothing is borrowed");
    all.enter(SeatId(7), kept().borrowed.unwrap());
    assert_eq!(all.take_unwritten(BootTime(3_600_000)), [SeatId(7)]);
    assert_eq!(all.take_unwritten(BootTime(3_600_001)), []);
    assert_eq!(all.take_unwritten(BootTime(3_600_000).after(WRITTEN_EACH)), [SeatId(7)]);
    let seat = Seat { hold: Hold::Borrowed { until: BootTime(9_000) }, ..kept().seat };
    let terms = all.as_kept(BootTime(2_000), &seat).unwrap();
    assert_eq!((terms.until, terms.left_ms), (at(7_200), 7_000));
    let held = Seat { hold: Hold::Bound(Vec::new()), ..kept().seat };
    assert_eq!(all.as_kept(BootTime(0), &held), None);
}
