//! Several products on one contract: what one of them asks never changes what another is told.
//!
//! The finalized block is 64 behind the newest, as on a public chain.

use std::time::Duration;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::Stage;

const EARLY: &str = "early-bird";
const SETTLED: &str = "settled-soul";
const STRICT: &str = "strict-one";

/// A wallet that has held token 7 for longer than finality takes.
fn owned_for_long() -> Stage {
    let anvil = Anvil::lagging(32);
    let licence = Contract::licence(&anvil);
    let product = |id: &str| ProductFile::acme(&licence.collection()).named(id);
    let settings = Settings::new([anvil.url()])
        .product(product(EARLY).finality("latest"))
        // Looks more often than the others, so that the newest look is nearly always this one's.
        .product(product(SETTLED).finality("finalized").set("refresh", r#""300ms""#))
        .product(product(STRICT).finality("latest").set("trust", r#""quorum""#));
    let stage = Stage::on(anvil, licence, &settings);
    stage.mint(7);
    stage.anvil.mine(70);
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(EARLY, "VALID");
    stage.daemon.wait_for_code(SETTLED, "VALID");
    stage
}

#[test]
fn what_was_sold_stays_sold_while_the_finalized_block_is_older_than_the_sale() {
    let stage = owned_for_long();
    let mut told = [EARLY, SETTLED].map(|it| stage.daemon.subscribe(it));
    stage.give_away(7);
    for (product, subscription) in [EARLY, SETTLED].iter().zip(&mut told) {
        subscription.until("NOT_HELD");
        stage.daemon.wait_for(product, "gone", |it| it["valid"] == false);
    }
    for _ in 0..20 {
        // Each product looks again, at the head and at the block it calls settled.
        stage.anvil.mine(1);
        for (product, subscription) in [EARLY, SETTLED].iter().zip(&mut told) {
            let news = subscription.next_within(Duration::from_millis(150));
            let yes = news.filter(|it| it["valid"] == true);
            assert_eq!(yes, None, "{product} is valid again");
        }
    }
}

#[test]
fn when_nothing_happens_on_the_chain_nothing_is_told() {
    let stage = owned_for_long();
    let mut told: Vec<_> =
        [EARLY, SETTLED, STRICT].map(|it| (it, stage.daemon.subscribe(it))).into();
    stage.give_away(7);
    for (product, subscription) in &mut told {
        let mut verdict = subscription.next();
        while verdict["code"] == "VALID" {
            verdict = subscription.next();
        }
        assert_eq!(verdict["valid"], false, "{product}: {verdict}");
    }
    stage.daemon.wait_for(EARLY, "gone", |it| it["valid"] == false);
    // What was on its way when the sale was told.
    for (_, subscription) in &mut told {
        while subscription.next_within(Duration::from_millis(300)).is_some() {}
    }
    for (product, subscription) in &mut told {
        let news = subscription.next_within(Duration::from_secs(3));
        assert_eq!(news, None, "{product} was told something in a quiet time");
    }
}

/// What another product's looks keep fresh at the head is no reason not to look at what is settled.
#[test]
fn a_product_looks_at_its_own_finality_whatever_others_keep_fresh() {
    let anvil = Anvil::lagging(32);
    let licence = Contract::licence(&anvil);
    let product = |id: &str| ProductFile::acme(&licence.collection()).named(id);
    let early = product(EARLY).finality("latest").set("refresh", r#""300ms""#);
    let settings = Settings::new([anvil.url()]).product(early);
    let stage = Stage::on(anvil, licence, &settings);
    stage.mint(7);
    stage.anvil.mine(70);
    stage.daemon.link(&stage.wallet);
    stage.daemon.wait_for_code(EARLY, "VALID");
    let settled = product(SETTLED).finality("finalized").set("refresh", r#""10m""#);
    stage.daemon.admin("product_install", serde_json::json!({"toml": settled.text()}));
    let verdict = stage.daemon.check(SETTLED);
    assert_eq!(verdict["code"], "VALID", "{verdict}");
    assert_eq!(verdict["anchor"]["finality"], "finalized", "{verdict}");
}
