//! Tokens that others vouch for: an issuer's keys, and a Kubernetes API server.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::tls::Authority;
use crate::support::eventually;
use crate::support::gateway::{Gateway, GatewayStage, curl};
use crate::support::prerequisites::has;
use crate::support::process::{Process, command};

/// An HTTPS server in the place of whoever vouches: it serves the files of its directory, and answers a `TokenReview` by
/// the file `reviews.json`, as the API server would; by `raw` with other words, and after a while where it says so. Each request is a line of its output.
const SERVER: &str = r#"
import http.server, json, os, ssl, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, status, body, more={}):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **more}.items(): self.send_header(name, value)
        self.end_headers(); self.wfile.write(body)
    def do_GET(self):
        try: self.say(200, open("." + self.path, "rb").read())
        except OSError: self.say(404, b"")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer own-token": return self.say(401, b"{}")
        reviews = json.load(open("reviews.json"))
        if self.path != "/apis/authentication.k8s.io/v1/tokenreviews" or asked["kind"] != "TokenReview": return self.say(404, b"{}")
        found = reviews.get(asked["spec"]["token"], {"authenticated": False, "error": "unknown"})
        time.sleep(found.pop("after", 0))
        if "raw" in found: return self.say(*found["raw"][:1], found["raw"][1].encode(), *found["raw"][2:])
        asked["status"] = found
        self.say(201, json.dumps(asked).encode())
    def log_message(self, *what): print(*what, flush=True)
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("voucher.crt", "voucher.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], flush=True)
server.serve_forever()
"#;

/// An issuer's keys and tokens, by another implementation of both than the gateway's.
const ISSUER: &str = r#"
const { createHmac, generateKeyPairSync, sign } = require('node:crypto');
const claims = JSON.parse(process.argv[1]);
const rsa = (modulusLength) => generateKeyPairSync('rsa', { modulusLength });
const ec = (namedCurve) => generateKeyPairSync('ec', { namedCurve });
const keys = { rsa: rsa(2048), short: rsa(1024), ec: ec('P-256'), long: ec('P-384'), sealing: ec('P-256') };
const stranger = { rsa: rsa(2048), ec: ec('P-256') };
const part = (it) => Buffer.from(JSON.stringify(it)).toString('base64url');
const token = (header, make, said = claims) => {
  const signed = `${part(header)}.${part(said)}`;
  return `${signed}.${make(Buffer.from(signed)).toString('base64url')}`;
};
const by = (pair, hash = 'sha256', more = {}) => (text) => sign(hash, text, { key: pair.privateKey, ...more });
const fixed = { dsaEncoding: 'ieee-p1363' };
const changed = (whole) => whole.replace(/\.[^.]*\./, `.${part({ ...claims, exp: claims.exp + 1 })}.`);
const rs = { alg: 'RS256', kid: 'rsa' }, es = { alg: 'ES256', kid: 'ec' };
const good = { RS256: token(rs, by(keys.rsa)), ES256: token(es, by(keys.ec, 'sha256', fixed)) };
const pem = keys.rsa.publicKey.export({ type: 'spki', format: 'pem' });
const bad = {
  'RS256 of a key that is too short': token({ ...rs, kid: 'short' }, by(keys.short)),
  'RS256 by a stranger': token(rs, by(stranger.rsa)),
  'RS256 of other claims': changed(good.RS256),
  'RS512': token({ ...rs, alg: 'RS512' }, by(keys.rsa, 'sha512')),
  'PS256': token({ ...rs, alg: 'PS256' }, by(keys.rsa, 'sha256', { padding: 6, saltLength: 32 })),
  'HS256 under the public key': token({ ...rs, alg: 'HS256' }, (text) => createHmac('sha256', pem).update(text).digest()),
  'ES256 by a stranger': token(es, by(stranger.ec, 'sha256', fixed)),
  'ES256 of other claims': changed(good.ES256),
  'ES256 as DER': token(es, by(keys.ec)),
  'ES256 of zeros': token(es, () => Buffer.alloc(64)),
  'ES384': token({ alg: 'ES384', kid: 'long' }, by(keys.long, 'sha384', fixed)),
  'ES256 said of another curve': token({ ...es, kid: 'long' }, by(keys.long, 'sha256', fixed)),
  'ES256 under the key of RS256': token({ ...es, kid: 'rsa' }, by(keys.ec, 'sha256', fixed)),
  'RS256 said of the other key': token({ ...rs, kid: 'ec' }, by(keys.rsa)),
  'ES256 of a key that is for sealing': token({ ...es, kid: 'sealing' }, by(keys.sealing, 'sha256', fixed)),
};
const published = Object.entries(keys).map(([kid, { publicKey }]) => (
  { ...publicKey.export({ format: 'jwk' }), kid, use: kid === 'sealing' ? 'enc' : 'sig' }));
console.log(JSON.stringify({ jwks: { keys: published }, good, bad }));
"#;

pub(super) struct Voucher {
    pub(super) authority: Authority,
    process: Process,
    port: u16,
}

impl Voucher {
    pub(super) fn start() -> Option<Self> {
        let authority = Authority::new()?;
        authority.issue("voucher", "IP:127.0.0.1");
        std::fs::write(authority.path("reviews.json"), "{}").unwrap();
        let mut python: Command = command(std::path::Path::new("python3"));
        python.args(["-c", SERVER]).arg(authority.0.path());
        let process = Process::start(python);
        let port = eventually("the voucher listens", || {
            let said = process.output().text();
            let port = said.lines().find_map(|it| it.strip_prefix("port ")).map(str::to_owned);
            port.map(|it| it.parse().unwrap()).ok_or(said)
        });
        Some(Self { authority, process, port })
    }

    pub(super) fn ca(&self) -> String {
        self.authority.path("ca.crt").display().to_string()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The gateway believes the keys in the file `jwks`.
    pub(super) fn oidc(&self) -> String {
        let (jwks, ca) = (self.url("/jwks"), self.ca());
        format!("[oidc]\nissuer = \"https://issuer\"\njwks = \"{jwks}\"\nca = {ca:?}\n")
    }

    /// The gateway asks it for reviews, with a token that lies as the kubelet lays it out: links, of which one is turned when
    /// the token is exchanged.
    pub(super) fn review(&self) -> String {
        std::fs::create_dir(self.authority.path("..1")).unwrap();
        std::fs::write(self.authority.path("..1/own"), "own-token\n").unwrap();
        symlink("..1", self.authority.path("..data")).unwrap();
        symlink("..data/own", self.authority.path("own")).unwrap();
        let own = self.authority.path("own").display().to_string();
        let (url, ca) = (self.url(""), self.ca());
        format!("[token_review]\nurl = \"{url}\"\nca = {ca:?}\ntoken_file = {own:?}\n")
    }

    /// What reviews come to from now on, by their tokens.
    pub(super) fn answer(&self, reviews: &Value) {
        self.authority.replace("reviews.json", reviews.to_string().as_bytes());
    }

    /// How often it was asked so. What it has answered stands in its output before what it is asked for now, so that nothing is
    /// counted late.
    pub(super) fn asked(&self, what: &str) -> usize {
        static MARKS: AtomicUsize = AtomicUsize::new(0);
        let mark = format!("/mark-{}-", MARKS.fetch_add(1, Ordering::Relaxed));
        let marked = curl(&["--cacert", &self.ca(), &self.url(&mark)]);
        assert_eq!(marked.status, 404, "{marked:?}");
        let said = eventually("the mark is in its output", || {
            let said = self.process.output().text();
            if said.contains(&mark) { Ok(said) } else { Err(said) }
        });
        said.matches(what).count()
    }
}

pub(super) fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, it| (word << 8) | u32::from(*it));
        let word = word << (8 * (3 - chunk.len()));
        (0..=chunk.len())
            .for_each(|at| text.push(char::from(DIGITS[(word >> (18 - 6 * at)) as usize & 63])));
    }
    text
}

pub(super) fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub(super) fn token(key: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        encoded(header.to_string().as_bytes()),
        encoded(claims.to_string().as_bytes())
    );
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", encoded(signature.as_ref()))
}

/// What a service account's token says, and no signature: whether it holds is for the API server to say. Of one subject each name
/// makes another.
pub(super) fn claimed(subject: &str, name: &str) -> String {
    let claims = json!({"sub": subject, "aud": ["entitled"], "exp": 4_000_000_000_u64});
    unsigned(&claims, name)
}

pub(super) fn unsigned(claims: &Value, name: &str) -> String {
    let (header, claims) = (json!({"alg": "RS256"}).to_string(), claims.to_string());
    [&*header, &*claims, name].map(|it| encoded(it.as_bytes())).join(".")
}

pub(super) fn status(stage: &GatewayStage, token: &str) -> u16 {
    stage.gateway.get_as(token, "/api/v1/products/acme-cad/entitlement", &[]).status
}

pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

pub(super) const WEB: &str = "system:serviceaccount:shop:web";

pub(super) fn subject() -> String {
    format!(
        "[[client]]\nname = \"web\"\nsubject = \"{WEB}\"\ncustomer = \"customer:1\"\nscopes = [\"entitlements\"]\nrate = 1000\n"
    )
}

/// What is kept for ten seconds is asked for once, and again when it is old.
pub(super) fn asked_seldom(voucher: &Voucher, what: &str, begun: Instant) {
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() / 10 + 1;
    let asked = voucher.asked(what);
    assert!((1..=most).contains(&asked), "{asked} times, {most} may be");
}

#[test]
fn a_token_that_the_issuer_signed_holds_until_its_time_is_over() {
    let Some(voucher) = Voucher::start() else { return };
    let (key, other) = (pair(7), pair(8));
    let x = encoded(key.public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x, "use": "sig"}, {"kty": "unheard-of"}]});
    std::fs::write(voucher.authority.path("jwks"), jwks.to_string()).unwrap();
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.oidc()));
    let (now, begun) = (now(), Instant::now());
    let header = json!({"alg": "EdDSA", "kid": "k1"});
    let claims = json!({"iss": "https://issuer", "sub": WEB, "aud": ["entitled"], "exp": now + 600, "nbf": now - 5});
    assert_eq!(status(&stage, &token(&key, &header, &claims)), 200);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        token(&key, &header, &claims)
    };
    assert_eq!(status(&stage, &with("aud", json!("entitled"))), 200);
    for (name, value) in [
        ("iss", json!("https://another")),
        ("sub", json!("system:serviceaccount:shop:other")),
        ("aud", json!(["another"])),
        ("aud", Value::Null),
        ("exp", json!(now - 600)),
        ("exp", Value::Null),
        ("nbf", json!(now + 600)),
    ] {
        assert_eq!(status(&stage, &with(name, value.clone())), 401, "{name} {value}");
    }
    assert_eq!(status(&stage, &token(&other, &header, &claims)), 401, "another's signature");
    for header in [
        json!({"alg": "none", "kid": "k1"}),
        json!({"alg": "HS256", "kid": "k1"}),
        json!({"alg": "EdDSA", "kid": "k1", "crit": ["exp"]}),
        json!({"alg": "EdDSA", "kid": "k2"}),
    ] {
        assert_eq!(status(&stage, &token(&key, &header, &claims)), 401, "{header}");
    }
    let good = token(&key, &header, &claims);
    let unsigned = good.rsplit_once('.').unwrap().0;
    assert_eq!(
        (status(&stage, &format!("{unsigned}.")), status(&stage, &format!("{good}="))),
        (401, 401)
    );
    // Keys are kept, and an id that nobody knows has them fetched seldom.
    asked_seldom(&voucher, "GET /jwks", begun);
}

#[test]
fn tokens_by_rsa_and_by_elliptic_curves_hold_under_their_own_key_and_algorithm_alone() {
    if !has("node", "RS256 and ES256 before the gateway") {
        return;
    }
    let Some(voucher) = Voucher::start() else { return };
    let claims =
        json!({"iss": "https://issuer", "sub": WEB, "aud": "entitled", "exp": now() + 600});
    let mut node = command(std::path::Path::new("node"));
    let output = node.args(["-e", ISSUER]).arg(claims.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let issued: Value = serde_json::from_slice(&output.stdout).unwrap();
    std::fs::write(voucher.authority.path("jwks"), issued["jwks"].to_string()).unwrap();
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.oidc()));
    let tokens = |of: &str| issued[of].as_object().unwrap().clone();
    for (what, token) in tokens("good") {
        assert_eq!(status(&stage, token.as_str().unwrap()), 200, "{what}");
    }
    for (what, token) in tokens("bad") {
        assert_eq!(status(&stage, token.as_str().unwrap()), 401, "{what}");
    }
}

#[test]
fn while_whoever_vouches_is_away_nobody_is_refused_for_good() {
    let Some(voucher) = Voucher::start() else { return };
    let oidc = format!(
        "[oidc]\nissuer = \"i\"\njwks = \"{}\"\nca = {:?}\n",
        voucher.url("/nothing"),
        voucher.ca()
    );
    let stage = GatewayStage::entitled(&format!("{}{oidc}", subject()));
    let key = pair(7);
    let token = token(&key, &json!({"alg": "EdDSA", "kid": "k1"}), &json!({}));
    assert_eq!(status(&stage, &token), 503, "that is not known, and neither yes nor no");
    assert_eq!(status(&stage, "opaque"), 401);
}

#[test]
fn a_token_by_a_key_that_could_not_be_asked_for_is_not_known() {
    let Some(voucher) = Voucher::start() else { return };
    let (key, later) = (pair(7), pair(8));
    let x = encoded(key.public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
    std::fs::write(voucher.authority.path("jwks"), jwks.to_string()).unwrap();
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.oidc()));
    let claims =
        json!({"iss": "https://issuer", "sub": WEB, "aud": "entitled", "exp": now() + 600});
    let by =
        |key: &Ed25519KeyPair, id: &str| token(key, &json!({"alg": "EdDSA", "kid": id}), &claims);
    assert_eq!(status(&stage, &by(&key, "k1")), 200);
    // The issuer has another key, and cannot say so.
    std::fs::remove_file(voucher.authority.path("jwks")).unwrap();
    eventually("it is not known", || match status(&stage, &by(&later, "k2")) {
        503 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(status(&stage, &by(&key, "k1")), 200, "what was the issuer's is, for a while");
}

/// What one asks for is had by all: a stranger who hangs up in the middle takes the issuer's keys from nobody.
#[test]
fn who_hangs_up_while_keys_are_fetched_keeps_nobody_out() {
    let Some(voucher) = Voucher::start() else { return };
    let key = pair(7);
    let x = encoded(key.public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
    // The issuer answers when somebody has written here.
    let file = voucher.authority.path("jwks");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.oidc()));
    let claims =
        json!({"iss": "https://issuer", "sub": WEB, "aud": "entitled", "exp": now() + 600});
    let by = |id: &str| token(&key, &json!({"alg": "EdDSA", "kid": id}), &claims);
    let mut stranger = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
    let (unknown, path) = (by("unknown"), "/api/v1/products/acme-cad/entitlement");
    write!(
        stranger,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {unknown}\r\n\r\n"
    )
    .unwrap();
    let mut issuer = eventually("the keys are asked for", || {
        let mut open = std::fs::OpenOptions::new();
        open.write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&file)
            .map_err(|it| it.to_string())
    });
    drop(stranger);
    // Until the gateway has seen that it is gone, which nothing tells.
    std::thread::sleep(Duration::from_millis(300));
    issuer.write_all(jwks.to_string().as_bytes()).unwrap();
    drop(issuer);
    assert_eq!(status(&stage, &by("k1")), 200);
}

/// What the issuer could not say is not said by another: neither yes nor no.
#[test]
fn a_no_of_one_is_none_where_the_other_could_not_be_asked() {
    let Some(voucher) = Voucher::start() else { return };
    let key = pair(7);
    let clients = subject().replace("scopes", "vouched_by = \"oidc\"\nscopes");
    let both = format!("{}{}", voucher.oidc(), voucher.review());
    let stage = GatewayStage::entitled(&format!("{clients}{both}"));
    let claims =
        json!({"iss": "https://issuer", "sub": WEB, "aud": "entitled", "exp": now() + 600});
    let token = token(&key, &json!({"alg": "EdDSA", "kid": "k1"}), &claims);
    assert_eq!(status(&stage, &token), 503, "there are no keys, and the review says no");
}

#[test]
fn who_is_vouched_for_by_one_is_nobody_by_the_word_of_the_other() {
    let Some(voucher) = Voucher::start() else { return };
    let key = pair(7);
    let x = encoded(key.public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
    std::fs::write(voucher.authority.path("jwks"), jwks.to_string()).unwrap();
    let yes = |name: &str| json!({"authenticated": true, "user": {"username": name}, "audiences": ["entitled"]});
    let (web, ci) = (claimed(WEB, "web"), claimed("ci", "ci"));
    voucher.answer(&json!({&web: yes(WEB), &ci: yes("ci")}));
    let named = |name: &str, subject: &str, customer: u32, by: &str| {
        let head = format!("[[client]]\nname = \"{name}\"\nsubject = \"{subject}\"\n");
        format!("{head}customer = \"customer:{customer}\"\nscopes = [\"entitlements\"]\n{by}")
    };
    let clients = [
        named("web of one", WEB, 1, "vouched_by = \"oidc\"\n"),
        named("web of the other", WEB, 2, "vouched_by = \"token_review\"\n"),
        named("ci", "ci", 1, "vouched_by = \"oidc\"\n"),
    ];
    let both = format!("{}{}", voucher.oidc(), voucher.review());
    let stage = GatewayStage::entitled(&format!("{}{both}", clients.concat()));
    let claims = |subject: &str| json!({"iss": "https://issuer", "sub": subject, "aud": "entitled", "exp": now() + 600});
    let signed =
        |subject: &str| token(&key, &json!({"alg": "EdDSA", "kid": "k1"}), &claims(subject));
    let customer = |token: &str| {
        let reply = stage.gateway.get_as(token, "/api/v1/customer", &[]);
        (reply.status, reply.body["id"].clone())
    };
    assert_eq!(customer(&signed(WEB)), (200, json!("customer:1")));
    assert_eq!(customer(&web), (200, json!("customer:2")));
    assert_eq!(customer(&signed("ci")), (200, json!("customer:1")));
    assert_eq!(customer(&ci).0, 401, "of that name the API server says nothing here");
    let text = format!("{}{both}", named("web", WEB, 1, ""));
    let socket = stage.daemon.socket();
    let mut command = Gateway::command(stage.daemon.home(), &socket, &text);
    let output = command.arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`vouched_by`"), "{said}");
}

#[test]
fn a_pod_is_who_the_api_server_says_it_is() {
    let Some(voucher) = Voucher::start() else { return };
    let user = json!({"username": WEB});
    let token = |name: &str| claimed(WEB, name);
    let reviews = json!({
        token("web"): {"authenticated": true, "user": user, "audiences": ["entitled"]},
        token("other"): {"authenticated": true, "user": {"username": "system:serviceaccount:shop:other"}, "audiences": ["entitled"]},
        token("audience"): {"authenticated": true, "user": user, "audiences": ["https://kubernetes.default.svc"]},
        token("old-server"): {"authenticated": true, "user": user},
        token("no"): {"authenticated": false, "user": user, "audiences": ["entitled"]},
        token("broken"): {"raw": [500, "{}"]},
    });
    voucher.answer(&reviews);
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    let begun = Instant::now();
    assert_eq!(status(&stage, &token("web")), 200);
    assert_eq!(status(&stage, &token("web")), 200);
    asked_seldom(&voucher, "POST", begun);
    for name in ["other", "audience", "old-server", "no", "nobody"] {
        assert_eq!(status(&stage, &token(name)), 401, "{name}");
    }
    assert_eq!(status(&stage, "opaque"), 401);
    assert_eq!(status(&stage, &token("broken")), 503);
}
