//! What `system_health`, `entitlectl status` and `entitlectl doctor` tell of floating seats and of the fleet.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::seats::{holder, stage, two_seats, wait_until_waiting};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::fleet::Fleet;

const A_MINUTE: u64 = 60_000;

pub fn health(daemon: &Daemon) -> Value {
    daemon.call("system_health", json!({}))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn status(daemon: &Daemon) -> String {
    said(&daemon.entitlectl().arg("status").output().unwrap())
}

/// What the doctor found of an area: how it is, and what it says.
pub fn doctor(daemon: &Daemon, area: &str) -> Vec<(String, String)> {
    let mut command = daemon.entitlectl();
    let output = command.args(["doctor", "--json", "--config"]).arg(daemon.config()).output();
    let found: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let of_area = found["findings"].as_array().unwrap().iter().filter(|it| it["area"] == area);
    let text = |it: &Value| format!("{} {}", it["said"].as_str().unwrap(), it["mend"]);
    of_area.map(|it| (it["state"].as_str().unwrap().to_owned(), text(it))).collect()
}

pub fn has(found: &[(String, String)], state: &str, part: &str) -> bool {
    found.iter().any(|(is, said)| is == state && said.contains(part))
}

#[test]
fn health_tells_how_many_seats_are_used_and_that_they_are_kept() {
    let stage = stage(two_seats);
    let (mut one, mut other, mut third) = (holder(&stage), holder(&stage), holder(&stage));
    one.acquire(json!({}));
    other.acquire(json!({}));
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    wait_until_waiting(&stage, 1);
    let told = health(&stage.daemon);
    let wanted = json!({"status": "ok", "used": 2, "waiting": 1, "kept": true});
    assert_eq!((&told["seats"], &told["fleet"]), (&wanted, &json!(null)), "{told}");
    assert!(!status(&stage.daemon).contains("written down"));
    assert_eq!(doctor(&stage.daemon, "fleet"), [], "it is in none");
}

#[test]
fn seats_that_cannot_be_written_down_are_told() {
    let mut stage = stage(two_seats);
    stage.daemon.stop();
    // Nobody can write there, not even root.
    let in_the_way = stage.daemon.home().join("state/seats.draft");
    std::fs::create_dir(&in_the_way).unwrap();
    stage.daemon.resume();
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED", "seats are given all the same");
    let told = health(&stage.daemon);
    let are = (&told["status"], &told["seats"]["status"], &told["seats"]["kept"]);
    assert_eq!(are, (&json!("ok"), &json!("ok"), &json!(false)), "{told}");
    assert!(status(&stage.daemon).contains("cannot be written down"), "{}", status(&stage.daemon));
    let found = doctor(&stage.daemon, "seats");
    assert!(has(&found, "bad", "a restart of the daemon now would lose some"), "{found:?}");
    std::fs::remove_dir(in_the_way).unwrap();
    holder(&stage).acquire(json!({}));
    assert_eq!(
        health(&stage.daemon)["seats"]["kept"],
        true,
        "the next one is written with all others"
    );
}

#[test]
fn health_tells_how_the_machine_stands_in_its_fleet() {
    let Some(fleet) = Fleet::start(1, 1, 1, Duration::from_secs(3)) else { return };
    let daemon = &fleet.machines[0].daemon;
    assert_eq!(health(daemon)["fleet"], json!({"standing": "in", "draining": false, "kept": true}));
    assert!(has(&doctor(daemon, "fleet"), "ok", "of which 1 are known"));
    daemon.admin("fleet_drain", json!({}));
    assert_eq!(health(daemon)["fleet"], json!({"standing": "in", "draining": true, "kept": true}));
    assert!(has(&doctor(daemon, "fleet"), "warning", "no new seats"));
    assert!(status(daemon).contains("fleet drain --end"), "{}", status(daemon));
    fleet.cut(0);
    let told = eventually("it is cut off", || match health(daemon) {
        told if told["fleet"]["standing"] == "cut_off" => Ok(told),
        told => Err(told.to_string()),
    });
    assert_eq!(told["status"], "ok", "verdicts are given as before: {told}");
    let found = doctor(daemon, "fleet");
    assert!(has(&found, "bad", "no new seats of it: "), "with the cause: {found:?}");
    assert!(status(daemon).contains("Fleet: cut_off"), "{}", status(daemon));
}
