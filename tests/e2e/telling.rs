//! What subscribers are told: what is so now, of whoever they are now, and nothing that is no news.

use std::time::Duration;

use serde_json::json;

use crate::changes::{Scene, move_user};
use crate::support::contract::Contract;
use crate::support::faults::Fault;
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, own_customer};

/// Longer than it takes to hear what is wrongly told.
const A_WHILE: Duration = Duration::from_millis(1_500);

#[test]
fn what_the_ledger_alone_says_after_a_change_is_told_to_those_before_it_and_after() {
    let scene = Scene::looking();
    let mut before = scene.daemon().subscribe(ACME);
    before.until("VALID");
    let other = Contract::licence(&scene.stage.anvil);
    let product = ProductFile::acme(&other.collection()).text();
    scene.daemon().admin("product_install", json!({"toml": product}));
    assert_eq!(before.next()["code"], "UNDETERMINED");
    let mut after = scene.daemon().subscribe(ACME);
    assert_eq!(after.next()["code"], "UNDETERMINED");
    for told in [&mut before, &mut after] {
        assert_eq!(told.next_within(A_WHILE), None, "nothing has happened since");
    }
    scene.proxy.heal();
    for told in [&mut before, &mut after] {
        assert_eq!(told.next()["code"], "NOT_HELD");
    }
}

#[test]
fn a_subscriber_is_told_of_a_suspension_while_a_look_is_under_way() {
    let scene = Scene::looking();
    let mut told = scene.daemon().subscribe(ACME);
    told.until("VALID");
    let token = scene.stage.licence.token(7);
    scene.daemon().admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    assert_eq!(told.next()["code"], "SUSPENDED");
}

#[test]
fn a_subscription_follows_its_user_from_customer_to_customer() {
    let scene = Scene::linked();
    let scene = Scene { stage: scene.stage.enter(7), ..scene };
    let daemon = scene.daemon();
    let mut told = daemon.subscribe(ACME);
    assert_eq!(told.until("VALID")["customer"], own_customer());
    let id = move_user(daemon);
    let moved = told.next();
    assert_eq!((&moved["code"], &moved["customer"]), (&json!("NO_WALLET"), &id), "{moved}");

    // What happens to the customer before is none of its business any more.
    scene.stage.give_away(7);
    let former = json!({"product": ACME, "customer": own_customer(), "wait_ms": 2_000});
    crate::support::eventually("the sale is seen", || {
        let verdict = daemon.admin("entitlement_check", former.clone());
        if verdict["code"] == "NOT_HELD" { Ok(()) } else { Err(verdict.to_string()) }
    });
    assert_eq!(told.next_within(A_WHILE), None);

    daemon.admin("customer_update", json!({"customer": id, "uids": []}));
    let back = told.next();
    let expected = (&json!("NOT_HELD"), &json!(own_customer()));
    assert_eq!((&back["code"], &back["customer"]), expected, "{back}");
}

#[test]
fn a_subscription_to_a_named_customer_ends_when_its_user_is_taken_out() {
    let scene = Scene::linked();
    let mut line = crate::support::socket::Line::connect(&scene.daemon().socket());
    let id = line
        .call("entitlement_subscribe", &json!({"product": ACME, "customer": own_customer()}))
        .unwrap();
    assert_eq!(line.hear().unwrap()["params"]["subscription"], id);
    move_user(scene.daemon());
    let mut ended = line.hear().unwrap();
    // What was known before the change may have been under way already.
    while ended["params"].get("result").is_some() {
        ended = line.hear().unwrap();
    }
    assert!(ended["params"]["error"].is_string(), "{ended}");
    scene.stage.mint(7);
    assert_eq!(line.hear_within(A_WHILE), None, "it is told nothing of that customer");
}

#[test]
fn an_answer_that_goes_stale_and_fresh_is_no_news() {
    let scene = Scene::linked();
    let scene = Scene { stage: scene.stage.enter(7), ..scene };
    let mut told = scene.daemon().subscribe(ACME);
    told.until("VALID");
    // A look takes longer than its answer is fresh.
    scene.proxy.fault(Fault::Delay(Duration::from_millis(400)));
    for freshness in ["stale", "fresh", "stale", "fresh"] {
        scene.daemon().wait_for(ACME, freshness, |it| it["freshness"] == freshness);
    }
    assert_eq!(told.next_within(A_WHILE), None);
}

#[test]
fn a_change_that_alters_nothing_for_a_subscriber_is_no_news() {
    let scene = Scene::linked();
    let scene = Scene { stage: scene.stage.enter(7), ..scene };
    let daemon = scene.daemon();
    let mut told = daemon.subscribe(ACME);
    told.until("VALID");
    daemon.admin("customer_create", json!({"name": "Ada", "uids": [4001]}));
    daemon.admin("customer_deactivate", json!({"customer": "customer:1"}));
    let second = ProductFile::acme(&scene.stage.licence.collection()).named("second");
    daemon.admin("product_install", json!({"toml": second.text()}));
    daemon.admin("system_reload", json!({}));
    scene.stage.mint(8);
    let token = scene.stage.licence.token(8);
    crate::support::eventually("the token is seen", || {
        let params = json!({"token": token, "reason": "unpaid"});
        daemon.try_admin("ownership_suspend", params).map_err(|it| format!("{it:?}"))
    });
    assert_eq!(told.next_within(A_WHILE), None);
}
