//! What others may write into the store of a fleet. What it says of itself is in the key `meta`: whoever may write there stops
//! the fleet, for as long as it stands there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::etcd::Etcd;
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

/// The records of all machines.
fn listed(fleet: &Fleet) -> Value {
    let prefix = |name: &str| STANDARD.encode(format!("/entitled/v1/t/{name}"));
    let machines = json!({"key": prefix("machines/"), "range_end": prefix("machines0")});
    fleet.etcd.ask("kv/range", &machines)
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
    eventually("its lease has run out", || {
        let listed = listed(&fleet);
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

/// Until all machines are in, of this epoch, and the store says so.
fn wait_for_epoch(fleet: &Fleet, epoch: u32) {
    eventually(&format!("all are in at epoch {epoch}"), || {
        let told: Vec<Value> = (0..fleet.machines.len()).map(|it| fleet.status(it)).collect();
        let are_in = told.iter().all(|it| it["standing"] == "in" && it["epoch"] == epoch);
        if are_in && meta(fleet)["epoch"] == epoch { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

fn remove(fleet: &Fleet) {
    fleet.etcd.ask("kv/deleterange", &json!({"key": key()}));
}

/// Says on a machine that the store was restored, as soon as it may.
fn say_restored(fleet: &Fleet, machine: usize) -> Value {
    eventually("it is certain that nothing of before is in use", || {
        let restored = fleet.machines[machine].daemon.try_admin("fleet_restored", json!({}));
        restored.map_err(|it| format!("{it:?}"))
    })
}

/// Nobody has to say anything, and no fence is below one of before.
#[test]
fn an_epoch_that_somebody_takes_back_is_put_back() {
    let Some(fleet) = Fleet::start(2, 1, 2, TTL) else { return };
    let was = meta(&fleet);
    write(&fleet, &with(&was, "epoch", json!(5)));
    wait_for_epoch(&fleet, 5);
    let first = fleet.holder(0).acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(first["code"], "GRANTED", "{first}");
    write(&fleet, &was.to_string());
    wait_for_epoch(&fleet, 5);
    // As a person writes it.
    let (v, id) = (&was["v"], &was["fleet"]);
    write(&fleet, &format!("{{\n  \"fleet\": {id},\n  \"v\": {v},\n  \"epoch\": 4\n}}\n"));
    wait_for_epoch(&fleet, 5);
    let again = fleet.holder(1).acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(again["code"], "GRANTED", "{again}");
    assert!(again["fence"].as_u64() > first["fence"].as_u64(), "{again} after {first}");
}

#[test]
fn an_epoch_does_not_climb_for_as_long_as_somebody_raises_it() {
    let Some(fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    for epoch in [7, 16] {
        write(&fleet, &with(&was, "epoch", json!(epoch)));
        wait_for_epoch(&fleet, epoch);
    }
    write(&fleet, &with(&was, "epoch", json!(17)));
    let status = fleet.wait_until(0, "refused");
    assert_eq!(status["epoch"], 16, "{status}");
    write(&fleet, &was.to_string());
    wait_for_epoch(&fleet, 16);
}

#[test]
fn a_new_machine_believes_no_epoch_that_the_others_do_not() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    write(&fleet, &with(&was, "epoch", json!(6_000)));
    fleet.wait_until(0, "refused");
    let new = fleet.machine("new", 1);
    fleet.machines.push(new);
    let status = fleet.wait_until(1, "refused");
    assert!(status["why"].as_str().unwrap().contains("`meta`"), "{status}");
    write(&fleet, &was.to_string());
    wait_for_epoch(&fleet, 0);
}

/// It is about this machine alone, and another word takes it back.
#[test]
fn what_an_administrator_says_of_an_epoch_is_believed() {
    let Some(fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    for epoch in [6_000, 3] {
        write(&fleet, &with(&was, "epoch", json!(epoch)));
        let status = fleet.wait_until(0, "refused");
        assert!(status["why"].as_str().unwrap().contains("fleet restored"), "{status}");
        assert_eq!(say_restored(&fleet, 0), json!({"epoch": epoch}));
        wait_for_epoch(&fleet, epoch);
    }
}

#[test]
fn there_is_no_epoch_after_the_last() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    fleet.machines[0].daemon.stop();
    write(&fleet, &with(&was, "epoch", json!(6_143)));
    let file = fleet.state_file(0);
    let state = std::fs::read(&file).unwrap();
    let mut state: Value = serde_json::from_slice(&state).unwrap();
    state["epoch"] = json!(6_143);
    std::fs::write(&file, state.to_string()).unwrap();
    fleet.machines[0].daemon.resume();
    wait_for_epoch(&fleet, 6_143);
    remove(&fleet);
    fleet.wait_until(0, "refused");
    let refused = eventually("it is certain that nothing of before is in use", || {
        let told = fleet.machines[0].daemon.try_admin("fleet_restored", json!({}));
        let told = told.map_or_else(|it| format!("{it:?}"), |it| it.to_string());
        if told.contains("say it again in") { Err(told) } else { Ok(told) }
    });
    assert!(refused.contains("6143"), "{refused}");
    let found = fleet.etcd.ask("kv/range", &json!({"key": key()}));
    assert_eq!(found["kvs"], Value::Null, "nothing was written: {found}");
    write(&fleet, &with(&was, "epoch", json!(6_143)));
    wait_for_epoch(&fleet, 6_143);
}

#[test]
fn who_removes_what_stands_there_and_puts_it_back_leaves_nothing_behind() {
    let Some(fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    remove(&fleet);
    (0..2).for_each(|it| drop(fleet.wait_until(it, "refused")));
    write(&fleet, &was.to_string());
    wait_for_epoch(&fleet, 0);
    // Or somebody says so, everywhere: once is enough.
    remove(&fleet);
    (0..2).for_each(|it| drop(fleet.wait_until(it, "refused")));
    let status = fleet.machines[1].daemon.admin("fleet_status", json!({}));
    assert!(status["why"].as_str().unwrap().contains("lost all"), "{status}");
    assert_eq!(say_restored(&fleet, 0), json!({"epoch": 1}));
    let told = fleet.machines[1].daemon.try_admin("fleet_restored", json!({}));
    wait_for_epoch(&fleet, 1);
    assert!(told.is_err() || told.as_ref().unwrap()["epoch"] == 1, "{told:?}");
}

#[test]
fn who_is_put_out_hears_of_it_whatever_stands_there() {
    let Some(fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    let mut program = fleet.holder(0);
    assert_eq!(program.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    let id = fleet.status(0)["machine"].as_str().unwrap().to_owned();
    let put = |key: &str, value: &str| {
        let key = STANDARD.encode(format!("/entitled/v1/t/{key}"));
        json!({"request_put": {"key": key, "value": STANDARD.encode(value)}})
    };
    let both = [put("meta", "not one of ours"), put(&format!("evicted/{id}"), "{}")];
    fleet.etcd.ask("kv/txn", &json!({"success": both}));
    eventually("it gives nothing any more", || {
        let status = fleet.status(0);
        if status["draining"] == true { Ok(()) } else { Err(status.to_string()) }
    });
    let seats = fleet.machines[0].daemon.admin("seat_list", json!({}));
    assert_eq!(seats["items"], json!([]), "{seats}");
    write(&fleet, &was.to_string());
    let status = fleet.wait_until(0, "in");
    assert_eq!(status["draining"], true, "{status}");
}

/// A backup has an older record too; but what it has was written before.
#[test]
fn an_older_record_that_somebody_writes_is_no_restored_store() {
    let Some(fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let id = fleet.status(0)["machine"].clone();
    let found = eventually("it has renewed", || {
        let found = listed(&fleet)["kvs"][0].clone();
        let value = STANDARD.decode(found["value"].as_str().unwrap()).unwrap();
        let record: Value = serde_json::from_slice(&value).unwrap();
        if record["beat"].as_u64() > Some(3) { Ok((found, record)) } else { Err(found.to_string()) }
    });
    let older = STANDARD.encode(with(&found.1, "beat", json!(1)));
    fleet.etcd.ask("kv/put", &json!({"key": found.0["key"], "value": older}));
    let status = eventually("it goes on as another machine", || {
        let status = fleet.status(0);
        let is_another = status["standing"] == "in" && status["machine"] != id;
        if is_another { Ok(status) } else { Err(status.to_string()) }
    });
    assert_eq!(status["epoch"], 0, "nobody had to say anything: {status}");
}

/// Places of other names are others: who followed would count by themselves.
#[test]
fn places_are_not_named_otherwise_while_a_machine_is_there() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let was = meta(&fleet);
    let by_token = with(&was, "v", json!(1));
    write(&fleet, &by_token);
    let status = fleet.wait_until(0, "refused");
    assert!(status["why"].as_str().unwrap().contains("`meta`"), "{status}");
    write(&fleet, &was.to_string());
    fleet.wait_until(0, "in");
    // Where nobody is, whoever comes names them as ever.
    fleet.machines[0].daemon.stop();
    write(&fleet, &by_token);
    eventually("its lease has run out", || {
        let listed = listed(&fleet);
        if listed["kvs"].is_null() { Ok(()) } else { Err(listed.to_string()) }
    });
    fleet.machines[0].daemon.resume();
    fleet.wait_until(0, "in");
    assert_eq!(meta(&fleet), was);
}

/// Who came while places were named by token does not stay out when they are named by share: by then the others have ended what
/// they had.
#[test]
fn who_came_by_names_of_before_comes_anew() {
    let Some(etcd) = Etcd::start(1) else { return };
    let mut fleet = Fleet::over(etcd, TTL);
    let by_token = json!({"v": 1, "fleet": "07".repeat(16), "epoch": 0});
    write(&fleet, &by_token.to_string());
    // Somebody is there, so that nobody names places anew.
    let there = STANDARD.encode(format!("/entitled/v1/t/machines/{}", "05".repeat(8)));
    fleet.etcd.ask("kv/put", &json!({"key": there, "value": STANDARD.encode("of before")}));
    let machine = fleet.machine("one", 1);
    fleet.machines.push(machine);
    let id = fleet.wait_until(0, "in")["machine"].clone();
    write(&fleet, &with(&by_token, "v", json!(2)));
    fleet.wait_until(0, "refused");
    let status = fleet.wait_until(0, "in");
    assert_ne!(status["machine"], id, "{status}");
    assert_eq!(fleet.holder(0).acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
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
