//! What a file of an earlier run comes to.

use super::testing::kept;
use super::*;
use entitled_core::seats::{Binding, Claimant, Hold, Standing, UnitKey};

fn boot(id: &str) -> Boot {
    Boot { id: Some(id.to_owned()), namespace: Some(1) }
}

fn seat(number: u64) -> KeptSeat {
    let process = ProcessId(number.wrapping_add(100));
    let hold = Hold::Bound(vec![Binding::Process(process)]);
    let mut kept = kept(number, UnitKey::Process(process), hold);
    kept.seat.claimant = Claimant {
        uid: 165_536,
        account: Some(1000),
        on_behalf: Some(CustomerId::Numbered(7)),
        gids: vec![100],
        unit: None,
        user_unit: None,
        standing: Some(Standing::Named(CustomerId::Numbered(7))),
    };
    KeptSeat { processes: vec![KeptProcess { id: process, pid: Some(7) }], ..kept }
}

/// A file with seats 1 and 2, of which the first has ended, and then 3.
fn file(folder: &Path) -> PathBuf {
    let path = folder.join("seats");
    let (mut journal, left) = SeatJournal::open(path.clone(), boot("one"), false);
    assert_eq!(left.seats, []);
    assert!(journal.wants_rewrite(), "there is no file yet");
    journal.rewrite([seat(1), seat(2)].into_iter());
    assert!(!journal.wants_rewrite());
    journal.append(&[Entry::Ended(SeatId(1)), Entry::Held(Box::new(seat(3)))], false);
    path
}

#[test]
fn what_is_held_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_, left) = SeatJournal::open(file(folder.path()), boot("one"), false);
    assert_eq!(left.seats, [seat(2), seat(3)]);
    assert_eq!((left.last, left.same_namespace), (3, true));
    let other = Boot { namespace: Some(2), ..boot("one") };
    let (_, left) = SeatJournal::open(folder.path().join("seats"), other, false);
    assert_eq!((left.seats.len(), left.same_namespace), (2, false), "process ids say nothing");
}

#[test]
fn another_boot_has_no_seats() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let read = |boot: Boot, proven| SeatJournal::open(path.clone(), boot, proven).1.seats.len();
    assert_eq!(read(boot("two"), false), 0);
    assert_eq!(read(boot("two"), true), 0, "whatever was handed over");
    let unknown = Boot { id: None, namespace: Some(1) };
    assert_eq!(read(unknown.clone(), false), 0, "nothing shows that it is the same");
    assert_eq!(read(unknown, true), 2, "descriptors do");
}

#[test]
fn what_is_borrowed_is_read_in_another_boot_too_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seats");
    let (mut journal, _) = SeatJournal::open(path.clone(), boot("one"), false);
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let chain = entitled_core::domain::ids::ChainId(1);
    let terms = Some(Borrowed { chain, since: at(10), until: at(100), left_ms: 90_000 });
    let borrowed = |number| KeptSeat { borrowed: terms, ..seat(number) };
    journal.rewrite([seat(1), borrowed(2)].into_iter());
    journal.append(&[Entry::Held(Box::new(borrowed(3))), Entry::Ended(SeatId(2))], true);
    journal.append(&[Entry::Held(Box::new(seat(9)))], false);
    let (_, left) = SeatJournal::open(path.clone(), boot("two"), false);
    assert_eq!((left.seats, left.borrowed, left.last), (Vec::new(), vec![borrowed(3)], 9));
    assert!(!left.same_namespace, "no process id of another boot says anything");
    let (_, left) = SeatJournal::open(path, boot("one"), false);
    assert_eq!(
        (left.seats.len(), left.borrowed.len()),
        (3, 0),
        "in its own boot it is a seat as any"
    );
}

#[test]
fn a_line_that_was_cut_off_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    for end in (0..text.len()).step_by(7) {
        fs::write(&path, &text[..end]).unwrap();
        let (_, left) = SeatJournal::open(path.clone(), boot("one"), false);
        // One that is whole but for its end counts: it says by itself that it is.
        let complete = text.match_indices('\n').filter(|(at, _)| *at <= end).count();
        let expected: &[u64] = match complete {
            0 | 1 => &[],
            2 => &[1],
            3 => &[1, 2],
            4 => &[2],
            _ => &[2, 3],
        };
        let found: Vec<u64> = left.seats.iter().map(|it| it.seat.id.0).collect();
        assert_eq!(found, expected, "{complete} lines");
    }
}

/// A file with seat 1 and with seat 2, which is borrowed, and where each line ends.
fn lines_of_two(folder: &Path) -> (PathBuf, Vec<u8>, Vec<usize>) {
    let path = folder.join("seats");
    let (mut journal, _) = SeatJournal::open(path.clone(), boot("one"), false);
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let chain = entitled_core::domain::ids::ChainId(1);
    let terms = Some(Borrowed { chain, since: at(10), until: at(100), left_ms: 90_000 });
    journal.rewrite([seat(1), KeptSeat { borrowed: terms, ..seat(2) }].into_iter());
    let bytes = fs::read(&path).unwrap();
    let ends = (0..bytes.len()).filter(|it| bytes[*it] == b'\n').collect();
    (path, bytes, ends)
}

fn numbers(seats: &[KeptSeat]) -> Vec<u64> {
    seats.iter().map(|it| it.seat.id.0).collect()
}

#[test]
fn a_bit_that_is_damaged_takes_its_line_with_it_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes, ends) = lines_of_two(folder.path());
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let (left, unread) = read(&damaged, &boot("one"), false);
        let found = (numbers(&left.seats), numbers(&left.borrowed));
        let line = ends.iter().filter(|it| **it < at).count();
        match line {
            _ if ends.contains(&at) => {
                assert_eq!(found, (vec![1, 2], vec![]), "the end of line {line} says nothing");
                assert_eq!(unread, Unread::default());
            }
            0 => {
                assert_eq!(found, (vec![], vec![2]), "which boot it was is not known");
                assert_eq!((unread.header, unread.seats, left.last), (true, 1, 2), "at {at}");
            }
            _ => {
                assert_eq!(found, (vec![3 - line as u64], vec![]), "at {at}");
                assert!(unread.lines > 0 && !unread.header, "at {at}: {unread:?}");
            }
        }
    }
}

#[test]
fn descriptors_say_of_which_boot_a_file_is_whose_first_line_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut bytes, _) = lines_of_two(folder.path());
    bytes[0] ^= 1;
    let (left, unread) = read(&bytes, &boot("one"), true);
    assert_eq!((numbers(&left.seats), left.same_namespace), (vec![1, 2], false));
    assert_eq!((unread.header, unread.seats), (true, 0), "and none is lost");
}

#[test]
fn what_another_version_has_written_is_not_read_and_that_is_told() {
    let mut text = String::new();
    line(&Header { version: VERSION + 1, boot: boot("one") }, &mut text).unwrap();
    line(&Entry::Ended(SeatId(1)), &mut text).unwrap();
    let (left, unread) = read(text.as_bytes(), &boot("one"), true);
    assert_eq!((left.seats.len(), left.last), (0, 0));
    assert_eq!((unread.version, unread.lines, unread.header), (Some(VERSION + 1), 1, false));
}

#[test]
fn a_last_line_that_is_not_whole_is_told_and_an_emptied_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes, ends) = lines_of_two(folder.path());
    let (left, unread) = read(&bytes[..ends[2] - 1], &boot("one"), false);
    assert_eq!((numbers(&left.seats), unread.is_cut_off), (vec![1], true));
    let (left, unread) = read(&bytes[..ends[2]], &boot("one"), false);
    assert_eq!((numbers(&left.seats), unread), (vec![1, 2], Unread::default()));
    let (_, unread) = read(b"", &boot("one"), false);
    assert_eq!(unread, Unread { header: true, ..Unread::default() });
}

#[test]
fn a_number_that_no_seat_has_is_not_counted_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let (mut journal, left) = SeatJournal::open(path.clone(), boot("one"), false);
    journal.rewrite(left.seats.into_iter().chain([seat(u64::MAX - 100), seat(1 << 53)]));
    let (_, left) = SeatJournal::open(path, boot("one"), false);
    assert_eq!((left.seats.as_slice(), left.last), ([seat(2), seat(3)].as_slice(), 3));
}

#[test]
fn it_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let (mut journal, left) = SeatJournal::open(path.clone(), boot("one"), false);
    journal.rewrite(left.seats.into_iter());
    let mut rewritten = 0;
    for number in 4..10_000 {
        let entries = [Entry::Held(Box::new(seat(number))), Entry::Ended(SeatId(number))];
        journal.append(&entries, false);
        if journal.wants_rewrite() {
            journal.rewrite([seat(2), seat(3)].into_iter());
            rewritten += 1;
        }
    }
    assert!(rewritten > 1 && fs::metadata(&path).unwrap().len() < 2 * SPARE, "{rewritten}");
    assert_eq!(SeatJournal::open(path, boot("one"), false).1.seats, [seat(2), seat(3)]);
}
