//! What was let in stays for as long as what let it in: a token, a certificate, the word of whoever vouches for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ring::signature::KeyPair as _;
use serde_json::{Value, json};

use super::streams::Stream;
use super::tls::Authority;
use super::vouchers::{self, Voucher, WEB};
use crate::support::eventually;
use crate::support::gateway::{Gateway, GatewayStage, TOKEN, everything};
use crate::support::prerequisites::has;
use crate::support::process::command;
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, stranger};
use crate::support::world::World;

const EVENTS: &str = "/api/v1/events?product=acme-cad";
const A_DAY: i64 = 86_400;

/// Keeps a connection by TLS open, asks over it when it is told to, and begins others as the same session.
const KEEPER: &str = r#"
import json, socket, ssl, sys
port, ca, certificate, key = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
def connect(session=None):
    plain = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
    return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
def ask(stream):
    stream.sendall(b"GET /api/v1/products/acme-cad/entitlement HTTP/1.1\r\nHost: localhost\r\n\r\n")
    said = b""
    while b"\r\n\r\n" not in said:
        part = stream.recv(65536)
        if not part: return 0
        said += part
    head, body = said.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length: body += stream.recv(65536)
    return int(head[9:12])
kept, session = connect(), None
for line in sys.stdin:
    status, resumed = 0, False
    try:
        if line.strip() == "kept":
            status = ask(kept)
            session = kept.session
        else:
            other = connect(session if line.strip() == "resumed" else None)
            status, resumed = ask(other), other.session_reused
            other.close()
    except OSError:
        pass
    print(json.dumps([status, resumed]), flush=True)
"#;

struct Keeper {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Keeper {
    /// Shows the certificate of this name.
    fn start(port: u16, authority: &Authority, name: &str) -> Self {
        let mut python = command(std::path::Path::new("python3"));
        python.args(["-c", KEEPER, &port.to_string()]).arg(authority.path("ca.crt"));
        python.args(["crt", "key"].map(|it| authority.path(&format!("{name}.{it}"))));
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, orders, said: BufReader::new(said) }
    }

    /// The status of what was answered, 0 where nothing was; and whether the session was resumed.
    fn ask(&mut self, how: &str) -> (u64, bool) {
        writeln!(self.orders, "{how}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

const POD: &str = "spiffe://example/ns/shop/sa/web";

/// The client that is known by its certificate.
fn pod() -> String {
    format!(
        "[[client]]\nname = \"pod\"\ncertificate = \"{POD}\"\ncustomer = \"customer:1\"\nscopes = [\"entitlements\"]\n"
    )
}

/// An authority that has issued a certificate for the gateway and one for the pod.
fn issuing() -> Option<Authority> {
    has("python3", "connections by TLS that are kept").then_some(())?;
    let authority = Authority::new()?;
    authority.issue("gateway", "IP:127.0.0.1");
    authority.issue("pod", &format!("URI:{POD}"));
    authority.replace("clients.crt", &std::fs::read(authority.path("ca.crt")).unwrap());
    Some(authority)
}

/// `[tls]`, where who issues certificates of clients is in a file of its own.
fn section(authority: &Authority, more: &str) -> String {
    authority.section().replace("ca.crt", "clients.crt") + more
}

/// A stream of verdicts through TLS, which has begun.
fn events(gateway: &Gateway, authority: &Authority, shown: &[&str]) -> Stream {
    let url = gateway.url(EVENTS).replace("http:", "https:");
    let ca = authority.path("ca.crt").display().to_string();
    let mut stream = Stream::begin(&[&["--cacert", &ca, &url], shown].concat());
    assert_eq!(stream.next().unwrap().1["code"], "VALID");
    stream
}

fn by_certificate(gateway: &Gateway, authority: &Authority) -> Stream {
    let file = |end: &str| authority.path(&format!("pod.{end}")).display().to_string();
    events(gateway, authority, &["--key", &file("key"), "--cert", &file("crt")])
}

/// A token of [`WEB`] that lasts ten minutes, by an issuer whose key is published from now on.
fn issue(voucher: &Voucher) -> String {
    let key = vouchers::pair(7);
    let x = vouchers::encoded(key.public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
    std::fs::write(voucher.authority.path("jwks"), jwks.to_string()).unwrap();
    let header = json!({"alg": "EdDSA", "kid": "k1"});
    let claims = json!({"iss": "https://issuer", "sub": WEB, "aud": "entitled", "exp": vouchers::now() + 600});
    vouchers::token(&key, &header, &claims)
}

#[test]
fn what_was_begun_ends_with_the_token_and_the_certificate_that_let_it_in() {
    let Some(mut world) = World::new("a gateway whose clock is moved") else { return };
    let (Some(authority), Some(voucher)) = (issuing(), Voucher::start()) else { return };
    let token = issue(&voucher);
    let clients = [everything(), pod(), vouchers::subject()].concat();
    let text = format!("{clients}{}{}", section(&authority, ""), voucher.oidc());
    let mut stage = GatewayStage::entitled(&text);
    stage.gateway = Gateway::start_in(&world, stage.daemon.home(), &stage.daemon.socket(), &text);
    let gateway = &stage.gateway;
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let signed = bearer(&token);
    let mut listed = events(gateway, &authority, &["-H", &bearer(TOKEN)]);
    let mut by_token = events(gateway, &authority, &["-H", &signed]);
    let mut certified = by_certificate(gateway, &authority);
    let mut keeper = Keeper::start(gateway.port, &authority, "pod");
    assert_eq!(keeper.ask("kept"), (200, false));
    assert_eq!(keeper.ask("resumed"), (200, true));
    // Later than the one and the other lasts.
    world.set_wall(3 * A_DAY);
    by_token.ends();
    certified.ends();
    eventually("the connection that was kept is nobody's", || match keeper.ask("kept").0 {
        401 => Ok(()),
        other => Err(other.to_string()),
    });
    let resumed = keeper.ask("resumed").0;
    assert!([0, 401].contains(&resumed), "nor is a session that is gone on with: {resumed}");
    assert_eq!(keeper.ask("anew").0, 0, "it shows what has ended");
    stage.licence.transfer(&stage.anvil, stage.wallet.address(), stranger(), 7);
    let told = listed.next().unwrap();
    assert_eq!(told.1["valid"], false, "who is in the file is told of what happens: {told:?}");
}

#[test]
fn who_is_issued_by_nobody_who_is_believed_any_more_is_let_go() {
    let Some(authority) = issuing() else { return };
    let text = format!("{}{}", pod(), section(&authority, ""));
    let stage = GatewayStage::entitled(&text);
    let mut stream = by_certificate(&stage.gateway, &authority);
    let mut keeper = Keeper::start(stage.gateway.port, &authority, "pod");
    assert_eq!(keeper.ask("kept"), (200, false));
    let Some(another) = Authority::new() else { return };
    authority.replace("clients.crt", &std::fs::read(another.path("ca.crt")).unwrap());
    stream.ends();
    eventually("the connection that was kept is nobody's", || match keeper.ask("kept").0 {
        401 => Ok(()),
        other => Err(other.to_string()),
    });
}

#[test]
fn who_is_on_the_list_of_what_was_revoked_is_let_go_and_not_let_in() {
    let Some(authority) = issuing() else { return };
    authority.issue("other", &format!("URI:{POD}"));
    authority.revoke("clients.crl", &[]);
    let list = format!("client_crl = {:?}\n", authority.path("clients.crl").display().to_string());
    let text = format!("{}{}", pod(), section(&authority, &list));
    let stage = GatewayStage::entitled(&text);
    let mut stream = by_certificate(&stage.gateway, &authority);
    let mut keeper = Keeper::start(stage.gateway.port, &authority, "pod");
    let mut other = Keeper::start(stage.gateway.port, &authority, "other");
    assert_eq!((keeper.ask("kept").0, other.ask("kept").0), (200, 200));
    authority.revoke("clients.crl", &["pod"]);
    stream.ends();
    eventually("the connection that was kept is nobody's", || match keeper.ask("kept").0 {
        401 => Ok(()),
        other => Err(other.to_string()),
    });
    eventually("it begins no other", || match keeper.ask("anew").0 {
        0 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(other.ask("kept").0, 200, "another certificate of the same name");
}

fn one_seat(collection: &str) -> ProductFile {
    let tier = "features = { export = true }\nseats = 1";
    let grant = r#"tokens_of = "enumerable""#;
    ProductFile::new(ACME).tier("pro", 20, tier).grant("pro", collection, grant)
}

/// The client that is known by its subject, which may have seats as well.
fn with_seats() -> String {
    let scopes = "scopes = [\"entitlements\", \"seats\"]";
    vouchers::subject().replace("scopes = [\"entitlements\"]", scopes)
}

fn seat(stage: &GatewayStage, token: &str, wait_ms: u64) -> Stream {
    let body = json!({"product": ACME, "wait_ms": wait_ms}).to_string();
    let json = ["-H", "Content-Type: application/json", "-H", "Accept: text/event-stream"];
    let url = stage.gateway.url("/api/v1/seats");
    Stream::open(token, &[&json[..], &["-d", &body, &url]].concat())
}

/// A daemon that hangs says nothing of the seat for longer than a minute, and is not waited for.
#[test]
fn a_seat_ends_with_its_token_also_while_the_daemon_hangs() {
    let Some(mut world) = World::new("a gateway whose clock is moved") else { return };
    let Some(voucher) = Voucher::start() else { return };
    let token = issue(&voucher);
    let text = format!("{}{}", with_seats(), voucher.oidc());
    let mut stage = GatewayStage::with(&text, one_seat).enter();
    stage.gateway = Gateway::start_in(&world, stage.daemon.home(), &stage.daemon.socket(), &text);
    let mut held = seat(&stage, &token, 0);
    assert_eq!(held.next().unwrap().1["granted"], true);
    stage.daemon.signal(Signal::SIGSTOP);
    world.set_wall(3 * A_DAY);
    let begun = Instant::now();
    held.ends();
    let took = begun.elapsed();
    stage.daemon.signal(Signal::SIGCONT);
    assert!(took < Duration::from_secs(70), "it went on for {took:?}");
}

#[test]
fn a_stream_and_a_seat_end_when_nobody_vouches_for_their_token_any_more() {
    let Some(voucher) = Voucher::start() else { return };
    let yes = json!({"authenticated": true, "user": {"username": WEB}, "audiences": ["entitled"]});
    let token = &*vouchers::claimed(WEB, "web");
    voucher.answer(&json!({token: yes}));
    let web = with_seats();
    let text = format!("{}{web}{}", everything(), voucher.review());
    let stage = GatewayStage::with(&text, one_seat).enter();
    let mut stream = Stream::open(token, &[&stage.gateway.url(EVENTS)]);
    assert_eq!(stream.next().unwrap().1["code"], "VALID");
    let mut held = seat(&stage, token, 0);
    assert_eq!(held.next().unwrap().1["granted"], true);
    // Who waits for a seat waits no longer than for that.
    let mut waiting = seat(&stage, token, 600_000);
    eventually("it waits", || {
        let told = stage.daemon.admin("seat_list", json!({"product": ACME}));
        let all = told["pools"].as_array().unwrap().iter().map(|it| &it["waiting"]);
        if all.clone().any(|it| *it == 1) { Ok(()) } else { Err(told.to_string()) }
    });
    voucher.answer(&json!({}));
    assert_eq!(held.next().unwrap().0, "ended");
    held.ends();
    stream.ends();
    assert_eq!(waiting.refused(), Value::from("UNAUTHENTICATED"));
    let mut next = seat(&stage, TOKEN, 30_000);
    assert_eq!(next.next().unwrap().1["granted"], true, "the seat is free again");
}
