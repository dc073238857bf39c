//! A wall clock that was wrong while a look was made.

use std::time::Duration;

use jiff::Timestamp;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::world::World;

const A_DAY: i64 = 86_400;

/// It would be a fresh one for as long as the clock had been ahead, though nobody can look any more.
#[test]
fn a_look_made_while_the_clock_was_ahead_is_as_old_as_its_block_after_a_restart() {
    let Some(world) = World::new("a wall clock that is ahead for a while") else { return };
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection()).set("refresh", "\"1h\"");
    let settings = Settings::new([proxy.url()]).product(product);
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let mut stage = stage.enter(7);
    stage.daemon.kill();
    stage.daemon.enter(world);
    stage.daemon.world().set_wall(A_DAY);
    stage.daemon.resume();
    let begun = Timestamp::now();
    stage.daemon.wait_for(ACME, "a look of tomorrow", |it| {
        let seen = it["verified_at"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        seen.is_some_and(|it| it.duration_since(begun).as_secs() > A_DAY / 2)
    });
    stage.daemon.kill();
    proxy.fault(Fault::Drop);
    stage.daemon.world().set_wall(-A_DAY);
    stage.daemon.world().pass(Duration::from_secs(2 * 3_600));
    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "GRACE");
}
