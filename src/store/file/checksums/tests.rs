//! A store that was closed as it should be, and what its disk may have done to it since.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::*;
use crate::store::file::{folder::Folder, sealed};
use crate::store::tables::customers::{self, NewCustomer};
use crate::store::testing::{Bench, asked, at, wait};
use crate::store::{Store, StoreSettings};

const CUSTOMERS: usize = 3_000;
/// Of a chunk.
const LENGTH: usize = 64 << 10;

/// A closed store of several chunks.
fn closed() -> Bench {
    let bench = Bench::new();
    let fill = |it: &mut crate::store::Changes<'_>| {
        for number in 0..CUSTOMERS {
            let new = NewCustomer { name: format!("customer {number}"), ..Default::default() };
            customers::create(it, new, &asked(1))?;
        }
        Ok(())
    };
    bench.change(fill).unwrap();
    bench.store.keep_backup().unwrap();
    bench.store.close().unwrap();
    assert!(beside(&bench).exists());
    bench
}

fn ledger(bench: &Bench) -> PathBuf {
    bench.dir.path().join("ledger.redb")
}

fn beside(bench: &Bench) -> PathBuf {
    bench.dir.path().join("ledger.redb.checksums")
}

/// Has the file read otherwise at one place, as a disk may that lost something: the file system has no word of it, which
/// no test can do to a file. So what was left beside it is made to fit.
fn lose_silently(bench: &Bench, place: u64) {
    let (folder, name) = (Folder::of(&ledger(bench)).unwrap(), "ledger.redb");
    let open = || fs::File::options().read(true).write(true).open(ledger(bench)).unwrap();
    let before = sealed::take(&folder, name, &open()).unwrap();
    let file = open();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], place).unwrap();
    sealed::leave(&folder, name, &before).unwrap();
}

fn open(bench: &Bench) -> Store {
    Store::open(Bench::settings(&bench.dir), at(9)).unwrap()
}

/// Reads every customer. `None` where the store does not say.
fn customers(store: &Store) -> Option<Vec<String>> {
    let found = store.read(|it| customers::list(it, None, 2 * CUSTOMERS)).ok()?;
    Some(found.into_iter().map(|it| it.name).collect())
}

fn expected() -> Vec<String> {
    let made = (0..CUSTOMERS).map(|it| format!("customer {it}"));
    std::iter::once("machine".to_owned()).chain(made).collect()
}

#[test]
fn what_was_closed_is_opened_without_reading_all_of_it() {
    let bench = closed();
    let (folder, file) =
        (Folder::of(&ledger(&bench)).unwrap(), fs::File::open(ledger(&bench)).unwrap());
    let sums = sealed::take(&folder, "ledger.redb", &file).unwrap();
    let all = sums.expected.load(Ordering::Relaxed);
    assert_eq!(all as u64, file.metadata().unwrap().len().div_ceil(CHUNK));
    assert!(!beside(&bench).exists(), "it is not left for another start");
    sums.before_reading(CHUNK + 5, 10).unwrap();
    assert_eq!(sums.expected.load(Ordering::Relaxed), all - 1);
    // The disk was not asked again: the file may say otherwise now.
    sums.before_reading(CHUNK + 5, 10).unwrap();
}

#[test]
fn a_second_close_leaves_what_fits_again() {
    let bench = closed();
    for round in 0..3 {
        let store = open(&bench);
        let new = NewCustomer { name: format!("later {round}"), ..Default::default() };
        wait(store.write(move |it| customers::create(it, new, &asked(2)))).unwrap();
        store.close().unwrap();
        let folder = Folder::of(&ledger(&bench)).unwrap();
        let file = fs::File::open(ledger(&bench)).unwrap();
        let sums = sealed::take(&folder, "ledger.redb", &file).unwrap();
        while_any(&sums, |index| sums.look_at(index).unwrap());
        assert!(!sums.is_damaged());
        sealed::leave(&folder, "ledger.redb", &sums).unwrap();
    }
    assert_eq!(customers(&open(&bench)).unwrap().len(), CUSTOMERS + 4);
}

fn while_any(_: &Checksums, mut look: impl FnMut(usize) -> bool) {
    let mut index = 0;
    while look(index) {
        index += 1;
    }
}

#[test]
fn a_file_that_was_touched_is_verified_as_a_whole() {
    let bench = closed();
    let left = fs::read(beside(&bench)).unwrap();
    let content = fs::read(ledger(&bench)).unwrap();
    // The same bytes, written by somebody else.
    fs::write(ledger(&bench), &content).unwrap();
    let folder = Folder::of(&ledger(&bench)).unwrap();
    let file = fs::File::open(ledger(&bench)).unwrap();
    assert!(sealed::take(&folder, "ledger.redb", &file).is_none());
    // And what is left of another time, or was altered itself, does not count either.
    fs::write(beside(&bench), &left).unwrap();
    assert!(sealed::take(&folder, "ledger.redb", &file).is_none());
    assert_eq!(customers(&open(&bench)), Some(expected()));
}

#[test]
fn checksums_that_were_altered_do_not_count() {
    let bench = closed();
    let left = fs::read(beside(&bench)).unwrap();
    for altered in [
        &left[..left.len() - 1],
        &left[1..],
        &[],
        &[&left[..200], &[left[200] ^ 1], &left[201..]].concat(),
    ] {
        fs::write(beside(&bench), altered).unwrap();
        let store = open(&bench);
        assert_eq!(customers(&store), Some(expected()));
        drop(store);
    }
}

#[test]
fn a_process_that_ends_by_itself_leaves_none() {
    let bench = closed();
    drop(open(&bench));
    assert!(!beside(&bench).exists());
}

/// At each of many places: whoever reads is told the truth or nothing, and the store after that is whole again.
#[test]
fn no_answer_comes_from_a_chunk_that_was_damaged_while_the_daemon_was_stopped() {
    let (mut told, mut silent) = (0, 0);
    let bench = closed();
    let whole = fs::read(ledger(&bench)).unwrap();
    let length = whole.len() as u64;
    drop(bench);
    for place in (0..40).map(|it| it * (length / 40) + 77) {
        let bench = closed();
        lose_silently(&bench, place);
        let store = open(&bench);
        match customers(&store) {
            Some(found) => {
                assert_eq!(found, expected(), "at {place}");
                silent += 1;
            }
            None => {
                wait(store.damaged());
                told += 1;
            }
        }
        drop(store);
        // Now all of it is verified, and what is damaged gives way to the backup.
        assert_eq!(customers(&open(&bench)), Some(expected()), "at {place}");
    }
    assert!(silent > 0, "{told} told, {silent} silent");
    // With its own assertions redb reads all of the file at once, so that all damage is found at opening.
    assert_eq!(told > 0, !cfg!(debug_assertions), "{told} told, {silent} silent");
}

#[test]
fn damage_that_nobody_reads_is_found_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let count = 2 * STRETCH;
    fs::write(&path, vec![7; count * LENGTH]).unwrap();
    let good = checksum(&vec![7; LENGTH]);
    let mut of = vec![good; count];
    of[count - 1] = [0; 16];
    let file = fs::File::open(&path).unwrap();
    let sums = Checksums::expected(file, count as u64 * CHUNK, of);
    Checksums::look_at_all(&sums).unwrap();
    wait(sums.damaged());
    assert_eq!(sums.expected.load(Ordering::Relaxed), 1);
    assert!(sums.all().unwrap().is_none(), "what is damaged is not left as if it were whole");
}

#[test]
fn a_chunk_that_does_not_fit_is_an_error_to_who_reads_any_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![7; 3 * LENGTH]).unwrap();
    let file = || fs::File::open(&path).unwrap();
    let good = checksum(&vec![7; LENGTH]);
    let sums = Checksums::expected(file(), 3 * CHUNK, vec![good, [0; 16], good]);
    let backend = Checked::new(file(), Arc::clone(&sums)).unwrap();
    let mut read = [0; 8];
    backend.read(2 * CHUNK, &mut read).unwrap();
    assert_eq!(read, [7; 8]);
    // The last bytes of one chunk and the first of the next.
    let error = backend.read(CHUNK - 4, &mut read).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(sums.is_damaged());
    assert_eq!(
        backend.read(2 * CHUNK - 8, &mut read).unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
}

#[test]
fn a_write_beside_damage_does_not_hide_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![7; 3 * LENGTH]).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let good = checksum(&vec![7; LENGTH]);
    let sums = Checksums::expected(file.try_clone().unwrap(), 3 * CHUNK, vec![good, [0; 16], good]);
    let write = |offset: u64| sums.writing(offset, 4, || file.write_all_at(&[1; 4], offset));
    write(9).unwrap();
    assert_eq!(write(CHUNK + 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(sums.is_damaged() && sums.all().unwrap().is_none());
    let mut byte = [0];
    file.read_exact_at(&mut byte, CHUNK + 9).unwrap();
    assert_eq!(byte, [7], "nothing was written");
}

#[test]
fn checksums_follow_a_file_that_grows_and_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let length = 2 * CHUNK + 100;
    fs::write(&path, vec![7; 2 * LENGTH + 100]).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let whole = checksum(&vec![7; LENGTH]);
    let part = checksum(&[7; 100]);
    let sums = Checksums::expected(file.try_clone().unwrap(), length, vec![whole, whole, part]);
    let resize = |to: u64| sums.resizing(to, || file.set_len(to)).unwrap();
    resize(5 * CHUNK);
    resize(CHUNK + 10);
    let all = sums.all().unwrap().unwrap();
    assert_eq!(all, (CHUNK + 10, vec![whole, checksum(&[7; 10])]));
    assert!(sums.expected.load(Ordering::Relaxed) <= 1);
}

#[test]
fn a_damaged_ledger_is_recovered_where_opening_reads_the_damage() {
    let bench = closed();
    let settings = StoreSettings::at(ledger(&bench));
    for place in [5, 100, 4_000] {
        lose_silently(&bench, place);
        let store = Store::open(settings.clone(), at(9)).unwrap();
        assert_eq!(customers(&store), Some(expected()));
        store.close().unwrap();
    }
    assert!(fs::metadata(ledger(&bench)).unwrap().len() > 0);
    assert_eq!(fs::metadata(beside(&bench)).unwrap().mode() & 0o777, 0o600);
}
