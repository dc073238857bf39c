//! Pages as others could hand them over, and one that is written while it is read.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;

use entitled_core::domain::page_word::{LEASE_MS, PAGE_BYTES, Word};

use super::*;

const ALL: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;

fn memory(bytes: usize, seals: i32) -> File {
    // SAFETY: a text with its end; the descriptor is new.
    let file = unsafe {
        let made = libc::memfd_create(c"page".as_ptr(), libc::MFD_ALLOW_SEALING);
        assert!(made >= 0);
        File::from_raw_fd(made)
    };
    file.write_all_at(&vec![0; bytes], 0).unwrap();
    // SAFETY: an open file.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
    file
}

fn mapped(file: &File) -> Option<Mapping> {
    Mapping::new(&OwnedFd::from(file.try_clone().unwrap()))
}

fn entry(file: &File, slot: usize, generation: u32) -> Entry {
    let page = Arc::new(mapped(file).unwrap());
    Entry { product: c"acme".to_owned(), page, slot, generation, older: ptr::null_mut() }
}

#[test]
fn only_a_whole_page_that_nobody_can_cut_is_mapped() {
    assert!(mapped(&memory(PAGE_BYTES, ALL)).is_some());
    assert!(mapped(&memory(PAGE_BYTES, libc::F_SEAL_GROW)).is_none());
    assert!(mapped(&memory(PAGE_BYTES - 1, ALL)).is_none());
    assert!(mapped(&memory(0, ALL)).is_none());
    assert!(mapped(&File::open("/dev/zero").unwrap()).is_none());
    assert!(mapped(&tempfile::tempfile().unwrap()).is_none());
}

#[test]
fn a_descriptor_is_kept_with_the_bytes_it_came_with_and_none_is_left_open() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(b"plain").unwrap();
    let mut came = None;
    let mut bytes = [0; 64];
    assert_eq!(mapping::receive(&theirs, &mut bytes, &mut came).unwrap(), 5);
    assert!(came.is_none());
    drop(ours);
    assert_eq!(mapping::receive(&theirs, &mut bytes, &mut came).unwrap(), 0);
    theirs.set_nonblocking(true).unwrap();
    let (quiet, silent) = UnixStream::pair().unwrap();
    quiet.set_nonblocking(true).unwrap();
    let error = mapping::receive(&quiet, &mut bytes, &mut came).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(silent);
}

#[test]
fn the_newest_entry_of_a_product_is_read_and_no_other_products() {
    let (pages, page) = (Pages::new(), memory(PAGE_BYTES, ALL));
    let write = |slot: u64, said, generation| {
        let word = Word { said, generation, until_ms: now_ms() + LEASE_MS };
        page.write_all_at(&word.bytes(), 16 * slot).unwrap();
    };
    assert_eq!(pages.read(c"acme"), None);
    pages.keep(entry(&page, 4, 9));
    assert_eq!(pages.read(c"acme"), None, "nothing was written there");
    write(4, Said::Yes, 9);
    assert_eq!(pages.read(c"acme"), Some(Said::Yes));
    assert_eq!(pages.read(c"acme-cad"), None);
    write(4, Said::Yes, 10);
    assert_eq!(pages.read(c"acme"), None, "it is somebody else's by now");
    write(5, Said::No, 1);
    pages.keep(entry(&page, 5, 1));
    assert_eq!(pages.read(c"acme"), Some(Said::No));
}

/// A thread writes one answer over the other as fast as it can, and another reads.
#[test]
fn what_is_written_meanwhile_is_read_as_one_answer_or_the_other() {
    let page = memory(PAGE_BYTES, ALL);
    let entry = entry(&page, 0, 1);
    let until_ms = now_ms() + LEASE_MS;
    // The state, the moment and so nearly every byte of the seal differ.
    let words = [
        Word { said: Said::Yes, generation: 1, until_ms },
        Word { said: Said::No, generation: 1, until_ms: until_ms - 1_000 },
    ];
    let is_over = AtomicBool::new(false);
    page.write_all_at(&words[0].bytes(), 0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                words.iter().for_each(|it| page.write_all_at(&it.bytes(), 0).unwrap());
            }
        });
        let mut seen = [0_u32; 2];
        // As often as that, and on until the other thread has had its turn.
        for times in 0..100_000_000 {
            if times > 200_000 && seen.iter().all(|it| *it > 0) {
                break;
            }
            let slot = entry.page.slot(0);
            let now = until_ms - LEASE_MS;
            match page_word::read(slot, 1, now) {
                Reading::Torn => {}
                Reading::Said(Said::Yes) if slot == words[0].sealed() => seen[0] += 1,
                Reading::Said(Said::No) if slot == words[1].sealed() => seen[1] += 1,
                other => panic!("{other:?}: {slot:x?}"),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(seen.iter().all(|it| *it > 0), "{seen:?}");
    });
}
