//! What stands in the slots, read as a program reads them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use entitled_core::domain::epoch::Whose;
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::domain::page_word::{Reading, SLOT_BYTES, read};

use super::*;
use crate::actors::tier_cache::VerdictReader;
use crate::clock::Hands;
use crate::products::Loaded;
use entitled_core::domain::entitlement::{self, Verdict};

const OWN: CustomerId = CustomerId::Uid(1000);

struct Bed {
    reader: VerdictReader,
    clock: Clock,
    hands: Hands,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn product() -> ProductId {
    "acme".parse().unwrap()
}

fn key() -> Key {
    Key { customer: OWN, product: product() }
}

fn user(uid: u32) -> PageOwner {
    PageOwner { uid, account: uid, is_exempt: false }
}

fn question() -> PageQuestion {
    PageQuestion { product: product(), feature: None, publisher: None }
}

fn about(feature: &str) -> PageQuestion {
    PageQuestion { feature: Some(feature.to_owned()), ..question() }
}

impl Bed {
    fn new() -> Self {
        let (clock, hands) = Clock::manual(at(100));
        let reader = VerdictReader::new(16, Loaded::default(), |_| Vec::new(), clock.clone());
        Self { reader, clock, hands }
    }

    fn give(&self, question: PageQuestion) -> Held {
        self.reader.pages().give(user(1000), question).unwrap().0
    }

    /// A slot that says what is answered to the user.
    fn bound(&self, question: PageQuestion) -> Held {
        let held = self.give(question);
        assert!(self.reader.bind_page(&held, &key(), self.reader.epoch()));
        held
    }

    fn put(&self, code: Code, changes_at: Option<i64>) {
        let question = entitlement::Question {
            product: &product(),
            definition: None,
            publisher: None,
            customer: OWN,
            holders: &[],
            sightings: &[],
            suspended: &std::collections::BTreeSet::new(),
        };
        let verdict = entitlement::evaluate(&question, self.clock.now());
        let verdict = Verdict { code, changes_at: changes_at.map(at), ..verdict };
        let mut cached = Cached::new(verdict, |_| Vec::new());
        (cached.evaluated_at, cached.evaluated) = (self.clock.now(), self.clock.monotonic());
        cached.lifetime = Duration::from_secs(3_600);
        cached.epoch = self.reader.epoch();
        assert!(self.reader.put(&key(), Arc::new(cached)));
    }

    fn read(&self, held: &Held) -> Reading {
        let page = File::from(held.descriptor.try_clone().unwrap());
        let mut slot = [0; SLOT_BYTES];
        page.read_exact_at(&mut slot, (held.slot * SLOT_BYTES) as u64).unwrap();
        let word = |from: usize| u64::from_ne_bytes(slot[from..from + 8].try_into().unwrap());
        let now = u64::try_from(self.clock.program_time().as_millis()).unwrap();
        read([word(0), word(8)], held.generation, now)
    }
}

#[test]
fn a_slot_says_what_the_cache_says_as_soon_as_it_does() {
    let bed = Bed::new();
    let early = bed.bound(question());
    assert_eq!(bed.read(&early), Reading::Said(Said::Ask));
    for (code, said) in [
        (Code::Valid, Said::Yes),
        (Code::Grace, Said::Yes),
        (Code::NotHeld, Said::No),
        (Code::Suspended, Said::No),
        (Code::Undetermined, Said::NotKnown),
    ] {
        bed.put(code, None);
        assert_eq!(bed.read(&early), Reading::Said(said), "{code:?}");
    }
    bed.put(Code::Valid, None);
    assert_eq!(bed.read(&bed.bound(about("export"))), Reading::Said(Said::No));
    let publisher = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".parse().unwrap();
    let signed = PageQuestion { publisher: Some(publisher), ..question() };
    assert_eq!(bed.read(&bed.bound(signed)), Reading::Said(Said::No));
}

/// Before a change is acknowledged, the answer from before it is gone.
#[test]
fn a_change_withdraws_what_it_concerns_and_nothing_brings_it_back() {
    let bed = Bed::new();
    let held = bed.bound(question());
    bed.put(Code::Valid, None);
    bed.reader.forget(Whose::Customer(CustomerId::Uid(7)));
    assert_eq!(bed.read(&held), Reading::Said(Said::Yes));
    bed.reader.forget(Whose::Customer(OWN));
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
    assert!(bed.reader.renew_pages());
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));

    bed.put(Code::Valid, None);
    let before = bed.reader.epoch();
    bed.reader.forget(Whose::Users(CustomerId::Numbered(7)));
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
    // Nobody has found out yet whom the user stands for.
    bed.put(Code::Valid, None);
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
    assert!(!bed.reader.bind_page(&held, &key(), before));
    assert!(bed.reader.bind_page(&held, &key(), bed.reader.epoch()));
    assert_eq!(bed.read(&held), Reading::Said(Said::Yes));
    bed.reader.forget(Whose::Everybody);
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
}

#[test]
fn an_answer_that_nobody_renews_is_over_with_its_lease() {
    let bed = Bed::new();
    let held = bed.bound(question());
    bed.put(Code::Valid, None);
    for _ in 0..8 {
        bed.hands.advance(RENEWED);
        assert_eq!(bed.read(&held), Reading::Said(Said::Yes));
        assert!(bed.reader.renew_pages());
    }
    bed.hands.advance(Duration::from_millis(LEASE_MS - 1));
    assert_eq!(bed.read(&held), Reading::Said(Said::Yes));
    bed.hands.advance(Duration::from_millis(1));
    assert_eq!(bed.read(&held), Reading::Lost);
}

/// Also where nobody comes to renew it at that moment.
#[test]
fn no_answer_holds_longer_than_the_verdict() {
    let bed = Bed::new();
    let held = bed.bound(question());
    bed.put(Code::Valid, Some(101));
    bed.hands.advance(Duration::from_millis(989));
    assert_eq!(bed.read(&held), Reading::Said(Said::Yes));
    bed.hands.advance(Duration::from_millis(1));
    assert_eq!(bed.read(&held), Reading::Lost);
    assert!(bed.reader.renew_pages());
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
}

/// The clock of programs stands meanwhile. What had ended is over with the next renewal, not with the lease.
#[test]
fn what_ended_while_the_machine_slept_is_not_renewed() {
    let bed = Bed::new();
    let held = bed.bound(question());
    bed.put(Code::Valid, Some(3_600));
    bed.hands.set_wall(at(3_601));
    assert!(bed.reader.renew_pages());
    assert_eq!(bed.read(&held), Reading::Said(Said::Ask));
}

#[test]
fn who_asks_the_same_shares_a_slot_and_the_last_to_go_ends_it_for_good() {
    let bed = Bed::new();
    let (one, other) = (bed.bound(question()), bed.give(question()));
    assert_eq!((one.slot, one.generation), (other.slot, other.generation));
    bed.put(Code::Valid, None);
    drop(other);
    assert_eq!(bed.read(&one), Reading::Said(Said::Yes));
    // As a program that still has the page mapped when its connection is gone.
    let (late, is_first) = bed.reader.pages().give(user(1000), question()).unwrap();
    assert!(!is_first);
    let stale = (late.slot, late.generation, Arc::clone(&late.descriptor));
    drop((one, late));
    let (next, _) = bed.reader.pages().give(user(1000), about("export")).unwrap();
    assert_eq!(next.slot, stale.0);
    assert_ne!(next.generation, stale.1);
    assert!(bed.reader.bind_page(&next, &key(), bed.reader.epoch()));
    let file = File::from(stale.2.try_clone().unwrap());
    let mut slot = [0; SLOT_BYTES];
    file.read_exact_at(&mut slot, (stale.0 * SLOT_BYTES) as u64).unwrap();
    let word = |from: usize| u64::from_ne_bytes(slot[from..from + 8].try_into().unwrap());
    assert_eq!(read([word(0), word(8)], stale.1, 1_000_000), Reading::Lost);
}

/// The one timer ends with the last slot, and begins with the next.
#[test]
fn nobody_renews_what_nobody_has() {
    let bed = Bed::new();
    let (held, is_first) = bed.reader.pages().give(user(1000), question()).unwrap();
    assert!(is_first);
    assert!(bed.reader.renew_pages());
    drop(held);
    assert!(!bed.reader.renew_pages());
    assert!(bed.reader.pages().give(user(1000), question()).unwrap().1);
}

#[test]
fn a_user_has_one_page_with_so_many_slots_and_an_account_so_many_pages() {
    let bed = Bed::new();
    let all: Vec<Held> = (0..SLOTS).map(|it| bed.give(about(&it.to_string()))).collect();
    let full = bed.reader.pages().give(user(1000), question()).err().unwrap();
    assert!(matches!(full, NoSlot::Full), "{full}");
    assert!(bed.reader.pages().give(user(1000), about("0")).is_ok());
    drop(all);
    assert!(bed.reader.pages().give(user(1000), question()).is_ok());

    let subordinate = |uid| PageOwner { uid, account: 1000, is_exempt: false };
    for uid in 1..PAGES_OF_ACCOUNT {
        bed.reader
            .pages()
            .give(subordinate(100_000 + u32::try_from(uid).unwrap()), question())
            .unwrap();
    }
    // What was given back stays: a program may have kept it.
    let many = bed.reader.pages().give(subordinate(200_000), question()).err().unwrap();
    assert!(matches!(many, NoSlot::TooManyOfUser), "{many}");
    let exempt = PageOwner { is_exempt: true, ..subordinate(200_000) };
    assert!(bed.reader.pages().give(exempt, question()).is_ok());
    assert!(bed.reader.pages().give(user(1001), question()).is_ok());
}
