//! The cache by its readers: what is kept, and what holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicBool;

use super::*;
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::page_word::{SLOT_BYTES, revision, slot_of};

const OWN: CustomerId = CustomerId::Uid(1000);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn reader() -> VerdictReader {
    VerdictReader::new(16, Loaded::default(), |_| Vec::new(), Clock::system())
}

#[test]
fn a_uids_customer_is_believed_for_five_minutes() {
    let reader = reader();
    assert_eq!(reader.customer_of(1000, at(0)), None);
    reader.learn_customer(1000, OWN, reader.epoch(), at(0));
    assert_eq!(reader.customer_of(1000, at(299)), Some(OWN));
    assert_eq!(reader.customer_of(1001, at(299)), None);
    assert_eq!(reader.customer_of(1000, at(300)), None);
}

#[test]
fn what_was_asked_before_a_change_is_not_learnt_after_it() {
    let reader = reader();
    let before = reader.epoch();
    reader.forget(Whose::Everybody);
    reader.learn_customer(1000, OWN, before, at(0));
    assert_eq!(reader.customer_of(1000, at(0)), None);
}

#[test]
fn a_change_of_users_forgets_them_all_and_one_of_wallets_none() {
    let reader = reader();
    reader.learn_customer(1000, OWN, reader.epoch(), at(0));
    reader.forget(Whose::Customer(OWN));
    assert_eq!(reader.customer_of(1000, at(0)), Some(OWN));
    reader.forget(Whose::Users(CustomerId::Numbered(7)));
    assert_eq!(reader.customer_of(1000, at(0)), None);
}

/// A yes until `changes_at`, worked out at second 100.
fn worked_out(reader: &VerdictReader, clock: &Clock, changes_at: i64) -> Cached {
    let question = entitled_core::domain::entitlement::Question {
        product: &"acme".parse().unwrap(),
        definition: None,
        publisher: None,
        customer: OWN,
        holders: &[],
        sightings: &[],
        suspended: &BTreeSet::new(),
    };
    let verdict = entitled_core::domain::entitlement::evaluate(&question, at(100));
    let verdict = Verdict { changes_at: Some(at(changes_at)), ..verdict };
    let mut cached = Cached::new(verdict, |_| Vec::new());
    (cached.evaluated_at, cached.evaluated) = (at(100), clock.monotonic());
    cached.lifetime = Duration::from_secs(3_600);
    cached.epoch = reader.epoch();
    cached
}

fn key() -> Key {
    Key { customer: OWN, product: "acme".parse().unwrap() }
}

#[test]
fn what_was_worked_out_before_a_change_is_neither_kept_nor_held() {
    let (reader, (clock, _)) = (reader(), Clock::manual(at(100)));
    let kept = Arc::new(worked_out(&reader, &clock, 200));
    assert!(reader.put(&key(), Arc::clone(&kept)) && reader.hit(&key(), at(100)).is_some());
    reader.forget(Whose::Customer(CustomerId::Uid(1)));
    assert!(reader.hit(&key(), at(100)).is_some(), "that was somebody else's");
    assert!(reader.still_holds(&key(), &kept, &clock));
    reader.forget(Whose::Customer(OWN));
    assert!(reader.hit(&key(), at(100)).is_none());
    assert!(!reader.still_holds(&key(), &kept, &clock));
    assert!(!reader.put(&key(), kept) && reader.hit(&key(), at(100)).is_none());
}

/// Whoever keeps answers reads it in memory, and is told of nothing that is withdrawn in another way.
#[test]
fn what_is_put_in_or_withdrawn_is_shown_by_the_revisions() {
    let (reader, (clock, _)) = (reader(), Clock::manual(at(100)));
    let (watcher, _) = reader.revisions().watch().unwrap();
    let page = File::from(watcher.descriptor.try_clone().unwrap());
    let shown = |customer| {
        let mut words = [[0; SLOT_BYTES / 2]; 2];
        let from = u64::try_from(slot_of(customer) * SLOT_BYTES).unwrap();
        page.read_exact_at(words.as_flattened_mut(), from).unwrap();
        let now = Clock::system().program_time().as_millis();
        revision(words.map(u64::from_ne_bytes), u64::try_from(now).unwrap()).unwrap().unwrap()
    };
    let mut last = shown(OWN);
    let mut is_another = |what: &str| {
        assert_ne!(shown(OWN), last, "{what}");
        last = shown(OWN);
    };
    reader.put(&key(), Arc::new(worked_out(&reader, &clock, 200)));
    is_another("put in");
    for whose in [
        Whose::Customer(OWN),
        Whose::Users(OWN),
        Whose::Everybody,
        Whose::Customer(CustomerId::Machine),
    ] {
        reader.forget(whose);
        is_another(&format!("{whose:?}"));
    }
    let others = (1..).map(CustomerId::Numbered).find(|it| slot_of(*it) != slot_of(OWN)).unwrap();
    reader.forget(Whose::Customer(others));
    assert_eq!(shown(OWN), last, "another's");
}

#[test]
fn what_can_be_looked_up_never_changes_without_a_new_revision() {
    let (reader, (clock, _)) = (reader(), Clock::manual(at(100)));
    let verdict = Arc::new(worked_out(&reader, &clock, 200));
    let mut last = reader.revision();
    let mut is_new = || std::mem::replace(&mut last, reader.revision()) != reader.revision();
    assert!(reader.put(&key(), Arc::clone(&verdict)) && is_new());
    assert!(reader.put(&key(), verdict) && is_new(), "another in its place");
    assert!(reader.hit(&key(), at(100)).is_some() && !is_new(), "asking changes nothing");
    for whose in [Whose::Customer(OWN), Whose::Users(OWN), Whose::Everybody] {
        reader.forget(whose);
        assert!(is_new(), "{whose:?}");
    }
}

#[test]
fn what_time_has_ended_holds_no_more_though_the_clock_stands_behind_its_chain() {
    let (reader, (clock, hands)) = (reader(), Clock::manual(at(40)));
    let cached = worked_out(&reader, &clock, 160);
    hands.advance(Duration::from_secs(59));
    assert!(reader.still_holds(&key(), &cached, &clock));
    hands.advance(Duration::from_secs(1));
    assert!(!reader.still_holds(&key(), &cached, &clock), "a minute has passed there, too");
}

#[test]
fn uids_do_not_gather_without_end() {
    let mut customers = Customers::default();
    for uid in 0..=u32::try_from(REMEMBERED_UIDS).unwrap() {
        customers.learn(uid, CustomerId::Uid(uid), at(0));
    }
    assert!(customers.by_uid.len() <= REMEMBERED_UIDS);
    let last = u32::try_from(REMEMBERED_UIDS).unwrap();
    assert_eq!(customers.of(last, at(0)), Some(CustomerId::Uid(last)));
}

/// The cache behind it takes a value that was withdrawn for one that is there, for a moment, while another takes its place.
#[test]
fn what_was_withdrawn_is_not_found_again_while_another_takes_its_place() {
    use std::sync::atomic::AtomicU32;
    let (reader, clock) = (reader(), Clock::system());
    let key = Key { customer: OWN, product: "acme".parse().unwrap() };
    // Every value of a round before this was withdrawn.
    let (round, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let least = round.load(Ordering::Acquire);
                if let Some(found) = reader.peek(&key) {
                    let of = found.verdict.rank.unwrap();
                    assert!(of >= least, "what was withdrawn in round {of} is found in {least}");
                }
            }
        });
        for next in 0..20_000 {
            let mut cached = worked_out(&reader, &clock, 1_000_000);
            cached.verdict.rank = Some(next);
            assert!(reader.put(&key, Arc::new(cached)));
            reader.forget(Whose::Everybody);
            round.store(next + 1, Ordering::Release);
            if looking.is_finished() {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
