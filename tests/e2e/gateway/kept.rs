//! Verdicts that are handed out again: while nothing has changed, and never after a change was acknowledged.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::json;

use crate::support::eventually;
use crate::support::gateway::{GatewayStage, TOKEN, everything};
use crate::support::socket::Line;

const PATH: &str = "/api/v1/products/acme-cad/entitlement";
/// How often a change is made and looked for.
const CHANGES: usize = 40;

/// A connection that stays, as a client that asks often has it.
struct Asking(TcpStream);

impl Asking {
    fn to(stage: &GatewayStage) -> Self {
        Self(TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap())
    }

    /// The status and the body, or nothing where the connection has ended.
    fn ask(&mut self) -> (u16, String) {
        let head = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n");
        write!(self.0, "{head}Authorization: Bearer {TOKEN}\r\n\r\n").unwrap();
        let mut said = Vec::new();
        loop {
            let mut part = [0; 8 * 1024];
            let count = self.0.read(&mut part).unwrap();
            assert!(count > 0, "it has hung up");
            said.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&said);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                return (head[9..12].parse().unwrap(), body.to_owned());
            }
        }
    }
}

/// Requests that the daemon has answered.
fn answered(stage: &GatewayStage) -> f64 {
    let figures = stage.daemon.figures();
    let value = figures.lines().find_map(|it| it.strip_prefix("entitled_requests_total "));
    value.unwrap_or_else(|| panic!("no figure in {figures}")).parse().unwrap()
}

fn wait_until_kept(stage: &GatewayStage, asking: &mut Asking) {
    eventually("verdicts are handed out again", || {
        let before = answered(stage);
        (0..50).for_each(|_| assert_eq!(asking.ask().0, 200));
        match answered(stage) - before {
            few if few < 20.0 => Ok(()),
            all => Err(format!("{all} of 50 were asked of the daemon")),
        }
    });
}

#[test]
fn a_verdict_is_handed_out_again_and_the_daemon_still_hears_of_it() {
    let stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage);
    wait_until_kept(&stage, &mut asking);
    let before = answered(&stage);
    eventually("the daemon is asked again", || {
        assert_eq!(asking.ask().0, 200);
        if answered(&stage) > before + 1.0 { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

#[test]
fn no_verdict_from_before_a_change_is_handed_out_after_it_was_acknowledged() {
    let stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage);
    wait_until_kept(&stage, &mut asking);
    let token = stage.licence.token(7);
    for change in 0..CHANGES {
        let (status, body) = asking.ask();
        assert!(status == 200 && body.contains(r#""valid":true"#), "change {change}: {body}");
        stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
        let (_, body) = asking.ask();
        assert!(body.contains(r#""valid":false"#), "change {change}: {body}");
        stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
        asking.ask();
    }
    stage.daemon.admin("customer_deactivate", json!({"customer": "customer:1"}));
    let (_, body) = asking.ask();
    assert!(!body.contains(r#""valid":true"#), "{body}");
}

#[test]
fn a_daemon_that_is_gone_or_hangs_is_not_spoken_for() {
    let mut stage = GatewayStage::entitled(&everything());
    let mut asking = Asking::to(&stage);
    wait_until_kept(&stage, &mut asking);
    stage.daemon.kill();
    eventually("the gateway has noticed", || match asking.ask() {
        (503, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    stage.daemon.resume();
    eventually("it is answered again", || match asking.ask() {
        (200, body) if body.contains(r#""valid":true"#) => Ok(()),
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
    assert_eq!(asking.ask().0, 200);
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
