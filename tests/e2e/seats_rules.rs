//! What vendors and administrators say of floating seats.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::seats::{holder, pool, stage, two_seats, wait_until_used};
use crate::support::prerequisites;
use crate::support::seat_holder::SeatHolder;
use crate::support::stage::{ACME, Stage};

pub fn write_policy(stage: &Stage, name: &str, text: &str) -> Value {
    let folder = stage.daemon.home().join("seats.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
    stage.daemon.admin("system_reload", json!({}))
}

#[test]
fn the_list_needs_neither_a_seat_nor_an_entitlement() {
    let stage = Stage::with(two_seats);
    let mut program = holder(&stage);
    let nothing = json!({"items": [], "pools": [], "next_cursor": null});
    assert_eq!(program.call("seat_list", &json!({"product": ACME})), nothing, "no wallet");
    assert_eq!(program.acquire(json!({}))["code"], "NOT_ENTITLED");
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    assert_eq!(program.acquire(json!({"count": 2}))["code"], "GRANTED");
    let mut other = holder(&stage);
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL");
    let list = other.call("seat_list", &json!({"product": ACME}));
    assert_eq!(list["items"][0]["pid"], json!(program.pid().as_raw()), "of the same user: {list}");
    assert_eq!(pool(&stage)["used"], 2);
    assert_eq!(stage.daemon.code(ACME), "VALID", "a check needs no seat");
}

#[test]
fn policies_are_reloaded_and_a_wrong_one_changes_nothing() {
    let stage = stage(two_seats);
    let uid = nix::unistd::getuid();
    let mut program = holder(&stage);
    let reloaded = write_policy(
        &stage,
        "acme.toml",
        &format!("product = \"acme-cad\"\nexclude = [{{ uid = {uid} }}]"),
    );
    assert_eq!(reloaded["faults"], json!([]), "{reloaded}");
    assert_eq!(program.acquire(json!({}))["code"], "EXCLUDED");
    let reloaded =
        write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nexclud = []\nqueue = \"fast\"");
    let faults = reloaded["faults"].to_string();
    for wanted in ["acme.toml:2: `exclud`: unknown key", "acme.toml:3: `queue`: must be one of"] {
        assert!(faults.contains(wanted), "{wanted} is not in {faults}");
    }
    assert_eq!(program.acquire(json!({}))["code"], "EXCLUDED", "as it was before");
    write_policy(
        &stage,
        "acme.toml",
        &format!("product = \"acme-cad\"\nmax = [{{ uid = {uid}, seats = 1 }}]"),
    );
    assert_eq!(program.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(holder(&stage).acquire(json!({}))["code"], "SEATS_FULL", "the second of this user");
}

/// A user leaves no group by running with another: `sg`, a copy of a program that is set-gid, a user namespace.
#[test]
fn a_rule_about_a_group_is_about_those_whose_primary_group_it_is_in_whichever_they_run() {
    let Ok(Some(user)) = nix::unistd::User::from_name("nobody") else {
        return prerequisites::skipped("a user's primary group", "a user `nobody`");
    };
    let stage = Stage::with(two_seats);
    stage.daemon.link_for(&stage.wallet, "machine");
    let stage = stage.enter(7);
    for folder in [stage.daemon.home().to_owned(), stage.daemon.home().join("run")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let text = format!("product = \"acme-cad\"\nexclude = [{{ gid = {} }}]", user.gid);
    write_policy(&stage, "acme.toml", &text);
    let socket = stage.daemon.socket();
    let Some(mut program) = SeatHolder::of_user_in(&socket, user.uid.as_raw(), 4_242) else {
        return prerequisites::skipped("another user's seats", "root or python3");
    };
    assert_eq!(program.acquire(json!({}))["code"], "EXCLUDED");
}

/// "Could not find out" is neither "in no group" nor "in all".
#[test]
fn who_is_in_a_group_is_not_guessed_where_the_user_database_fails() {
    let what = "a user database that fails";
    if !nix::unistd::geteuid().is_root() || !prerequisites::has("unshare", what) {
        return prerequisites::skipped(what, "root or unshare");
    }
    let mut stage = stage(two_seats);
    for folder in [stage.daemon.home().to_owned(), stage.daemon.home().join("run")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Root is known without its file to the sources of some machines, and another to none.
    for (file, uid) in [("/etc/group", 0), ("/etc/passwd", 4_242)] {
        stage.daemon.stop();
        stage.daemon.hide(file);
        stage.daemon.resume();
        let Some(mut program) = SeatHolder::of_user(&stage.daemon.socket(), uid) else {
            return prerequisites::skipped(what, "python3");
        };
        let refused = program.refused("seat_acquire", &json!({"product": ACME}));
        assert_eq!(refused["data"]["code"], "BUSY", "{file}: {refused}");
    }
}

#[test]
fn a_daemon_does_not_start_with_a_policy_that_it_does_not_understand() {
    let mut stage = Stage::with(two_seats);
    assert!(stage.daemon.stop().success());
    let folder = stage.daemon.home().join("seats.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("acme.toml"), "product = \"acme-cad\"\nexclude = [{ name = \"eve\" }]")
        .unwrap();
    let ended = stage.daemon.command().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("acme.toml:2: `exclude[0]"), "{said}");
}

#[test]
fn a_seat_lingers_for_its_process_until_somebody_asks() {
    let stage = stage(two_seats);
    write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nlinger = \"5m\"");
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    let seat = one.acquire(json!({}));
    one.call("seat_release", &json!({"seat": seat["seat"]}));
    assert_eq!((&pool(&stage)["used"], &pool(&stage)["lingering"]), (&json!(0), &json!(1)));
    assert_eq!(one.acquire(json!({}))["seat"], seat["seat"], "its own again");
    one.call("seat_release", &json!({"seat": seat["seat"]}));
    assert_eq!(other.acquire(json!({"count": 2}))["code"], "GRANTED", "yielded at once");
    assert_eq!(pool(&stage)["lingering"], 0);
}

#[test]
fn an_administrator_takes_a_seat_away_and_it_stands_in_the_audit() {
    let stage = stage(two_seats);
    let mut program = holder(&stage);
    let seat = program.acquire(json!({}))["seat"].clone();
    let order = json!({"seat": seat, "reason": "left for the day"});
    let refused = stage.daemon.try_admin("seat_revoke", order.clone()).unwrap_err();
    assert_eq!(refused.data["code"], "CONFLICT", "it is too young: {refused:?}");
    write_policy(&stage, "acme.toml", "product = \"acme-cad\"\nmin_remove = \"0s\"");
    let refused = stage.daemon.try_call("seat_revoke", order.clone()).unwrap_err();
    assert_eq!(refused.data["code"], "PERMISSION_DENIED", "{refused:?}");
    stage.daemon.admin("seat_revoke", order.clone());
    assert_eq!(pool(&stage)["used"], 0);
    let gone = stage.daemon.try_admin("seat_revoke", order).unwrap_err();
    assert_eq!(gone.data["code"], "NOT_FOUND", "{gone:?}");
    let audit = stage.daemon.admin("audit_list", json!({"limit": 1000}));
    let rows = audit["items"].as_array().unwrap();
    let row = rows.iter().find(|it| it["action"] == "seat_revoked").expect("a row");
    assert_eq!(row["subject"], seat, "{row}");
    assert!(row["detail"].as_str().unwrap().contains("left for the day"), "{row}");
    stage.daemon.wait_for_log("revoked");
}

#[test]
fn all_processes_of_a_user_share_a_seat_where_the_product_says_so() {
    let stage = stage(|licence| two_seats(licence).seats("unit = \"uid\""));
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    let seat = one.acquire(json!({}));
    assert_eq!((&seat["unit"], &seat["used"]), (&json!("uid"), &json!(1)), "{seat}");
    let same = other.acquire(json!({}));
    assert_eq!((&same["seat"], &same["used"]), (&seat["seat"], &json!(1)), "{same}");
    one.kill();
    crate::support::never(std::time::Duration::from_millis(300), || {
        match pool(&stage)["used"] == 1 {
            true => Ok(()),
            false => Err("it ended with the first of two".to_owned()),
        }
    });
    other.kill();
    wait_until_used(&stage, 0);
}

#[test]
fn overage_is_marked_and_surplus_tiers_are_unlimited() {
    let stage = stage(|licence| two_seats(licence).seats("overage = \"+1\""));
    let mut holders: Vec<_> = (0..4).map(|_| holder(&stage)).collect();
    let seats: Vec<Value> = holders.iter_mut().map(|it| it.acquire(json!({}))).collect();
    let over: Vec<&Value> = seats.iter().map(|it| &it["over"]).collect();
    assert_eq!(over, [&json!(false), &json!(false), &json!(true), &json!(false)]);
    assert_eq!(seats[3]["code"], "SEATS_FULL", "{}", seats[3]);
    let text = stage.daemon.figures();
    for wanted in [
        r#"entitled_seats{product="acme-cad",tier="pro",state="used"} 3.0"#,
        r#"entitled_seats{product="acme-cad",tier="pro",state="over"} 1.0"#,
        r#"entitled_seats{product="acme-cad",tier="pro",state="borrowed"} 0.0"#,
        "entitled_seats_granted_total 3",
        "entitled_seat_denials_total 1",
        "entitled_seat_wait_seconds_count 3",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
}

#[test]
fn a_person_is_told_of_seats_with_the_licence() {
    let stage = stage(two_seats);
    let mut program = holder(&stage);
    assert_eq!(program.acquire(json!({"count": 2}))["code"], "GRANTED");
    let mut other = holder(&stage);
    other.ask_for_seat(json!({"wait_ms": 60_000}));
    crate::seats::wait_until_waiting(&stage, 1);
    for command in [&["why", ACME][..], &["status"][..]] {
        let said = stage.daemon.entitlectl().args(command).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("2 of 2 seats of tier pro are used, and 1 waits"), "{said}");
    }
}
