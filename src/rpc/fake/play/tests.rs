use std::sync::Arc;
use std::time::Duration;

use entitled_core::domain::product::document::{self, Place};
use entitled_core::domain::product::section::{Flaws, Section};

use super::*;
use crate::clock::{Clock, Hands};

const CUSTOMER: CustomerId = CustomerId::Uid(1_000);

struct Stage {
    play: Play,
    clock: Clock,
    hands: Hands,
    product: ProductId,
}

impl Stage {
    fn of(text: &str) -> Self {
        let table = document::read(&Arc::from(""), text).unwrap();
        let flaws = Flaws::default();
        let mut root = Section::root(&table, Place::default(), &flaws);
        let scenario = super::super::parse::read(&mut root);
        root.finish();
        assert!(flaws.is_empty(), "{:?}", flaws.into_sorted());
        let (clock, hands) = Clock::manual(Timestamp::UNIX_EPOCH);
        Self { play: Play::new(scenario), clock, hands, product: "p".parse().unwrap() }
    }

    fn pass(&self, milliseconds: u64) {
        self.hands.advance(Duration::from_millis(milliseconds));
    }

    fn verdict(&mut self) -> Verdict {
        let now = self.clock.moment();
        self.play.look(&self.product, CUSTOMER, now).unwrap().verdict(&self.product, CUSTOMER, now)
    }

    fn code(&mut self) -> Code {
        self.verdict().code
    }

    fn next(&self) -> Option<u128> {
        let now = self.clock.moment();
        self.play.next_change(now).map(|it| (it - now.monotonic).as_millis())
    }
}

const TIMED: &str = "[products.p]\nrepeat = \"3s\"
[[products.p.then]]\nafter = \"1s\"\ncode = \"GRACE\"
[[products.p.then]]\nafter = \"2s\"\ncode = \"NOT_HELD\"";

#[test]
fn a_course_begins_when_it_is_first_asked_about() {
    let mut stage = Stage::of(TIMED);
    stage.pass(100_000);
    assert_eq!((stage.next(), stage.code()), (None, Code::Valid));
    assert_eq!(stage.next(), Some(1_000));
    stage.pass(999);
    assert_eq!(stage.code(), Code::Valid);
    stage.pass(1);
    assert_eq!(stage.code(), Code::Grace);
    assert_eq!(stage.next(), Some(2_000));
}

#[test]
fn what_passed_while_nobody_looked_has_passed() {
    let mut stage = Stage::of(TIMED);
    stage.code();
    for (at, code) in [(3_500, Code::NotHeld), (2_000, Code::NotHeld), (1_000, Code::Valid)] {
        stage.pass(at);
        assert_eq!(stage.code(), code, "after {at} ms more");
    }
    // A year of it is no year's work.
    stage.pass(366 * 86_400_000);
    stage.code();
    assert!(stage.next().is_some());
}

#[test]
fn a_state_keeps_its_dates_however_often_it_is_told() {
    let mut stage = Stage::of("[products.p]\nexpires_in = \"10s\"");
    let first = stage.verdict();
    stage.pass(5_000);
    let later = stage.verdict();
    assert!(!first.says_otherwise(&later));
    assert_eq!(later.seconds_until_change(stage.clock.now()), Some(5));
    assert_eq!(stage.next(), Some(5_000));
    stage.pass(5_000);
    assert_eq!(stage.code(), Code::Expired);
    assert_eq!(stage.next(), None);
}

#[test]
fn checks_are_counted_by_the_state_that_answered_them() {
    let mut stage = Stage::of(
        "[products.p]
[[products.p.then]]\nafter_checks = 2\ncode = \"GRACE\"\nrestart = \"1s\"
[[products.p.then]]\nafter_checks = 1\ncode = \"EXPIRED\"",
    );
    let check = |stage: &mut Stage| {
        let code = stage.code();
        stage.play.count(&stage.product, CUSTOMER, stage.clock.moment());
        code
    };
    assert_eq!(check(&mut stage), Code::Valid);
    assert_eq!(stage.play.take_restart(), None);
    assert_eq!(check(&mut stage), Code::Valid);
    assert_eq!(stage.play.take_restart(), Some(Duration::from_secs(1)), "as soon as it begins");
    assert_eq!(stage.play.take_restart(), None, "once");
    assert_eq!(check(&mut stage), Code::Grace);
    assert_eq!(check(&mut stage), Code::Expired);
    assert_eq!(check(&mut stage), Code::Expired);
}

#[test]
fn what_one_customer_asks_moves_no_other_course() {
    let mut stage = Stage::of(
        "[products.p]
[[products.p.then]]\nafter_checks = 1\ncode = \"EXPIRED\"
[[products.p.for]]\ncustomer = \"uid:1000\"\ncode = \"SUSPENDED\"",
    );
    let other = CustomerId::Uid(2);
    let now = stage.clock.moment();
    stage.play.count(&stage.product, other, now);
    assert_eq!(stage.code(), Code::Suspended);
    let scene = stage.play.look(&stage.product, other, now).unwrap();
    assert_eq!(scene.state.code, Code::Expired);
}

#[test]
fn another_scenario_begins_anew() {
    let mut stage = Stage::of(TIMED);
    stage.code();
    stage.pass(1_000);
    assert_eq!(stage.code(), Code::Grace);
    let revision = stage.play.revision();
    let again = Stage::of(TIMED);
    stage.play.exchange(Arc::into_inner(again.play.scenario).unwrap());
    assert!(stage.play.revision() > revision);
    assert_eq!(stage.code(), Code::Valid);
}
