//! What lies around the store's file, put there by others or left by a failure.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};

use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};

use super::*;
use crate::store::Store;
use crate::store::tables::customers::{self, NewCustomer};
use crate::store::testing::{Bench, asked, at};

const NOBODY: u32 = 65_534;

fn names(store: &Store) -> Vec<String> {
    let found = store.read(|it| customers::list(it, None, 1_000)).unwrap();
    found.into_iter().map(|it| it.name).collect()
}

fn named(name: &str) -> NewCustomer {
    NewCustomer { name: name.into(), ..Default::default() }
}

/// A closed store that knows Ada, and a backup of it.
fn bench_with_backup() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.change(|it| customers::create(it, named("Ada"), &asked(1)).map(drop)).unwrap();
    let path = bench.dir.path().join("copy.redb");
    bench.store.backup(&path).unwrap();
    bench.store.close().unwrap();
    (bench, path)
}

fn restore(bench: &Bench, backup: &Path) -> Result<Option<PathBuf>, StoreError> {
    Store::restore(backup, &Bench::settings(&bench.dir), &asked(5))
}

#[test]
fn a_link_where_a_restore_writes_leads_nowhere() {
    let (bench, backup) = bench_with_backup();
    let elsewhere = tempfile::tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "another file").unwrap();
    symlink(&victim, bench.dir.path().join("ledger.redb.restoring")).unwrap();
    restore(&bench, &backup).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "another file");
}

/// A file is made longer for nothing, and its copy fills the disk.
#[test]
fn a_backup_that_is_made_longer_while_it_is_copied_is_copied_as_it_was() {
    let mut source = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut source, b"as it was").unwrap();
    io::Seek::rewind(&mut source).unwrap();
    source.set_len(1 << 20).unwrap();
    let target = tempfile::tempfile().unwrap();
    copy_as_it_was(&source, 9, &target, &Progress::default()).unwrap();
    assert_eq!(target.metadata().unwrap().len(), 9);
}

#[test]
fn a_link_in_the_stores_place_is_set_aside_and_never_written_through() {
    let (bench, backup) = bench_with_backup();
    let elsewhere = tempfile::tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "").unwrap();
    let ledger = bench.dir.path().join("ledger.redb");
    fs::remove_file(&ledger).unwrap();
    symlink(&victim, &ledger).unwrap();
    restore(&bench, &backup).unwrap();
    assert_eq!(fs::metadata(&victim).unwrap().len(), 0, "a store was begun in another's file");
    assert!(fs::symlink_metadata(&ledger).unwrap().is_file());
}

#[test]
fn what_root_restores_belongs_to_whom_the_directory_belongs_to() {
    if !geteuid().is_root() {
        return;
    }
    let (bench, backup) = bench_with_backup();
    chown(bench.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    restore(&bench, &backup).unwrap();
    let made = fs::metadata(bench.dir.path().join("ledger.redb")).unwrap();
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (NOBODY, NOBODY, 0o600));
}

/// Opens the store as another user, for this thread's files, without the rights of root over them.
fn open_as_nobody(bench: &Bench) -> Result<Store, StoreError> {
    let settings = Bench::settings(&bench.dir);
    let opened = std::thread::spawn(move || {
        setfsgid(Gid::from_raw(NOBODY));
        setfsuid(Uid::from_raw(NOBODY));
        Store::open(settings, at(9))
    });
    opened.join().unwrap()
}

/// A store that is no store any more, and one backup, all of it nobody's.
fn corrupt_with_backup() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.change(|it| customers::create(it, named("Ada"), &asked(1)).map(drop)).unwrap();
    let backup = bench.store.keep_backup().unwrap().path;
    bench.store.close().unwrap();
    fs::write(bench.dir.path().join("ledger.redb"), "no store").unwrap();
    for entry in fs::read_dir(bench.dir.path()).unwrap() {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(bench.dir.path(), Some(NOBODY), Some(0)).unwrap();
    (bench, backup)
}

#[test]
fn a_backup_that_cannot_be_read_is_not_passed_over() {
    if !geteuid().is_root() {
        return;
    }
    let (bench, backup) = corrupt_with_backup();
    chown(&backup, Some(0), Some(0)).unwrap();
    let error = open_as_nobody(&bench).unwrap_err();
    assert!(matches!(&error, StoreError::File { .. }), "{error}");
    let ledger = fs::read(bench.dir.path().join("ledger.redb")).unwrap();
    assert_eq!(ledger, b"no store", "nothing was put in its place");
    assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), 2, "nothing is left behind");
    chown(&backup, Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(names(&open_as_nobody(&bench).unwrap()), ["machine", "Ada"]);
}

#[test]
fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
    let bench = Bench::new();
    bench.store.close().unwrap();
    let left = bench.dir.path().join(".entitled.0123456789abcdef.tmp");
    let other = bench.dir.path().join(".other.tmp");
    for path in [&left, &other] {
        fs::write(path, "half").unwrap();
    }
    Store::open(Bench::settings(&bench.dir), at(9)).unwrap();
    assert!(!left.exists() && other.exists());
}

#[test]
fn a_group_that_cannot_be_given_costs_no_backup() {
    if !geteuid().is_root() {
        return;
    }
    // As after `chown entitled:root` on the state directory.
    let (bench, _) = corrupt_with_backup();
    assert_eq!(names(&open_as_nobody(&bench).unwrap()), ["machine", "Ada"]);
}

/// A hole costs nothing to make, and its copy would fill the file system.
#[test]
fn what_is_longer_than_there_is_room_for_is_not_copied() {
    let (bench, backup) = bench_with_backup();
    let file = fs::File::options().write(true).open(&backup).unwrap();
    let long = 3 << 40;
    file.set_len(long).unwrap();
    let error = with_causes(&restore(&bench, &backup).unwrap_err());
    assert!(error.contains(&long.to_string()) && error.contains("are free"), "{error}");
    let expected = ["copy.redb", "ledger.redb", "ledger.redb.checksums"];
    assert_eq!(names_in(&bench), expected, "nothing is left behind");
}

#[test]
fn what_does_not_begin_as_a_store_is_not_copied() {
    let (bench, backup) = bench_with_backup();
    let file = fs::File::create(&backup).unwrap();
    file.set_len(8 << 30).unwrap();
    let error = restore(&bench, &backup).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a record of a backup, which does not begin as a store does, in the store is not in any form this entitled knows"
    );
    let expected = ["copy.redb", "ledger.redb", "ledger.redb.checksums"];
    assert_eq!(names_in(&bench), expected, "nothing is left behind");
}

#[test]
fn a_directory_in_the_stores_place_is_said_to_be_one() {
    let (bench, backup) = bench_with_backup();
    let ledger = bench.dir.path().join("ledger.redb");
    fs::remove_file(&ledger).unwrap();
    fs::create_dir(&ledger).unwrap();
    let error = with_causes(&restore(&bench, &backup).unwrap_err());
    assert!(error.contains("it is a directory: move it away"), "{error}");
    assert!(ledger.is_dir());
    fs::remove_dir(&ledger).unwrap();
    restore(&bench, &backup).unwrap();
}

fn names_in(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.dir.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
