use alloy_primitives::{Address, B256, U256};

use super::*;
use crate::domain::ids::{ChainId, Collection, Standard};
use crate::domain::ownership::{Anchor, Cause, Finality, Finding, Target, Trust};
use crate::domain::rule::{Reach, Rule};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// As a run reads it that began at second 1,000, after look 5. The block is of `time`; none where nothing was found out.
fn dated(look: u64, seen_at: i64, time: Option<i64>) -> Timestamp {
    let anchor = |time| Anchor {
        chain: ChainId(1),
        number: 9,
        hash: B256::ZERO,
        time: at(time),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    let unknown = Finding::Unknown { cause: Cause::Unreachable, finality: Finality::Latest };
    let contract = Address::repeat_byte(9);
    let collection = Collection { chain: ChainId(1), standard: Standard::Erc721, contract };
    let mut sighting = Sighting {
        look,
        seen_at: at(seen_at),
        wallet: Address::ZERO,
        rule: Rule::Owner,
        reach: Reach::default(),
        target: Target::Token(collection.token(U256::from(7))),
        finding: time.map_or(unknown, |time| Finding::NotHeld { anchor: anchor(time) }),
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    EarlierLooks { last: 5, until: at(1_000) }.date(&mut sighting);
    sighting.seen_at
}

#[test]
fn a_look_from_the_future_is_as_old_as_its_block() {
    assert_eq!(dated(5, 1_001, Some(900)), at(900));
    assert_eq!(dated(5, 9_999, Some(2_000)), at(1_000), "which cannot be of the future either");
    assert_eq!(dated(5, 1_001, None), Timestamp::MIN, "who knows");
}

#[test]
fn other_looks_are_as_old_as_they_say() {
    assert_eq!(dated(5, 1_000, Some(900)), at(1_000));
    assert_eq!(dated(1, 10, None), at(10));
    // Looks of this run are dated by a clock that does not stand still.
    assert_eq!(dated(6, 1_001, Some(900)), at(1_001));
    assert_eq!(dated(6, 1_001, None), at(1_001));
}
