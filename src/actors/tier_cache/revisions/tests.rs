use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::*;
use entitled_core::domain::page_word::{SLOT_BYTES, revision};

const ONE: CustomerId = CustomerId::Numbered(1);

struct Reader {
    watcher: Watcher,
    clock: Clock,
}

impl Reader {
    fn read(&self, customer: CustomerId) -> Option<u32> {
        let page = File::from(self.watcher.descriptor.try_clone().unwrap());
        let mut bytes = [0; SLOT_BYTES];
        page.read_exact_at(&mut bytes, (slot_of(customer) * SLOT_BYTES) as u64).unwrap();
        let word = |from: usize| u64::from_ne_bytes(bytes[from..from + 8].try_into().unwrap());
        let now = u64::try_from(self.clock.program_time().as_millis()).unwrap();
        revision([word(0), word(8)], now).unwrap()
    }
}

fn watched() -> (Arc<Revisions>, Reader) {
    let clock = Clock::system();
    let revisions = Arc::new(Revisions::new(clock.clone()));
    let (watcher, is_first) = revisions.watch().unwrap();
    assert!(is_first);
    (revisions, Reader { watcher, clock })
}

fn another() -> CustomerId {
    (2..).map(CustomerId::Numbered).find(|it| slot_of(*it) != slot_of(ONE)).unwrap()
}

#[test]
fn a_change_is_seen_by_whom_it_may_concern() {
    let (revisions, reader) = watched();
    let (before, others) = (reader.read(ONE), reader.read(another()));
    assert!(before.is_some() && others.is_some());
    revisions.changed(Some(ONE));
    assert_ne!(reader.read(ONE), before);
    assert_eq!(reader.read(another()), others);
    revisions.changed(None);
    assert_ne!(reader.read(another()), others);
}

/// Whoever comes back with what it kept must not find the page as it was.
#[test]
fn what_changed_while_nobody_wanted_to_know_is_a_change() {
    let (revisions, reader) = watched();
    let before = reader.read(ONE);
    drop(reader);
    revisions.changed(Some(ONE));
    assert!(!revisions.renew(), "nobody wants it");
    let (watcher, is_first) = revisions.watch().unwrap();
    assert!(is_first, "and so it has to be renewed again");
    let reader = Reader { watcher, clock: Clock::system() };
    assert_ne!(reader.read(ONE), before);
    assert!(revisions.renew());
}

#[test]
fn two_who_want_it_have_the_same_page() {
    let (revisions, reader) = watched();
    let before = reader.read(ONE);
    let (watcher, is_first) = revisions.watch().unwrap();
    assert!(!is_first);
    let second = Reader { watcher, clock: Clock::system() };
    assert_eq!(second.read(ONE), before, "nothing has changed");
    drop(reader);
    revisions.changed(Some(ONE));
    assert_ne!(second.read(ONE), before);
}
