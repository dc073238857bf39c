use super::*;
use crate::store::testing::{Bench, at};

fn synced(chain: u64, slot: u64, bytes: &[u8]) -> Synced {
    let time = at(7 + 12 * i64::try_from(slot).unwrap());
    Synced { chain: ChainId(chain), slot, time, bytes: bytes.to_vec() }
}

fn keep_one(bench: &Bench, it: Synced) -> bool {
    bench.change(move |changes| keep(changes, &it, 12)).unwrap()
}

#[test]
fn what_is_kept_reads_back() {
    let bench = Bench::new();
    let both = [synced(1, 5, b"one"), synced(5, 9, b"")];
    for it in both.clone() {
        assert!(keep_one(&bench, it));
    }
    assert_eq!(bench.store.read(all).unwrap(), both);
}

#[test]
fn what_is_behind_is_not_kept_and_what_knows_more_of_the_same_slot_is() {
    let bench = Bench::new();
    assert!(keep_one(&bench, synced(1, 5, b"first")));
    assert!(!keep_one(&bench, synced(1, 4, b"older")));
    assert!(keep_one(&bench, synced(1, 5, b"with the next committee")));
    let kept = bench.store.read(all).unwrap();
    assert_eq!(kept, [synced(1, 5, b"with the next committee")]);
}

/// A chain that was begun anew, or whose genesis was corrected: its slots say nothing of those kept before.
#[test]
fn slots_of_another_calendar_hold_nothing_back() {
    let bench = Bench::new();
    let by = |genesis: i64, slot: u64| Synced {
        time: at(genesis + 12 * i64::try_from(slot).unwrap()),
        ..synced(1, slot, b"")
    };
    assert!(keep_one(&bench, by(1_000, 500)));
    assert!(keep_one(&bench, by(90_000, 4)));
    assert!(!keep_one(&bench, by(90_000, 3)), "of the same one it is behind as ever");
    assert!(keep_one(&bench, by(88_000, 2)), "and earlier than what is kept as well");
    assert_eq!(bench.store.read(all).unwrap(), [by(88_000, 2)]);
}

#[test]
fn a_row_of_another_form_is_said_to_be_one() {
    for value in [&[][..], &[FORM][..], &[2; 40][..]] {
        assert!(matches!(decode(ChainId(1), value), Err(StoreError::Form { .. })));
    }
}
