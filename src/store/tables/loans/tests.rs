use alloy_primitives::U256;

use super::*;
use crate::store::testing::{Bench, asked, at, hash};
use entitled_core::domain::ids::{ChainId, Collection, Standard};
use entitled_core::domain::ownership::{
    Anchor, Finality, Finding, Reach, Rule, Sighting, Target, Trust,
};
use entitled_core::loan::LoanTerms;

const MACHINE: Address = Address::repeat_byte(5);

fn terms(nonce: u64, until: i64) -> LoanTerms {
    LoanTerms {
        wallet: Address::repeat_byte(6),
        customer: CustomerId::Machine,
        machine: MACHINE,
        nonce: hash(nonce),
        label: None,
        fence: nonce,
        from: at(0),
        until: at(until),
    }
}

fn loan(nonce: u64, until: i64) -> TakenLoan {
    let (standard, contract) = (Standard::Erc721, Address::repeat_byte(1));
    let collection = Collection { chain: ChainId(1), standard, contract };
    let anchor = Anchor {
        chain: ChainId(1),
        number: 7,
        hash: hash(7),
        time: at(0),
        finality: Finality::Finalized,
        trust: Trust::Single,
        attestation: None,
    };
    let sighting = Sighting {
        look: 0,
        seen_at: at(0),
        wallet: Address::repeat_byte(6),
        rule: Rule::Owner,
        reach: Reach::default(),
        target: Target::Token(collection.token(U256::from(7))),
        finding: Finding::Held { until: Some(at(until)), anchor },
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    let (id, product) = (hash(nonce + 100), "acme-cad".parse().unwrap());
    TakenLoan { id, product, terms: terms(nonce, until), sighting, returned: None }
}

fn take_at(bench: &Bench, loan: &TakenLoan, seconds: i64) -> TakenLoan {
    let loan = loan.clone();
    bench.change(move |it| take(it, &loan, &asked(seconds))).unwrap()
}

fn open_loans(bench: &Bench) -> Vec<B256> {
    let open = bench.store.read(open).unwrap();
    open.into_iter().map(|it| it.terms.nonce).collect()
}

#[test]
fn one_request_has_one_loan_for_ever() {
    let bench = Bench::new();
    let first = loan(1, 100);
    assert_eq!(take_at(&bench, &first, 1), first);
    let other = TakenLoan { id: hash(9), ..first.clone() };
    assert_eq!(take_at(&bench, &other, 2), first, "the one that stands");
    let spent = |text: &'static str| {
        bench.change(move |it| spend(it, (hash(1), text), &asked(3))).unwrap().returned
    };
    assert_eq!(spent("spent"), Some("spent".into()));
    assert_eq!(spent("again"), Some("spent".into()), "with what it was given back with");
    assert!(open_loans(&bench).is_empty());
    assert_eq!(take_at(&bench, &first, 4).returned, Some("spent".into()));
    let unknown = bench.change(move |it| spend(it, (hash(2), "x"), &asked(5)));
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    let loans = |it: &String| it.starts_with("seat_");
    let told: Vec<String> = bench.actions().into_iter().filter(loans).collect();
    assert_eq!(told, ["seat_loan_imported", "seat_loan_returned"]);
}

/// Whatever the clock says after the next start.
#[test]
fn a_loan_is_over_once_it_was_seen_to_be() {
    let bench = Bench::new();
    take_at(&bench, &loan(1, 100), 1);
    take_at(&bench, &loan(2, 200), 2);
    let note = |seconds| bench.change(move |it| write_time(it, at(seconds))).unwrap();
    note(150);
    note(20);
    assert_eq!(bench.store.read(time).unwrap(), Some(at(150)), "it is never earlier");
    assert_eq!(open_loans(&bench), [hash(2)]);
    // It is put apart, and known all the same.
    take_at(&bench, &loan(3, 300), 160);
    assert_eq!(bench.store.read(|it| taken(it, true)).unwrap(), [loan(1, 100)]);
    assert_eq!(take_at(&bench, &loan(1, 900), 170), loan(1, 100));
}

#[test]
fn a_machine_has_one_key_which_a_rotation_finds() {
    let bench = Bench::new();
    assert_eq!(bench.store.read(machine_key).unwrap(), None);
    let keep = |address: Address, byte: u8| {
        bench.change(move |it| keep_machine_key(it, (address, &[byte; 9]))).unwrap()
    };
    let kept = keep(MACHINE, 1);
    assert_eq!((keep(Address::repeat_byte(8), 2), kept.0), (kept.clone(), MACHINE));
    let sealed = bench.store.read(crate::store::tables::sealed_keys::all).unwrap();
    assert_eq!((sealed.len(), sealed[0].address), (1, MACHINE));
}
