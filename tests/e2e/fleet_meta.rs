//! What others may write into the store of a fleet. What it says of itself is in the key `meta`: whoever may write there stops
//! the fleet, for as long as it stands there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::fleet::Fleet;

const TTL: Duration = Duration::from_secs(3);
const A_MINUTE: u64 = 60_000;

fn key() -> String {
    STANDARD.encode("/entitled/v1/t/meta")
}

/// What stands there.
fn meta(fleet: &Fleet) -> Value {
    let found = fleet.etcd.ask("kv/range", &json!({"key": key()}));
    let value = STANDARD.decode(found["kvs"][0]["value"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&value).unwrap()
}

fn write(fleet: &Fleet, value: &str) {
    fleet.etcd.ask("kv/put", &json!({"key": key(), "value": STANDARD.encode(value)}));
}

fn with(meta: &Value, name: &str, value: Value) -> String {
    let mut meta = meta.clone();
    meta[name] = value;
    meta.to_string()
}

/// How the machine's health and `entitlectl doctor` tell of the fleet.
fn told(fleet: &Fleet) -> (Value, String) {
    let daemon = &fleet.machines[0].daemon;
    let health = daemon.call("system_health", json!({}));
    let doctor = daemon.entitlectl().arg("doctor").output().unwrap();
    (health["fleet"]["standing"].clone(), String::from_utf8_lossy(&doctor.stdout).into_owned())
}

#[test]
fn what_nobody_can_read_there_is_named_and_is_over_when_it_is_mended() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    let mut program = fleet.holder(0);
    let first = program.acquire(json!({}));
    assert_eq!(first["code"], "GRANTED", "{first}");
    write(&fleet, "not one of ours");
    let status = fleet.wait_until(0, "refused");
    assert!(status["why"].as_str().unwrap().contains("`meta`"), "{status}");
    let (standing, doctor) = told(&fleet);
    assert_eq!(standing, "refused", "which is no outage");
    assert!(doctor.contains("`meta`"), "{doctor}");
    eventually("the seat is over", || {
        let seats = fleet.machines[0].daemon.admin("seat_list", json!({}));
        if seats["items"] == json!([]) { Ok(()) } else { Err(seats.to_string()) }
    });
    // A daemon that begins then says the same.
    fleet.machines[0].daemon.stop();
    fleet.machines[0].daemon.resume();
    let status = fleet.wait_until(0, "refused");
    assert!(status["why"].as_str().unwrap().contains("`meta`"), "{status}");
    write(&fleet, &was.to_string());
    fleet.wait_until(0, "in");
    let mut program = fleet.holder(0);
    let again = program.acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(again["code"], "GRANTED", "nobody had to say anything: {again}");
    assert!(again["fence"].as_u64() > first["fence"].as_u64(), "{again} after {first}");
}

#[test]
fn what_cannot_be_so_is_not_believed_and_leaves_nothing_behind() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    let id = fleet.status(0)["fleet"].clone();
    let first = fleet.holder(0).acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(first["code"], "GRANTED", "{first}");
    let another = was["fleet"].as_str().unwrap().chars().rev().collect::<String>();
    for (what, value) in [
        ("another fleet", with(&was, "fleet", json!(another))),
        ("the last epoch that a number holds", with(&was, "epoch", json!(u32::MAX))),
        ("an epoch that no fence holds", with(&was, "epoch", json!(1 << 20))),
        ("an epoch that is far ahead", with(&was, "epoch", json!(6_000))),
        ("a later form", with(&was, "v", json!(3))),
    ] {
        write(&fleet, &value);
        let status = fleet.wait_until(0, "refused");
        assert_eq!((&status["fleet"], &status["epoch"]), (&id, &json!(0)), "{what}: {status}");
        write(&fleet, &was.to_string());
        let status = fleet.wait_until(0, "in");
        assert_eq!((&status["fleet"], &status["epoch"]), (&id, &json!(0)), "{what}: {status}");
    }
    fleet.machines[0].daemon.stop();
    fleet.machines[0].daemon.resume();
    fleet.wait_until(0, "in");
    let again = fleet.holder(0).acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(again["code"], "GRANTED", "{again}");
    assert!(again["fence"].as_u64() > first["fence"].as_u64(), "{again} after {first}");
}

#[test]
fn who_comes_while_another_fleet_stands_there_is_let_in_when_it_is_mended() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    fleet.machines[0].daemon.stop();
    // By then what the machine had is over, and it has to be let in.
    let listed = || {
        fleet.etcd.ask("kv/range", &json!({"key": STANDARD.encode("/entitled/v1/t/machines/"), "range_end": STANDARD.encode("/entitled/v1/t/machines0")}))
    };
    eventually("its lease has run out", || {
        let listed = listed();
        if listed["kvs"].is_null() { Ok(()) } else { Err(listed.to_string()) }
    });
    let another = was["fleet"].as_str().unwrap().chars().rev().collect::<String>();
    write(&fleet, &with(&was, "fleet", json!(another)));
    fleet.machines[0].daemon.resume();
    let status = fleet.wait_until(0, "refused");
    assert!(status["why"].as_str().unwrap().contains("another fleet"), "{status}");
    write(&fleet, &was.to_string());
    fleet.wait_until(0, "in");
}

/// By etcd's own compaction, and a watch that is behind it.
#[test]
fn a_store_that_has_forgotten_its_history_is_followed_all_the_same() {
    let Some(fleet) = Fleet::start(2, 1, 2, TTL) else { return };
    let mut one = fleet.holder(0);
    assert_eq!(one.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    fleet.wait_until_used(1, 1);
    fleet.cut(1);
    one.kill();
    let mut other = fleet.holder(0);
    assert_eq!(other.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    fleet.wait_until_used(0, 1);
    let now = fleet.etcd.ask("kv/range", &json!({"key": key()}))["header"]["revision"].clone();
    fleet.etcd.ask("kv/compaction", &json!({"revision": now, "physical": true}));
    fleet.heal(1);
    fleet.wait_until(1, "in");
    fleet.wait_until_used(1, 1);
    let mut third = fleet.holder(1);
    assert_eq!(third.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    other.kill();
    fleet.wait_until_used(1, 1);
}

/// As whoever has the rights of a machine could: it costs the machine its places for a moment, and gives nobody one too many.
#[test]
fn a_lease_that_somebody_takes_back_gives_no_seat_twice() {
    let Some(fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    let mut one = fleet.holder(0);
    assert_eq!(one.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    let prefix = |name: &str| STANDARD.encode(format!("/entitled/v1/t/{name}"));
    let slots = json!({"key": prefix("slots/"), "range_end": prefix("slots0")});
    let found = fleet.etcd.ask("kv/range", &slots);
    let (lease, before) = (&found["kvs"][0]["lease"], &found["kvs"][0]["create_revision"]);
    fleet.etcd.ask("lease/revoke", &json!({"ID": lease}));
    eventually("the place is the machine's again", || {
        let found = fleet.etcd.ask("kv/range", &slots);
        match &found["kvs"][0]["create_revision"] {
            Value::Null => Err(found.to_string()),
            now if now == before => Err(found.to_string()),
            _ => Ok(()),
        }
    });
    let refused = fleet.holder(1).acquire(json!({}));
    assert_ne!(refused["code"], "GRANTED", "there is one place: {refused}");
    fleet.wait_until(0, "in");
    fleet.wait_until_used(1, 1);
}

/// Who may write there may also write down very many machines that are none.
#[test]
fn an_administrator_is_told_how_the_fleet_is_whatever_else_is_written_there() {
    let Some(fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    // As long as any may be, and longer.
    let names = ["\u{1}".repeat(128), "n".repeat(600)];
    for part in 0..40 {
        let put = |number: u64| {
            let name = &names[usize::from(number.is_multiple_of(4))];
            let record = json!({"v": 1, "name": name, "beat": 1, "random": "", "version": "1"});
            json!({"request_put": {
                "key": STANDARD.encode(format!("/entitled/v1/t/machines/{number:016x}")),
                "value": STANDARD.encode(record.to_string()),
            }})
        };
        let all: Vec<Value> = (0..100).map(|it| put(part * 100 + it)).collect();
        fleet.etcd.ask("kv/txn", &json!({"success": all}));
    }
    let daemon = &fleet.machines[0].daemon;
    let told = eventually("the machine has heard of them", || {
        let told = daemon.try_admin("fleet_status", json!({}));
        let told = told.map_err(|it| format!("{it:?}"))?;
        let known = told["machines"].as_array().unwrap().len();
        if known > 1 { Ok(told) } else { Err(known.to_string()) }
    });
    assert_eq!(told["standing"], "in", "{}", told["why"]);
    let own = told["machines"].as_array().unwrap().iter().find(|it| it["id"] == told["machine"]);
    assert!(own.is_some(), "it is itself among them");
    assert_eq!(fleet.holder(0).acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
}
