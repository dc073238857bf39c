//! Seats are measured by the clock of the boot: whoever sets the wall clock moves none of them, and what is borrowed outlives
//! the boot, for as long as it was.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::seats::{holder, pool, stage};
use crate::seats_rules::write_policy;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::faults::Fault;
use crate::support::fleet::Fleet;
use crate::support::proxy::Proxy;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::world::World;
use crate::support::{eventually, never};

const A_YEAR: i64 = 365 * 86_400;
const A_MINUTE: Duration = Duration::from_secs(60);
const AN_HOUR: u64 = 3_600_000;

fn four_seats(licence: &Contract) -> ProductFile {
    ProductFile::new(ACME).tier("pro", 20, "seats = 4\nfeatures = { export = true }").grant(
        "pro",
        &licence.collection(),
        r#"tokens_of = "enumerable""#,
    )
}

/// Somebody has one licence that is good for an hour without proof, and a seat of it, as the daemon goes away. Two hours have passed
/// when it is started again.
fn away_for_longer_than_the_grace(what: &str) -> Option<(Stage, Proxy, SeatHolder)> {
    let mut world = World::new(what)?;
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = four_seats(&licence).set("grace", "\"1h\"");
    let settings = Settings::new([proxy.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let mut stage = stage.enter(7);
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    stage.daemon.kill();
    world.pass(A_MINUTE * 120);
    stage.daemon.enter(world);
    Some((stage, proxy, program))
}

/// Somebody has one licence, on a machine with the clocks of `world`.
fn stage_in(world: World) -> Stage {
    let mut stage = stage(four_seats);
    stage.daemon.stop();
    stage.daemon.enter(world);
    stage.daemon.resume();
    stage
}

fn items(stage: &Stage) -> Vec<Value> {
    stage.daemon.admin("seat_list", json!({}))["items"].as_array().unwrap().clone()
}

fn states(stage: &Stage) -> Vec<String> {
    items(stage).iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect()
}

fn wait_for_states(stage: &Stage, wanted: &[&str]) {
    eventually(&format!("the seats are {wanted:?}"), || {
        let found = states(stage);
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// Whatever comes due is done, at once and for a while.
fn stays(stage: &Stage, wanted: &[&str]) {
    stage.daemon.admin("system_reload", json!({}));
    never(Duration::from_secs(2), || {
        let found = states(stage);
        if found == wanted { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}")) }
    });
}

fn borrow(stage: &Stage) -> Value {
    let order = json!({"product": ACME, "for_ms": AN_HOUR});
    let lent = stage.daemon.call("seat_borrow", order);
    assert_eq!(lent["granted"], true, "{lent}");
    lent
}

fn ends_at(seat: &Value) -> Timestamp {
    seat["ends_at"].as_str().unwrap_or_else(|| panic!("{seat}")).parse().unwrap()
}

fn a_year_moves_no_seat(by: i64) {
    let Some(world) = World::new("a wall clock that is wrong") else { return };
    let mut stage = stage_in(world);
    write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nlinger = \"5m\"");
    let (mut held, mut lingering) = (holder(&stage), holder(&stage));
    assert_eq!(held.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(lingering.acquire(json!({}))["code"], "GRANTED");
    borrow(&stage);
    lingering.kill();
    let all = ["held", "lingering", "borrowed"];
    wait_for_states(&stage, &all);
    stage.daemon.world().set_wall(by);
    stays(&stage, &all);
    // It was under way all the time, and ends when it should have.
    stage.daemon.world().pass(A_MINUTE * 3);
    stays(&stage, &all);
    stage.daemon.world().pass(A_MINUTE * 3);
    wait_for_states(&stage, &["held", "borrowed"]);
    stage.daemon.kill();
    stage.daemon.resume();
    stays(&stage, &["held", "borrowed"]);
    stage.daemon.world().pass(A_MINUTE * 50);
    stays(&stage, &["held", "borrowed"]);
    stage.daemon.world().pass(A_MINUTE * 6);
    wait_for_states(&stage, &["held"]);
    held.kill();
    wait_for_states(&stage, &["lingering"]);
}

#[test]
fn a_clock_that_is_set_ahead_by_a_year_moves_no_seat() {
    a_year_moves_no_seat(A_YEAR);
}

#[test]
fn a_clock_that_is_set_back_by_a_year_moves_no_seat() {
    a_year_moves_no_seat(-A_YEAR);
}

fn a_year_moves_no_deadline(by: i64) {
    let ttl = Duration::from_secs(4);
    let Some(world) = World::new("a machine of a fleet whose clock is wrong") else { return };
    let Some(mut fleet) = Fleet::start(1, 1, 1, ttl) else { return };
    let machine = fleet.machine_in(Some(world), "machine-1", 1);
    fleet.machines.push(machine);
    fleet.wait_until(1, "in");
    let (mut one, mut other) = (fleet.holder(1), fleet.holder(0));
    let seat = one.acquire(json!({}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    fleet.wait_until_used(0, 1);
    fleet.machines[1].daemon.world().set_wall(by);
    let own =
        |fleet: &Fleet| fleet.machines[1].daemon.admin("seat_list", json!({}))["items"].clone();
    never(ttl * 2, || match (own(&fleet)[0]["seat"] == seat["seat"], fleet.used(0)) {
        (true, 1) => Ok(()),
        (_, used) => Err(format!("{used} are used: {} {}", own(&fleet), fleet.status(1))),
    });
    fleet.wait_until(1, "in");
    // And it ends in time: before etcd gives the place to another.
    other.ask_for_seat(json!({"wait_ms": AN_HOUR}));
    fleet.cut(1);
    let granted = other.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert_eq!(own(&fleet), json!([]), "its own seat has ended by then");
    fleet.machines[1].daemon.wait_for_log("fleet_lost");
}

#[test]
fn a_machine_of_a_fleet_whose_clock_is_a_year_ahead_keeps_its_deadline() {
    a_year_moves_no_deadline(A_YEAR);
}

#[test]
fn a_machine_of_a_fleet_whose_clock_is_a_year_behind_keeps_its_deadline() {
    a_year_moves_no_deadline(-A_YEAR);
}

#[test]
fn what_is_borrowed_outlives_a_reboot_and_ends_when_it_would_have() {
    let Some(world) = World::with_boots("a machine that is started again") else { return };
    let mut stage = stage_in(world);
    let mut held = holder(&stage);
    assert_eq!(held.acquire(json!({}))["code"], "GRANTED");
    let lent = borrow(&stage);
    let since = items(&stage)[1]["since"].clone();
    let reboot = |stage: &mut Stage| {
        stage.daemon.kill();
        stage.daemon.world().reboot();
        stage.daemon.resume();
    };
    reboot(&mut stage);
    let found = items(&stage);
    assert_eq!(states(&stage), ["borrowed"], "what a process held is gone with the boot");
    assert_eq!((&found[0]["seat"], &found[0]["since"]), (&lent["seat"], &since));
    let (before, now) = (ends_at(&lent), ends_at(&found[0]));
    assert!(before.duration_since(now).abs().as_secs() < 60, "{before} and {now}");
    assert_eq!((&pool(&stage)["used"], &pool(&stage)["borrowed"]), (&json!(1), &json!(1)));
    stage.daemon.world().pass(A_MINUTE * 50);
    reboot(&mut stage);
    stays(&stage, &["borrowed"]);
    stage.daemon.world().pass(A_MINUTE * 11);
    wait_for_states(&stage, &[]);
    reboot(&mut stage);
    stays(&stage, &[]);
}

#[test]
fn reboots_with_a_clock_that_is_set_back_make_nothing_immortal() {
    let Some(world) = World::with_boots("a machine that is started again") else { return };
    let mut stage = stage_in(world);
    borrow(&stage);
    for left in (0..4).rev() {
        stage.daemon.world().pass(A_MINUTE * 16);
        // What comes due is done, and how far each has come is written down.
        stage.daemon.admin("system_reload", json!({}));
        stage.daemon.kill();
        stage.daemon.world().set_wall(-A_YEAR);
        stage.daemon.world().reboot();
        stage.daemon.resume();
        wait_for_states(&stage, if left > 0 { &["borrowed"] } else { &[] });
    }
}

#[test]
fn what_is_borrowed_ends_by_the_time_of_the_chain_though_the_clock_of_the_boot_stood() {
    let Some(world) = World::new("a machine that was suspended") else { return };
    let mut stage = stage_in(world);
    borrow(&stage);
    // A virtual machine was suspended, and its wall clock is set right afterwards.
    stage.daemon.world().set_wall(2 * 3_600);
    stays(&stage, &["borrowed"]);
    stage.anvil.increase_time(A_MINUTE * 120);
    stage.anvil.finalize();
    stage.daemon.wait_for_code(ACME, "VALID");
    wait_for_states(&stage, &[]);
    stage.daemon.wait_for_log("reason=\"returned\"");
}

#[test]
fn a_seat_whose_licence_nothing_proves_any_more_ends_after_a_start_too() {
    let what = "a daemon that is away for longer than the grace";
    let Some((mut stage, proxy, mut program)) = away_for_longer_than_the_grace(what) else {
        return;
    };
    proxy.fault(Fault::Drop);
    stage.daemon.resume();
    assert_eq!(states(&stage), ["held"], "there is time to ask the chain");
    stage.daemon.wait_for_code(ACME, "UNDETERMINED");
    stage.daemon.world().pass(A_MINUTE * 3);
    wait_for_states(&stage, &[]);
    stage.daemon.wait_for_log("reason=\"evidence_expired\"");
    program.reconnect();
    assert_eq!(program.acquire(json!({}))["code"], "UNDETERMINED");
    // Nor is it there after the next start.
    stage.daemon.restart();
    assert_eq!(states(&stage), [] as [&str; 0]);
}

#[test]
fn a_seat_whose_licence_is_proven_again_after_a_start_stays() {
    let what = "a daemon that is away for longer than the grace";
    let Some((mut stage, _proxy, mut program)) = away_for_longer_than_the_grace(what) else {
        return;
    };
    stage.anvil.increase_time(A_MINUTE * 120);
    stage.anvil.finalize();
    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.daemon.world().pass(A_MINUTE * 3);
    stays(&stage, &["held"]);
    program.reconnect();
    assert_eq!(program.acquire(json!({}))["granted"], true);
}
