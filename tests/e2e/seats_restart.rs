//! Floating seats outlive the daemon, however it ends, and are not given twice meanwhile.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::seats::{holder, pool, stage, two_seats, wait_until_used};
use crate::support::eventually;
use crate::support::prerequisites;
use crate::support::seat_holder::SeatHolder;
use crate::support::stage::{ACME, Stage};

fn states(stage: &Stage) -> Vec<String> {
    let list = stage.daemon.admin("seat_list", json!({}));
    let items = list["items"].as_array().unwrap().iter();
    items.map(|it| it["state"].as_str().unwrap().to_owned()).collect()
}

/// A program without a process id in the namespace of the daemon, and its seat; `None` where there can be none.
fn outside(stage: &mut Stage) -> Option<(SeatHolder, Value)> {
    if !nix::unistd::geteuid().is_root() {
        prerequisites::skipped("a daemon in a namespace of its own", "root");
        return None;
    }
    stage.daemon.isolate();
    let mut outside = holder(stage);
    let seat = outside.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["bind"]), (&json!("GRANTED"), &json!("process")), "{seat}");
    let list = outside.call("seat_list", &json!({}));
    assert_eq!(list["items"][0]["pid"], json!(null), "{list}");
    Some((outside, seat["seat"].clone()))
}

/// The same seat, by another connection: the old one has ended with the daemon.
fn keeps(program: &mut SeatHolder, seat: &Value) {
    program.reconnect();
    let again = program.acquire(json!({}));
    assert_eq!((&again["code"], &again["seat"]), (&json!("GRANTED"), seat), "{again}");
}

#[test]
fn a_daemon_that_is_killed_takes_no_seat_with_it() {
    let mut stage = stage(two_seats);
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    let seats = [one.acquire(json!({})), other.acquire(json!({}))].map(|it| it["seat"].clone());
    stage.daemon.kill();
    stage.daemon.resume();
    assert_eq!(states(&stage), ["held", "held"], "though nobody has asked again");
    let refused = holder(&stage).acquire(json!({}));
    assert_eq!(
        (&refused["code"], &refused["used"]),
        (&json!("SEATS_FULL"), &json!(2)),
        "{refused}"
    );
    one.kill();
    wait_until_used(&stage, 1);
    keeps(&mut other, &seats[1]);
    let third = holder(&stage).acquire(json!({}));
    assert_eq!(third["code"], "GRANTED", "{third}");
    assert!(third["fence"].as_u64() > Some(0) && !seats.contains(&third["seat"]), "{third}");
}

#[test]
fn who_ends_while_the_daemon_is_away_has_no_seat_afterwards() {
    let mut stage = stage(two_seats);
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    one.acquire(json!({}));
    let seat = other.acquire(json!({}))["seat"].clone();
    stage.daemon.kill();
    one.kill();
    stage.daemon.resume();
    assert_eq!(pool(&stage)["used"], 1, "as soon as it answers");
    drop(one);
    stage.daemon.restart();
    assert_eq!(pool(&stage)["used"], 1, "and after a restart");
    keeps(&mut other, &seat);
    other.call("seat_release", &json!({"seat": seat}));
    stage.daemon.kill();
    stage.daemon.resume();
    assert_eq!(states(&stage), [] as [&str; 0], "what was given back is not taken back");
}

#[test]
fn who_held_a_seat_by_a_connection_has_time_to_come_again() {
    let mut stage = stage(two_seats);
    let mut broker = holder(&stage);
    let seat = broker.acquire(json!({"bind": "connection", "count": 2}))["seat"].clone();
    stage.daemon.restart();
    assert_eq!(states(&stage), ["suspect"]);
    let refused = holder(&stage).acquire(json!({}));
    assert_eq!(refused["code"], "SEATS_FULL", "{refused}");
    broker.reconnect();
    let again = broker.acquire(json!({"bind": "connection", "count": 2}));
    assert_eq!(again["seat"], seat, "{again}");
    assert_eq!(states(&stage), ["held"]);
    broker.reconnect();
    wait_until_used(&stage, 0);
}

#[test]
fn a_process_without_a_process_id_here_is_suspect_and_its_seat_is_kept_for_it() {
    let mut stage = stage(two_seats);
    let Some((mut program, seat)) = outside(&mut stage) else { return };
    stage.daemon.kill();
    stage.daemon.resume();
    assert_eq!(states(&stage), ["suspect"], "nothing shows whether it is there");
    let mut greedy = holder(&stage);
    assert_eq!(greedy.acquire(json!({"count": 2}))["code"], "SEATS_FULL");
    keeps(&mut program, &seat);
    assert_eq!(states(&stage), ["held"]);
    stage.daemon.kill();
    stage.daemon.resume();
    program.kill();
    greedy.reconnect();
    // Nothing can tell of its end but that it is silent.
    let granted = greedy.acquire(json!({"count": 2, "wait_ms": 60_000}));
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    stage.daemon.wait_for_log("daemon_lost");
}

#[test]
fn the_service_manager_keeps_what_tells_of_the_end_of_a_process() {
    let mut stage = stage(two_seats);
    stage.daemon.manage();
    let Some((mut program, seat)) = outside(&mut stage) else { return };
    let stored = |stage: &Stage, wanted: usize| {
        eventually(&format!("{wanted} descriptors are kept"), || match stage.daemon.stored() {
            it if it == wanted => Ok(()),
            it => Err(format!("{it}; {}", stage.daemon.log())),
        });
    };
    stored(&stage, 1);
    for how in ["killed", "told to end"] {
        match how {
            "killed" => stage.daemon.kill(),
            _ => stage.daemon.stop(),
        };
        stage.daemon.resume();
        assert_eq!(states(&stage), ["held"], "{how}");
        keeps(&mut program, &seat);
    }
    stage.daemon.kill();
    program.kill();
    drop(program);
    stage.daemon.resume();
    assert_eq!(states(&stage), [] as [&str; 0], "it ended while the daemon was away");
    stored(&stage, 0);
}

#[test]
fn a_daemon_that_is_told_to_end_hands_over_what_it_had_no_time_for() {
    let mut stage = stage(two_seats);
    stage.daemon.manage();
    let Some((program, _)) = outside(&mut stage) else { return };
    assert!(stage.daemon.stop().success(), "at once");
    assert_eq!(stage.daemon.stored(), 1);
    stage.daemon.resume();
    assert_eq!(states(&stage), ["held"]);
    program.kill();
    wait_until_used(&stage, 0);
}

#[test]
fn what_is_lent_is_neither_lost_nor_doubled_by_a_restart() {
    let mut stage = stage(two_seats);
    let order = json!({"product": ACME, "for_ms": 3_600_000});
    let lent = stage.daemon.call("seat_borrow", order);
    assert_eq!(lent["granted"], true, "{lent}");
    stage.daemon.kill();
    stage.daemon.resume();
    let list = stage.daemon.admin("seat_list", json!({}));
    let told = &list["items"][0];
    assert_eq!((&told["seat"], &told["state"]), (&lent["seat"], &json!("borrowed")), "{list}");
    let ends =
        [&lent, told].map(|it| it["ends_at"].as_str().unwrap().parse::<Timestamp>().unwrap());
    assert!(ends[0].duration_since(ends[1]).abs().as_secs() < 60, "the same time: {ends:?}");
    assert_eq!((&pool(&stage)["used"], &pool(&stage)["borrowed"]), (&json!(1), &json!(1)));
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL", "it is out of the pool");
    let released = stage.daemon.call("seat_release", json!({"seat": lent["seat"]}));
    assert_eq!(released["released"], true, "{released}");
    stage.daemon.kill();
    stage.daemon.resume();
    assert_eq!(states(&stage), ["held"], "what was given back is not lent any more");
}

#[test]
fn what_a_product_does_not_grant_any_more_is_not_taken_back() {
    let mut stage = stage(two_seats);
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    stage.daemon.kill();
    let product = two_seats(&stage.licence).text().replace("rank = 20", "rank = 30");
    let path = stage.daemon.home().join("vendor/acme-cad.toml");
    std::fs::write(&path, &product).unwrap();
    stage.daemon.resume();
    assert_eq!(states(&stage), ["held"], "another rank is no other grant");
    stage.daemon.kill();
    let product =
        product.replace("tokens_of = \"enumerable\"", "tokens_of = \"ids\"\nids = [\"1..3\"]");
    std::fs::write(path, product).unwrap();
    stage.daemon.resume();
    assert_eq!(states(&stage), [] as [&str; 0], "other tokens are");
}
