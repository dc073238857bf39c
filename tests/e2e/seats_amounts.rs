//! Floating seats of a token that many have some of (ERC-1155): as many as the balances are good for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rules::Scene;
use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::licences::Editions;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;

/// The holder of `amount` of edition 7, of which each is good for `seats`.
fn scene(amount: u64, seats: u32, more: &str) -> (Scene, Editions) {
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    let wallet = Wallet::numbered(1);
    editions.issue(&anvil, wallet.address(), 7, amount);
    let product = ProductFile::new(ACME)
        .tier("pro", 20, &format!("seats = {seats}"))
        .grant("pro", &editions.token(7), &format!("rule = \"balance\"\n{more}"))
        .seats("drain = \"3s\"");
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
    daemon.link(&wallet);
    let scene = Scene { daemon, anvil, wallet };
    scene.wait_for("VALID");
    (scene, editions)
}

fn holder(scene: &Scene) -> SeatHolder {
    SeatHolder::start(&scene.daemon.socket())
}

fn seats(scene: &Scene) -> Value {
    scene.daemon.admin("seat_list", json!({"product": ACME}))
}

fn wait_for_capacity(scene: &Scene, capacity: u64) {
    eventually(&format!("there are {capacity} seats"), || {
        let list = seats(scene);
        let pools = list["pools"].as_array().unwrap();
        let is_so =
            pools.iter().any(|it| it["customer"] != "machine" && it["capacity"] == capacity);
        if is_so { Ok(()) } else { Err(list.to_string()) }
    });
}

/// As many as are given, each to a process of its own, until one is refused.
fn fill(scene: &Scene) -> (Vec<SeatHolder>, Value) {
    let mut holders = Vec::new();
    loop {
        let mut next = holder(scene);
        let answer = next.acquire(json!({}));
        if answer["granted"] != true {
            return (holders, answer);
        }
        holders.push(next);
        assert!(holders.len() < 100, "it comes to an end: {answer}");
    }
}

#[test]
fn a_balance_is_good_for_as_many_times_the_seats_and_for_no_more() {
    let (scene, _) = scene(3, 2, "");
    let (holders, refused) = fill(&scene);
    assert_eq!(holders.len(), 6, "{refused}");
    let said = (&refused["code"], &refused["used"], &refused["capacity"]);
    assert_eq!(said, (&json!("SEATS_FULL"), &json!(6), &json!(6)), "{refused}");
}

#[test]
fn when_a_part_of_the_balance_is_sold_the_newest_are_drained() {
    let (scene, editions) = scene(3, 1, "");
    let (holders, _) = fill(&scene);
    assert_eq!(holders.len(), 3);
    editions.take_back(&scene.anvil, scene.holder(), 7, 2);
    eventually("two are draining", || {
        let list = seats(&scene);
        let items = list["items"].as_array().unwrap();
        let draining = |it: &Value| it["state"] == "draining" && it["ends_at"].is_string();
        let found: Vec<bool> = items.iter().map(draining).collect();
        if found == [false, true, true] { Ok(()) } else { Err(list.to_string()) }
    });
    assert_eq!(holder(&scene).acquire(json!({}))["code"], "DRAINING");
    eventually("the oldest alone is left", || {
        let list = seats(&scene);
        let (items, pools) = (list["items"].as_array().unwrap(), &list["pools"]);
        let is_so = items.len() == 1 && items[0]["state"] == "held";
        if is_so && pools.to_string().contains("\"capacity\":1") {
            Ok(())
        } else {
            Err(list.to_string())
        }
    });
    scene.daemon.wait_for_log("reason=\"capacity\"");
    assert_eq!(holder(&scene).acquire(json!({}))["code"], "SEATS_FULL");
    // And bought again.
    editions.issue(&scene.anvil, scene.holder(), 7, 1);
    wait_for_capacity(&scene, 2);
    assert_eq!(fill(&scene).0.len(), 1, "one besides the one that was left");
}

#[test]
fn the_balances_of_all_wallets_add_up() {
    let (scene, editions) = scene(1, 1, "");
    let (first, _) = fill(&scene);
    assert_eq!(first.len(), 1);
    let second = Wallet::numbered(2);
    editions.issue(&scene.anvil, second.address(), 7, 2);
    scene.daemon.link(&second);
    wait_for_capacity(&scene, 3);
    assert_eq!(fill(&scene).0.len(), 2, "besides the one that is held");
}

#[test]
fn a_tier_that_takes_two_has_seats_for_each_pair() {
    let (scene, editions) = scene(5, 1, "min = 2");
    assert_eq!(fill(&scene).0.len(), 2);
    editions.take_back(&scene.anvil, scene.holder(), 7, 1);
    // Four are two pairs as well: nobody is drained, and nobody more let in.
    let held = |it: &Value| it["state"] == "held" || it["state"] == "lingering";
    let list = || seats(&scene)["items"].as_array().unwrap().clone();
    let four = json!({"token": editions.token(7), "wallet": scene.holder()});
    let seen = scene.daemon.call("token_verify", four);
    assert_eq!((&seen["held"], &seen["min"]), (&json!("4"), &json!("2")), "{seen}");
    scene.daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(1));
    assert!(list().iter().all(held), "{:?}", list());
}
