//! A daemon of a fleet is killed and started again while seats are held: who had one keeps it or has none, and no place has two.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::stage::ACME;
use crate::support::{eventually, never};

const A_MINUTE: u64 = 60_000;
/// So long that a restart is over before, on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);

fn seats(fleet: &Fleet, machine: usize) -> Vec<Value> {
    let list = fleet.machines[machine].daemon.admin("seat_list", json!({"product": ACME}));
    list["items"].as_array().unwrap().clone()
}

fn states(fleet: &Fleet, machine: usize) -> Vec<String> {
    let of = |it: &Value| it["state"].as_str().unwrap().to_owned();
    seats(fleet, machine).iter().map(of).collect()
}

fn restart(fleet: &mut Fleet, machine: usize) {
    fleet.machines[machine].daemon.kill();
    fleet.machines[machine].daemon.resume();
}

#[test]
fn who_holds_a_seat_of_a_fleet_keeps_it_while_its_daemon_is_started_again() {
    let Some(mut fleet) = Fleet::start(2, 1, 2, LONG) else { return };
    let (mut one, mut other, mut third) = (fleet.holder(0), fleet.holder(0), fleet.holder(1));
    let seat = one.acquire(json!({}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    fleet.wait_until_used(1, 2);
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    let machine = fleet.status(0)["machine"].clone();
    restart(&mut fleet, 0);
    assert_eq!(states(&fleet, 0), ["held", "held"], "before anything is heard of the fleet");
    assert_eq!(fleet.wait_until(0, "in")["machine"], machine, "it is the same machine");
    never(Duration::from_secs(2), || match (states(&fleet, 0).len(), fleet.used(1)) {
        (2, 2) => Ok(()),
        other => Err(format!("{other:?} seats and places")),
    });
    one.reconnect();
    let again = one.acquire(json!({}));
    assert_eq!((&again["seat"], &again["fence"]), (&seat["seat"], &seat["fence"]), "{again}");
    // Its place is the fleet's again when it ends, and has one holder.
    other.kill();
    let granted = third.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert!(granted["fence"].as_u64() > seat["fence"].as_u64(), "{granted} after {seat}");
    fleet.wait_until_used(0, 2);
    assert_eq!((states(&fleet, 0).len(), states(&fleet, 1).len()), (1, 1));
}

#[test]
fn places_of_who_ended_while_the_daemon_was_away_are_the_fleets_again() {
    let Some(mut fleet) = Fleet::start(2, 1, 2, LONG) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(0));
    let seat = one.acquire(json!({}))["seat"].clone();
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    fleet.wait_until_used(1, 2);
    fleet.machines[0].daemon.kill();
    other.kill();
    drop(other);
    fleet.machines[0].daemon.resume();
    fleet.wait_until_used(1, 1);
    assert_eq!(seats(&fleet, 0)[0]["seat"], seat);
    let mut third = fleet.holder(1);
    assert_eq!(third.acquire(json!({}))["code"], "GRANTED");
    one.kill();
    fleet.wait_until_used(1, 1);
}

#[test]
fn a_seat_ends_with_the_deadline_although_its_daemon_is_away() {
    let Some(mut fleet) = Fleet::start(2, 1, 1, Duration::from_secs(3)) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    other.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    fleet.machines[0].daemon.kill();
    let granted = other.answer();
    assert_eq!(granted["code"], "GRANTED", "the lease has run out: {granted}");
    fleet.machines[0].daemon.resume();
    assert_eq!(seats(&fleet, 0), [] as [Value; 0], "the first answer is no stale one");
    fleet.machines[0].daemon.wait_for_log("reason=\"fleet_lost\"");
    fleet.wait_until(0, "in");
    one.reconnect();
    assert_eq!(one.acquire(json!({}))["code"], "SEATS_FULL");
    restart(&mut fleet, 0);
    assert_eq!(seats(&fleet, 0), [] as [Value; 0], "and it does not come back");
}

#[test]
fn places_stay_while_it_is_not_known_whose_they_are() {
    let Some(mut fleet) = Fleet::start(2, 1, 1, LONG) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    let seat = one.acquire(json!({}))["seat"].clone();
    fleet.wait_until_used(1, 1);
    fleet.machines[0].daemon.kill();
    let file = fleet.machines[0].daemon.home().join("vendor/acme-cad.toml");
    let product = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    fleet.machines[0].daemon.resume();
    fleet.wait_until(0, "in");
    never(Duration::from_secs(2), || match fleet.used(1) {
        1 => Ok(()),
        used => Err(format!("{used} places")),
    });
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL", "its program still runs");
    std::fs::write(&file, product).unwrap();
    fleet.machines[0].daemon.admin("system_reload", json!({}));
    eventually("the seat is known again", || match &seats(&fleet, 0)[..] {
        [it] if it["seat"] == seat && it["state"] == "held" => Ok(()),
        it => Err(format!("{it:?}")),
    });
    one.kill();
    assert_eq!(other.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
}
