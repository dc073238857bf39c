//! Verdicts that are handed out again: while nothing has changed, and never after a change was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use nix::sys::signal::Signal;
use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::json;

use crate::support::gateway::{Asking, GatewayStage, Reply, TOKEN, client, everything};
use crate::support::socket::Line;
use crate::support::{PATIENCE, eventually};

const PATH: &str = "/api/v1/products/acme-cad/entitlement";
/// How often a change is made and looked for.
const CHANGES: usize = 40;

/// Requests that the daemon has answered.
fn answered(stage: &GatewayStage) -> f64 {
    let figures = stage.daemon.figures();
    let value = figures.lines().find_map(|it| it.strip_prefix("entitled_requests_total "));
    value.unwrap_or_else(|| panic!("no figure in {figures}")).parse().unwrap()
}

fn verdict(asking: &mut Asking) -> Reply {
    asking.ask(TOKEN, PATH)
}

fn wait_until_kept(stage: &GatewayStage, asking: &mut Asking) {
    eventually("verdicts are handed out again", || {
        let before = answered(stage);
        (0..50).for_each(|_| assert_eq!(verdict(asking).status, 200));
        match answered(stage) - before {
            few if few < 20.0 => Ok(()),
            all => Err(format!("{all} of 50 were asked of the daemon")),
        }
    });
}

#[test]
fn a_verdict_is_handed_out_again_and_the_daemon_still_hears_of_it() {
    let stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage.gateway);
    wait_until_kept(&stage, &mut asking);
    let before = answered(&stage);
    eventually("the daemon is asked again", || {
        assert_eq!(verdict(&mut asking).status, 200);
        if answered(&stage) > before + 1.0 { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

#[test]
fn no_verdict_from_before_a_change_is_handed_out_after_it_was_acknowledged() {
    let stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage.gateway);
    wait_until_kept(&stage, &mut asking);
    let token = stage.licence.token(7);
    for change in 0..CHANGES {
        let told = verdict(&mut asking);
        assert!(told.status == 200 && told.body["valid"] == true, "change {change}: {told:?}");
        stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
        let told = verdict(&mut asking);
        assert_eq!(told.body["valid"], false, "change {change}: {told:?}");
        stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
        verdict(&mut asking);
    }
    stage.daemon.admin("customer_deactivate", json!({"customer": "customer:1"}));
    let told = verdict(&mut asking);
    assert_ne!(told.body["valid"], true, "{told:?}");
}

#[test]
fn a_daemon_that_is_gone_or_hangs_is_not_spoken_for() {
    let mut stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage.gateway);
    wait_until_kept(&stage, &mut asking);
    stage.daemon.kill();
    eventually("the gateway has noticed", || match verdict(&mut asking) {
        told if told.status == 503 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    stage.daemon.resume();
    eventually("it is answered again", || match verdict(&mut asking) {
        told if told.status == 200 && told.body["valid"] == true => Ok(()),
        other => Err(format!("{other:?}")),
    });
    wait_until_kept(&stage, &mut asking);
    // One that hangs answers nobody, and what it has shown is over with its lease.
    stage.daemon.signal(Signal::SIGSTOP);
    let probed = eventually("the gateway is not ready", || {
        let probed = stage.gateway.probe("/readyz");
        if probed.status == 503 { Ok(probed) } else { Err(format!("{probed:?}")) }
    });
    stage.daemon.signal(Signal::SIGCONT);
    assert_eq!(probed.status, 503);
    eventually("it is ready", || {
        let probed = stage.gateway.probe("/readyz");
        if probed.status == 200 { Ok(()) } else { Err(format!("{probed:?}")) }
    });
    assert_eq!(verdict(&mut asking).status, 200);
}

/// Of very many who ask at the same time nobody is told what was so before, once a change was acknowledged.
#[test]
fn of_many_who_ask_at_once_nobody_is_told_what_was_so_before_a_change() {
    let stage = GatewayStage::entitled(&everything());
    let token = stage.token();
    // Even: it is entitled. Odd: it is suspended, which was acknowledged.
    let turn = AtomicU64::new(0);
    let begun = Instant::now();
    let (is_over, looked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut asking = Asking::to(&stage.gateway);
                    // Not for ever either, where something else has failed.
                    while !is_over.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE * 4 {
                        let before = turn.load(Ordering::SeqCst);
                        let told = verdict(&mut asking);
                        let after = turn.load(Ordering::SeqCst);
                        if before == after && before % 2 == 1 {
                            assert_ne!(told.body["valid"], true, "{told:?}");
                            looked.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..CHANGES {
            stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
            turn.fetch_add(1, Ordering::SeqCst);
            let before = looked.load(Ordering::SeqCst);
            eventually("some of them have asked meanwhile", || {
                let now = looked.load(Ordering::SeqCst);
                if now >= before + 6 { Ok(()) } else { Err(format!("{before} {now}")) }
            });
            turn.fetch_add(1, Ordering::SeqCst);
            stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
        }
        is_over.store(true, Ordering::SeqCst);
        asking.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn what_is_kept_for_one_is_told_to_nobody_else() {
    let clients = [
        everything(),
        client("other", "other", 2, "scopes = [\"entitlements\"]\nrate = 100000\n"),
        client("few", "few", 1, "scopes = [\"entitlements\"]\nproducts = [\"other\"]\n"),
        client("seats", "seats", 1, "scopes = [\"seats\"]\n"),
    ];
    let cors = "[cors]\norigins = [\"https://app.example\"]\n";
    let stage = GatewayStage::entitled(&format!("{}{cors}", clients.concat()));
    let mut asking = Asking::to(&stage.gateway);
    wait_until_kept(&stage, &mut asking);
    // Each is asked while what the first is told is kept.
    let ask = |asking: &mut Asking, token: &str, path: &str, more: &[&str]| {
        assert_eq!(verdict(asking).status, 200);
        stage.gateway.get_as(token, path, more)
    };
    let mut code = |token: &str, path: &str, more: &[&str]| {
        let reply = ask(&mut asking, token, path, more);
        (reply.status, reply.body["code"].as_str().unwrap_or_default().to_owned())
    };
    let denied = (403, "PERMISSION_DENIED".to_owned());
    assert_eq!(code("other", PATH, &[]), (200, "NO_WALLET".to_owned()));
    assert_eq!(code("few", PATH, &[]), denied);
    assert_eq!(code("seats", PATH, &[]), denied);
    assert_eq!(code("nobody", PATH, &[]).0, 401);
    assert_eq!(code(TOKEN, PATH, &["-H", "Origin: https://evil.example"]), denied);
    let absolute = format!("http://127.0.0.1{PATH}");
    assert_eq!(code("other", PATH, &["--request-target", &absolute]).1, "NO_WALLET");
    // One question that is asked in another form is another question.
    assert_eq!(code(TOKEN, &format!("{PATH}?feature=flying"), &[]).1, "FEATURE_MISSING");
    assert_eq!(code(TOKEN, &format!("{PATH}?feature=export&feature=flying"), &[]).0, 400);
    assert_eq!(code(TOKEN, &PATH.replace("acme-cad", "acme-cad%2F"), &[]).0, 400);
    assert_eq!(code(TOKEN, &PATH.replace("acme", "ACME"), &[]).0, 400);
    assert_eq!(code(TOKEN, &PATH.replace("acme", "%61cme"), &[]).1, "VALID");
    let reply = ask(&mut asking, "other", PATH, &["-H", "If-None-Match: *"]);
    assert_eq!((reply.status, reply.text.as_str()), (304, ""));
    let of_one = ask(&mut asking, TOKEN, PATH, &["-H", "Origin: https://app.example"]);
    let of_other = ask(&mut asking, "other", PATH, &["-H", "Origin: https://app.example"]);
    assert_ne!(of_one.header("etag"), of_other.header("etag"));
    for reply in [of_one, of_other] {
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
        assert!(reply.header("cache-control").unwrap().starts_with("private"), "{reply:?}");
        assert!(reply.header("vary").unwrap().contains("authorization"), "{reply:?}");
    }
}

/// When others' answers change is nobody's business but of those who may ask for them.
#[test]
fn who_is_no_delegate_is_shown_no_revisions() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: revisions for another user: only root can be two users");
        return;
    }
    let stage = GatewayStage::entitled(&everything());
    let socket = stage.daemon.socket();
    let asking = std::thread::spawn(move || {
        let uid = Uid::from_raw(65534);
        set_thread_res_uid(uid, uid, uid).unwrap();
        Line::connect(&socket).call("entitlement_revisions", &json!({}))
    });
    let refused = asking.join().unwrap().unwrap_err();
    assert_eq!(refused.data["code"], "PERMISSION_DENIED", "{:?}", refused.data);
}
