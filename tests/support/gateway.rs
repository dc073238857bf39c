//! The real gateway before a real daemon, asked by curl. It runs as a user of its own, whom the daemon knows as a delegate.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use rustix::net::{AddressFamily, SocketType};
use serde_json::{Value, json};

use super::anvil::Anvil;
use super::contract::Contract;
use super::daemon::{Daemon, quiet};
use super::eventually;
use super::process::{Process, command};
use super::settings::{ProductFile, Settings};
use super::wallet::Wallet;
use super::world::World;

/// Of the client that may ask for everything, of customer 1.
pub const TOKEN: &str = "a-token-of-customer-one";
/// The SHA-256 of a token, as the file has it.
pub fn hashed(token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    alloy_primitives::hex::encode(digest)
}

pub const EVERYTHING: &str = r#"["entitlements", "receipts", "wallets", "tokens", "seats"]"#;

/// A `[[client]]` known by its token.
pub fn client(name: &str, token: &str, customer: u32, more: &str) -> String {
    let hash = hashed(token);
    let head = format!("[[client]]\nname = \"{name}\"\ntoken_sha256 = \"{hash}\"\n");
    format!("{head}customer = \"customer:{customer}\"\n{more}\n")
}

/// The client of [`TOKEN`].
pub fn everything() -> String {
    client("everything", TOKEN, 1, &format!("scopes = {EVERYTHING}\nrate = 100000\n"))
}

/// Who runs the gateway: another user where we may choose one.
pub fn gateway_uid() -> u32 {
    let own = nix::unistd::getuid();
    if own.is_root() { 65532 } else { own.as_raw() }
}

/// A running gateway.
pub struct Gateway {
    process: Process,
    pub port: u16,
    pub probes: u16,
    /// Who issued its certificate, where it is asked through TLS.
    authority: Option<PathBuf>,
}

impl Gateway {
    /// Starts one before `socket` with `text`, beside ports that are free.
    pub fn start(home: &Path, socket: &Path, text: &str) -> Self {
        Self::started(Self::command(home, socket, text))
    }

    /// The same, with the clocks of `world`.
    pub fn start_in(world: &World, home: &Path, socket: &Path, text: &str) -> Self {
        let mut started = Self::command(home, socket, text);
        started.envs(world.for_everybody());
        Self::started(started)
    }

    fn started(command: Command) -> Self {
        let process = Process::start(command);
        let mut gateway = Self { process, port: 0, probes: 0, authority: None };
        let told = eventually("the gateway listens", || {
            let said = gateway.process.output().text();
            if let Some(status) = gateway.process.ended() {
                panic!("the gateway ended with {status}:\n{said}");
            }
            let line = said.lines().find(|it| it.starts_with("listening on ")).map(str::to_owned);
            line.ok_or(said)
        });
        let ports = told.split(", ").map(|it| it.rsplit_once(':').unwrap().1.parse().unwrap());
        let ports: Vec<u16> = ports.collect();
        (gateway.port, gateway.probes) = (ports[0], ports[1]);
        gateway
    }

    /// The command that would start it.
    pub fn command(home: &Path, socket: &Path, text: &str) -> Command {
        let file = home.join("gateway.toml");
        let listen = "listen = \"127.0.0.1:0\"\nprobes = \"127.0.0.1:0\"\n";
        let listen = if text.contains("listen =") { "" } else { listen };
        let log = "[log]\nformat = \"text\"\n";
        std::fs::write(&file, format!("socket = {socket:?}\n{listen}{text}\n{log}")).unwrap();
        std::fs::set_permissions(home, PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_entitled")));
        command.args(["gateway", "--config"]).arg(&file);
        quiet(&mut command);
        if gateway_uid() != nix::unistd::getuid().as_raw() {
            command.uid(gateway_uid()).gid(gateway_uid());
        }
        command
    }

    /// Has it asked through TLS, believing this authority's certificates.
    pub fn trust_in(&mut self, authority: PathBuf) {
        self.authority = Some(authority);
    }

    /// What curl has to be told besides.
    pub fn trust(&self) -> Vec<&str> {
        let authority = self.authority.as_ref().and_then(|it| it.to_str());
        authority.into_iter().flat_map(|it| ["--cacert", it]).collect()
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// `path`, asked with [`TOKEN`].
    pub fn get(&self, path: &str) -> Reply {
        self.get_as(TOKEN, path, &[])
    }

    pub fn get_as(&self, token: &str, path: &str, more: &[&str]) -> Reply {
        let bearer = format!("Authorization: Bearer {token}");
        curl(&[&["-H", &bearer, &self.url(path)], &*self.trust(), more].concat())
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_as(TOKEN, path, body, &[])
    }

    pub fn post_as(&self, token: &str, path: &str, body: &Value, more: &[&str]) -> Reply {
        let (bearer, body) = (format!("Authorization: Bearer {token}"), body.to_string());
        let json = ["-H", "Content-Type: application/json", "-H", &bearer, "-d", &body];
        curl(&[&json[..], &[&*self.url(path)], &*self.trust(), more].concat())
    }

    pub fn probe(&self, path: &str) -> Reply {
        curl(&[&format!("http://127.0.0.1:{}{path}", self.probes)])
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn stop(&mut self) -> std::process::ExitStatus {
        self.signal(Signal::SIGTERM);
        self.process.wait()
    }

    pub fn log(&self) -> String {
        self.process.output().text()
    }
}

/// Has a daemon that does not run yet take the gateway's user for a delegate.
pub fn let_ask(daemon: &Daemon) {
    let drop_ins = daemon.home().join("entitled.d");
    std::fs::create_dir(&drop_ins).unwrap();
    let delegates = format!("[socket]\ndelegates = [\"{}\"]\n", gateway_uid());
    std::fs::write(drop_ins.join("10-gateway.toml"), delegates).unwrap();
}

/// What curl was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The last of the answers in what was said.
    fn read(said: &str) -> Self {
        let mut rest = said;
        let mut reply =
            Self { status: 0, headers: Vec::new(), body: Value::Null, text: String::new() };
        while let Some((head, body)) =
            rest.split_once("\r\n\r\n").filter(|_| rest.starts_with("HTTP/"))
        {
            reply.status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let lines = head.lines().skip(1).filter_map(|it| it.split_once(": "));
            reply.headers =
                lines.map(|(name, it)| (name.to_ascii_lowercase(), it.to_owned())).collect();
            rest = body;
        }
        reply.body = serde_json::from_str(rest).unwrap_or(Value::Null);
        rest.clone_into(&mut reply.text);
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The result, where there is one.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

/// Asks with curl. A status of 0 is a connection that failed, with curl's words as the text.
pub fn curl(arguments: &[&str]) -> Reply {
    let mut asked = Command::new("curl");
    asked.args(["-sS", "-i", "--noproxy", "*", "--max-time", "60"]).args(arguments);
    let output = asked.output().unwrap();
    let mut reply = Reply::read(&String::from_utf8_lossy(&output.stdout));
    reply.text.push_str(&String::from_utf8_lossy(&output.stderr));
    reply
}

/// A connection that stays, as a client that asks often has it.
pub struct Asking(TcpStream);

impl Asking {
    pub fn to(gateway: &Gateway) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// What is answered at `path` to who has this token.
    pub fn ask(&mut self, token: &str, path: &str) -> Reply {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        write!(self.0, "{head}Authorization: Bearer {token}\r\n\r\n").unwrap();
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
                return Reply::read(&text);
            }
        }
    }
}

/// A connection from another address of this machine, such as 127.0.0.`host`.
pub fn connect_from(host: u8, port: u16) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0)).unwrap();
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpStream::from(socket)
}

/// The usual scene: a chain, a licence, a daemon, two customers that an administrator made, and a gateway.
pub struct GatewayStage {
    pub gateway: Gateway,
    pub daemon: Daemon,
    pub licence: Contract,
    pub anvil: Anvil,
    pub wallet: Wallet,
}

impl GatewayStage {
    pub fn start(text: &str) -> Self {
        Self::with(text, ProductFile::acme)
    }

    pub fn with(text: &str, product: impl FnOnce(&str) -> ProductFile) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let acme = product(&licence.collection()).set("refresh", r#""5m""#);
        let other = ProductFile::acme(&licence.collection()).named("other");
        let settings = Settings::new([anvil.url()]).product(acme).product(other);
        let mut daemon = Daemon::prepare(&settings);
        let_ask(&daemon);
        daemon.resume();
        for name in ["one", "two"] {
            daemon.admin("customer_create", json!({"name": name}));
        }
        let gateway = Gateway::start(daemon.home(), &daemon.socket(), text);
        Self { gateway, daemon, licence, anvil, wallet: Wallet::numbered(1) }
    }

    /// The wallet is customer one's, and holds token 7.
    pub fn entitled(text: &str) -> Self {
        Self::start(text).enter()
    }

    pub fn enter(self) -> Self {
        self.daemon.link_for(&self.wallet, "customer:1");
        self.licence.mint(&self.anvil, self.wallet.address(), 7);
        eventually("customer one is entitled", || {
            let params = json!({"product": "acme-cad", "customer": "customer:1"});
            let verdict = self.daemon.admin("entitlement_check", params);
            if verdict["code"] == "VALID" { Ok(()) } else { Err(verdict.to_string()) }
        });
        self
    }

    pub fn token(&self) -> String {
        format!("{}/7", self.licence.collection())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.daemon.home().join(name)
    }
}
