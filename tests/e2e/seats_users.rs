//! Whose a seat is: of a user that leaves its customer, and of several users who share the seat of a unit.

use std::os::unix::fs::PermissionsExt;

use nix::unistd::getuid;
use serde_json::{Value, json};

use crate::seats::{holder, pool, two_seats, wait_until_waiting};
use crate::support::prerequisites;
use crate::support::seat_holder::SeatHolder;
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::{eventually, never};

const A_MINUTE: u64 = 60_000;
const OTHER: u32 = 65_534;

/// A customer whose user we are, with one licence.
struct Scene {
    stage: Stage,
    customer: Value,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::with(two_seats);
        let named = json!({"name": "Ada", "uids": [getuid().as_raw()]});
        let customer = stage.daemon.admin("customer_create", named)["id"].take();
        stage.daemon.link_for(&stage.wallet, customer.as_str().unwrap());
        Self { stage: stage.enter(7), customer }
    }

    /// We are its user no more, which is acknowledged.
    fn leave(&self) {
        let edit = json!({"customer": self.customer, "remove_uids": [getuid().as_raw()]});
        self.stage.daemon.admin("customer_update", edit);
    }

    fn wait_until_nobody_has_one(&self) {
        eventually("its seats have ended", || {
            let list = self.stage.daemon.admin("seat_list", json!({}));
            if list["items"] == json!([]) { Ok(()) } else { Err(list.to_string()) }
        });
    }
}

#[test]
fn who_waits_for_a_seat_and_leaves_its_customer_gets_none() {
    let scene = Scene::new();
    let (mut first, mut second) = (holder(&scene.stage), holder(&scene.stage));
    let seat = first.acquire(json!({"count": 2}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    second.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    wait_until_waiting(&scene.stage, 1);
    scene.leave();
    scene.stage.daemon.admin("seat_release", json!({"seat": seat["seat"]}));
    let answer = second.answer();
    assert_eq!(
        (&answer["granted"], &answer["code"]),
        (&json!(false), &json!("NOT_ENTITLED")),
        "{answer}"
    );
    scene.wait_until_nobody_has_one();
}

#[test]
fn who_waits_for_a_seat_of_a_customer_that_is_deactivated_gets_none() {
    let scene = Scene::new();
    let (mut first, mut second) = (holder(&scene.stage), holder(&scene.stage));
    let seat = first.acquire(json!({"count": 2}));
    second.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    wait_until_waiting(&scene.stage, 1);
    scene.stage.daemon.admin("customer_deactivate", json!({"customer": scene.customer}));
    scene.stage.daemon.admin("seat_release", json!({"seat": seat["seat"]}));
    let answer = second.answer();
    assert_eq!(answer["granted"], false, "{answer}");
    scene.wait_until_nobody_has_one();
}

#[test]
fn who_leaves_its_customer_keeps_no_seat_of_it() {
    let scene = Scene::new();
    let daemon = &scene.stage.daemon;
    let mut program = holder(&scene.stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    let borrowed = json!({"product": ACME, "for_ms": 3_600_000});
    assert_eq!(daemon.call("seat_borrow", borrowed)["code"], "GRANTED");
    assert_eq!(pool(&scene.stage)["used"], 2);
    let mut told = Line::connect(&daemon.admin_socket());
    told.call("seat_subscribe", &json!({"product": ACME})).unwrap();
    scene.leave();
    for _ in 0..2 {
        let news = told.hear().expect("the subscription goes on")["params"]["result"].take();
        assert_eq!((&news["event"], &news["reason"]), (&json!("ended"), &json!("capacity")));
    }
    scene.wait_until_nobody_has_one();
    let edit = json!({"customer": scene.customer, "add_uids": [getuid().as_raw()]});
    daemon.admin("customer_update", edit);
    daemon.wait_for_code(ACME, "VALID");
    assert_eq!(program.acquire(json!({"count": 2}))["code"], "GRANTED", "it is one again");
}

#[test]
fn who_leaves_its_customer_takes_no_session_of_it_over() {
    let scene = Scene::new();
    let (mut launcher, mut program) = (holder(&scene.stage), holder(&scene.stage));
    let session = launcher.acquire(json!({"bind": "session"}));
    launcher.kill();
    eventually("it waits to be adopted", || {
        let list = scene.stage.daemon.admin("seat_list", json!({}));
        if list["items"][0]["state"] == "detached" { Ok(()) } else { Err(list.to_string()) }
    });
    scene.leave();
    let refused = program.refused("seat_adopt", &json!({"token": session["adopt"]}));
    assert_eq!(refused["data"]["code"], "NOT_FOUND", "{refused}");
    scene.wait_until_nobody_has_one();
}

/// The daemon may have been ended before it took the seats.
#[test]
fn who_left_its_customer_is_given_no_seat_back_by_a_restart() {
    let mut scene = Scene::new();
    let mut program = holder(&scene.stage);
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    scene.leave();
    scene.stage.daemon.kill();
    scene.stage.daemon.resume();
    scene.wait_until_nobody_has_one();
}

#[test]
fn what_an_administrator_has_for_a_customer_by_name_stays() {
    let scene = Scene::new();
    let daemon = &scene.stage.daemon;
    let mut admin = SeatHolder::start(&daemon.admin_socket());
    let seat = admin.acquire(json!({"customer": scene.customer}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    scene.leave();
    let others = json!({"name": "Bob", "uids": [OTHER]});
    daemon.admin("customer_create", others);
    never(std::time::Duration::from_millis(500), || match pool(&scene.stage)["used"] == 1 {
        true => Ok(()),
        false => Err("the seat has ended".to_owned()),
    });
}

/// One seat for the whole machine, which its licence is good for, and another user.
fn of_the_machine() -> Option<(Stage, SeatHolder)> {
    let stage = Stage::with(|licence| two_seats(licence).seats("unit = \"machine\""));
    stage.daemon.link_for(&stage.wallet, "machine");
    let stage = stage.enter(7);
    for folder in [stage.daemon.home().to_owned(), stage.daemon.home().join("run")] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let other = SeatHolder::of_user(&stage.daemon.socket(), OTHER);
    other.map(|it| (stage, it))
}

fn used(stage: &Stage) -> Value {
    stage.daemon.admin("seat_list", json!({"product": ACME}))["pools"][0]["used"].take()
}

/// Until the only seat is told as one of this user.
fn wait_until_of(stage: &Stage, uid: u32) {
    eventually(&format!("the seat is of uid {uid}"), || {
        let list = stage.daemon.admin("seat_list", json!({}));
        if list["items"][0]["uid"] == uid { Ok(()) } else { Err(list.to_string()) }
    });
}

#[test]
fn a_user_gives_the_seat_of_the_machine_back_for_itself_alone() {
    let Some((stage, mut other)) = of_the_machine() else {
        return prerequisites::skipped("two users that share a seat", "root");
    };
    let mut own = holder(&stage);
    let first = own.acquire(json!({}));
    let second = other.acquire(json!({}));
    assert_eq!(first["seat"], second["seat"], "{second}");
    let listed = other.call("seat_list", &json!({}))["items"].take();
    let pid = json!(other.pid().as_raw());
    assert_eq!((&listed[0]["seat"], &listed[0]["uid"]), (&first["seat"], &json!(OTHER)));
    assert_eq!(listed[0]["pid"], pid, "its own process, and not another user's");
    let mut bystander = holder(&stage);
    let release = json!({"seat": first["seat"]});
    assert_eq!(bystander.call("seat_release", &release)["released"], true, "by its own user");
    assert_eq!(used(&stage), 1, "the other user goes on");
    assert_eq!(bystander.call("seat_release", &release)["released"], false, "it has none now");
    assert_eq!(bystander.call("seat_list", &json!({}))["items"], json!([]));
    wait_until_of(&stage, OTHER);
    assert_eq!(other.call("seat_release", &release)["released"], true);
    assert_eq!(used(&stage), 0);
}

#[test]
fn a_session_that_is_taken_over_throws_no_other_user_out() {
    let Some((stage, mut other)) = of_the_machine() else {
        return prerequisites::skipped("two users that share a seat", "root");
    };
    let (mut launcher, mut program) = (holder(&stage), holder(&stage));
    let session = launcher.acquire(json!({"bind": "session"}));
    let shared = other.acquire(json!({}));
    assert_eq!((&shared["seat"], &shared["adopt"]), (&session["seat"], &Value::Null), "{shared}");
    let adopted = program.call("seat_adopt", &json!({"token": session["adopt"]}));
    assert_eq!(adopted["seat"], session["seat"], "{adopted}");
    program.kill();
    wait_until_of(&stage, OTHER);
    assert_eq!(used(&stage), 1);
    other.kill();
    wait_until_unused(&stage);
}

#[test]
fn who_shares_the_seat_of_the_machine_is_told_of_its_end() {
    let Some((stage, mut other)) = of_the_machine() else {
        return prerequisites::skipped("two users that share a seat", "root");
    };
    let (mut own, mut own_told) = (holder(&stage), Line::connect(&stage.daemon.socket()));
    let seat = own.acquire(json!({}));
    other.acquire(json!({}));
    own_told.call("seat_subscribe", &json!({"product": ACME, "seat": seat["seat"]})).unwrap();
    let mut other_told = SeatHolder::of_user(&stage.daemon.socket(), OTHER).unwrap();
    other_told.call("seat_subscribe", &json!({"product": ACME, "seat": seat["seat"]}));
    stage.daemon.admin("seat_release", json!({"seat": seat["seat"]}));
    let news = own_told.hear().unwrap()["params"]["result"].take();
    assert_eq!(
        (&news["event"], &news["seat"]["uid"]),
        (&json!("ended"), &json!(getuid().as_raw()))
    );
    let news = other_told.next_line()["params"]["result"].take();
    assert_eq!((&news["event"], &news["seat"]["uid"]), (&json!("ended"), &json!(OTHER)), "{news}");
}

#[test]
fn who_leaves_its_customer_leaves_the_seat_of_the_machine_to_others() {
    let Some((stage, mut other)) = of_the_machine() else {
        return prerequisites::skipped("two users that share a seat", "root");
    };
    let named = json!({"name": "Ada", "uids": [getuid().as_raw()]});
    let customer = stage.daemon.admin("customer_create", named)["id"].take();
    stage.daemon.wait_for_code(ACME, "VALID");
    let mut own = holder(&stage);
    let seat = own.acquire(json!({}));
    assert_eq!(other.acquire(json!({}))["seat"], seat["seat"]);
    stage.daemon.admin("customer_deactivate", json!({"customer": customer}));
    wait_until_of(&stage, OTHER);
    assert_eq!(used(&stage), 1);
    let listed = holder(&stage).call("seat_list", &json!({}))["items"].take();
    assert_eq!(listed, json!([]), "and has it no more");
    other.kill();
    wait_until_unused(&stage);
}

fn wait_until_unused(stage: &Stage) {
    eventually("nobody has it", || match used(stage) {
        used if used == 0 => Ok(()),
        used => Err(used.to_string()),
    });
}
