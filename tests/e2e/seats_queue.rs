//! Who waits for many seats, and what that keeps from others; and units that ask for more than they have.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::seats::{holder, stage};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, Stage};
use crate::support::{eventually, prerequisites};

const A_MINUTE: u64 = 60_000;
const NOBODY: u32 = 65_534;

fn five_seats(licence: &Contract) -> ProductFile {
    ProductFile::new(ACME).tier("pro", 20, "seats = 5\nfeatures = { export = true }").grant(
        "pro",
        &licence.collection(),
        r#"tokens_of = "enumerable""#,
    )
}

/// A process of another user, where we may make one.
pub fn another_user(daemon: &Daemon) -> Option<SeatHolder> {
    for folder in [daemon.home().to_owned(), daemon.home().join("run")] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let other = SeatHolder::of_user(&daemon.socket(), NOBODY);
    if other.is_none() {
        prerequisites::skipped("another user who wants a seat", "root");
    }
    other
}

fn wait_until_waiting(daemon: &Daemon, waiting: u64) {
    eventually(&format!("{waiting} wait"), || {
        let list = daemon.admin("seat_list", json!({"product": ACME}));
        let pools = list["pools"].as_array().unwrap().iter();
        let found: u64 = pools.filter_map(|it| it["waiting"].as_u64()).max().unwrap_or(0);
        if found == waiting { Ok(()) } else { Err(list.to_string()) }
    });
}

#[test]
fn nobody_is_kept_from_free_seats_by_who_waits_for_more() {
    let stage = Stage::with(five_seats);
    stage.daemon.link_for(&stage.wallet, "machine");
    let stage = stage.enter(7);
    let Some(mut other) = another_user(&stage.daemon) else { return };
    let (mut held, mut waiting) = (holder(&stage), holder(&stage));
    assert_eq!(held.acquire(json!({}))["code"], "GRANTED");
    let impossible = waiting.acquire(json!({"count": 6, "wait_ms": A_MINUTE}));
    let said = (&impossible["code"], &impossible["capacity"]);
    assert_eq!(said, (&json!("SEATS_FULL"), &json!(5)), "{impossible}");
    waiting.ask_for_seat(json!({"count": 5, "wait_ms": A_MINUTE}));
    wait_until_waiting(&stage.daemon, 1);
    let seat = other.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["used"]), (&json!("GRANTED"), &json!(2)), "{seat}");
    held.kill();
    other.kill();
    let all = waiting.answer();
    assert_eq!((&all["code"], &all["count"]), (&json!("GRANTED"), &json!(5)), "{all}");
}

#[test]
fn a_unit_is_never_granted_fewer_than_it_asks_for() {
    let of_user = |licence: &Contract| five_seats(licence).seats("unit = \"uid\"");
    let stage = stage(of_user);
    let (mut script, mut program) = (holder(&stage), holder(&stage));
    let ask = |holder: &mut SeatHolder, count: u32| -> (Value, Value, Value) {
        let said = holder.acquire(json!({"count": count}));
        (said["code"].clone(), said["count"].clone(), said["seat"].clone())
    };
    let (code, count, seat) = ask(&mut script, 1);
    assert_eq!((code, count), (json!("GRANTED"), json!(1)));
    assert_eq!(ask(&mut program, 1_000), (json!("SEATS_FULL"), json!(null), json!(null)));
    let grown = (json!("GRANTED"), json!(4), seat.clone());
    assert_eq!(ask(&mut program, 4), grown);
    assert_eq!(ask(&mut script, 1), grown, "what the unit has");
    let list = stage.daemon.admin("seat_list", json!({"product": ACME}));
    assert_eq!(
        (&list["items"][0]["count"], &list["pools"][0]["used"]),
        (&json!(4), &json!(4)),
        "{list}"
    );
}
