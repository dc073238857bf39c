//! Answers within the program: what a program reads in memory that the daemon writes is never older than what the daemon has told or
//! acknowledged, and is over when the daemon is.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use entitled_c::Entitlement;
use entitled_c::abi::State;
use entitled_client::SocketPath;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::changes::move_user;
use crate::publishers::{Vendor, install, published};
use crate::rules::{HOUR, Scene};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::licences::Rentals;
use crate::support::socket::{Line, result_of};
use crate::support::stage::{ACME, Stage, stranger};
use crate::support::wallet::Wallet;

/// How often a change is made and looked for.
const CHANGES: usize = 40;

fn entitlement(daemon: &Daemon, publisher: Option<&str>) -> Entitlement {
    let socket = SocketPath::at(daemon.socket().to_str().unwrap());
    Entitlement::new(ACME, Some(socket), publisher).unwrap()
}

/// Requests that the daemon has read.
fn requests(daemon: &Daemon) -> f64 {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(ask).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let value = page.lines().find_map(|it| it.strip_prefix("entitled_requests_total "));
    value.unwrap_or_else(|| panic!("no figure in {page}")).parse().unwrap()
}

/// Waits until it is no longer `before`, and says what it is then.
fn after(entitlement: &Entitlement, before: State) -> State {
    eventually("another answer", || match entitlement.valid() {
        it if it == before => Err(format!("{it:?}")),
        other => Ok(other),
    })
}

#[test]
fn a_program_that_was_answered_once_asks_nobody_any_more() {
    let stage = Stage::entitled();
    let entitlement = entitlement(&stage.daemon, None);
    assert_eq!(entitlement.valid(), State::Yes);
    let before = requests(&stage.daemon);
    for _ in 0..1_000_000 {
        assert_eq!(entitlement.valid(), State::Yes);
    }
    // Nothing but a lease that could not be renewed in time would be a reason to ask.
    let asked = requests(&stage.daemon) - before;
    assert!(asked < 100.0, "{asked} of a million were asked of the daemon");
}

/// Who subscribed is told after it stands in the page.
#[test]
fn what_is_sold_is_a_no_in_the_program_once_anybody_was_told() {
    let stage = Stage::entitled();
    let entitlement = entitlement(&stage.daemon, None);
    assert_eq!(entitlement.valid(), State::Yes);
    let mut told = stage.daemon.subscribe(ACME);
    told.until("VALID");
    for _ in 0..3 {
        stage.give_away(7);
        told.until("NOT_HELD");
        assert_eq!(entitlement.valid(), State::No);
        stage.give_back(7);
        told.until("VALID");
        assert_eq!(entitlement.valid(), State::Yes);
    }
}

#[test]
fn no_answer_from_before_a_change_is_read_after_it_was_acknowledged() {
    let stage = Stage::entitled();
    let token = stage.licence.token(7);
    let entitlement = entitlement(&stage.daemon, None);
    for change in 0..CHANGES {
        assert_eq!(entitlement.valid(), State::Yes, "before change {change}");
        stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
        assert_eq!(entitlement.valid(), State::No, "change {change}");
        stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
    }
    assert_eq!(entitlement.valid(), State::Yes);
    // Its user stands for somebody else, who has nothing.
    let engineering = move_user(&stage.daemon);
    assert_eq!(entitlement.valid(), State::No);
    let wallet = Wallet::numbered(2);
    stage.licence.mint(&stage.anvil, wallet.address(), 8);
    stage.daemon.link_for(&wallet, engineering.as_str().unwrap());
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(entitlement.valid(), State::Yes);
    stage.daemon.admin("customer_deactivate", json!({"customer": engineering}));
    assert_eq!(entitlement.valid(), State::No);
}

#[test]
fn a_daemon_that_was_killed_is_noticed_and_the_next_one_is_found() {
    let mut stage = Stage::entitled();
    let entitlement = entitlement(&stage.daemon, None);
    for _ in 0..2 {
        assert_eq!(entitlement.valid(), State::Yes);
        stage.daemon.kill();
        assert_eq!(after(&entitlement, State::Yes), State::NotKnown);
        stage.daemon.resume();
        stage.daemon.wait_for_code(ACME, "VALID");
        assert_eq!(entitlement.valid(), State::Yes);
        let before = requests(&stage.daemon);
        (0..10_000).for_each(|_| assert_eq!(entitlement.valid(), State::Yes));
        assert!(requests(&stage.daemon) - before < 100.0, "it is read in the new daemon's page");
    }
}

/// A daemon that hangs is not waited for by whom it has nothing to say to: its last word holds for the lease.
#[test]
fn a_daemon_that_stops_gives_its_word_back_and_one_that_hangs_loses_it() {
    let mut stage = Stage::entitled();
    let entitlement = entitlement(&stage.daemon, None);
    assert_eq!(entitlement.valid(), State::Yes);
    stage.daemon.signal(Signal::SIGSTOP);
    assert_eq!(after(&entitlement, State::Yes), State::NotKnown);
    stage.daemon.signal(Signal::SIGCONT);
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(after(&entitlement, State::NotKnown), State::Yes);
    stage.daemon.stop();
    assert_eq!(entitlement.valid(), State::NotKnown, "no lease is waited for");
}

#[test]
fn what_ends_by_itself_ends_in_the_program() {
    let anvil = crate::support::anvil::Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    rentals.0.mint(&anvil, stranger(), 7);
    let scene = Scene::new(anvil, &rentals.0.collection(), "rule = \"user\"\nids = [7]");
    scene.wait_for("NOT_HELD");
    let entitlement = entitlement(&scene.daemon, None);
    assert_eq!(entitlement.valid(), State::No);
    rentals.rent(&scene.anvil, 7, scene.holder(), scene.in_time(HOUR));
    scene.wait_for("VALID");
    assert_eq!(entitlement.valid(), State::Yes);
    scene.pass(HOUR * 2);
    scene.wait_for("EXPIRED");
    assert_eq!(entitlement.valid(), State::No);
}

#[test]
fn a_program_takes_its_own_publishers_word_only() {
    let stage = Stage::entitled();
    let (vendor, other) = (Vendor::new(), Vendor::new());
    install(&stage.daemon, &published(&stage, 1, &vendor, &vendor)).unwrap();
    stage.daemon.wait_for_code(ACME, "VALID");
    let (own, foreign) = (
        entitlement(&stage.daemon, Some(&vendor.key())),
        entitlement(&stage.daemon, Some(&other.key())),
    );
    for _ in 0..1_000 {
        assert_eq!((own.valid(), foreign.valid()), (State::Yes, State::No));
    }
}

#[test]
fn what_is_not_known_is_read_as_that_and_what_is_not_installed_is_a_no() {
    let mut stage = Stage::start();
    stage.anvil.stop();
    stage.daemon.link(&stage.wallet);
    assert_eq!(entitlement(&stage.daemon, None).valid(), State::NotKnown);
    let socket = SocketPath::at(stage.daemon.socket().to_str().unwrap());
    let nothing = Entitlement::new("no-such", Some(socket), None).unwrap();
    (0..3).for_each(|_| assert_eq!(nothing.valid(), State::No));
}

fn ask(line: &mut Line, feature: &str) -> Result<Value, (String, String)> {
    let asked = line.call("entitlement_page", &json!({"product": ACME, "feature": feature}));
    asked.map_err(|it| (it.message, it.data.to_string()))
}

/// With the first reply of a connection comes the page, and each slot takes the place of a subscription.
#[test]
fn a_connection_has_one_page_and_as_many_slots_as_subscriptions() {
    let stage = Stage::entitled();
    let mut line = Line::connect(&stage.daemon.socket());
    let first = ask(&mut line, "a").unwrap();
    assert_eq!((&first["descriptor"], &first["lease_ms"]), (&json!(true), &json!(2000)));
    let mut slots = vec![first["slot"].clone()];
    for feature in ('b'..='o').map(String::from) {
        let more = ask(&mut line, &feature).unwrap();
        assert_eq!(more["descriptor"], json!(false));
        assert!(!slots.contains(&more["slot"]), "{more}");
        slots.push(more["slot"].clone());
    }
    line.call("entitlement_subscribe", &json!({"product": ACME})).unwrap();
    let (message, data) = ask(&mut line, "z").unwrap_err();
    assert!(data.contains("LIMIT_EXCEEDED"), "{message}: {data}");
    // Another connection of the user has the same page, and for the same question the same slot.
    let mut other = Line::connect(&stage.daemon.socket());
    let same = ask(&mut other, "a").unwrap();
    assert_eq!((&same["slot"], &same["generation"]), (&first["slot"], &first["generation"]));
    drop(line);
    drop(other);
    let next = eventually("the slots are given back", || {
        let mut line = Line::connect(&stage.daemon.socket());
        let next = ask(&mut line, "a").unwrap();
        match next["generation"] == first["generation"] && next["slot"] == first["slot"] {
            true => Err(next.to_string()),
            false => Ok(next),
        }
    });
    assert!(next["slot"].as_u64().unwrap() < 16, "{next}");
}

#[test]
fn where_no_descriptor_can_go_there_is_no_page_and_it_is_said_why() {
    let stage = Stage::entitled();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "entitlement_page", "params": {"product": ACME}});
    let mut line = Line::connect(&stage.daemon.socket());
    line.say(format!("{}\n", json!([request])).as_bytes());
    let batch = line.hear().unwrap()[0].clone();
    let body = request.to_string();
    let mut stream = UnixStream::connect(stage.daemon.socket()).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let http = serde_json::from_str(reply.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    for refused in [batch, http] {
        let refused = result_of(refused).unwrap_err();
        assert!(refused.data.to_string().contains("raw connection"), "{:?}", refused.data);
    }
}
