use super::*;
use crate::store::testing::{Bench, asked};

fn bench() -> Bench {
    let bench = Bench::new();
    for number in 2..=5_u64 {
        // The first entry is about the machine's customer, made when the store was begun.
        let subject = format!("thing {number}");
        bench
            .change(move |it| note(it, AuditAction::ProductInstalled, &subject, "", &asked(0)))
            .unwrap();
    }
    bench
}

fn broken(bench: &Bench) -> Option<u64> {
    bench.store.read(verify).unwrap().broken_at
}

fn entry(bench: &Bench, number: u64) -> AuditEntry {
    let after = Some(number - 1);
    bench.store.read(move |it| list(it, None, (after, None), 1)).unwrap().remove(0)
}

fn place(bench: &Bench, number: u64, entry: AuditEntry) {
    let put =
        move |it: &mut Changes<'_>| it.put_record(Table::Audit, &number.to_be_bytes(), &entry);
    bench.change(put).unwrap();
}

#[test]
fn an_untouched_audit_verifies() {
    let bench = bench();
    let state = bench.store.read(verify).unwrap();
    assert_eq!((state.entries, state.broken_at), (5, None));
    assert_eq!(state.head, entry(&bench, 5).hash);
}

#[test]
fn an_altered_entry_is_named() {
    let bench = bench();
    place(&bench, 3, AuditEntry { by: "nobody".into(), ..entry(&bench, 3) });
    assert_eq!(broken(&bench), Some(3));
}

#[test]
fn an_altered_entry_with_its_hash_made_good_breaks_the_next() {
    let bench = bench();
    let mut altered = AuditEntry { by: "nobody".into(), ..entry(&bench, 3) };
    altered.hash = hash(&altered);
    place(&bench, 3, altered);
    assert_eq!(broken(&bench), Some(4));
}

#[test]
fn a_removed_entry_is_named() {
    let bench = bench();
    bench.change(|it| it.remove(Table::Audit, &4_u64.to_be_bytes())).unwrap();
    assert_eq!(broken(&bench), Some(4));
}

#[test]
fn a_missing_last_entry_is_named() {
    let bench = bench();
    bench.change(|it| it.remove(Table::Audit, &5_u64.to_be_bytes())).unwrap();
    assert_eq!(broken(&bench), Some(5));
}

#[test]
fn reordered_entries_are_named() {
    let bench = bench();
    let (second, third) = (entry(&bench, 2), entry(&bench, 3));
    place(&bench, 2, third);
    place(&bench, 3, second);
    assert_eq!(broken(&bench), Some(2));
}

#[test]
fn an_unreadable_entry_is_named() {
    let bench = bench();
    bench.change(|it| it.put(Table::Audit, &2_u64.to_be_bytes(), b"?")).unwrap();
    assert_eq!(broken(&bench), Some(2));
}

#[test]
fn moving_text_between_fields_changes_the_hash() {
    let bench = bench();
    let one = AuditEntry { by: "ab".into(), action: "c".into(), ..entry(&bench, 2) };
    let other = AuditEntry { by: "a".into(), action: "bc".into(), ..one.clone() };
    assert_ne!(hash(&one), hash(&other));
}

#[test]
fn a_list_begins_after_a_number_and_not_before_a_time() {
    let bench = bench();
    bench.change(|it| note(it, AuditAction::ProductRemoved, "x", "", &asked(100))).unwrap();
    let numbers = |since, after, limit| -> Vec<u64> {
        let entries = bench.store.read(move |it| list(it, since, (after, None), limit)).unwrap();
        entries.iter().map(|it| it.number).collect()
    };
    assert_eq!(numbers(None, None, 2), [1, 2]);
    assert_eq!(numbers(None, Some(4), 9), [5, 6]);
    assert_eq!(numbers(Some(asked(100).at), None, 9), [6]);
}

#[test]
fn the_last_entries_are_listed_oldest_first() {
    let bench = bench();
    let numbers = |after, last, limit| -> Vec<u64> {
        let listed = bench.store.read(move |it| list(it, None, (after, last), limit)).unwrap();
        listed.iter().map(|it| it.number).collect()
    };
    assert_eq!(numbers(None, Some(2), 9), [4, 5]);
    assert_eq!(numbers(None, Some(99), 9), [1, 2, 3, 4, 5]);
    // A page of them, and the next.
    assert_eq!(numbers(None, Some(3), 2), [3, 4]);
    assert_eq!(numbers(Some(4), Some(3), 2), [5]);
}
