use super::*;
use crate::store::tables::wallets::{self, NewWallet, Origin};
use crate::store::testing::{Bench, asked};

const OWNER: CustomerId = CustomerId::Uid(1000);

fn add(bench: &Bench, byte: u8) {
    let new = NewWallet {
        address: Address::repeat_byte(byte),
        customer: OWNER,
        label: None,
        origin: Origin::Created { sealed_key: vec![byte; 9] },
    };
    bench.change(move |it| wallets::add(it, new, &asked(0))).unwrap();
}

fn records(bench: &Bench) -> Vec<Vec<u8>> {
    bench.store.read(all).unwrap().into_iter().map(|it| it.record).collect()
}

fn replace_all(bench: &Bench, found: Vec<SealedKey>) -> u64 {
    let replacements: Vec<_> = found
        .into_iter()
        .map(|before| Replacement { record: [before.record.clone(), vec![0]].concat(), before })
        .collect();
    bench.change(move |it| replace(it, &replacements, "from a to b", &asked(1))).unwrap()
}

#[test]
fn every_key_is_found_and_replaced_in_one_change_with_one_entry() {
    let bench = Bench::new();
    (1..=3).for_each(|it| add(&bench, it));
    let found = bench.store.read(all).unwrap();
    assert_eq!((found[0].address, found[0].customer), (Address::repeat_byte(1), OWNER));
    assert_eq!(replace_all(&bench, found), 3);
    assert!(records(&bench).iter().all(|it| it.len() == 10));
    assert_eq!(bench.actions().iter().filter(|it| *it == "keys_rotated").count(), 1);
}

#[test]
fn a_key_destroyed_meanwhile_does_not_come_back() {
    let bench = Bench::new();
    (1..=2).for_each(|it| add(&bench, it));
    let found = bench.store.read(all).unwrap();
    let gone = Address::repeat_byte(1);
    bench.change(move |it| wallets::remove(it, gone, OWNER, true, &asked(0))).unwrap();
    assert_eq!(replace_all(&bench, found), 1);
    assert_eq!(records(&bench).len(), 1);
}
