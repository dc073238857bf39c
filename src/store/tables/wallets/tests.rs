//! How wallets come, go and come back, with their keys and challenges.

use super::*;
use crate::store::tables::{challenges, customers};
use crate::store::testing::{Bench, asked, at, challenge};
use alloy_primitives::B256;
use entitled_core::domain::customer::Customer;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::{Finality, Trust};

const ALICE: CustomerId = CustomerId::Uid(1000);
const BOB: CustomerId = CustomerId::Uid(1001);

fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fn by(origin: Origin, byte: u8, customer: CustomerId) -> NewWallet {
    NewWallet { address: address(byte), customer, label: None, origin }
}

fn linked(byte: u8, customer: CustomerId) -> NewWallet {
    by(Origin::Linked { nonce: None, contract: None, proof: None }, byte, customer)
}

fn answering(nonce: &str, byte: u8, customer: CustomerId) -> NewWallet {
    by(
        Origin::Linked { nonce: Some(nonce.to_owned()), contract: None, proof: None },
        byte,
        customer,
    )
}

fn managed(byte: u8, customer: CustomerId, key: &[u8]) -> NewWallet {
    by(Origin::Created { sealed_key: key.to_vec() }, byte, customer)
}

fn added(bench: &Bench, new: NewWallet, when: i64) -> Result<Wallet, StoreError> {
    bench.change(move |it| add(it, new, &asked(when)))
}

fn removed(bench: &Bench, byte: u8, id: CustomerId, destroy: bool) -> Result<Wallet, StoreError> {
    bench.change(move |it| remove(it, address(byte), id, destroy, &asked(50)))
}

fn found(bench: &Bench, byte: u8) -> Option<(Wallet, Option<Vec<u8>>)> {
    bench.store.read(move |it| find(it, address(byte))).unwrap()
}

fn customer(bench: &Bench, id: CustomerId) -> Option<Customer> {
    bench.store.read(move |it| customers::find(it, id)).unwrap()
}

#[test]
fn a_first_wallet_makes_the_customer_of_its_user() {
    let bench = Bench::new();
    let wallet = added(&bench, linked(1, ALICE), 1).unwrap();
    assert_eq!((wallet.active, wallet.added_at), (true, at(1)));
    let made = customer(&bench, ALICE).unwrap();
    assert_eq!((made.name.as_str(), made.uids.as_slice()), ("uid 1000", [1000].as_slice()));
    assert_eq!(bench.actions()[1..], ["customer_created", "wallet_linked"]);
}

#[test]
fn a_user_that_a_customer_claims_gets_no_customer_of_its_own() {
    let bench = Bench::new();
    let claims = customers::NewCustomer {
        name: "Acme".into(),
        uids: vec![1000],
        ..customers::NewCustomer::default()
    };
    bench.change(move |it| customers::create(it, claims, &asked(0))).unwrap();
    assert!(matches!(added(&bench, linked(1, ALICE), 1), Err(StoreError::Conflict { .. })));
    assert!(customer(&bench, ALICE).is_none());
}

#[test]
fn a_numbered_customer_is_not_made_on_demand() {
    let bench = Bench::new();
    let error = added(&bench, linked(1, CustomerId::Numbered(9)), 1).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "customer" }));
}

#[test]
fn a_deactivated_customer_gets_no_wallets() {
    let bench = Bench::new();
    added(&bench, linked(1, ALICE), 1).unwrap();
    let off = customers::CustomerEdit { active: Some(false), ..Default::default() };
    bench.change(move |it| customers::update(it, ALICE, off, &asked(2))).unwrap();
    assert!(matches!(added(&bench, linked(2, ALICE), 3), Err(StoreError::Conflict { .. })));
}

#[test]
fn an_address_is_active_for_one_customer_at_most() {
    let bench = Bench::new();
    added(&bench, linked(1, ALICE), 1).unwrap();
    let error = added(&bench, linked(1, BOB), 2).unwrap_err();
    assert_eq!(error.to_string(), "the wallet belongs to another customer");
    assert!(customer(&bench, BOB).is_none(), "a refused change makes no customer");
    removed(&bench, 1, ALICE, false).unwrap();
    added(&bench, linked(1, BOB), 60).unwrap();
    assert_eq!(found(&bench, 1).unwrap().0.customer, BOB);
}

#[test]
fn an_unlinked_wallet_is_kept_and_can_be_taken_up_again() {
    let bench = Bench::new();
    added(&bench, NewWallet { label: Some("old".parse().unwrap()), ..linked(1, ALICE) }, 1)
        .unwrap();
    let gone = removed(&bench, 1, ALICE, false).unwrap();
    assert_eq!((gone.active, gone.removed_at), (false, Some(at(50))));
    assert_eq!(found(&bench, 1).unwrap().0, gone);
    let back = added(&bench, linked(1, ALICE), 60).unwrap();
    assert_eq!((back.active, back.removed_at, back.added_at), (true, None, at(1)));
    assert_eq!(back.label, "old".parse().ok());
    let renamed = NewWallet { label: Some("new".parse().unwrap()), ..linked(1, ALICE) };
    assert_eq!(added(&bench, renamed, 61).unwrap().label, "new".parse().ok());
}

#[test]
fn what_is_not_there_cannot_be_unlinked() {
    let bench = Bench::new();
    added(&bench, linked(1, ALICE), 1).unwrap();
    for (byte, id) in [(2, ALICE), (1, BOB)] {
        let error = removed(&bench, byte, id, true).unwrap_err();
        assert!(matches!(error, StoreError::NotFound { what: "wallet" }));
    }
    removed(&bench, 1, ALICE, false).unwrap();
    assert!(matches!(removed(&bench, 1, ALICE, false), Err(StoreError::NotFound { .. })));
}

#[test]
fn wallets_are_listed_oldest_first_and_for_one_customer() {
    let bench = Bench::new();
    added(&bench, linked(2, ALICE), 1).unwrap();
    added(&bench, linked(1, ALICE), 2).unwrap();
    added(&bench, linked(3, BOB), 3).unwrap();
    removed(&bench, 2, ALICE, false).unwrap();
    let wallets = bench.store.read(|it| of_customer(it, ALICE)).unwrap();
    let addresses: Vec<_> = wallets.iter().map(|it| it.address).collect();
    assert_eq!(addresses, [address(2), address(1)]);
}

#[test]
fn a_managed_wallet_comes_with_its_key_and_keeps_it_when_unlinked() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"sealed"), 1).unwrap();
    assert_eq!(found(&bench, 1).unwrap().1.as_deref(), Some(b"sealed".as_slice()));
    removed(&bench, 1, ALICE, false).unwrap();
    let back = added(&bench, linked(1, ALICE), 60).unwrap();
    assert_eq!(back.custody, Custody::Managed);
    assert_eq!(bench.actions().last().unwrap(), "wallet_linked");
    assert_eq!(found(&bench, 1).unwrap().1.as_deref(), Some(b"sealed".as_slice()));
}

#[test]
fn a_key_sealed_anew_takes_the_place_of_the_old() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"old"), 1).unwrap();
    added(&bench, managed(1, ALICE, b"new"), 2).unwrap();
    assert_eq!(found(&bench, 1).unwrap().1.as_deref(), Some(b"new".as_slice()));
}

fn sealed_row(bench: &Bench) -> Option<Vec<u8>> {
    bench.store.read(|it| it.get(Table::SealedKeys, &schema::wallet(address(1), ALICE))).unwrap()
}

#[test]
fn a_destroyed_key_is_overwritten_and_then_removed() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"sealed"), 1).unwrap();
    removed(&bench, 1, ALICE, true).unwrap();
    assert_eq!(sealed_row(&bench), Some(vec![0; 7]));
    assert_eq!(found(&bench, 1).unwrap().1, None);
    bench.change(|it| forget_key(it, address(1), ALICE)).unwrap();
    assert_eq!(sealed_row(&bench), None);
    assert_eq!(bench.actions()[3..], ["wallet_unlinked", "wallet_key_destroyed"]);
}

#[test]
fn the_key_of_a_wallet_unlinked_earlier_can_be_destroyed() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"sealed"), 1).unwrap();
    removed(&bench, 1, ALICE, false).unwrap();
    removed(&bench, 1, ALICE, true).unwrap();
    assert_eq!(sealed_row(&bench), Some(vec![0; 7]));
}

#[test]
fn a_key_that_is_not_destroyed_is_not_forgotten() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"sealed"), 1).unwrap();
    bench.change(|it| forget_key(it, address(1), ALICE)).unwrap();
    assert!(found(&bench, 1).unwrap().1.is_some());
}

#[test]
fn a_key_half_destroyed_before_a_crash_is_removed_at_the_next_start() {
    let bench = Bench::new();
    added(&bench, managed(1, ALICE, b"sealed"), 1).unwrap();
    removed(&bench, 1, ALICE, true).unwrap();
    bench.store.close().unwrap();
    let store = crate::store::Store::open(Bench::settings(&bench.dir), at(99)).unwrap();
    let row = store.read(|it| it.get(Table::SealedKeys, &schema::wallet(address(1), ALICE)));
    assert_eq!(row.unwrap(), None);
}

#[test]
fn a_challenge_is_spent_with_the_wallet_it_links() {
    let bench = Bench::new();
    let asks = challenge("abc", ALICE, address(1), 600);
    bench.change(move |it| challenges::keep(it, &asks, &asked(0))).unwrap();
    let answer = || answering("abc", 1, ALICE);
    added(&bench, answer(), 1).unwrap();
    assert!(matches!(added(&bench, answer(), 2), Err(StoreError::ChallengeSpent)));
}

#[test]
fn a_challenge_is_for_one_address_one_customer_and_its_time() {
    let bench = Bench::new();
    let asks = challenge("abc", ALICE, address(1), 600);
    bench.change(move |it| challenges::keep(it, &asks, &asked(0))).unwrap();
    for (new, when) in [
        (answering("abc", 2, ALICE), 1),
        (answering("abc", 1, BOB), 1),
        (answering("xyz", 1, ALICE), 1),
        (answering("abc", 1, ALICE), 600),
    ] {
        assert!(matches!(added(&bench, new, when), Err(StoreError::ChallengeSpent)));
    }
    // None of those attempts spent it.
    added(&bench, answering("abc", 1, ALICE), 599).unwrap();
}

#[test]
fn values_out_of_bounds_are_refused() {
    let bench = Bench::new();
    for wrong in [managed(1, ALICE, b""), managed(1, ALICE, &vec![1; LONGEST_SEALED_KEY + 1])] {
        assert!(matches!(added(&bench, wrong, 1), Err(StoreError::Conflict { .. })));
    }
}

#[test]
fn customers_are_found_that_have_an_active_wallet() {
    let bench = Bench::new();
    added(&bench, linked(1, BOB), 1).unwrap();
    added(&bench, linked(2, ALICE), 2).unwrap();
    removed(&bench, 2, ALICE, false).unwrap();
    let with_wallets = |limit| bench.store.read(|it| customers_with_wallets(it, limit)).unwrap();
    assert_eq!(with_wallets(10), [BOB]);
    added(&bench, linked(3, BOB), 3).unwrap();
    added(&bench, linked(4, ALICE), 4).unwrap();
    let mut both = [ALICE, BOB];
    both.sort_unstable();
    assert_eq!(with_wallets(10), both);
    assert_eq!(with_wallets(1), both[..1]);
}

/// Whose contract speaks at a block of this number, which is of the hour `hour`.
fn speaking(number: u64, hour: i64, customer: CustomerId) -> NewWallet {
    let contract = Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(1),
        time: at(hour * 3_600),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    by(Origin::Linked { nonce: None, contract: Some(contract), proof: None }, 1, customer)
}

#[test]
fn a_contract_that_is_linked_again_gives_way_to_no_older_block() {
    let bench = Bench::new();
    added(&bench, speaking(10, 0, ALICE), 1).unwrap();
    bench.change(move |it| remove(it, address(1), ALICE, false, &asked(2))).unwrap();
    let now = 5 * 3_600;
    added(&bench, speaking(90, 5, ALICE), now).unwrap();
    let late = added(&bench, speaking(89, 5, BOB), now + 1);
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert_eq!(added(&bench, speaking(91, 5, BOB), now + 2).unwrap().customer, BOB);
}
