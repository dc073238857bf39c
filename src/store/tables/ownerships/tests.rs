//! What opens, extends and closes an ownership, case by case.

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256};

use super::*;
use crate::store::tables::kept_rows::SightingRows;
use crate::store::tables::{facts, sightings};
use crate::store::testing::{Bench, asked, at, hash};
use entitled_core::domain::customer::Custody;
use entitled_core::domain::ids::{ChainId, CustomerId, Standard};
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{
    Anchor, Cause, Finality, Finding, IdRanges, Reach, Rule, Scan, Sighting, Target, Trust, Via,
};

const WALLET: Address = Address::repeat_byte(1);
const OTHER: Address = Address::repeat_byte(2);

fn collection() -> Collection {
    let contract = Address::repeat_byte(9);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

fn token(id: u64) -> Token {
    collection().token(U256::from(id))
}

fn anchor(number: u64, finality: Finality) -> Anchor {
    Anchor {
        chain: ChainId(1),
        number,
        hash: hash(number),
        time: at(i64::try_from(number).unwrap()),
        finality,
        trust: Trust::Quorum,
        attestation: None,
    }
}

fn held(number: u64, finality: Finality) -> Finding {
    Finding::Held { until: None, anchor: anchor(number, finality) }
}

fn gone(number: u64, finality: Finality) -> Finding {
    Finding::NotHeld { anchor: anchor(number, finality) }
}

fn unknown(finality: Finality) -> Finding {
    Finding::Unknown { cause: Cause::Unreachable, finality }
}

fn of(wallet: Address, look: u64, target: Target, finding: Finding) -> Sighting {
    let seen_at = at(1_000 + i64::try_from(look).unwrap());
    let (rule, reach, via) = (Rule::Owner, Reach::default(), Vec::new());
    Sighting { look, seen_at, wallet, rule, reach, target, finding, amount: None, whole: None, via }
}

fn seen(look: u64, id: u64, finding: Finding) -> Sighting {
    of(WALLET, look, Target::Token(token(id)), finding)
}

fn rest(look: u64, ids: IdRanges, finding: Finding) -> Sighting {
    of(WALLET, look, Target::Rest { collection: collection(), ids }, finding)
}

fn look(sightings: &[Sighting]) -> Look {
    Look { sightings: sightings.to_vec(), ..Look::default() }
}

fn recorded(bench: &Bench, look: Look) -> Vec<Ownership> {
    bench.change(move |it| record_look(it, &look, &asked(0))).unwrap()
}

fn turned(bench: &Bench, sightings: &[Sighting]) -> Vec<(u64, bool)> {
    let turned = recorded(bench, look(sightings));
    turned.iter().map(|it| (it.number, it.is_active())).collect()
}

fn active(bench: &Bench) -> Vec<Ownership> {
    bench.store.read(|it| list(it, None, Some(true), None, 100)).unwrap()
}

fn kept(bench: &Bench) -> Vec<Sighting> {
    bench.store.read(|it| kept::of_wallet(&SightingRows::new(it), collection(), WALLET)).unwrap()
}

use Finality::{Finalized, Latest, Safe};

#[test]
fn the_first_proof_opens_and_the_next_extends_without_an_audit_entry() {
    let bench = Bench::new();
    assert_eq!(turned(&bench, &[seen(1, 7, held(100, Latest))]), [(1, true)]);
    assert_eq!(turned(&bench, &[seen(2, 7, held(105, Latest))]), []);
    let found = active(&bench).remove(0);
    assert_eq!((found.first_seen, found.last_proven), (at(1_001), at(1_002)));
    assert_eq!(found.evidence.anchor, anchor(105, Latest));
    assert_eq!(bench.actions(), ["customer_created", "ownership_opened"]);
}

#[test]
fn a_later_look_at_latest_closes_and_a_new_proof_opens_another() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    assert_eq!(turned(&bench, &[seen(2, 7, gone(101, Latest))]), [(1, false)]);
    assert_eq!(turned(&bench, &[seen(3, 7, held(102, Latest))]), [(2, true)]);
    let history = bench.store.read(|it| history(it, token(7), None, None, 9)).unwrap();
    assert_eq!(history.iter().map(|it| it.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(history[1].closed, Some((at(1_002), anchor(101, Latest))));
    assert_eq!(bench.actions()[1..], ["ownership_opened", "ownership_closed", "ownership_opened"]);
}

#[test]
fn unknown_neither_opens_nor_closes() {
    let bench = Bench::new();
    assert_eq!(turned(&bench, &[seen(1, 7, unknown(Latest))]), []);
    turned(&bench, &[seen(2, 7, held(100, Latest))]);
    assert_eq!(turned(&bench, &[seen(3, 7, unknown(Latest))]), []);
    assert_eq!(turned(&bench, &[rest(4, IdRanges::every(), unknown(Latest))]), []);
    assert_eq!(active(&bench).len(), 1);
}

#[test]
fn a_settled_block_behind_the_proof_does_not_close_and_one_beyond_it_does() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    assert_eq!(turned(&bench, &[seen(2, 7, gone(99, Finalized))]), []);
    assert_eq!(turned(&bench, &[seen(3, 7, gone(99, Safe))]), []);
    assert_eq!(turned(&bench, &[seen(4, 7, gone(100, Safe))]), [(1, false)]);
}

#[test]
fn a_token_that_just_moved_is_closed_while_the_settled_chain_still_has_it() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest)), seen(1, 7, held(90, Finalized))]);
    let next = [seen(2, 7, held(91, Finalized)), seen(2, 7, gone(101, Latest))];
    assert_eq!(turned(&bench, &next), [(1, false)]);
    // And it does not come back for as long as only the settled chain says so.
    assert_eq!(turned(&bench, &[seen(3, 7, held(92, Finalized))]), []);
}

#[test]
fn a_rest_closes_what_its_look_did_not_sight_by_itself() {
    let bench = Bench::new();
    turned(&bench, &[1, 2, 3].map(|id| seen(1, id, held(100, Latest))));
    let second = [
        seen(2, 1, held(101, Latest)),
        seen(2, 2, unknown(Latest)),
        rest(2, IdRanges::every(), gone(101, Latest)),
    ];
    assert_eq!(turned(&bench, &second), [(3, false)]);
}

#[test]
fn a_rest_says_nothing_of_ids_it_does_not_hold_or_of_other_wallets() {
    let bench = Bench::new();
    let theirs = of(OTHER, 1, Target::Token(token(1)), held(100, Latest));
    turned(&bench, &[seen(1, 5, held(100, Latest)), theirs]);
    let ids = IdRanges::new([(U256::from(1), U256::from(4))]);
    assert_eq!(turned(&bench, &[rest(2, ids, gone(101, Latest))]), []);
}

#[test]
fn what_a_rest_said_of_a_token_outlives_that_rest() {
    let held_once = [seen(1, 7, held(100, Latest))];
    let moved = [rest(2, IdRanges::every(), gone(101, Latest))];
    let unclear = [seen(3, 7, unknown(Latest)), rest(3, IdRanges::every(), gone(102, Latest))];
    for order in [[0, 1, 2], [1, 2, 0], [2, 1, 0]] {
        let bench = Bench::new();
        for place in order {
            turned(&bench, [&held_once[..], &moved, &unclear][place]);
        }
        assert_eq!(active(&bench), [], "{order:?}");
        assert!(kept(&bench).contains(&seen(2, 7, gone(101, Latest))), "{order:?}");
    }
}

#[test]
fn a_rest_cannot_be_held() {
    let bench = Bench::new();
    let wrong = look(&[rest(1, IdRanges::every(), held(100, Latest))]);
    let error = bench.change(move |it| record_look(it, &wrong, &asked(0))).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }));
}

#[test]
fn another_holder_closes_nobody_elses_interval() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    let theirs = of(OTHER, 2, Target::Token(token(7)), held(101, Latest));
    assert_eq!(turned(&bench, &[theirs]), [(2, true)]);
    assert_eq!(active(&bench).len(), 2);
}

#[test]
fn an_older_look_changes_nothing() {
    let bench = Bench::new();
    turned(&bench, &[seen(5, 7, gone(105, Latest))]);
    assert_eq!(turned(&bench, &[seen(4, 7, held(104, Latest))]), []);
    assert_eq!(kept(&bench), [seen(5, 7, gone(105, Latest))]);
}

#[test]
fn the_newest_unknown_is_kept_beside_the_newest_proof_and_goes_with_the_next() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    turned(&bench, &[seen(3, 7, unknown(Latest))]);
    turned(&bench, &[seen(2, 7, unknown(Latest))]);
    assert_eq!(kept(&bench), [seen(1, 7, held(100, Latest)), seen(3, 7, unknown(Latest))]);
    turned(&bench, &[seen(4, 7, held(101, Latest))]);
    assert_eq!(kept(&bench), [seen(4, 7, held(101, Latest))]);
}

#[test]
fn each_finality_has_a_sighting_of_its_own() {
    let bench = Bench::new();
    let both = [seen(1, 7, held(100, Latest)), seen(1, 7, gone(90, Finalized))];
    turned(&bench, &both);
    assert_eq!(kept(&bench), both);
}

#[test]
fn a_sighting_anchored_on_another_chain_is_refused_with_its_whole_look() {
    let bench = Bench::new();
    let mut stray = anchor(100, Latest);
    stray.chain = ChainId(2);
    let wrong = look(&[
        seen(1, 6, held(100, Latest)),
        seen(1, 7, Finding::Held { until: None, anchor: stray }),
    ]);
    let error = bench.change(move |it| record_look(it, &wrong, &asked(0))).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }));
    assert_eq!(kept(&bench), []);
}

#[test]
fn the_transaction_a_claimant_named_stays_with_the_evidence() {
    let bench = Bench::new();
    let claim = Look { transaction: Some(hash(77)), ..look(&[seen(1, 7, held(100, Latest))]) };
    assert_eq!(recorded(&bench, claim)[0].evidence.transaction, Some(hash(77)));
    turned(&bench, &[seen(2, 7, held(101, Latest))]);
    assert_eq!(active(&bench)[0].evidence.transaction, Some(hash(77)));
}

fn suspend(bench: &Bench, id: u64, on: bool) -> Result<Vec<Ownership>, StoreError> {
    let suspension =
        on.then(|| Suspension { reason: "refunded".into(), by: "admin uid:0".into(), at: at(0) });
    bench.change(move |it| set_suspension(it, token(id), suspension.as_ref(), &asked(0)))
}

fn suspended(bench: &Bench) -> Vec<Token> {
    bench.store.read(|it| suspended_in(it, collection())).unwrap()
}

#[test]
fn a_suspension_outlives_closing_and_opening_again() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    assert!(suspend(&bench, 7, true).unwrap()[0].suspended.is_some());
    turned(&bench, &[seen(2, 7, gone(101, Latest))]);
    assert_eq!(suspend(&bench, 7, true).unwrap(), []);
    let opened = recorded(&bench, look(&[seen(3, 7, held(102, Latest))]));
    assert!(opened[0].suspended.is_some());
    assert_eq!(suspended(&bench), [token(7)]);
    assert_eq!(suspend(&bench, 7, false).unwrap()[0].suspended, None);
    assert_eq!(suspended(&bench), []);
}

#[test]
fn a_token_nobody_was_seen_to_hold_cannot_be_suspended() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, gone(100, Latest))]);
    assert!(matches!(suspend(&bench, 7, true), Err(StoreError::NotFound { .. })));
}

#[test]
fn reinstating_what_is_in_force_leaves_no_audit_entry() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    suspend(&bench, 7, false).unwrap();
    assert_eq!(bench.actions().last().unwrap(), "ownership_opened");
}

#[test]
fn lists_are_newest_first_and_go_on_after_a_number() {
    let bench = Bench::new();
    turned(&bench, &[1, 2, 3, 4].map(|id| seen(1, id, held(100, Latest))));
    turned(&bench, &[of(OTHER, 1, Target::Token(token(5)), held(100, Latest))]);
    turned(&bench, &[seen(2, 3, gone(101, Latest))]);
    let numbers = |wallets: Option<Vec<Address>>, active, after, limit| -> Vec<u64> {
        let wallets =
            wallets.map(|it| it.into_iter().map(|it| linked(it, None)).collect::<Vec<_>>());
        let found = bench.store.read(|it| list(it, wallets.as_deref(), active, after, limit));
        found.unwrap().iter().map(|it| it.number).collect()
    };
    assert_eq!(numbers(None, None, None, 2), [5, 4]);
    assert_eq!(numbers(None, None, Some(4), 9), [3, 2, 1]);
    assert_eq!(numbers(None, Some(false), None, 9), [3]);
    assert_eq!(numbers(Some(vec![WALLET]), Some(true), None, 2), [4, 2]);
    assert_eq!(numbers(Some(vec![WALLET, OTHER]), None, Some(5), 2), [4, 3]);
    assert!(numbers(Some(vec![]), None, None, 9).is_empty());
}

fn linked(address: Address, removed_at: Option<i64>) -> Wallet {
    Wallet {
        address,
        customer: CustomerId::Uid(1000),
        custody: Custody::Linked,
        label: None,
        active: removed_at.is_none(),
        added_at: at(1),
        removed_at: removed_at.map(at),
        chain: None,
        accepted: None,
        accepted_at: None,
    }
}

#[test]
fn what_a_wallet_holds_after_it_was_taken_away_is_not_its_former_customers() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest)), seen(1, 8, held(100, Latest))]);
    turned(&bench, &[seen(2, 7, gone(101, Latest))]);
    turned(&bench, &[seen(3, 7, held(102, Latest))]);
    turned(&bench, &[of(OTHER, 4, Target::Token(token(7)), held(103, Latest))]);
    let former = [linked(WALLET, Some(1_003))];
    let numbers = |found: Result<Vec<Ownership>, StoreError>| -> Vec<u64> {
        found.unwrap().iter().map(|it| it.number).collect()
    };
    let listed = |active, limit| {
        numbers(bench.store.read(|it| list(it, Some(&former), active, None, limit)))
    };
    assert_eq!(
        (listed(None, 9), listed(Some(true), 9), listed(None, 1)),
        (vec![2, 1], vec![2], vec![2])
    );
    // Others' intervals take no place on a page.
    let history = |wallets: &[Wallet], limit| {
        numbers(bench.store.read(|it| history(it, token(7), Some(wallets), None, limit)))
    };
    assert_eq!((history(&former, 9), history(&former, 1)), (vec![1], vec![1]));
    assert_eq!(history(&[linked(WALLET, None)], 9), [3, 1]);
    assert!(history(&[], 9).is_empty());
}

#[test]
fn a_later_look_has_the_newer_scan() {
    let bench = Bench::new();
    let scan = |to: u64| Scan { read_to: Some((to, hash(to))), ids: [U256::from(to)].into() };
    let with_scan = |number: u64, to: u64| Look {
        scans: vec![(collection(), WALLET, scan(to))],
        ..look(&[seen(number, 7, unknown(Latest))])
    };
    // After a reorganisation the later look may have read less far.
    for (number, to) in [(3, 50), (2, 90), (1, 10)] {
        recorded(&bench, with_scan(number, to));
    }
    let found = bench.store.read(|it| sightings::scan_of(it, collection(), WALLET)).unwrap();
    assert_eq!(found, Some(scan(50)));
}

#[test]
fn a_floor_only_rises() {
    let bench = Bench::new();
    for seconds in [10, 30, 20] {
        bench.change(move |it| sightings::raise_floor(it, ChainId(1), at(seconds))).unwrap();
    }
    bench.change(|it| sightings::raise_floor(it, ChainId(5), at(-9_000_000_000))).unwrap();
    let floors = bench.store.read(sightings::floors).unwrap();
    assert_eq!(floors, [(ChainId(1), at(30)), (ChainId(5), at(-9_000_000_000))]);
    assert_eq!(bench.actions(), ["customer_created"]);
}

#[test]
fn facts_are_of_the_customers_and_collections_asked_for() {
    let bench = Bench::new();
    let new = |byte: u8, uid| crate::store::tables::wallets::NewWallet {
        address: Address::repeat_byte(byte),
        customer: CustomerId::Uid(uid),
        label: None,
        origin: crate::store::tables::wallets::Origin::Linked {
            nonce: None,
            contract: None,
            proof: None,
        },
    };
    for (byte, uid) in [(1, 1000), (2, 1001)] {
        let wallet = new(byte, uid);
        bench.change(move |it| crate::store::tables::wallets::add(it, wallet, &asked(0))).unwrap();
    }
    let theirs = of(OTHER, 1, Target::Token(token(8)), held(100, Latest));
    turned(&bench, &[seen(1, 7, held(100, Latest)), theirs]);
    suspend(&bench, 8, true).unwrap();

    let customers = [CustomerId::Uid(1000), CustomerId::Uid(1000), CustomerId::Numbered(4)];
    let found = bench.store.read(|it| facts::facts(it, &customers, &[collection()])).unwrap();
    assert_eq!(found.customers.iter().map(|it| it.id).collect::<Vec<_>>(), [customers[0]]);
    assert_eq!(found.wallets.iter().map(|it| it.address).collect::<Vec<_>>(), [WALLET]);
    assert_eq!(found.sightings, [seen(1, 7, held(100, Latest))]);
    assert_eq!(found.suspended, [token(8)]);
    let none = bench.store.read(|it| facts::facts(it, &customers, &[])).unwrap();
    assert!(none.sightings.is_empty() && none.suspended.is_empty());
}

#[test]
fn progress_and_counts_tell_what_was_recorded() {
    let bench = Bench::new();
    turned(&bench, &[seen(9, 7, held(100, Latest))]);
    turned(&bench, &[seen(4, 8, held(100, Latest))]);
    assert_eq!(bench.store.read(facts::progress).unwrap().last_look, 9);
    let counts = bench.store.read(facts::counts).unwrap();
    let expected =
        facts::Counts { customers: 1, wallets: 0, ownerships: 2, sightings: 2, audit_entries: 3 };
    assert_eq!(counts, expected);
}

#[test]
fn a_rest_still_passes_over_a_token_whose_failure_was_replaced_by_a_later_one() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(10, Latest))]);
    turned(&bench, &[seen(2, 7, unknown(Latest)), rest(2, IdRanges::every(), gone(11, Latest))]);
    turned(&bench, &[seen(3, 7, unknown(Latest)), rest(3, IdRanges::every(), unknown(Latest))]);
    let of_token = |it: &Sighting| it.target == Target::Token(token(7));
    let found: Vec<_> = kept(&bench).into_iter().filter(of_token).collect();
    let looks: BTreeSet<u64> = found.iter().map(|it| it.look).collect();
    assert_eq!(looks, BTreeSet::from([1, 2, 3]), "{found:?}");
    // Once something is proven of it, nothing has to be remembered.
    turned(&bench, &[seen(4, 7, held(12, Latest))]);
    assert_eq!(kept(&bench).into_iter().filter(of_token).count(), 1);
}

#[test]
fn a_later_look_at_an_older_block_opens_nothing_again() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(100, Latest))]);
    assert_eq!(turned(&bench, &[seen(2, 7, gone(120, Latest))]), [(1, false)]);
    for (look, finality) in [(3, Finalized), (4, Safe)] {
        assert_eq!(turned(&bench, &[seen(look, 7, held(119, finality))]), [], "{finality:?}");
    }
    assert_eq!(turned(&bench, &[seen(5, 7, held(121, Finalized))]), [(2, true)]);
}

#[test]
fn a_token_named_at_one_block_is_one_of_the_rest_at_another() {
    let bench = Bench::new();
    // Sold between the two blocks, and never seen before: at the head nobody knows to ask for it by name.
    let both = [
        seen(1, 7, held(90, Finalized)),
        rest(1, IdRanges::every(), gone(90, Finalized)),
        rest(1, IdRanges::every(), gone(100, Latest)),
    ];
    assert_eq!(turned(&bench, &both), []);
}

mod properties;
mod questions;
mod refuted;
mod unchanged;
