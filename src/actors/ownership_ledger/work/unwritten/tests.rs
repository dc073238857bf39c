//! Which looks are kept while the store takes none.

use alloy_primitives::{Address, B256, U256};

use super::*;
use crate::actors::ownership_ledger::{Asked, Look};
use entitled_core::domain::ids::{Standard, Timestamp};
use entitled_core::domain::ownership::{
    Anchor, Cause, Finality, Finding, IdRanges, Reach, Rule, Target, Trust,
};

fn collection() -> Collection {
    let contract = Address::repeat_byte(0xcc);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

fn failed(unwritten: &Unwritten, look: u64, sightings: Vec<(Target, Finding)>) {
    let sighting = |(target, finding)| Sighting {
        look,
        seen_at: Timestamp::UNIX_EPOCH,
        wallet: Address::repeat_byte(1),
        rule: Rule::Owner,
        reach: Reach::default(),
        target,
        finding,
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    let sightings = sightings.into_iter().map(sighting).collect();
    let look = Look { sightings, ..Look::default() };
    let asked = Asked { by: "chain".into(), at: Timestamp::UNIX_EPOCH };
    unwritten.settle(Arc::new(RecordSightings { look, asked }), &Err::<(), _>(StoreError::Closed));
}

fn token(id: u64) -> Target {
    Target::Token(collection().token(U256::from(id)))
}

fn rest() -> Target {
    Target::Rest { collection: collection(), ids: IdRanges::every() }
}

fn gone() -> Finding {
    let anchor = Anchor {
        chain: ChainId(1),
        number: 1,
        hash: B256::ZERO,
        time: Timestamp::UNIX_EPOCH,
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    Finding::NotHeld { anchor }
}

fn unknown() -> Finding {
    Finding::Unknown { cause: Cause::Unreachable, finality: Finality::Latest }
}

fn looks(unwritten: &Unwritten) -> BTreeSet<u64> {
    unwritten.about(&[collection()]).iter().map(|it| it.look).collect()
}

#[test]
fn a_look_that_proves_everything_anew_takes_the_place_of_those_before() {
    let unwritten = Unwritten::default();
    failed(&unwritten, 1, vec![(token(7), gone()), (rest(), unknown())]);
    failed(&unwritten, 2, vec![(token(7), gone()), (rest(), gone())]);
    assert_eq!(looks(&unwritten), BTreeSet::from([2]));
}

#[test]
fn a_look_that_found_nothing_out_or_of_something_else_takes_the_place_of_none() {
    let unwritten = Unwritten::default();
    failed(&unwritten, 1, vec![(token(7), gone())]);
    failed(&unwritten, 2, vec![(token(7), unknown()), (rest(), unknown())]);
    failed(&unwritten, 3, vec![(token(8), gone()), (rest(), gone())]);
    assert_eq!(looks(&unwritten), BTreeSet::from([1, 2, 3]));
}

#[test]
fn no_more_are_kept_than_there_is_room_for_and_the_newest_always() {
    let unwritten = Unwritten::default();
    let half = u64::try_from(MOST_SIGHTINGS).unwrap() / 2;
    let many = |from: u64| (from..from + half).map(|id| (token(id), gone())).collect();
    failed(&unwritten, 1, many(0));
    failed(&unwritten, 2, many(half));
    assert_eq!(looks(&unwritten), BTreeSet::from([1, 2]));
    failed(&unwritten, 3, vec![(rest(), gone())]);
    assert_eq!(looks(&unwritten), BTreeSet::from([2, 3]));
    failed(&unwritten, 4, (0..3 * half).map(|id| (token(id), unknown())).collect());
    assert_eq!(looks(&unwritten), BTreeSet::from([4]));
}
