//! The fake daemon: every case of a program that asks, without a chain.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use entitled::rpc::openrpc;
use entitled_core::domain::entitlement::Code;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::examples::fits;
use crate::support::fake::{FakeDaemon, fake_command, write};
use crate::support::socket::Line;
use crate::support::stage::own_customer;

const ACME: &str = "acme-cad";

/// A product, and then whatever follows.
const PRO: &str = r#"
[products.acme-cad]
tier = "pro"
rank = 20
features = { export = true, max_projects = 50 }
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn checked(home: &Path) -> Output {
    fake_command(home).arg("--check").output().unwrap()
}

/// What is wrong with this file, said by `--check`.
fn faults(file: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), file);
    let output = checked(home.path());
    assert_eq!(output.status.code(), Some(2), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn every_verdict_can_be_had_and_each_says_that_it_is_a_fake() {
    let product = |code: &Code| {
        let name = code.as_str().to_lowercase();
        format!("[products.{name}]\ncode = \"{code}\"\n")
    };
    let fake = FakeDaemon::start(&Code::ALL.iter().map(product).collect::<String>());
    let schema = openrpc::document().pointer("/components/schemas/Verdict").unwrap();
    for code in Code::ALL {
        let verdict = fake.check(&code.as_str().to_lowercase());
        assert_eq!(verdict["code"], code.as_str());
        assert_eq!(verdict["valid"], code.is_valid(), "{verdict}");
        assert_eq!(verdict["trust"], "fake", "{verdict}");
        assert_eq!(verdict["customer"], own_customer(), "{verdict}");
        assert_eq!(verdict["tier"].is_string(), code.is_valid(), "{verdict}");
        fits(schema, &verdict).unwrap_or_else(|it| panic!("{it} in {verdict}"));
    }
    let unknown = fake.check("nowhere");
    assert_eq!((&unknown["code"], &unknown["trust"]), (&json!("NO_PRODUCT"), &json!("fake")));
    for method in ["entitlement_list", "entitlement_explain", "customer_tier", "tier_list"] {
        let params = if method.ends_with("list") { json!({}) } else { json!({"product": "valid"}) };
        let result = fake.call(method, params);
        let methods = openrpc::document()["methods"].as_array().unwrap();
        let described = methods.iter().find(|it| it["name"] == method).unwrap();
        fits(&described["result"]["schema"], &result)
            .unwrap_or_else(|it| panic!("{method}: {it} in {result}"));
    }
    let listed = fake.call("entitlement_list", json!({}));
    assert!(listed["items"].as_array().unwrap().iter().all(|it| it["trust"] == "fake"), "{listed}");
}

#[test]
fn features_and_publishers_are_asked_for_as_of_a_real_daemon() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let fake = FakeDaemon::start(&format!("{PRO}publisher = \"{key}\"\n"));
    let check = |more: Value| {
        let mut params = json!({ "product": ACME });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fake.call("entitlement_check", params)
    };
    let verdict = check(json!({ "feature": "export", "publisher": key }));
    assert_eq!(verdict["features"], json!({ "export": true, "max_projects": 50 }));
    assert_eq!((&verdict["code"], &verdict["rank"]), (&json!("VALID"), &json!(20)));
    assert_eq!(check(json!({ "feature": "no-such" }))["code"], "FEATURE_MISSING");
    let other = "RWRV69hjFK5aR6ChOQJbc/rxMVIfCvXh42x8J5iGBZ+YnmwMEXwl42y9";
    if let Ok(verdict) =
        fake.try_call("entitlement_check", json!({ "product": ACME, "publisher": other }))
    {
        assert_eq!(
            (&verdict["code"], &verdict["trust"]),
            (&json!("PUBLISHER_MISMATCH"), &json!("fake"))
        );
    }
    let refused = fake.try_call("entitlement_check", json!({ "prodcut": ACME })).unwrap_err();
    assert!(refused.code == -32602 && refused.message.contains("prodcut"), "{refused:?}");
    let refused = fake.try_call("customer_list", json!({})).unwrap_err();
    assert_eq!(refused.data["code"], "PERMISSION_DENIED", "{refused:?}");
}

#[test]
fn a_subscriber_is_told_what_the_timer_changes() {
    let fake = FakeDaemon::start(&format!(
        "{PRO}repeat = \"150ms\"
         [[products.acme-cad.then]]\nafter = \"150ms\"\ncode = \"GRACE\"
         [[products.acme-cad.then]]\nafter = \"150ms\"\nerror = \"BUSY\"
         [[products.acme-cad.then]]\nafter = \"150ms\"\ncode = \"NOT_HELD\""
    ));
    let mut told = fake.subscribe(ACME);
    // An error is none of its notifications, as of a real daemon.
    for code in ["VALID", "GRACE", "NOT_HELD", "VALID", "GRACE"] {
        let verdict = told.next();
        assert_eq!((&verdict["code"], &verdict["trust"]), (&json!(code), &json!("fake")));
        assert_eq!(verdict["features"] == json!({}), code == "NOT_HELD", "{verdict}");
    }
}

#[test]
fn what_expires_is_told_by_itself() {
    let fake = FakeDaemon::start(&format!("{PRO}expires_in = \"300ms\"\n"));
    let mut told = fake.subscribe(ACME);
    let valid = told.next();
    assert_eq!((&valid["code"], &valid["seconds_until_change"]), (&json!("VALID"), &json!(1)));
    let expired = told.next();
    assert_eq!(
        (&expired["code"], &expired["expires_at"]),
        (&json!("EXPIRED"), &valid["expires_at"])
    );
}

#[test]
fn states_follow_each_other_by_the_number_of_checks() {
    let fake = FakeDaemon::start(&format!(
        "{PRO}[[products.acme-cad.then]]\nafter_checks = 2\ncode = \"UNDETERMINED\"
         [[products.acme-cad.then]]\nafter_checks = 1\nerror = \"BUSY\"
         [[products.acme-cad.then]]\nafter_checks = 1\ncode = \"EXPIRED\""
    ));
    for code in ["VALID", "VALID", "UNDETERMINED"] {
        assert_eq!(fake.code(ACME), code);
    }
    let refused = fake.try_call("entitlement_check", json!({ "product": ACME })).unwrap_err();
    assert_eq!(refused.data["code"], "BUSY", "{refused:?}");
    assert_eq!(fake.code(ACME), "EXPIRED");
    assert_eq!(fake.code(ACME), "EXPIRED", "the last state stays");
}

#[test]
fn a_customer_may_have_a_course_of_its_own() {
    let fake = FakeDaemon::start(&format!(
        "{PRO}[[products.acme-cad.for]]\ncustomer = \"uid:4001\"\ncode = \"SUSPENDED\"
         [[products.acme-cad.for.then]]\nafter_checks = 1\ncode = \"VALID\""
    ));
    let mut admin = Line::connect(&fake.admin_socket());
    let mut as_other = || {
        let params = json!({ "product": ACME, "customer": "uid:4001" });
        admin.call("entitlement_check", &params).unwrap()
    };
    let suspended = as_other();
    assert_eq!(
        (&suspended["code"], &suspended["customer"]),
        (&json!("SUSPENDED"), &json!("uid:4001"))
    );
    assert_eq!(fake.code(ACME), "VALID");
    assert_eq!(as_other()["tier"], "pro", "what it does not say is as for everybody");
    let params = json!({ "product": ACME, "customer": "uid:4001" });
    let refused = fake.try_call("entitlement_check", params).unwrap_err();
    assert_eq!(refused.data["code"], "PERMISSION_DENIED", "not by the public socket: {refused:?}");
}

#[test]
fn delays_take_a_place_among_the_requests_in_flight() {
    let fake =
        FakeDaemon::start(&format!("{PRO}delay = \"400ms\"\n[socket.limits]\nin_flight = 2"));
    let mut line = Line::connect(&fake.socket());
    let begun = Instant::now();
    for _ in 0..3 {
        line.ask("entitlement_check", &json!({ "product": ACME }));
    }
    let refused = line.hear().unwrap();
    assert_eq!(refused["error"]["data"]["code"], "LIMIT_EXCEEDED", "{refused}");
    for _ in 0..2 {
        assert_eq!(line.hear().unwrap()["result"]["code"], "VALID");
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}

#[test]
fn methods_answer_what_the_file_gives_them() {
    let fake = FakeDaemon::start(&format!(
        "{PRO}[methods.wallet_create]\nerror = \"LOCKED\"
         [methods.wallet_list]\nresult = '''{{\"items\": [], \"next_cursor\": null}}'''
         [methods.token_verify]\nexample = true
         [methods.entitlement_explain]\nerror = \"METHOD_NOT_FOUND\""
    ));
    let code = |method: &str, params: Value| {
        fake.try_call(method, params).unwrap_err().data["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("wallet_create", json!({})), "LOCKED");
    assert_eq!(code("entitlement_explain", json!({ "product": ACME })), "METHOD_NOT_FOUND");
    assert_eq!(fake.call("wallet_list", json!({})), json!({ "items": [], "next_cursor": null }));
    let token = "eip155:1/erc721:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf/7";
    let sighting = fake.call("token_verify", json!({ "token": token }));
    assert_eq!(sighting["trust"], "fake", "whatever says how far it is trusted: {sighting}");
    let refused = fake.try_call("ownership_list", json!({})).unwrap_err();
    assert!(refused.message.contains("[methods.ownership_list]"), "{refused:?}");
}

#[test]
fn it_goes_away_and_comes_back_as_a_daemon_that_is_restarted() {
    let mut fake = FakeDaemon::start(&format!(
        "{PRO}[[products.acme-cad.then]]\nafter_checks = 1\nrestart = \"300ms\"\ncode = \"GRACE\""
    ));
    let mut line = Line::connect(&fake.socket());
    let before = line.call("entitlement_check", &json!({ "product": ACME })).unwrap();
    assert_eq!(before["code"], "VALID", "what was asked is answered first");
    assert!(line.is_closed());
    assert!(Line::try_connect(&fake.socket()).is_err(), "nobody is at the door");
    fake.wait_until_it_answers();
    assert_eq!(fake.code(ACME), "GRACE");
}

#[test]
fn a_restart_by_the_timer_needs_nobody_to_ask() {
    let fake = FakeDaemon::start(&format!(
        "{PRO}[[products.acme-cad.then]]\nafter = \"200ms\"\nrestart = \"100ms\""
    ));
    let mut line = Line::connect(&fake.socket());
    line.call("entitlement_check", &json!({ "product": ACME })).unwrap();
    assert!(line.is_closed());
}

#[test]
fn its_file_is_read_again_on_a_signal_and_by_an_administrator() {
    let fake = FakeDaemon::start(PRO);
    let mut told = fake.subscribe(ACME);
    assert_eq!(told.next()["code"], "VALID");
    fake.write("[products.acme-cad]\ncode = \"NOT_HELD\"");
    fake.signal(Signal::SIGHUP);
    assert_eq!(told.next()["code"], "NOT_HELD");
    let mut admin = Line::connect(&fake.admin_socket());
    fake.write("[products.acme-cad]\ncode = \"NOT_HLED\"");
    let refused = admin.call("system_reload", &json!({})).unwrap_err();
    assert!(refused.message.contains("fake.toml:3: `products.acme-cad.code`"), "{refused:?}");
    assert!(!refused.message.contains(fake.home().to_str().unwrap()), "{refused:?}");
    fake.write("[products.acme-cad]\ncode = \"EXPIRED\"");
    assert_eq!(admin.call("system_reload", &json!({})).unwrap()["products"], 1);
    assert_eq!(told.next()["code"], "EXPIRED");
}

#[test]
fn it_says_everywhere_that_it_is_a_fake() {
    let fake = FakeDaemon::start(PRO);
    let said = fake.said();
    assert!(
        said.contains(&format!("export ENTITLED_SOCKET={}", fake.socket().display())),
        "{said}"
    );
    assert!(said.contains("This is a fake"), "{said}");
    let health = fake.call("system_health", json!({}));
    assert_eq!((&health["fake"], &health["status"]), (&json!(true), &json!("ok")));
    let shown = |arguments: &[&str]| {
        let output = fake.entitlectl().args(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, status) = shown(&["status"]);
    assert!(code == Some(0) && status.contains("This is a fake"), "{status}");
    let (code, check) = shown(&["check", ACME]);
    assert!(code == Some(0) && check.contains("entitled: pro, says a fake daemon"), "{check}");
    let verdict: entitled_client::Verdict = serde_json::from_value(fake.check(ACME)).unwrap();
    assert!(verdict.valid && verdict.is_fake());
}

#[test]
fn all_that_is_wrong_with_its_file_is_said_at_once() {
    let said = faults(
        r#"[socket]
threads = 0
[products.acme-cad]
code = "VALD"
tire = "pro"
[[products.acme-cad.then]]
code = "GRACE"
[[products.acme-cad.then]]
after = "1s"
after_checks = 2
error = "BUSY"
code = "VALID"
[products."Not A Name"]
[[products.bolt.for]]
customer = "nobody"
[methods.wallet_list]
result = "{"
[methods.wallet_lst]
error = "BUSY"
[methods.entitlement_check]
result = "{}"
[chain]
"#
        .trim_start_matches("[socket]\n")
        .replacen("threads = 0", "socket.threads = 0", 1)
        .as_str(),
    );
    let expected = [
        ("2", "socket.threads", "from 1 to 64"),
        ("4", "products.acme-cad.code", "did you mean `VALID`?"),
        ("5", "products.acme-cad.tire", "did you mean `tier`?"),
        ("6", "products.acme-cad.then[0].after", "must be given, or `after_checks`"),
        ("9", "products.acme-cad.then[1].after", "and not both"),
        ("11", "products.acme-cad.then[1].error", "in the place of `code`"),
        ("13", "products.\"Not A Name\"", "is not a product id"),
        ("15", "products.bolt.for[0].customer", "is not a customer id"),
        ("17", "methods.wallet_list.result", "must be JSON"),
        ("18", "methods.wallet_lst", "no such method"),
        ("21", "methods.entitlement_check.result", "is answered by what `[products]`"),
        ("22", "chain", "unknown key"),
    ];
    for (line, key, what) in expected {
        let begins = format!("fake.toml:{line}: `{key}`: ");
        let found = said.lines().find(|it| it.contains(&begins));
        assert!(found.is_some_and(|it| it.contains(what)), "{begins}{what}: not in\n{said}");
    }
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    assert!(faults("").contains("must have 1 to 100 products"));
}

#[test]
fn it_never_takes_a_place_where_programs_look_by_themselves() {
    let home = tempfile::tempdir().unwrap();
    let check = |socket: &str| {
        let file = home.path().join("fake.toml");
        std::fs::write(file, format!("{socket}\n{PRO}")).unwrap();
        let output = checked(home.path());
        (output.status.code(), text(&output.stderr))
    };
    std::os::unix::fs::symlink("/run", home.path().join("elsewhere")).unwrap();
    std::fs::create_dir(home.path().join("entitled")).unwrap();
    let own = home.path().join("entitled/entitled.sock").display().to_string();
    let other = home.path().join("session/entitled/entitled.sock").display().to_string();
    let led = home.path().join("elsewhere/entitled/x.sock").display().to_string();
    let places = [
        "/run/entitled/entitled.sock",
        "/run/entitled/deep/x.sock",
        "/var/run/entitled/a.sock",
        // Another session's, be it of the same user: its directory may be none that is known here.
        "/run/user/4242/entitled/x.sock",
        "/tmp/entitled-4242/entitled.sock",
        &other,
        &own,
        &led,
    ];
    for path in places {
        for key in ["path", "admin_path"] {
            let (code, said) =
                check(&format!("socket.path = \"/tmp/a.sock\"\nsocket.{key} = {path:?}").replacen(
                    "socket.path = \"/tmp/a.sock\"\nsocket.path",
                    "socket.path",
                    1,
                ));
            assert_eq!(code, Some(2), "{key} {path}");
            let what = format!("`socket.{key}`: must not be ");
            assert!(said.contains(&what), "{key} {path}: {said}");
        }
    }
    let (code, said) = check("socket.path = \"/tmp/../run/entitled/x.sock\"");
    assert!(code == Some(2) && said.contains("without `..`"), "{said}");
    if nix::unistd::geteuid().is_root() {
        let (code, said) = check("");
        assert!(code == Some(2) && said.contains("where root runs a fake"), "{said}");
    }
    let (code, said) = check(&format!("socket.path = {:?}", home.path().join("a.sock")));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn it_leaves_nothing_but_its_sockets() {
    let mut fake = FakeDaemon::start(PRO);
    fake.check(ACME);
    let names = |home: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(home).unwrap();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    };
    let locks = |it: &String| it.ends_with(".lock");
    let mut found = names(fake.home());
    found.retain(|it| !locks(it));
    assert_eq!(found, ["admin.sock", "fake.sock", "fake.toml"].map(String::from).into());
    fake.signal(Signal::SIGTERM);
    assert!(fake.wait().success(), "{}", fake.said());
    let mut left = names(fake.home());
    left.retain(|it| !locks(it));
    assert_eq!(left, ["fake.toml"].map(String::from).into());
}

#[test]
fn the_example_of_the_manual_is_played_as_it_is_described() {
    let manual =
        std::fs::read_to_string(crate::support::tests_dir().join("../docs/fake.md")).unwrap();
    let example = manual.split("```toml\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    let fake =
        FakeDaemon::start(&example.replace("\"10s\"", "\"300ms\"").replace("\"2s\"", "\"200ms\""));
    assert_eq!(fake.call("wallet_list", json!({}))["items"], json!([]));
    let mut told = fake.subscribe(ACME);
    assert_eq!([told.next(), told.next()].map(|it| it["code"].clone()), ["VALID", "GRACE"]);
    // It is away for a moment, and back before the connection is tried anew.
    crate::support::eventually("the licence is sold", || {
        let mut line = Line::try_connect(&fake.socket()).map_err(|it| it.to_string())?;
        line.ask("entitlement_check", &json!({ "product": ACME }));
        let reply = line.hear().ok_or("it went away")?;
        if reply["result"]["code"] == "NOT_HELD" { Ok(()) } else { Err(reply.to_string()) }
    });
}

#[test]
fn who_asks_a_fake_for_what_it_has_no_answer_to_is_not_sent_to_look_for_a_name() {
    let fake = FakeDaemon::start("[products.acme-cad]\n");
    let done = fake.entitlectl().args(["seats", "list"]).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("[methods.seat_list]") && !said.contains("check the name"), "{said}");
}
