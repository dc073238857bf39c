//! A machine that cannot write down what it is in its fleet: its disk is full.
//!
//! What is on its disk then is old. A machine that goes by that after a start, or a copy of it, uses no place that another has.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::seats_health::{doctor, has, health, status};
use crate::support::fleet::Fleet;
use crate::support::stage::ACME;
use crate::support::{eventually, never};

const TTL: Duration = Duration::from_secs(9);
const A_MINUTE: u64 = 60_000;

/// Where a daemon writes before it puts that into the place of `fleet.json`.
fn draft(fleet: &Fleet, machine: usize) -> PathBuf {
    fleet.state_file(machine).with_extension("new")
}

/// Nobody can write there any more, not even root.
fn fill_disk(fleet: &Fleet, machine: usize) {
    eventually("there is a directory in the way", || {
        std::fs::create_dir(draft(fleet, machine)).map_err(|it| it.to_string())
    });
    fleet.machines[machine].daemon.wait_for_log("fleet_not_kept");
}

fn seats(fleet: &Fleet, machine: usize) -> Vec<Value> {
    let list = fleet.machines[machine].daemon.admin("seat_list", json!({"product": ACME}));
    list["items"].as_array().unwrap().clone()
}

fn beat(fleet: &Fleet, name: &str) -> u64 {
    let told = |machine: &Value| machine["name"] == name;
    let status = fleet.status(1);
    let machine = status["machines"].as_array().unwrap().iter().find(|it| told(it));
    machine.map_or(0, |it| it["beat"].as_u64().unwrap())
}

/// Until the other machine has heard of so many renewals more of the first.
fn wait_for_beats(fleet: &Fleet, more: u64) {
    let before = beat(fleet, "machine-0");
    eventually("the first machine has renewed", || match beat(fleet, "machine-0") {
        now if now >= before + more => Ok(()),
        now => Err(format!("{now} after {before}")),
    });
}

#[test]
fn a_machine_whose_disk_is_full_keeps_its_seats_and_says_so_once() {
    let Some(fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    let seat = one.acquire(json!({}))["seat"].clone();
    let daemon = &fleet.machines[0].daemon;
    assert_eq!(health(daemon)["fleet"]["kept"], true);
    fill_disk(&fleet, 0);
    // For longer than its lease.
    wait_for_beats(&fleet, 4);
    assert_eq!(seats(&fleet, 0)[0]["seat"], seat, "it goes on");
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL");
    let told = fleet.status(0);
    assert_eq!((&told["standing"], &told["kept"]), (&json!("in"), &json!(false)), "{told}");
    assert_eq!(health(daemon)["fleet"]["kept"], false);
    assert!(status(daemon).contains("cannot be written down"), "{}", status(daemon));
    let found = doctor(daemon, "fleet");
    assert!(has(&found, "bad", "a restart of the daemon now would end its seats"), "{found:?}");
    let log = daemon.log();
    assert_eq!(log.matches("fleet_not_kept").count(), 1, "once:\n{log}");
    assert!(!log.contains("fleet_lost") && !log.contains("cannot be read"), "{log}");
    std::fs::remove_dir(draft(&fleet, 0)).unwrap();
    eventually("it is written down again", || match fleet.status(0) {
        it if it["kept"] == true => Ok(()),
        it => Err(it.to_string()),
    });
    assert_eq!(one.acquire(json!({}))["seat"], seat, "and all the time it was the same");
}

#[test]
fn what_a_machine_could_not_write_down_gives_no_place_twice_after_a_restart() {
    let Some(mut fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    fill_disk(&fleet, 0);
    wait_for_beats(&fleet, 2);
    let machine = fleet.status(0)["machine"].clone();
    other.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    fleet.machines[0].daemon.kill();
    fleet.machines[0].daemon.resume();
    let granted = other.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert_eq!(seats(&fleet, 0), [] as [Value; 0], "who had it has it no more");
    assert_ne!(fleet.wait_until(0, "in")["machine"], machine, "it is another machine");
    never(Duration::from_secs(2), || match (seats(&fleet, 0).len(), seats(&fleet, 1).len()) {
        (0, 1) => Ok(()),
        have => Err(format!("they have {have:?}")),
    });
    one.reconnect();
    assert_eq!(one.acquire(json!({}))["code"], "SEATS_FULL");
    fleet.wait_until_used(0, 1);
}

#[test]
fn a_copy_of_what_was_written_down_before_the_disk_was_full_ends_nobody_elses_seats() {
    let Some(mut fleet) = Fleet::start(2, 1, 4, TTL) else { return };
    let mut one = fleet.holder(0);
    let seat = one.acquire(json!({}))["seat"].clone();
    fill_disk(&fleet, 0);
    wait_for_beats(&fleet, 2);
    let machine = fleet.status(0)["machine"].clone();
    let mut copy = fleet.machine("a copy", 4);
    copy.daemon.stop();
    std::fs::copy(fleet.state_file(0), copy.daemon.home().join("state/fleet.json")).unwrap();
    copy.daemon.resume();
    copy.daemon.wait_for_log("Cloned");
    fleet.machines.push(copy);
    assert_ne!(fleet.wait_until(2, "in")["machine"], machine, "the copy is found out");
    wait_for_beats(&fleet, 2);
    assert_eq!(fleet.wait_until(0, "in")["machine"], machine, "and it goes on");
    assert_eq!(seats(&fleet, 0)[0]["seat"], seat);
    assert_eq!(fleet.holder(2).acquire(json!({}))["code"], "GRANTED");
    fleet.wait_until_used(0, 2);
}
