//! What a store of a fleet promises, asked of each engine.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;

use entitled::clock::Clock;
use entitled::fleet;
use entitled::fleet::engine::{Change, Engine, FleetError, Places};
use entitled::fleet::settings::{FleetSettings, Kind, LONGEST_NAME};
use entitled_core::fleet::{
    BeatFault, FleetId, Found, Joined, MOST_PLACES, MachineId, Meta, Naming, Record, Revision,
    Slot, TokenKey,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::etcd::Etcd;

const TTL: Duration = Duration::from_secs(3);
const META: Meta = Meta { fleet: FleetId([7; 16]), epoch: 0, naming: Naming::ByShare };

pub fn record(beat: u64) -> Record {
    Record {
        v: Record::VERSION,
        name: "one".to_owned(),
        beat,
        random: format!("{beat:016}"),
        version: "1".to_owned(),
        draining: false,
    }
}

/// What a store says of itself.
async fn found(engine: &Arc<dyn Engine>) -> Option<Found> {
    engine.open(None).await.unwrap().0
}

/// What a renewal answers.
fn meta(renewed: Result<Option<Found>, BeatFault>) -> Result<Meta, BeatFault> {
    renewed.map(|it| it.unwrap().meta)
}

/// When places were made, of which all were made at once.
fn made(got: Option<Places>) -> Option<Revision> {
    let got = got?;
    assert!(got.iter().all(|it| it.1 == got[0].1), "{got:?}");
    Some(got[0].1)
}

fn slot(number: u32) -> Slot {
    Slot { token: TokenKey([1; 16]), number }
}

fn engine(kind: Kind, endpoints: Vec<String>) -> Arc<dyn Engine> {
    named(kind, ("t", TTL), endpoints)
}

/// Of another name and lease.
pub fn named(kind: Kind, (name, ttl): (&str, Duration), endpoints: Vec<String>) -> Arc<dyn Engine> {
    let settings = FleetSettings {
        kind,
        name: name.to_owned(),
        machine: "one".to_owned(),
        endpoints,
        ttl,
        ca: None,
        certificate: None,
        key: None,
        user: None,
        password_file: None,
        state: "/nonexistent".into(),
    };
    fleet::open(&settings, &Clock::system()).unwrap()
}

/// As a machine has it.
pub fn etcd(endpoints: Vec<String>) -> Arc<dyn Engine> {
    engine(Kind::Etcd, endpoints)
}

/// Runs one of the promises with both engines; with etcd, as two machines that know nothing of each other have it.
fn with_each<F: Future<Output = ()>>(promise: impl Fn(Arc<dyn Engine>, Arc<dyn Engine>) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = engine(Kind::Local, Vec::new());
    runtime.block_on(promise(local.clone(), local));
    let Some(etcd) = Etcd::start(1) else { return };
    let machine = || engine(Kind::Etcd, etcd.endpoints());
    runtime.block_on(promise(machine(), machine()));
}

async fn join(engine: &Arc<dyn Engine>, number: u8) -> Joined {
    engine.open(Some(META)).await.unwrap();
    engine.join(MachineId([number; 8]), record(0), TTL).await.unwrap().unwrap()
}

#[test]
fn a_slot_is_one_machines_until_it_is_given_back() {
    with_each(|one, other| async move {
        let (first, second) = (join(&one, 1).await, join(&other, 2).await);
        let created = made(one.claim(first, vec![slot(0), slot(1)], 10).await.unwrap()).unwrap();
        assert_eq!(other.claim(second, vec![slot(1), slot(2)], 11).await.unwrap(), None);
        let later = other.claim(second, vec![slot(2)], 12).await.unwrap();
        assert!(made(later) > Some(created));
        let listing = other.list().await.unwrap();
        assert_eq!(listing.slots.len(), 3, "all or nothing: {listing:?}");
        assert!(listing.slots[&slot(1)].is(first.machine));
        // By another revision it is not given back.
        one.release(vec![(slot(0), Revision(created.0 - 1))]).await.unwrap();
        assert_eq!(other.claim(second, vec![slot(0)], 13).await.unwrap(), None);
        one.release(vec![(slot(0), created)]).await.unwrap();
        assert!(made(other.claim(second, vec![slot(0)], 14).await.unwrap()) > Some(created));
    });
}

/// More than etcd takes in one transaction, in an order that is not theirs.
fn many() -> Vec<Slot> {
    (0..350).rev().map(slot).collect()
}

#[test]
fn a_claim_of_very_many_places_is_all_or_none() {
    with_each(|one, other| async move {
        let (first, second) = (join(&one, 1).await, join(&other, 2).await);
        other.claim(second, vec![slot(320)], 10).await.unwrap().unwrap();
        assert_eq!(one.claim(first, many(), 11).await.unwrap(), None, "the last part is not free");
        let listing = other.list().await.unwrap();
        assert_eq!(listing.slots.keys().collect::<Vec<_>>(), [&slot(320)], "and nothing is left");
        let free: Vec<Slot> = many().into_iter().filter(|it| *it != slot(320)).collect();
        let got = one.claim(first, free.clone(), 12).await.unwrap().unwrap();
        let again = one.claim(first, free.clone(), 12).await.unwrap().unwrap();
        assert_eq!(again, got, "the answer was lost, and it is asked again");
        let listing = other.list().await.unwrap();
        assert_eq!((got.len(), listing.slots.len()), (free.len(), free.len() + 1));
        for (slot, created) in got {
            let holder = listing.slots[&slot];
            assert_eq!((holder.by, holder.created), (Some((first.machine, 12)), created));
        }
        assert_eq!(one.claim(first, free, 13).await.unwrap(), None, "another claim is another");
        assert_eq!(other.list().await.unwrap().slots.len(), listing.slots.len());
    });
}

#[test]
fn very_many_places_are_given_back_but_those_that_are_anothers() {
    with_each(|one, other| async move {
        let (first, second) = (join(&one, 1).await, join(&other, 2).await);
        let got = one.claim(first, many(), 10).await.unwrap().unwrap();
        let of_50 = got.iter().find(|it| it.0 == slot(50)).copied().unwrap();
        one.release(vec![of_50]).await.unwrap();
        other.claim(second, vec![slot(50)], 11).await.unwrap().unwrap();
        one.release(got).await.unwrap();
        let listing = other.list().await.unwrap();
        assert_eq!(listing.slots.keys().collect::<Vec<_>>(), [&slot(50)]);
        assert!(listing.slots[&slot(50)].is(second.machine));
    });
}

/// The longest names that they may have, so that it takes as many bytes as it can.
#[test]
fn so_many_places_as_a_fleet_may_use_can_be_listed() {
    let Some(etcd) = Etcd::start(1) else { return };
    // With which it has as long for an answer as it can.
    let hour = Duration::from_secs(3_600);
    let engine = named(Kind::Etcd, (&"n".repeat(LONGEST_NAME), hour), etcd.endpoints());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        engine.open(Some(META)).await.unwrap();
        let joined = engine.join(MachineId([1; 8]), record(0), hour).await.unwrap().unwrap();
        let all: Vec<Slot> = (0..MOST_PLACES as u32).map(|it| slot(1_000_000_000 + it)).collect();
        let got = engine.claim(joined, all, u64::MAX).await.unwrap().unwrap();
        assert_eq!(engine.list().await.unwrap().slots.len(), got.len());
    });
}

#[test]
fn what_a_lease_keeps_is_gone_with_it_and_not_before() {
    with_each(|one, other| async move {
        // A lease runs from when it was asked for.
        let begun = std::time::Instant::now();
        let (first, second) = (join(&one, 1).await, join(&other, 2).await);
        one.claim(first, vec![slot(0)], 10).await.unwrap().unwrap();
        let mut beat = 0;
        while other.claim(second, vec![slot(0)], 11).await.unwrap().is_none() {
            assert!(begun.elapsed() < TTL * 5, "it comes to an end");
            let renewed = other.renew(second, record(beat), record(beat + 1)).await.unwrap();
            assert_eq!(meta(renewed), Ok(META));
            beat += 1;
            // Renewals are apart; there is nothing to be told.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() >= TTL, "not before: {:?}", begun.elapsed());
        assert_eq!(one.renew(first, record(0), record(1)).await.unwrap(), Err(BeatFault::Gone));
        assert_eq!(
            one.claim(first, vec![slot(1)], 12).await.unwrap(),
            None,
            "who is out gets none"
        );
    });
}

#[test]
fn two_that_renew_the_same_lease_are_told_apart() {
    with_each(|one, other| async move {
        let joined = join(&one, 1).await;
        other.open(None).await.unwrap();
        // As if the first answer was lost, and it was asked again.
        for _ in 0..2 {
            let renewed = one.renew(joined, record(0), record(1)).await.unwrap();
            assert_eq!(meta(renewed), Ok(META));
        }
        let copy = Record { random: "another".to_owned(), ..record(2) };
        let renewed = other.renew(joined, record(1), copy).await.unwrap();
        assert_eq!(meta(renewed), Ok(META));
        let told = one.renew(joined, record(1), record(2)).await.unwrap();
        assert_eq!(told, Err(BeatFault::Cloned));
        let told = other.renew(joined, record(9), record(10)).await.unwrap();
        assert_eq!(told, Err(BeatFault::Restored), "older than what was written");
    });
}

#[test]
fn only_an_empty_store_is_renamed() {
    with_each(|one, other| async move {
        let before = Meta { naming: Naming::ByToken, ..META };
        let seen = one.open(Some(before)).await.unwrap().0.unwrap();
        assert_eq!(seen.meta, before);
        let machine = MachineId([1; 8]);
        let joined = one.join(machine, record(0), TTL).await.unwrap().unwrap();
        assert_eq!(other.rename(seen).await.unwrap(), None, "a machine is there");
        let renewed = one.renew(joined, record(0), record(1)).await.unwrap();
        assert_eq!(renewed, Ok(Some(seen)));
        one.claim(joined, vec![slot(0)], 10).await.unwrap().unwrap();
        assert_eq!(other.rename(seen).await.unwrap(), None, "and a slot");
        one.revoke(joined.lease).await.unwrap();
        let another = Found { written: Revision(seen.written.0 + 1), ..seen };
        assert_eq!(other.rename(another).await.unwrap(), None, "it is another");
        let written = other.rename(seen).await.unwrap().expect("nobody is there");
        assert_eq!(found(&one).await, Some(Found { meta: META, written }));
        assert_eq!(one.rename(seen).await.unwrap(), None, "it was renamed");
        one.open(Some(before)).await.unwrap();
        assert_eq!(one.list().await.unwrap().slots.len(), 0);
    });
}

#[test]
fn who_is_put_out_is_renewed_no_more() {
    with_each(|one, other| async move {
        let (first, _) = (join(&one, 1).await, join(&other, 2).await);
        other.evict(first.machine).await.unwrap();
        assert_eq!(one.renew(first, record(0), record(1)).await.unwrap(), Err(BeatFault::Evicted));
        one.revoke(first.lease).await.unwrap();
        let again = one.join(first.machine, record(0), TTL).await.unwrap();
        assert_eq!(again, None, "nor let in again by that name");
    });
}

#[test]
fn a_watch_tells_what_happens_in_its_order() {
    with_each(|one, other| async move {
        let first = join(&one, 1).await;
        let after = other.list().await.unwrap().revision;
        let (tell, mut told) = mpsc::channel(16);
        let watching = tokio::spawn(async move { other.watch(after, tell).await });
        // In the meantime it has begun, as far as the engine in memory needs that.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let created = made(one.claim(first, vec![slot(4)], 10).await.unwrap()).unwrap();
        one.release(vec![(slot(4), created)]).await.unwrap();
        one.evict(MachineId([9; 8])).await.unwrap();
        match told.recv().await.unwrap() {
            Change::Slot(at, Some(holder), revision) => {
                assert!(holder.is(first.machine), "{holder:?}");
                assert_eq!((at, revision), (slot(4), created));
            }
            other => panic!("{other:?}"),
        }
        match told.recv().await.unwrap() {
            Change::Slot(at, None, revision) => assert!(at == slot(4) && revision > created),
            other => panic!("{other:?}"),
        }
        assert_eq!(told.recv().await.unwrap(), Change::Evicted(MachineId([9; 8])));
        watching.abort();
    });
}

#[test]
fn what_a_store_is_of_is_written_once_and_raised_as_it_was_seen() {
    with_each(|one, other| async move {
        assert_eq!(found(&one).await, None);
        let seen = one.open(Some(META)).await.unwrap().0.unwrap();
        assert_eq!(seen.meta, META);
        let late = Meta { fleet: FleetId([8; 16]), ..META };
        assert_eq!(other.open(Some(late)).await.unwrap().0, Some(seen), "the first counts");
        let raised = Meta { epoch: 1, ..META };
        let another = Revision(seen.written.0 + 1);
        assert_eq!(one.raise(None, raised).await.unwrap(), None);
        assert_eq!(one.raise(Some(another), raised).await.unwrap(), None);
        let written = one.raise(Some(seen.written), raised).await.unwrap().unwrap();
        assert_eq!(found(&other).await, Some(Found { meta: raised, written }));
        assert_eq!(one.raise(Some(seen.written), raised).await.unwrap(), None, "once");
    });
}

/// Writes below the fleet's prefix, as somebody who is no machine of it.
fn put(etcd: &Etcd, key: &str, value: &str) {
    let encode = |it: &str| base64::engine::general_purpose::STANDARD.encode(it);
    let key = encode(&format!("/entitled/v1/t/{key}"));
    let body = json!({"key": key, "value": encode(value)}).to_string();
    let url = format!("{}/v3/kv/put", etcd.endpoints()[0]);
    let mut asked = Command::new("curl");
    asked.args(["-sS", "--fail", "--noproxy", "*", "-d", &body, &url]);
    let done = asked.output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// What a person has written says the same in other words.
#[test]
fn what_stands_there_is_known_by_when_it_was_written_and_not_by_its_form() {
    let Some(etcd) = Etcd::start(1) else { return };
    let one = self::etcd(etcd.endpoints());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let value = |v: u32| {
            let fleet = META.fleet;
            format!("{{\n  \"epoch\" : 0,\n  \"fleet\" : \"{fleet}\", \"v\" : {v}\n}}\n")
        };
        put(&etcd, "meta", &value(1));
        let seen = found(&one).await.unwrap();
        assert_eq!(seen.meta, Meta { naming: Naming::ByToken, ..META });
        assert!(one.rename(seen).await.unwrap().is_some());
        put(&etcd, "meta", &value(2));
        let seen = found(&one).await.unwrap();
        let raised = Meta { epoch: 1, ..seen.meta };
        let written = one.raise(Some(seen.written), raised).await.unwrap().unwrap();
        assert_eq!(found(&one).await, Some(Found { meta: raised, written }));
    });
}

#[test]
fn what_cannot_be_read_is_somebodys_and_keeps_nobody_from_the_rest() {
    let Some(etcd) = Etcd::start(1) else { return };
    let (one, other) = (self::etcd(etcd.endpoints()), self::etcd(etcd.endpoints()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let first = join(&one, 1).await;
        one.claim(first, vec![slot(0)], 10).await.unwrap().unwrap();
        let after = other.list().await.unwrap().revision;
        let (tell, mut told) = mpsc::channel(16);
        let watcher = self::etcd(etcd.endpoints());
        let watching = tokio::spawn(async move { watcher.watch(after, tell).await });
        let token = TokenKey([1; 16]);
        put(&etcd, &format!("slots/{token}/1"), "not one of ours");
        put(&etcd, &format!("machines/{}", MachineId([5; 8])), r#"{"v":2}"#);
        // Other names of what has a key of its own.
        put(&etcd, &format!("slots/{token}/+0"), "x");
        put(&etcd, &format!("slots/{}/0", TokenKey([0xab; 16]).to_string().to_uppercase()), "x");
        put(&etcd, &format!("slots/{token}/00"), "x");
        let listing = other.list().await.unwrap();
        assert_eq!(listing.slots.len(), 2, "{listing:?}");
        assert!(listing.slots[&slot(0)].is(first.machine), "{listing:?}");
        assert_eq!(listing.slots[&slot(1)].by, None, "it is nobody's here, and taken");
        assert_eq!(listing.machines.keys().collect::<Vec<_>>(), [&first.machine]);
        assert_eq!(listing.unreadable, 2);
        assert_eq!(one.claim(first, vec![slot(1)], 11).await.unwrap(), None);
        let renewed = one.renew(first, record(0), record(1)).await.unwrap();
        assert_eq!(meta(renewed), Ok(META), "it goes on");
        one.claim(first, vec![slot(2)], 12).await.unwrap().unwrap();
        let mut heard = Vec::new();
        while heard.len() < 2 {
            let change = tokio::time::timeout(TTL * 5, told.recv()).await.unwrap().unwrap();
            let Change::Slot(at, Some(holder), _) = change else { panic!("{change:?}") };
            heard.push((at, holder.is(first.machine)));
        }
        assert_eq!(heard, [(slot(1), false), (slot(2), true)], "and is told of what follows");
        watching.abort();
        put(&etcd, &format!("machines/{}", first.machine), "not one of ours");
        let told = one.renew(first, record(1), record(2)).await.unwrap();
        assert_eq!(told, Err(BeatFault::Cloned), "somebody else writes in its name");
    });
}

/// Whatever it is asked, it says what `answer` writes.
fn answering(answer: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4_096]);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                answer(&mut stream);
            });
        }
    });
    format!("http://{address}")
}

/// Begins an answer, and sends pieces of it for as long as anybody reads.
fn endless() -> String {
    let blank = format!("{}\n", " ".repeat(4_095));
    answering(move |stream| {
        let mut sent = stream.write_all(b"{\n");
        while sent.is_ok() {
            sent = stream.write_all(blank.as_bytes());
        }
    })
}

#[test]
fn an_answer_is_one_line_and_is_read_once() {
    let engine = self::etcd(vec![endless()]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runtime.block_on(engine.open(None));
    assert!(matches!(told, Err(FleetError::Refused { .. })), "{told:?}");
}

/// Each takes more memory once it is read than it took on the wire.
#[test]
fn an_answer_of_more_parts_than_a_fleet_has_is_not_read() {
    let many = vec![r#"{"key":""}"#; 600_000].join(",");
    let many_events = vec![r#"{"kv":{"key":""}}"#; 600_000].join(",");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refuses = |text: String| {
        let engine = self::etcd(vec![answering(move |it| drop(it.write_all(text.as_bytes())))]);
        let (tell, _told) = tokio::sync::mpsc::channel(1);
        runtime.block_on(async {
            (engine.list().await.map(drop), engine.watch(Revision(1), tell).await)
        })
    };
    let listed = refuses(format!("{{\"header\":{{\"revision\":\"1\"}},\"kvs\":[{many}]}}\n")).0;
    let told = refuses(format!("{{\"result\":{{\"events\":[{many_events}]}}}}\n")).1;
    for said in [listed, told] {
        let Err(FleetError::Refused { why }) = said else { panic!("{said:?}") };
        assert!(why.contains("too many parts"), "{why}");
    }
}
