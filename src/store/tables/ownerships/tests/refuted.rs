//! What was seen at blocks of no chain.

use super::*;

/// A settled block of a number that the chain has not come to, which one endpoint named.
fn invented(time: i64) -> Anchor {
    Anchor { time: at(time), trust: Trust::Single, ..anchor(9_000_000_000, Finalized) }
}

#[test]
fn a_block_that_was_invented_outranks_no_later_look_of_another_class() {
    // Its time is before that of a lower block; or it had not come when the block was seen.
    for time in [99, 5_000] {
        let (held_there, gone_there) = (
            Finding::Held { until: None, anchor: invented(time) },
            Finding::NotHeld { anchor: invented(time) },
        );
        let bench = Bench::new();
        assert_eq!(turned(&bench, &[seen(1, 7, gone_there)]), []);
        assert_eq!(turned(&bench, &[seen(2, 7, held(100, Latest))]), [(1, true)], "{time}");
        let bench = Bench::new();
        assert_eq!(turned(&bench, &[seen(1, 7, held_there)]), [(1, true)]);
        assert_eq!(turned(&bench, &[seen(2, 7, gone(100, Latest))]), [(1, false)], "{time}");
    }
}

#[test]
fn a_block_that_may_be_of_the_chain_outranks_a_lower_one() {
    let bench = Bench::new();
    let by_several = Anchor { trust: Trust::Quorum, ..invented(5_000) };
    let single = Anchor { trust: Trust::Single, ..anchor(100, Latest) };
    turned(&bench, &[seen(1, 7, Finding::NotHeld { anchor: by_several })]);
    assert_eq!(turned(&bench, &[seen(2, 7, held(100, Latest))]), [], "several named it");
    let bench = Bench::new();
    let of_now = Anchor { trust: Trust::Quorum, ..invented(99) };
    turned(&bench, &[seen(1, 7, Finding::NotHeld { anchor: of_now })]);
    let less = Finding::Held { until: None, anchor: single };
    assert_eq!(turned(&bench, &[seen(2, 7, less)]), [], "by less trust nothing is shown");
}
