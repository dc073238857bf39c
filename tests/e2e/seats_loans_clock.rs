//! What is lent, by machines whose clocks are wrong for a moment.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::seats_loans::{Two, acquire, text};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::stage::ACME;
use crate::support::world::World;

const TWO_HOURS: i64 = 2 * 3_600;

fn enter(daemon: &mut Daemon, world: World) {
    daemon.kill();
    daemon.enter(world);
    daemon.resume();
}

fn set_right(daemon: &mut Daemon, ahead: i64) {
    daemon.kill();
    daemon.world().set_wall(-ahead);
    daemon.resume();
}

/// When the daemon says that something has happened that happens now.
fn its_time(daemon: &Daemon, name: &str) -> Timestamp {
    daemon.admin("customer_create", json!({"name": name}));
    let audit = daemon.admin("audit_list", json!({"last": 1}));
    audit["items"][0]["at"].as_str().unwrap().parse().unwrap()
}

/// While it was, another seat was lent, and what seemed to be over then was put apart.
#[test]
fn a_lenders_clock_that_was_ahead_for_a_moment_lends_no_place_twice() {
    let Some(world) = World::new("a lender whose clock is ahead for a moment") else { return };
    let mut two = Two::start();
    enter(&mut two.lender.daemon, world);
    two.lender.daemon.wait_for_code(ACME, "VALID");
    let first = two.request();
    let loan = text(&two.lend(&first), "loan");
    two.lender.daemon.world().set_wall(TWO_HOURS);
    text(&two.lend(&two.request()), "loan");
    two.lender.daemon.kill();
    two.lender.daemon.world().set_wall(-TWO_HOURS);
    two.lender.daemon.resume();
    two.lender.daemon.wait_for_code(ACME, "VALID");
    eventually("both places are lent", || match two.lenders() {
        (2, 2) => Ok(()),
        others => Err(format!("{others:?}")),
    });
    let again = two.lend(&first);
    assert_eq!((&again["again"], text(&again, "loan")), (&json!(true), loan));
}

/// A restart has it right at once; only what was borrowed stays over by when it was seen to be.
#[test]
fn a_borrowers_clock_that_was_ahead_for_a_moment_is_held_against_the_loan_alone() {
    let Some(world) = World::new("a borrower whose clock is ahead for a moment") else { return };
    let mut two = Two::start();
    enter(&mut two.borrower, world);
    two.lent();
    assert!(two.borrower.check(ACME)["valid"].as_bool().unwrap());
    two.borrower.world().set_wall(TWO_HOURS / 8);
    assert!(its_time(&two.borrower, "ahead") > Timestamp::now() + Duration::from_secs(600));
    two.borrower.world().pass(Duration::from_secs(61));
    // Time that only passes wakes nobody, who would note how late it is.
    assert_eq!(acquire(&two.borrower).1["code"], "GRANTED");
    its_time(&two.borrower, "noted");
    set_right(&mut two.borrower, TWO_HOURS / 8);
    let late = its_time(&two.borrower, "right").duration_since(Timestamp::now());
    assert!(late.as_secs() < 600, "it is {late} ahead");
    assert!(
        two.borrower.check(ACME)["valid"].as_bool().unwrap(),
        "it has three quarters of an hour yet"
    );
    // Now it is set back, again and again; what has passed has passed.
    two.borrower.world().pass(Duration::from_secs(45 * 60));
    assert_eq!(acquire(&two.borrower).1["code"], "NOT_ENTITLED");
    its_time(&two.borrower, "noted too");
    eventually("the loan is over", || match two.borrower.code(ACME).as_str() {
        "NO_WALLET" => Ok(()),
        other => Err(other.to_owned()),
    });
    set_right(&mut two.borrower, 45 * 60);
    assert_eq!(two.borrower.code(ACME), "NO_WALLET");
}

/// A minute that was not over when the daemon ended would be had again.
#[test]
fn restarts_within_a_minute_make_no_loan_longer() {
    let Some(world) = World::new("a borrower that is started again and again") else { return };
    let mut two = Two::start();
    enter(&mut two.borrower, world);
    let request = text(
        &two.borrower.call("seat_request", json!({"product": ACME, "for_ms": 180_000})),
        "request",
    );
    two.import(&text(&two.lend(&request), "loan"));
    for _ in 0..6 {
        // The beginning is noted as soon as its place is counted.
        acquire(&two.borrower);
        its_time(&two.borrower, "noted");
        two.borrower.world().pass(Duration::from_secs(30));
        set_right(&mut two.borrower, 30);
    }
    assert_eq!(two.borrower.code(ACME), "NO_WALLET", "three minutes have passed");
}
