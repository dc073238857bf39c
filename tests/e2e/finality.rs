//! How settled a block must be, and what happens when blocks are taken back.
//!
//! On the test chain the finalized block is two behind the newest.

use std::time::Duration;

use serde_json::json;

use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, Stage};

fn finalized(provisional: bool) -> Stage {
    let stage = Stage::with(|licence| {
        ProductFile::acme(&licence.collection())
            .finality("finalized")
            .set("provisional", &provisional.to_string())
    });
    stage.anvil.finalize();
    stage.daemon.link(&stage.wallet);
    stage
}

#[test]
fn a_purchase_counts_once_it_is_final() {
    let stage = finalized(false);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.mint(7);
    stage.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    stage.anvil.finalize();
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["provisional"], json!(false), "{verdict}");
    assert_eq!(verdict["anchor"]["finality"], "finalized", "{verdict}");
}

#[test]
fn where_the_product_allows_it_a_purchase_counts_provisionally() {
    let stage = finalized(true);
    stage.mint(7);
    let early = stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(early["provisional"], json!(true), "{early}");
    stage.anvil.finalize();
    stage.daemon.wait_for(ACME, "final", |it| it["code"] == "VALID" && it["provisional"] == false);
}

#[test]
fn a_sale_ends_the_entitlement_before_it_is_final() {
    let stage = finalized(false);
    stage.mint(7);
    stage.anvil.finalize();
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.give_away(7);
    stage.daemon.wait_for(ACME, "no longer valid", |it| it["valid"] == false);
}

#[test]
fn a_purchase_taken_back_by_a_reorganisation_counts_no_more() {
    let stage = Stage::entitled();
    stage.anvil.reorg(1);
    stage.anvil.mine(1);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn a_sale_taken_back_by_a_reorganisation_is_undone() {
    let stage = Stage::entitled();
    stage.anvil.mine(1);
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.anvil.reorg(1);
    stage.daemon.wait_for_code(ACME, "VALID");
}

/// Back, but not below what was final: that would be no head.
#[test]
fn a_head_that_goes_back_is_followed() {
    let stage = Stage::entitled();
    let before = stage.anvil.snapshot();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.anvil.revert(before);
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn what_a_test_chain_forges_behind_its_header_is_not_believed() {
    let stage = Stage::linked();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    // Every low slot: somewhere in there are the balance and the owner, were they guessed.
    for slot in 0..12 {
        let word = stage.holder().into_word().to_string();
        stage.anvil.set_storage(
            &stage.licence.address.to_string(),
            &format!("{slot:#066x}"),
            &word,
        );
    }
    stage.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
}
