//! The store as a whole: its file, its writer, its backups, and what goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use super::tables::{audit, facts};
use super::testing::{Bench, asked, at, wait};
use super::*;
use crate::store::tables::customers::NewCustomer;

fn named(name: &str) -> NewCustomer {
    NewCustomer { name: name.into(), ..Default::default() }
}

fn make(
    name: &str,
) -> impl FnOnce(&mut Changes<'_>) -> Result<u64, StoreError> + Send + use<> + 'static {
    let new = named(name);
    move |it| match customers::create(it, new, &asked(1))?.id {
        CustomerId::Numbered(number) => Ok(number),
        other => Err(StoreError::conflict(other.to_string())),
    }
}

fn names(store: &Store) -> Vec<String> {
    let found = store.read(|it| customers::list(it, None, 1_000)).unwrap();
    found.into_iter().map(|it| it.name).collect()
}

fn told(store: &Store) -> String {
    let [notice] = store.read(notices::all).unwrap().try_into().unwrap();
    notice.said
}

fn open_again(bench: &Bench) -> Result<Store, StoreError> {
    Store::open(Bench::settings(&bench.dir), at(9))
}

fn files(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.dir.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Turns bytes all over the file, beyond its header.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for place in (4_096..bytes.len()).step_by(61) {
        bytes[place] ^= 0x55;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_change_is_there_after_a_close() {
    let bench = Bench::new();
    bench.change(make("Ada")).unwrap();
    bench.store.close().unwrap();
    let store = open_again(&bench).unwrap();
    assert_eq!(names(&store), ["machine", "Ada"]);
    assert_eq!(store.read(notices::all).unwrap(), []);
    assert!(store.read(audit::verify).unwrap().broken_at.is_none());
}

#[test]
fn a_closed_store_refuses_and_says_so() {
    let bench = Bench::new();
    bench.store.close().unwrap();
    assert!(matches!(bench.change(make("late")), Err(StoreError::Closed)));
    assert!(matches!(bench.store.read(facts::counts), Err(StoreError::Closed)));
    assert!(bench.store.close().is_ok());
}

#[test]
fn changes_ordered_before_a_close_are_kept() {
    let bench = Bench::new();
    let ordered: Vec<_> = (0..50).map(|it| bench.store.write(make(&format!("c{it}")))).collect();
    bench.store.close().unwrap();
    for one in ordered {
        wait(one).unwrap();
    }
    assert_eq!(names(&open_again(&bench).unwrap()).len(), 51);
}

#[test]
fn the_last_clone_that_goes_frees_the_file() {
    let bench = Bench::new();
    let Bench { store, dir } = bench;
    drop(store.clone());
    drop(store);
    assert!(Store::open(Bench::settings(&dir), at(9)).is_ok());
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let bench = Bench::new();
    let error = open_again(&bench).unwrap_err();
    assert!(error.to_string().starts_with("another entitled is using "), "{error}");
    assert_eq!(files(&bench), ["ledger.redb"]);
}

#[test]
fn directory_and_file_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/of/it/ledger.redb");
    let _store = Store::open(StoreSettings::at(&path), at(0)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn other_peoples_rights_to_the_file_are_taken_away() {
    let bench = Bench::new();
    bench.store.close().unwrap();
    let path = bench.dir.path().join("ledger.redb");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = open_again(&bench).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.change(|it| it.put(schema::Table::Meta, b"schema", &99_u32.to_be_bytes())).unwrap();
    bench.store.close().unwrap();
    let error = open_again(&bench).unwrap_err();
    assert!(
        matches!(error, StoreError::NewerSchema { found: 99, known: schema::SCHEMA, .. }),
        "{error}"
    );
    assert_eq!(files(&bench), ["ledger.redb"]);
}

#[test]
fn a_corrupt_file_is_set_aside_and_the_newest_good_backup_restored() {
    let bench = Bench::new();
    bench.change(make("first")).unwrap();
    bench.store.keep_backup().unwrap();
    bench.change(make("second")).unwrap();
    bench.store.keep_backup().unwrap();
    bench.change(make("third")).unwrap();
    let newest = bench.store.keep_backup().unwrap();
    bench.store.close().unwrap();
    damage(&newest.path);
    let path = bench.dir.path().join("ledger.redb");
    damage(&path);
    let damaged = fs::read(&path).unwrap();

    let store = open_again(&bench).unwrap();
    assert_eq!(names(&store), ["machine", "first", "second"]);
    let said = told(&store);
    assert!(said.contains("ledger.redb.backup-2 was restored"), "{said}");
    assert!(said.contains("Seats that were lent after it are given again"), "{said}");
    assert_eq!(fs::read(bench.dir.path().join("ledger.redb.corrupt-1")).unwrap(), damaged);
    let actions = store.read(|it| audit::list(it, None, (None, None), 99)).unwrap();
    assert_eq!(actions.last().unwrap().action, "store_recovered");
    assert!(store.read(audit::verify).unwrap().broken_at.is_none());
}

#[test]
fn without_a_backup_a_corrupt_file_gives_way_to_a_fresh_store() {
    let bench = Bench::new();
    bench.change(make("lost")).unwrap();
    bench.store.close().unwrap();
    fs::write(bench.dir.path().join("ledger.redb"), b"this is not a store at all").unwrap();
    let store = open_again(&bench).unwrap();
    assert_eq!(names(&store), ["machine"]);
    let said = told(&store);
    assert!(said.contains("a fresh store was begun"), "{said}");
    assert!(said.contains("Seats that it had lent are given again"), "{said}");
    assert!(files(&bench).contains(&"ledger.redb.corrupt-1".to_owned()));
}

#[test]
fn corrupt_files_do_not_overwrite_each_other() {
    let bench = Bench::new();
    bench.store.close().unwrap();
    for _ in 0..2 {
        fs::write(bench.dir.path().join("ledger.redb"), b"this is not a store at all").unwrap();
        open_again(&bench).unwrap().close().unwrap();
    }
    let expected =
        ["ledger.redb", "ledger.redb.checksums", "ledger.redb.corrupt-1", "ledger.redb.corrupt-2"];
    assert_eq!(files(&bench), expected);
}

#[test]
fn a_file_that_was_emptied_is_not_taken_for_a_new_one() {
    let bench = Bench::new();
    bench.change(make("Ada")).unwrap();
    bench.store.keep_backup().unwrap();
    bench.store.close().unwrap();
    fs::write(bench.dir.path().join("ledger.redb"), b"").unwrap();
    assert_eq!(names(&open_again(&bench).unwrap()), ["machine", "Ada"]);
}

#[test]
fn a_backup_is_a_whole_store_and_overwrites_nothing() {
    let bench = Bench::new();
    bench.change(make("Ada")).unwrap();
    let path = bench.dir.path().join("copy.redb");
    bench.store.backup(&path).unwrap();
    assert!(matches!(bench.store.backup(&path), Err(StoreError::Exists { .. })));
    bench.change(make("later")).unwrap();
    let copy = Store::open(StoreSettings::at(&path), at(9)).unwrap();
    assert_eq!(names(&copy), ["machine", "Ada"]);
    assert_eq!(files(&bench), ["copy.redb", "ledger.redb"]);
}

#[test]
fn the_oldest_backups_go_when_there_are_too_many() {
    let bench = Bench::new();
    for _ in 0..5 {
        bench.store.keep_backup().unwrap();
    }
    let kept =
        ["ledger.redb", "ledger.redb.backup-3", "ledger.redb.backup-4", "ledger.redb.backup-5"];
    assert_eq!(files(&bench), kept);
}

/// Names that look like those of kept backups, and that no backup ever had.
#[test]
fn a_name_that_no_kept_backup_can_have_stops_none() {
    let bench = Bench::new();
    let others =
        ["18446744073709551615", "0", "007", "+9"].map(|it| format!("ledger.redb.backup-{it}"));
    for it in &others {
        fs::write(bench.dir.path().join(it), "another's").unwrap();
    }
    for number in 1..=4 {
        let kept = bench.store.keep_backup().unwrap().path;
        assert!(kept.ends_with(format!("ledger.redb.backup-{number}")), "{kept:?}");
    }
    for it in &others {
        assert!(bench.dir.path().join(it).exists(), "{it} is none of ours");
    }
}

/// Keeps the writer busy until the sender is dropped, so that what is ordered meanwhile is one group.
fn hold(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    drop(store.write(move |_| {
        started.send(()).unwrap();
        assert!(held.recv().is_err());
        Ok(())
    }));
    running.recv().unwrap();
    release
}

#[test]
fn many_changes_share_few_commits() {
    let bench = Bench::new();
    let release = hold(&bench.store);
    let before = bench.store.usage().unwrap();
    let ordered: Vec<_> = (0..256).map(|it| bench.store.write(make(&format!("c{it}")))).collect();
    drop(release);
    for one in ordered {
        wait(one).unwrap();
    }
    let after = bench.store.usage().unwrap();
    assert_eq!(names(&bench.store).len(), 257);
    assert!(after.commits - before.commits <= 4, "{before:?} {after:?}");
    assert!(after.changes - before.changes >= 256, "{before:?} {after:?}");
}

#[test]
fn an_operation_that_is_refused_fails_alone() {
    let bench = Bench::new();
    let release = hold(&bench.store);
    let good = bench.store.write(make("good"));
    let bad = bench.store.write(make(""));
    let also_good = bench.store.write(make("also good"));
    drop(release);
    assert!(matches!(wait(bad), Err(StoreError::Conflict { .. })));
    assert_eq!((wait(good).unwrap(), wait(also_good).unwrap()), (1, 2));
}

#[test]
fn a_panic_fails_its_group_and_the_writer_goes_on() {
    let bench = Bench::new();
    let release = hold(&bench.store);
    let bystander = bench.store.write(make("bystander"));
    let panics = bench.store.write(|it| {
        it.put(schema::Table::Meta, b"half", b"done")?;
        panic!("on purpose")
    });
    let panics: Result<(), _> = {
        drop(release);
        wait(panics)
    };
    assert!(matches!(panics, Err(StoreError::Panicked)));
    assert!(matches!(wait(bystander), Err(StoreError::Panicked)));
    assert_eq!(names(&bench.store), ["machine"]);
    assert_eq!(bench.store.read(|it| it.get(schema::Table::Meta, b"half")).unwrap(), None);
    assert_eq!(bench.change(make("after")).unwrap(), 1);
}

#[test]
fn a_refusal_after_a_write_does_not_leave_half_a_change() {
    let bench = Bench::new();
    let wrong = bench.change(|it| {
        it.put(schema::Table::Meta, b"half", b"done")?;
        Err::<(), _>(StoreError::ChallengeSpent)
    });
    assert!(matches!(wrong, Err(StoreError::ChallengeSpent)));
    assert_eq!(bench.store.read(|it| it.get(schema::Table::Meta, b"half")).unwrap(), None);
}

#[test]
fn reads_do_not_wait_for_the_writer() {
    let bench = Bench::new();
    bench.change(make("before")).unwrap();
    let release = hold(&bench.store);
    // The writer has a transaction open and does not go on until this thread lets it.
    assert_eq!(names(&bench.store), ["machine", "before"]);
    drop(release);
}

#[test]
fn a_full_queue_is_refused_and_loses_nothing() {
    let bench = Bench::new();
    let release = hold(&bench.store);
    let ordered: Vec<_> = (0..5_000).map(|_| bench.store.write(|_| Ok(()))).collect();
    drop(release);
    let refused =
        ordered.into_iter().map(wait).filter(|it| matches!(it, Err(StoreError::Busy))).count();
    assert!(refused > 0 && refused < 5_000, "{refused}");
    assert_eq!(bench.change(make("after")).unwrap(), 1);
}

#[test]
fn a_snapshot_does_not_change_under_its_reader() {
    let bench = Bench::new();
    let counted = bench.store.read(|it| {
        let before = facts::counts(it)?;
        bench.change(make("meanwhile"))?;
        Ok((before, facts::counts(it)?))
    });
    let (before, after) = counted.unwrap();
    assert_eq!(before, after);
}
