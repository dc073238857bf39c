//! A fleet over TLS with certificates of clients, and with users and passwords of etcd: who is let in shares the seats, and
//! of who is not it is said why, and it gives none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::authority::Authority;
use crate::support::daemon::Daemon;
use crate::support::etcd::Etcd;
use crate::support::eventually;
use crate::support::fleet::{Fleet, Machine};
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::Settings;
use crate::support::stage::ACME;

const TTL: Duration = Duration::from_secs(4);
const A_MINUTE: u64 = 60_000;
const PASSWORD: &str = "a password of the tests";

/// etcd that lets in who shows a certificate of the authority, and says who it is; and nobody's machine yet.
struct Site {
    fleet: Fleet,
    authority: Authority,
    /// Of whom nobody knows.
    stranger: Authority,
}

/// What a machine says of itself.
struct Login<'a> {
    ca: &'a Authority,
    /// The certificate that it shows.
    shown: Option<(&'a Authority, &'a str)>,
    user: Option<(&'a str, &'a str)>,
}

impl Site {
    /// `entitled` may read and write below the prefix, `reader` only read, and `other` has another prefix.
    fn start(members: usize) -> Option<Self> {
        let (authority, stranger) = (Authority::new()?, Authority::new()?);
        authority.issue("etcd", "IP:127.0.0.1");
        for authority in [&authority, &stranger] {
            authority.issue_to("/O=tests", "machine", "DNS:machine");
            authority.issue("named", "DNS:machine");
            std::fs::write(authority.path("right"), format!("{PASSWORD}\n")).unwrap();
            std::fs::write(authority.path("wrong"), "another").unwrap();
        }
        let mut etcd = Etcd::start(members)?;
        for (user, rights, prefix) in [
            ("root", None, ""),
            ("entitled", Some(2), "/entitled/v1/"),
            ("reader", Some(0), "/entitled/v1/"),
            ("other", Some(2), "/another/"),
        ] {
            etcd.ask("auth/user/add", &json!({"name": user, "password": PASSWORD}));
            etcd.ask("auth/role/add", &json!({"name": user}));
            if let Some(kind) = rights {
                // All keys that begin so: up to the next after the last of them.
                let end = prefix.replace("1/", "10").replace("another/", "another0");
                let permission = json!({"permType": kind, "key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end)});
                etcd.ask("auth/role/grant", &json!({"name": user, "perm": permission}));
            }
            etcd.ask("auth/user/grant", &json!({"user": user, "role": user}));
        }
        etcd.ask("auth/enable", &json!({}));
        etcd.secure(authority.0.path());
        Some(Self { fleet: Fleet::over(etcd, TTL), authority, stranger })
    }

    fn right(&self) -> Login<'_> {
        let user = Some(("entitled", "right"));
        Login { ca: &self.authority, shown: Some((&self.authority, "machine")), user }
    }

    fn settings(&self, name: &str, login: &Login<'_>) -> Settings {
        let mut more = format!("ca = {:?}", login.ca.path("ca.crt"));
        if let Some((of, name)) = login.shown {
            let (certificate, key) =
                (of.path(&format!("{name}.crt")), of.path(&format!("{name}.key")));
            more += &format!("\ncertificate = {certificate:?}\nkey = {key:?}");
        }
        if let Some((user, password)) = login.user {
            let password = self.authority.path(password);
            more += &format!("\nuser = {user:?}\npassword = \"file:{}\"", password.display());
        }
        self.fleet.settings(name, 2, &self.fleet.etcd.endpoints()).more(&more)
    }

    fn enter(&mut self, name: &str) {
        let daemon = Daemon::start(&self.settings(name, &self.right()));
        daemon.link(&self.fleet.wallet);
        daemon.wait_for_code(ACME, "VALID");
        self.fleet.machines.push(Machine { daemon, links: Vec::new() });
        self.fleet.wait_until(self.fleet.machines.len() - 1, "in");
    }

    /// Starts the first machine again, as `login` says.
    fn again(&mut self, login: &str) {
        let right = self.right();
        let login = match login {
            "another authority" => Login { ca: &self.stranger, ..right },
            "no certificate" => Login { shown: None, ..right },
            "another's certificate" => Login { shown: Some((&self.stranger, "machine")), ..right },
            "a common name" => Login { shown: Some((&self.authority, "named")), ..right },
            "a wrong password" => Login { user: Some(("entitled", "wrong")), ..right },
            "no user" => Login { user: None, ..right },
            user @ ("nobody" | "reader" | "other") => {
                Login { user: Some((user, "right")), ..right }
            }
            _ => right,
        };
        let settings = self.settings("machine-0", &login);
        let daemon = &mut self.fleet.machines[0].daemon;
        daemon.stop();
        daemon.write_config(&settings.text(daemon.home()));
        daemon.resume();
    }

    fn holder(&self, machine: usize) -> SeatHolder {
        self.fleet.holder(machine)
    }
}

#[test]
fn machines_with_certificates_and_a_password_share_seats_and_outlive_a_member() {
    let Some(mut site) = Site::start(3) else { return };
    site.enter("machine-0");
    site.enter("machine-1");
    let (mut one, mut other, mut third) = (site.holder(0), site.holder(1), site.holder(0));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    // What the member has drawn for who logged in there is gone with it.
    site.fleet.etcd.kill_member(0);
    other.kill();
    let granted = third.answer();
    assert_eq!(granted["code"], "GRANTED", "by another member: {granted}");
    for machine in [0, 1] {
        site.fleet.wait_until(machine, "in");
    }
}

#[test]
fn who_is_not_let_in_is_told_why_and_gives_no_seat() {
    let Some(mut site) = Site::start(1) else { return };
    site.enter("machine-0");
    for (login, said) in [
        ("another authority", "invalid peer certificate"),
        ("no certificate", "ertificate"),
        ("another's certificate", "ertificate"),
        ("a common name", "CommonName of client"),
        ("a wrong password", "authentication failed"),
        ("nobody", "authentication failed"),
        ("no user", "user name is empty"),
        ("reader", "permission denied"),
        ("other", "permission denied"),
    ] {
        site.again(login);
        let daemon = &site.fleet.machines[0].daemon;
        let status = eventually(&format!("{login} is refused"), || {
            let status = site.fleet.status(0);
            let why = status["why"].as_str().unwrap_or_default();
            if why.contains(said) { Ok(status) } else { Err(status.to_string()) }
        });
        assert_eq!(status["standing"], "cut_off", "{login}: {status}");
        assert!(!status.to_string().contains(PASSWORD), "{login}: {status}");
        let refused = site.holder(0).acquire(json!({}));
        assert_eq!(refused["code"], "FLEET_UNREACHABLE", "{login}: {refused}");
        // Everything else is as it was.
        assert_eq!(daemon.code(ACME), "VALID", "{login}");
        assert_eq!(daemon.call("system_health", json!({}))["status"], "ok", "{login}");
        // The first that is told may be that the connection was closed.
        let is_told = |it: &str| it.contains("fleet_cut_off") && it.contains(said);
        eventually(&format!("{login}: the log says why"), || {
            let log = daemon.log_of_this_start();
            if log.lines().any(is_told) { Ok(()) } else { Err(log) }
        });
    }
    assert!(!site.fleet.machines[0].daemon.log().contains(PASSWORD));
    site.again("as it should be");
    site.fleet.wait_until(0, "in");
    assert_eq!(site.holder(0).acquire(json!({}))["code"], "GRANTED");
}

#[test]
fn who_loses_its_rights_ends_its_seats_at_the_deadline_and_comes_back() {
    let Some(mut site) = Site::start(1) else { return };
    site.enter("machine-0");
    let mut one = site.holder(0);
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    // The member forgets who logged in, and the password is another now.
    std::fs::write(site.authority.path("right"), "another").unwrap();
    site.again("as it should be");
    let list =
        |site: &Site| site.fleet.machines[0].daemon.admin("seat_list", json!({}))["items"].clone();
    let status = site.fleet.status(0);
    assert_eq!(status["standing"], "cut_off", "{status}");
    eventually("the seat has ended", || {
        let items = list(&site);
        if items == json!([]) { Ok(()) } else { Err(items.to_string()) }
    });
    site.fleet.machines[0].daemon.wait_for_log("fleet_lost");
    std::fs::write(site.authority.path("right"), PASSWORD).unwrap();
    site.again("as it should be");
    site.fleet.wait_until(0, "in");
    let again: Value = one_again(&mut one);
    assert_eq!(again["code"], "GRANTED", "{again}");
}

/// Over another connection: the old one has ended with the daemon.
fn one_again(program: &mut SeatHolder) -> Value {
    program.reconnect();
    program.acquire(json!({"wait_ms": A_MINUTE}))
}

#[test]
fn a_member_that_forgets_who_logged_in_is_asked_again_and_nobody_notices() {
    let Some(mut site) = Site::start(1) else { return };
    site.enter("machine-0");
    let mut one = site.holder(0);
    let seat = one.acquire(json!({}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let beat = |site: &Site| site.fleet.status(0)["machines"][0]["beat"].as_u64();
    let before = beat(&site);
    site.fleet.etcd.kill_member(0);
    site.fleet.etcd.start_member(0);
    eventually("it is renewed", || match beat(&site) {
        now if now > before => Ok(()),
        now => Err(format!("{now:?}: {}", site.fleet.status(0))),
    });
    site.fleet.wait_until(0, "in");
    assert_eq!(one.acquire(json!({}))["seat"], seat["seat"], "the same seat");
}
