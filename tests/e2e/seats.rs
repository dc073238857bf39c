//! Floating seats: who gets one, who waits, and what the kernel gives back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::contract::Contract;
use crate::support::prerequisites;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::ProductFile;
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::{eventually, never};

/// `acme-cad`, whose licence is good for two seats.
pub fn two_seats(licence: &Contract) -> ProductFile {
    ProductFile::new(ACME).tier("pro", 20, "seats = 2\nfeatures = { export = true }").grant(
        "pro",
        &licence.collection(),
        r#"tokens_of = "enumerable""#,
    )
}

/// Somebody has one licence.
pub fn stage(product: impl FnOnce(&Contract) -> ProductFile) -> Stage {
    let stage = Stage::with(product);
    stage.daemon.link(&stage.wallet);
    stage.enter(7)
}

pub fn holder(stage: &Stage) -> SeatHolder {
    SeatHolder::start(&stage.daemon.socket())
}

/// The only pool there is.
pub fn pool(stage: &Stage) -> Value {
    let list = stage.daemon.admin("seat_list", json!({"product": ACME}));
    let pools = list["pools"].as_array().unwrap().iter();
    let own = pools.filter(|it| it["customer"] != "machine").collect::<Vec<_>>();
    assert_eq!(own.len(), 1, "{list}");
    own[0].clone()
}

pub fn wait_until_used(stage: &Stage, used: u64) {
    eventually(&format!("{used} seats are used"), || {
        let pool = pool(stage);
        if pool["used"] == used { Ok(()) } else { Err(pool.to_string()) }
    });
}

pub fn wait_until_waiting(stage: &Stage, waiting: u64) {
    eventually(&format!("{waiting} wait"), || {
        let pool = pool(stage);
        if pool["waiting"] == waiting { Ok(()) } else { Err(pool.to_string()) }
    });
}

const A_MINUTE: u64 = 60_000;

#[test]
fn the_third_waits_until_a_holder_is_killed() {
    let stage = stage(two_seats);
    let (mut first, mut second, mut third) = (holder(&stage), holder(&stage), holder(&stage));
    let seat = first.acquire(json!({}));
    assert_eq!((&seat["granted"], &seat["code"]), (&json!(true), &json!("GRANTED")), "{seat}");
    assert_eq!((&seat["used"], &seat["capacity"]), (&json!(1), &json!(2)), "{seat}");
    assert_eq!((&seat["bind"], &seat["unit"]), (&json!("process"), &json!("process")), "{seat}");
    assert_eq!(seat["verdict"]["code"], "VALID", "{seat}");
    let later = second.acquire(json!({}));
    assert!(later["fence"].as_u64() > seat["fence"].as_u64(), "{later} after {seat}");
    let full = third.acquire(json!({}));
    assert_eq!((&full["granted"], &full["code"]), (&json!(false), &json!("SEATS_FULL")), "{full}");
    assert_eq!(full["holders"].as_array().unwrap().len(), 2, "{full}");
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    wait_until_waiting(&stage, 1);
    first.kill();
    let granted = third.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert!(granted["fence"].as_u64() > later["fence"].as_u64(), "{granted} after {later}");
    assert_eq!(pool(&stage)["used"], 2);
    eventually("it is told", || {
        let log = stage.daemon.log();
        let is_told = |it: &str| it.contains("seat_ended") && it.contains("exited");
        if log.lines().any(is_told) { Ok(()) } else { Err(log) }
    });
}

#[test]
fn who_waits_is_served_in_turn_and_leaves_the_queue_with_its_connection() {
    let stage = stage(two_seats);
    let mut holders: Vec<_> = (0..5).map(|_| holder(&stage)).collect();
    let (holding, waiting) = holders.split_at_mut(2);
    holding.iter_mut().for_each(|it| assert_eq!(it.acquire(json!({}))["code"], "GRANTED"));
    for (ahead, it) in waiting.iter_mut().enumerate() {
        it.ask_for_seat(json!({"wait_ms": A_MINUTE}));
        wait_until_waiting(&stage, ahead as u64 + 1);
    }
    waiting[0].kill();
    wait_until_waiting(&stage, 2);
    let seat = holding[0].call("seat_list", &json!({}))["items"][0]["seat"].clone();
    assert_eq!(holding[0].call("seat_release", &json!({"seat": seat}))["released"], true);
    assert_eq!(waiting[1].answer()["code"], "GRANTED", "the next in turn");
    assert_eq!(pool(&stage)["waiting"], 1, "and nobody else");
}

#[test]
fn a_request_that_has_waited_long_enough_is_refused() {
    let stage = stage(two_seats);
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    assert_eq!(one.acquire(json!({"count": 2}))["used"], 2, "both places");
    assert_eq!(other.acquire(json!({"wait_ms": 50}))["code"], "SEATS_FULL");
    assert_eq!(pool(&stage)["waiting"], 0);
}

#[test]
fn a_stopped_process_keeps_its_seat() {
    let stage = stage(two_seats);
    let mut sleeper = holder(&stage);
    let seat = sleeper.acquire(json!({}));
    sleeper.signal(Signal::SIGSTOP);
    never(Duration::from_millis(300), || match pool(&stage)["used"] == 1 {
        true => Ok(()),
        false => Err("the seat of a stopped process ended".to_owned()),
    });
    sleeper.signal(Signal::SIGCONT);
    assert_eq!(sleeper.acquire(json!({}))["seat"], seat["seat"], "and it is the same");
}

#[test]
fn a_process_has_one_seat_however_often_it_asks() {
    let stage = stage(two_seats);
    let mut program = holder(&stage);
    let first = program.acquire(json!({}));
    assert_eq!(program.acquire(json!({}))["seat"], first["seat"], "by the same connection");
    program.connect_again();
    let again = program.acquire(json!({}));
    assert_eq!(
        (&again["seat"], &again["used"]),
        (&first["seat"], &json!(1)),
        "by another: {again}"
    );
    program.reconnect();
    assert_eq!(program.acquire(json!({}))["seat"], first["seat"], "after the others were closed");
    assert_eq!(program.call("seat_release", &json!({"seat": first["seat"]}))["released"], true);
    assert_eq!(program.call("seat_release", &json!({"seat": first["seat"]}))["released"], false);
    assert_eq!(pool(&stage)["used"], 0);
}

/// The child holds the connection, and not the seat.
#[test]
fn a_child_does_not_inherit_the_seat_of_a_process() {
    let stage = stage(two_seats);
    let mut program = holder(&stage);
    let seat = program.acquire(json!({}));
    let child = program.fork_and_exit();
    wait_until_used(&stage, 0);
    assert_eq!(program.call("seat_list", &json!({}))["items"], json!([]), "the child is alive");
    let other = program.acquire(json!({"bind": "connection"}));
    assert_ne!(other["seat"], seat["seat"], "{other}");
    kill(child, Signal::SIGKILL).unwrap();
    wait_until_used(&stage, 0);
}

#[test]
fn a_session_is_taken_over_once_by_the_same_user() {
    let stage = stage(two_seats);
    let (mut launcher, mut program) = (holder(&stage), holder(&stage));
    let session = launcher.acquire(json!({"bind": "session"}));
    assert_eq!(session["bind"], "session", "{session}");
    let token = session["adopt"].clone();
    assert!(token.as_str().unwrap().len() > 32, "{session}");
    launcher.kill();
    eventually("it waits to be adopted", || {
        let list = stage.daemon.admin("seat_list", json!({}));
        let state = list["items"][0]["state"].clone();
        if state == "detached" { Ok(()) } else { Err(list.to_string()) }
    });
    let adopted = program.call("seat_adopt", &json!({"token": token}));
    assert_eq!((&adopted["seat"], &adopted["bind"]), (&session["seat"], &json!("process")));
    let mut late = Line::connect(&stage.daemon.socket());
    let refused = late.call("seat_adopt", &json!({"token": token})).unwrap_err();
    assert_eq!(refused.data["code"], "NOT_FOUND", "{refused:?}");
    program.kill();
    wait_until_used(&stage, 0);
}

#[test]
fn a_process_of_another_namespace_is_watched_as_well() {
    let stage = stage(two_seats);
    let Some(mut inside) = SeatHolder::in_pid_namespace(&stage.daemon.socket()) else {
        return prerequisites::skipped("a process of another namespace", "root");
    };
    let seat = inside.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["bind"]), (&json!("GRANTED"), &json!("process")), "{seat}");
    inside.reconnect();
    assert_eq!(inside.acquire(json!({}))["seat"], seat["seat"], "it is not its connection");
    inside.kill();
    wait_until_used(&stage, 0);
}

#[test]
fn nobody_gives_back_the_seat_of_another_user() {
    let stage = stage(two_seats);
    let mut own = holder(&stage);
    let seat = own.acquire(json!({"bind": "session"}));
    for folder in [stage.daemon.home().to_owned(), stage.daemon.home().join("run")] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let Some(mut other) = SeatHolder::of_user(&stage.daemon.socket(), 65_534) else {
        return prerequisites::skipped("another user at somebody's seat", "root");
    };
    assert_eq!(other.call("seat_release", &json!({"seat": seat["seat"]}))["released"], false);
    let stolen = other.refused("seat_adopt", &json!({"token": seat["adopt"]}));
    assert_eq!(stolen["data"]["code"], "NOT_FOUND", "{stolen}");
    let list = other.call("seat_list", &json!({}));
    assert_eq!((&list["items"], &list["pools"]), (&json!([]), &json!([])), "{list}");
    assert_eq!(other.acquire(json!({}))["code"], "NOT_ENTITLED");
    assert_eq!(pool(&stage)["used"], 1);
    let released = stage.daemon.admin("seat_release", json!({"seat": seat["seat"]}));
    assert_eq!(released["released"], true, "an administrator does");
}

/// Who is refused is watched no more, and whoever asks again in the same breath is watched again.
#[test]
fn many_requests_in_one_breath_are_each_answered_as_one_alone() {
    let stage = stage(two_seats);
    let mut all = holder(&stage);
    assert_eq!(all.acquire(json!({"count": 2}))["code"], "GRANTED");
    let stream = UnixStream::connect(stage.daemon.socket()).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let one =
        json!({"jsonrpc": "2.0", "id": 1, "method": "seat_acquire", "params": {"product": ACME}});
    let breath = format!("{one}\n").repeat(20);
    for _ in 0..40 {
        (&stream).write_all(breath.as_bytes()).unwrap();
        for _ in 0..20 {
            let mut line = String::new();
            replies.read_line(&mut line).unwrap();
            let reply: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(reply["result"]["code"], "SEATS_FULL", "{reply}");
        }
    }
}

/// Nobody is told that there are none who has not asked for one yet.
#[test]
fn seats_that_nobody_has_asked_for_are_said_to_be_so() {
    let stage = stage(two_seats);
    let done = stage.daemon.entitlectl().args(["seats", "list"]).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("nobody has asked for a seat"), "{said}");
}
