//! Seats that are lent out of their pool for a time.

use serde_json::{Value, json};

use crate::seats::{holder, pool, stage, two_seats};
use crate::seats_rules::write_policy;
use crate::support::stage::{ACME, Stage};

const AN_HOUR: u64 = 3_600_000;

fn borrow(stage: &Stage, for_ms: u64) -> Value {
    stage.daemon.call("seat_borrow", json!({"product": ACME, "for_ms": for_ms}))
}

#[test]
fn what_is_lent_outlives_who_asked_and_is_told_until_it_is_given_back() {
    let stage = stage(two_seats);
    let mut program = holder(&stage);
    let order = json!({"product": ACME, "for_ms": AN_HOUR});
    let lent = program.call("seat_borrow", &order);
    assert_eq!((&lent["granted"], &lent["used"]), (&json!(true), &json!(1)), "{lent}");
    assert!(lent["ends_at"].is_string(), "{lent}");
    program.kill();
    assert_eq!((&pool(&stage)["used"], &pool(&stage)["borrowed"]), (&json!(1), &json!(1)));
    let list = stage.daemon.admin("seat_list", json!({}));
    let told = &list["items"][0];
    assert_eq!((&told["seat"], &told["state"]), (&lent["seat"], &json!("borrowed")), "{list}");
    assert!(told["ends_at"].is_string(), "{list}");
    let audit = stage.daemon.admin("audit_list", json!({"limit": 1000}));
    let rows = audit["items"].as_array().unwrap();
    let row = rows.iter().find(|it| it["action"] == "seat_borrowed").expect("a row");
    assert_eq!(row["subject"], lent["seat"], "{row}");
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL", "it is out of the pool");
    let released = stage.daemon.call("seat_release", json!({"seat": lent["seat"]}));
    assert_eq!(released["released"], true, "by another process of its user");
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    stage.daemon.wait_for_log("returned");
}

#[test]
fn the_policy_says_how_many_and_for_how_long() {
    let stage = stage(two_seats);
    write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nlow_water = 1\nmax_borrow = \"1h\"");
    assert_eq!(borrow(&stage, AN_HOUR + 1)["code"], "TOO_LONG");
    assert_eq!(borrow(&stage, AN_HOUR)["code"], "GRANTED");
    assert_eq!(borrow(&stage, AN_HOUR)["code"], "LOW_WATER");
    assert_eq!(pool(&stage)["used"], 1);
    write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nmax_borrow = \"0s\"");
    assert_eq!(borrow(&stage, AN_HOUR)["code"], "TOO_LONG", "nothing is lent");
    let wrong = json!({"product": ACME, "for_ms": 1});
    let refused = stage.daemon.try_call("seat_borrow", wrong).unwrap_err();
    assert_eq!(refused.data["code"], "INVALID_PARAMS", "{refused:?}");
}

#[test]
fn who_has_no_licence_borrows_nothing() {
    let stage = stage(two_seats);
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(borrow(&stage, AN_HOUR)["code"], "NOT_ENTITLED");
}
