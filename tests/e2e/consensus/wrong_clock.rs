//! A wall clock that is ahead for a moment, under trust `consensus`.

use super::scene::{Ground, wait_for_sync};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::stage::ACME;
use crate::support::world::World;

const DAYS: i64 = 86_400;

/// Nothing is taken while it is ahead, however much the validators have signed.
fn waits_for_the_clock(daemon: &Daemon, ground: &Ground) {
    wait_for_sync(daemon, "it says why", |it| {
        it["trouble"].as_str().is_some_and(|it| it.contains("one of the two is wrong"))
    });
    ground.finalize();
    let asked = ground.beacon.requests("finality_update").len();
    eventually("it goes on asking", || match ground.beacon.requests("finality_update").len() {
        now if now > asked + 2 => Ok(()),
        now => Err(format!("{now} of {asked}")),
    });
}

fn set_right(daemon: &mut Daemon, ahead: i64) {
    daemon.kill();
    daemon.world().set_wall(-ahead);
    daemon.resume();
}

/// What came meanwhile would count as taken after so long a rest, for good.
#[test]
fn a_clock_that_was_a_year_ahead_for_a_moment_lets_no_light_client_have_rested() {
    let Some(world) = World::new("a light client whose clock is ahead") else { return };
    let ground = Ground::new();
    let mut daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    daemon.kill();
    daemon.enter(world);
    daemon.world().set_wall(365 * DAYS);
    daemon.resume();
    waits_for_the_clock(&daemon, &ground);
    set_right(&mut daemon, 365 * DAYS);
    daemon.wait_for_code(ACME, "VALID");
}

/// What it begins from would be that old, for good.
#[test]
fn a_first_start_with_a_clock_that_is_ahead_makes_no_checkpoint_old() {
    let Some(world) = World::new("a first start with a clock that is ahead") else { return };
    let ground = Ground::new();
    let (root, digest) = (ground.checkpoint(), ground.spec_digest());
    let product = ground.demanding().checkpoint(&root, &digest, "max_age = \"14d\"");
    let patient = ground.demanding().named("patient");
    let patient = patient.checkpoint(&root, &digest, "max_age = \"90d\"");
    let mut daemon = Daemon::prepare(&ground.settings().product(product).product(patient));
    daemon.enter(world);
    daemon.world().set_wall(20 * DAYS);
    daemon.resume();
    waits_for_the_clock(&daemon, &ground);
    set_right(&mut daemon, 20 * DAYS);
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
}
