//! What an administrator sees of a running daemon: figures, the service manager's view, the log.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::http::Message;
use crate::support::process::Process;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};

/// A port nobody listens on now. Somebody else may take it first; then the daemon does not start, and says so.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str, more: &str) -> (String, String) {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        &stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}Connection: close\r\n\r\n"
    )
    .unwrap();
    let reply = Message::read(&mut BufReader::new(stream)).unwrap().unwrap();
    (reply.first, String::from_utf8(reply.body).unwrap())
}

/// Each sample by its name and labels.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|it| !it.starts_with('#'));
    lines.map(|it| it.rsplit_once(' ').unwrap()).map(|(a, b)| (a, b.parse().unwrap())).collect()
}

#[test]
fn the_figures_are_on_the_loopback_port_that_was_asked_for() {
    let port = free_port();
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let settings = Settings::new([anvil.url()])
        .more(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""))
        .product(ProductFile::acme(&licence.collection()));
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    let mut told = stage.daemon.subscribe(ACME);
    told.next();
    stage.daemon.check(ACME);
    stage.daemon.check("nobody-installed-this");

    let (status, body) = get(port, "/metrics", "");
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    let found = samples(&body);
    let at_least_one = [
        r#"entitled_checks_total{product="acme-cad",code="VALID"}"#,
        r#"entitled_checks_total{product="",code="NO_PRODUCT"}"#,
        "entitled_cache_hits_total",
        "entitled_look_seconds_count",
        "entitled_subscriptions",
        "entitled_store_commits_total",
        "entitled_store_bytes",
        "entitled_products",
        r#"entitled_chain_head_block{chain="eip155:31337"}"#,
    ];
    for name in at_least_one {
        assert!(found.get(name).is_some_and(|it| *it >= 1.0), "{name} in\n{body}");
    }
    let of_endpoint = format!(r#"{{chain="eip155:31337",endpoint="{}"}}"#, stage.anvil.url());
    for name in ["entitled_endpoint_up", "entitled_endpoint_requests_total"] {
        let name = format!("{name}{of_endpoint}");
        assert!(found.get(&*name).is_some_and(|it| *it >= 1.0), "{name} in\n{body}");
    }
    assert!(!body.contains(&stage.holder().to_string()), "no wallet is named");

    for (path, more, wanted) in [
        ("/healthz", "", "HTTP/1.1 200"),
        ("/openrpc.json", "", "HTTP/1.1 404"),
        ("/metrics", "Origin: http://evil.example\r\n", "HTTP/1.1 403"),
    ] {
        assert!(get(port, path, more).0.starts_with(wanted), "{path} {more}");
    }
}

/// A daemon that shows its figures on a port, with no chain to speak of.
fn daemon_with_a_port() -> (Daemon, u16) {
    let port = free_port();
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()])
        .more(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    (Daemon::start(&settings), port)
}

#[test]
fn a_foreign_host_gets_no_figures() {
    let (_daemon, port) = daemon_with_a_port();
    for (host, wanted) in [
        ("localhost", "HTTP/1.1 200"),
        ("[::1]:9469", "HTTP/1.1 200"),
        ("a.example", "HTTP/1.1 403"),
        ("localhost.a.example:9469", "HTTP/1.1 403"),
    ] {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(&stream, "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let reply = Message::read(&mut BufReader::new(stream)).unwrap().unwrap();
        assert!(reply.first.starts_with(wanted), "{host}: {}", reply.first);
    }
}

/// Nobody knows whose a connection to the port is, so that nobody can have places of their own.
#[test]
fn who_keeps_connections_to_the_port_open_keeps_nobody_from_the_figures() {
    let (_daemon, port) = daemon_with_a_port();
    let held: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n").unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        assert!(get(port, "/metrics", "").0.starts_with("HTTP/1.1 200"));
    }
    drop(held);
}

#[test]
fn figures_come_in_the_format_that_is_asked_for() {
    let (_daemon, port) = daemon_with_a_port();
    let (_, open) = get(port, "/metrics", "");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE entitled_requests counter\n"));
    let (_, plain) = get(port, "/metrics", "Accept: text/plain; version=0.0.4\r\n");
    assert!(!plain.contains("# EOF"), "{plain}");
    assert!(plain.contains("# TYPE entitled_requests_total counter\n"), "{plain}");
    let names = |text: &str| samples(text).keys().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&open), names(&plain));
}

/// Or a clock that is behind by as much: each look meets it, and the log is told once.
#[test]
fn a_chain_that_is_in_the_future_is_told_of_once() {
    let ahead = crate::support::beacon::node::seconds_now() + 2 * 3_600;
    let anvil = Anvil::with(&["--timestamp", &ahead.to_string()]);
    let licence = Contract::licence(&anvil);
    let product = ProductFile::acme(&licence.collection()).finality("finalized");
    let settings = Settings::new([anvil.url()]).product(product.set("refresh", r#""200ms""#));
    let stage = Stage::on(anvil, licence, &settings);
    stage.daemon.link(&stage.wallet);
    stage.mint(7);
    stage.anvil.finalize();
    stage.daemon.wait_for_code(ACME, "VALID");
    let verified = |it: &Value| it["verified_at"].to_string();
    let mut seen = BTreeSet::from([verified(&stage.daemon.check(ACME))]);
    eventually("it is looked at again and again", || {
        seen.insert(verified(&stage.daemon.check(ACME)));
        if seen.len() > 4 { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    stage.daemon.wait_for_log("a block from the future");
    let log = stage.daemon.log();
    assert_eq!(log.matches("a block from the future").count(), 1, "{log}");
}

#[test]
fn a_check_that_is_not_in_the_cache_is_one_miss() {
    let (daemon, port) = daemon_with_a_port();
    let misses = || samples(&get(port, "/metrics", "").1)["entitled_cache_misses_total"];
    let before = misses();
    // What nobody installed is not kept, so that each check has to ask.
    for asked in 1..=3 {
        daemon.check("nobody-installed-this");
        assert_eq!(misses(), before + f64::from(asked));
    }
}

#[test]
fn a_subscription_that_ends_is_no_longer_counted() {
    let stage = Stage::entitled();
    let figure = || {
        let stream = UnixStream::connect(stage.daemon.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(&stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let page = Message::read(&mut BufReader::new(stream)).unwrap().unwrap().body;
        samples(std::str::from_utf8(&page).unwrap())["entitled_subscriptions"]
    };
    let mut told = stage.daemon.subscribe(ACME);
    told.next();
    assert!((figure() - 1.0).abs() < f64::EPSILON);
    drop(told);
    eventually("nobody is subscribed", || match figure() {
        0.0 => Ok(()),
        open => Err(format!("{open} subscriptions")),
    });
}

/// What the service manager was told so far.
fn heard(manager: &UnixDatagram) -> Option<String> {
    let mut message = [0; 4_096];
    let length = manager.recv(&mut message).ok()?;
    Some(String::from_utf8_lossy(&message[..length]).into_owned())
}

#[test]
fn the_service_manager_hears_of_every_step_and_of_a_daemon_that_answers() {
    let daemon =
        crate::support::daemon::Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let notify = daemon.home().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = daemon.command();
    command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "600000");
    let mut process = Process::start(command);

    let mut before = Vec::new();
    while !before.last().is_some_and(|it: &String| it.starts_with("READY=1")) {
        before.push(heard(&manager).unwrap_or_else(|| panic!("{}", process.output().text())));
    }
    let starting = ["EXTEND_TIMEOUT_USEC=120000000\n", "STATUS=making the store\n"];
    assert_eq!(before[..2], starting, "the start says what it does");
    let mut line = Line::connect(&daemon.socket());
    line.call("system_version", &json!({})).expect("ready means that somebody answers");

    let beats = |count: usize| {
        let mut told = Vec::new();
        while told.iter().filter(|it: &&String| it.starts_with("WATCHDOG=1")).count() < count {
            told.push(heard(&manager).expect("another sign of life"));
        }
        told
    };
    let told = beats(3);
    assert!(told.iter().any(|it| it.starts_with("STATUS=answering")), "{told:?}");

    // Stopped, it says nothing; going on, it does again.
    process.signal(Signal::SIGSTOP);
    manager.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    while heard(&manager).is_some() {}
    process.signal(Signal::SIGCONT);
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    beats(1);

    process.signal(Signal::SIGTERM);
    let stopping = |it: &String| it.starts_with("STOPPING=1");
    while !heard(&manager).is_some_and(|it| stopping(&it)) {}
    assert!(process.wait().success(), "{}", process.output().text());
}

#[test]
fn a_change_of_the_answer_is_in_the_log_with_its_name() {
    let stage = Stage::entitled();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let change = |log: &str, before: &str, code: &str| {
        let words = ["entitlement_changed", "product=acme-cad", &format!("code={code}")];
        let line = |it: &&str| words.iter().all(|word| it.contains(word)) && it.contains(before);
        log.lines().find(line).is_some()
    };
    eventually("both changes are told", || {
        let log = stage.daemon.log();
        let both = change(&log, "", "VALID") && change(&log, "before=\"VALID\"", "NOT_HELD");
        if both { Ok(()) } else { Err(log) }
    });
}

/// An administrator who reads "VALID, before: not known" for everybody after each reload learns to read none of it.
#[test]
fn a_reload_or_a_restart_is_no_change_of_the_answer() {
    let mut stage = Stage::entitled();
    let changes = |stage: &Stage| stage.daemon.log().matches("entitlement_changed").count();
    // What is logged is read here a moment after it was answered.
    let logged = |stage: &Stage, wanted: usize| {
        eventually("the change is logged", || match changes(stage) {
            it if it == wanted => Ok(it),
            it => Err(format!("{it} of {wanted}: {}", stage.daemon.log())),
        })
    };
    let before = logged(&stage, 1);
    stage.daemon.admin("system_reload", json!({}));
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(changes(&stage), before, "{}", stage.daemon.log());
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "VALID");
    // After a look as well.
    stage.mint(8);
    eventually("the second licence is seen", || {
        let held = stage.daemon.call("ownership_list", json!({}));
        if held["items"].as_array().is_some_and(|it| it.len() == 2) {
            Ok(())
        } else {
            Err(held.to_string())
        }
    });
    assert_eq!(changes(&stage), before, "{}", stage.daemon.log());

    // What did change meanwhile is told.
    stage.daemon.stop();
    stage.give_away(7);
    stage.give_away(8);
    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    logged(&stage, before + 1);
}
