//! One request for very many places of a fleet, of which etcd takes only so many in one transaction.

use std::time::Duration;

use entitled::fleet::settings::Kind;
use entitled_core::fleet::{MOST_PLACES, MachineId, Slot, TokenKey};
use serde_json::json;

use crate::fleet_engines::{named, record};
use crate::support::etcd::Etcd;
use crate::support::fleet::Fleet;
use crate::support::{eventually, never};

/// So long that nobody is cut off because the machine is busy.
const LONG: Duration = Duration::from_secs(30);
const AN_HOUR: Duration = Duration::from_secs(3_600);
/// More than one transaction has operations: etcd takes 128, unless it is told otherwise.
const MANY: u64 = 150;

fn was_cut_off(fleet: &Fleet, machine: usize) -> bool {
    let log = fleet.machines[machine].daemon.log();
    log.contains("fleet_cut_off") || log.contains("could not be claimed")
}

#[test]
fn who_asks_for_very_many_places_has_them_and_cuts_nobody_off() {
    let Some(fleet) = Fleet::start(2, 1, 300, LONG) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    let before = other.acquire(json!({"count": 100}));
    assert_eq!(before["code"], "GRANTED", "{before}");
    fleet.wait_until_used(0, 100);
    let many = one.acquire(json!({"count": MANY}));
    assert_eq!((&many["code"], &many["count"]), (&json!("GRANTED"), &json!(MANY)), "{many}");
    assert!(many["fence"].as_u64() > before["fence"].as_u64(), "{many} after {before}");
    fleet.wait_until_used(1, 100 + MANY);
    let mut greedy = fleet.holder(1);
    for _ in 0..3 {
        assert_eq!(greedy.acquire(json!({"count": MANY}))["code"], "SEATS_FULL");
        let mut modest = fleet.holder(1);
        assert_eq!(modest.acquire(json!({}))["code"], "GRANTED", "of the other fifty");
    }
    assert!(!was_cut_off(&fleet, 0) && !was_cut_off(&fleet, 1), "nobody was");
    one.kill();
    fleet.wait_until_used(1, 100);
    let again = greedy.acquire(json!({"count": 200}));
    assert_eq!(again["code"], "GRANTED", "they are the fleet's again: {again}");
}

#[test]
fn two_that_want_more_than_half_are_never_both_refused() {
    let Some(fleet) = Fleet::start(2, 1, 600, LONG) else { return };
    for _ in 0..5 {
        let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
        one.ask_for_seat(json!({"count": 400}));
        other.ask_for_seat(json!({"count": 400}));
        let mut codes = [one.answer(), other.answer()].map(|it| it["code"].clone());
        codes.sort_by_key(ToString::to_string);
        assert_eq!(codes, [json!("GRANTED"), json!("SEATS_FULL")]);
        fleet.wait_until_used(0, 400);
        one.kill();
        other.kill();
        (0..2).for_each(|it| fleet.wait_until_used(it, 0));
    }
}

#[test]
fn an_etcd_that_takes_less_at_once_is_asked_for_less() {
    let Some(mut etcd) = Etcd::start(1) else { return };
    etcd.restart_with(&["--max-txn-ops", "12"]);
    let mut fleet = Fleet::over(etcd, LONG);
    fleet.machines.push(fleet.machine("machine-0", 60));
    fleet.wait_until(0, "in");
    let mut one = fleet.holder(0);
    let many = one.acquire(json!({"count": 40}));
    assert_eq!(many["code"], "GRANTED", "{many}");
    fleet.wait_until_used(0, 40);
    assert!(!was_cut_off(&fleet, 0), "its standing is as it was");
    one.kill();
    fleet.wait_until_used(0, 0);
}

/// The lease is gone and with it all places: they are claimed again for who has them.
#[test]
fn very_many_places_are_claimed_again_after_their_lease_was_taken_back() {
    let Some(fleet) = Fleet::start(1, 1, 300, LONG) else { return };
    let mut one = fleet.holder(0);
    let seat = one.acquire(json!({"count": 250}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    fleet.wait_until_used(0, 250);
    let machine = fleet.status(0)["machine"].clone();
    for lease in fleet.etcd.ask("lease/leases", &json!({}))["leases"].as_array().unwrap() {
        fleet.etcd.ask("lease/revoke", &json!({"ID": lease["ID"]}));
    }
    eventually("it is another machine", || match fleet.wait_until(0, "in") {
        it if it["machine"] != machine => Ok(()),
        it => Err(it.to_string()),
    });
    fleet.wait_until_used(0, 250);
    never(Duration::from_secs(2), || {
        match fleet.machines[0].daemon.admin("seat_list", json!({})) {
            list if list["items"][0]["seat"] == seat["seat"] => Ok(()),
            list => Err(list.to_string()),
        }
    });
}

/// All machines have to read all of them with each renewal.
#[test]
fn nobody_takes_more_places_than_all_machines_can_list() {
    // So long that nothing is listed meanwhile.
    let Some(fleet) = Fleet::start(1, 1, 5_000, AN_HOUR) else { return };
    // Of another product, and by a machine that is no daemon.
    let engine = named(Kind::Etcd, ("t", AN_HOUR), fleet.etcd.endpoints());
    let slot = |number| Slot { token: TokenKey([1; 16]), number };
    let others: Vec<Slot> = (0..MOST_PLACES as u32 - 1_000).map(slot).collect();
    let before = others.len() as u64;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let joined = engine.join(MachineId([1; 8]), record(0), AN_HOUR).await.unwrap().unwrap();
        engine.claim(joined, others, 1).await.unwrap().unwrap();
    });
    fleet.wait_until_used(0, before);
    let (mut one, mut next) = (fleet.holder(0), fleet.holder(0));
    assert_eq!(one.acquire(json!({"count": 1_000}))["code"], "GRANTED");
    fleet.wait_until_used(0, MOST_PLACES as u64);
    assert_eq!(next.acquire(json!({"count": 1_000}))["code"], "SEATS_FULL");
    assert_eq!(next.acquire(json!({}))["code"], "SEATS_FULL", "nor one");
    one.kill();
    fleet.wait_until_used(0, before);
    assert_eq!(next.acquire(json!({"count": 999}))["code"], "GRANTED", "there is room again");
    fleet.wait_until_used(0, before + 999);
    assert_eq!(fleet.holder(0).acquire(json!({"count": 2}))["code"], "SEATS_FULL");
    assert_eq!(fleet.holder(0).acquire(json!({}))["code"], "GRANTED", "for one more");
    assert!(!was_cut_off(&fleet, 0));
}
