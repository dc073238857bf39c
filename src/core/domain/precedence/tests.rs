use alloy_primitives::B256;

use super::*;
use crate::domain::ids::ChainId;

const HOUR: i64 = 3_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn block(number: u64, second: i64) -> Anchor {
    Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(1),
        time: at(second),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    }
}

fn refuted((earlier, met): (Anchor, i64), (later, later_met): (Anchor, i64)) -> bool {
    is_refuted((&earlier, at(met)), (&later, at(later_met)))
}

#[test]
fn a_block_of_no_chain_is_shown_by_a_later_one_below_it() {
    let now = 100 * HOUR;
    assert!(refuted((block(9_000, now), now), (block(100, now + 12), now + 12)));
    let of_the_future = block(9_000, now + 2 * HOUR);
    assert!(refuted((of_the_future.clone(), now), (block(100, now + 12), now + 12)));
    assert!(
        !refuted((block(101, now), now), (block(100, now - 12), now + 12)),
        "it is an older one"
    );
    assert!(
        !refuted((block(100, now), now), (block(101, now + 12), now + 12)),
        "it is a newer one"
    );
    let by_more = Anchor { trust: Trust::Quorum, ..of_the_future.clone() };
    assert!(!refuted((by_more, now), (block(100, now + 12), now + 12)), "it shows less");
    let elsewhere = Anchor { chain: ChainId(2), ..block(100, now + 12) };
    assert!(!refuted((of_the_future, now), (elsewhere, now + 12)));
}

/// By such a clock every block is of the future, and an older one would take the place of any.
#[test]
fn a_clock_that_is_late_refutes_nothing() {
    let now = 100 * HOUR;
    let late = now - 2 * HOUR;
    assert!(!refuted((block(101, now), late), (block(100, now - 12), late + 12)), "it still is");
    assert!(!refuted((block(101, now), late), (block(100, now - 12), now + 12)), "it was");
    assert!(!refuted((block(101, now), now), (block(100, now - 12), late)), "it was set back");
    let (latest, late) = (block(101, now), now - HOUR - 300);
    assert!(
        !refuted((latest, late), (block(100, now - 900), late + 12)),
        "one is older than it is late"
    );
}
