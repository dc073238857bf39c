//! The real daemon, as an administrator and a program on the machine meet it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::eventually;
use super::process::{Output, Process, command, send};
use super::service_manager::ServiceManager;
use super::settings::{ProductFile, Settings};
use super::socket::{Line, Refused, Subscription};
use super::wallet::Wallet;
use super::world::World;

/// A daemon with a home of its own: sockets, state and product files in one temporary folder.
pub struct Daemon {
    home: TempDir,
    process: Option<Process>,
    /// What processes before this one wrote.
    earlier: Vec<Output>,
    manager: Option<ServiceManager>,
    is_isolated: bool,
    knows_only_root: bool,
    world: Option<World>,
    preloaded: Option<PathBuf>,
    unreadable: Option<&'static str>,
}

impl Daemon {
    /// Writes the files and starts; returns once it answers.
    pub fn start(settings: &Settings) -> Self {
        let mut daemon = Self::prepare(settings);
        daemon.resume();
        daemon
    }

    /// Writes the files, starts nothing.
    pub fn prepare(settings: &Settings) -> Self {
        let home = TempDir::with_prefix("entitled-").unwrap();
        for folder in ["run", "state", "vendor", "local"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let daemon = Self {
            home,
            process: None,
            earlier: Vec::new(),
            manager: None,
            is_isolated: false,
            knows_only_root: false,
            world: None,
            preloaded: None,
            unreadable: None,
        };
        daemon.write_config(&settings.text(daemon.home()));
        for product in &settings.products {
            daemon.write_product(product);
        }
        daemon
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn config(&self) -> PathBuf {
        self.home().join("entitled.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("run/entitled.sock")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.home().join("run/admin.sock")
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    /// Drops a product file, as a vendor's package does.
    pub fn write_product(&self, product: &ProductFile) {
        let path = self.home().join("vendor").join(format!("{}.toml", product.id));
        std::fs::write(path, product.text()).unwrap();
    }

    /// The command that would start it.
    pub fn command(&self) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_entitled"));
        let mut command = match (&self.world, self.is_isolated) {
            (Some(world), _) => world.command(program),
            (None, false) if self.knows_only_root => knowing_only_root(program),
            (None, false) => match self.unreadable {
                Some(file) => self.without(file, program),
                None => command(program),
            },
            (None, true) => isolated(program),
        };
        command.arg("--config").arg(self.config());
        if let Some(library) = &self.preloaded {
            command.env("LD_PRELOAD", library);
        }
        quiet(&mut command);
        command
    }

    /// A client command with the environment that leads it here.
    pub fn entitlectl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        quiet(&mut command);
        command
            .env("ENTITLED_SOCKET", self.socket())
            .env("ENTITLED_ADMIN_SOCKET", self.admin_socket());
        command
    }

    /// Starts it, again if it was stopped, and returns once it answers.
    pub fn resume(&mut self) {
        assert!(self.process.is_none(), "it is running");
        let command = self.command();
        let command = match &self.manager {
            Some(manager) => manager.command(&command),
            None => command,
        };
        let mut process = Process::start(command);
        let (socket, admin) = (self.socket(), self.admin_socket());
        eventually("the daemon answers", || {
            if let Some(status) = process.ended() {
                panic!("the daemon ended with {status}:\n{}", process.output().text());
            }
            Line::try_connect(&socket)
                .and_then(|_| Line::try_connect(&admin))
                .map(drop)
                .map_err(|error| format!("{error}; it wrote:\n{}", process.output().text()))
        });
        self.process = Some(process);
    }

    /// Starts it again, under a service manager that keeps descriptors for it.
    pub fn manage(&mut self) {
        self.stop();
        self.manager = Some(ServiceManager::start(self.home()));
        self.resume();
    }

    /// Starts it again, in a process-id namespace of its own: nobody outside has a process id there. Needs root.
    pub fn isolate(&mut self) {
        self.stop();
        self.is_isolated = true;
        self.resume();
    }

    /// Starts it again, in a user namespace in which root is mapped and nobody else. Needs root.
    pub fn map_only_root(&mut self) {
        self.stop();
        self.knows_only_root = true;
        self.resume();
    }

    /// From its next start on it has the clocks, and the boot, of `world`.
    pub fn enter(&mut self, world: World) {
        self.world = Some(world);
    }

    /// From its next start on this library is loaded into it first.
    pub fn preload(&mut self, library: PathBuf) {
        self.preloaded = Some(library);
    }

    /// From its next start on this file cannot be opened by it, not even by root. Needs root.
    pub fn hide(&mut self, file: &'static str) {
        self.unreadable = Some(file);
    }

    /// A socket lies at the file's name, in a mount namespace of its own: whoever opens it is told ENXIO.
    fn without(&self, file: &str, program: &Path) -> Command {
        let socket = self.home().join("nobody-listens");
        if !socket.exists() {
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        }
        let mut command = command(Path::new("/usr/bin/unshare"));
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(r#"mount --bind "$0" "$1" && shift && exec "$@""#).arg(socket).arg(file);
        command.arg(program);
        command
    }

    /// The world that it has entered.
    pub fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("it is in one of its own")
    }

    /// How many descriptors its service manager keeps for it.
    pub fn stored(&self) -> usize {
        self.manager.as_ref().expect("there is a service manager").stored()
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the daemon is running")
    }

    pub fn pid(&mut self) -> i32 {
        self.process().pid()
    }

    /// SIGTERM; returns how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.end(Signal::SIGTERM)
    }

    /// SIGKILL: as when the power fails, but for the disk's own cache.
    pub fn kill(&mut self) -> ExitStatus {
        self.end(Signal::SIGKILL)
    }

    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().expect("the daemon is running");
        match self.is_isolated {
            true => kill(only_child(process.pid()), signal).unwrap(),
            false => process.signal(signal),
        }
        let status = process.wait();
        self.earlier.push(process.output().clone());
        status
    }

    pub fn signal(&mut self, signal: Signal) {
        match self.is_isolated {
            true => send(only_child(self.pid()), signal),
            false => self.process().signal(signal),
        }
    }

    /// The process-id namespace that it is in.
    pub fn namespace(&mut self) -> PathBuf {
        let pid = if self.is_isolated { only_child(self.pid()).as_raw() } else { self.pid() };
        PathBuf::from(format!("/proc/{pid}/ns/pid"))
    }

    pub fn restart(&mut self) {
        assert!(self.stop().success(), "it should stop cleanly:\n{}", self.log());
        self.resume();
    }

    /// All that it wrote to its standard streams, over restarts.
    pub fn log(&self) -> String {
        let running = self.process.as_ref().map(Process::output);
        self.earlier.iter().chain(running).map(Output::text).collect::<Vec<_>>().join("\n")
    }

    /// What it has written since it was last started.
    pub fn log_of_this_start(&self) -> String {
        self.process.as_ref().map(|it| it.output().text()).unwrap_or_default()
    }

    /// Until it has written this. What it writes is read a moment later.
    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("the log has {text:?}"), || match self.log() {
            log if log.contains(text) => Ok(()),
            log => Err(log),
        });
    }

    /// The most memory the process has had, in bytes.
    pub fn peak_memory(&mut self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, Refused> {
        Line::connect(&self.socket()).call(method, &params)
    }

    /// A method on the public socket.
    ///
    /// # Panics
    /// When it is refused.
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|it| panic!("{method}: {it:?}"))
    }

    /// The error that a method on the public socket must answer with.
    pub fn refused(&self, method: &str, params: Value) -> Refused {
        match self.try_call(method, params) {
            Err(refused) => refused,
            Ok(result) => panic!("{method} should be refused, but gave {result}"),
        }
    }

    pub fn try_admin(&self, method: &str, params: Value) -> Result<Value, Refused> {
        Line::connect(&self.admin_socket()).call(method, &params)
    }

    /// A method on the admin socket.
    ///
    /// # Panics
    /// When it is refused.
    pub fn admin(&self, method: &str, params: Value) -> Value {
        self.try_admin(method, params).unwrap_or_else(|it| panic!("{method}: {it:?}"))
    }

    /// The daemon's figures, as Prometheus reads them.
    pub fn figures(&self) -> String {
        let mut stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
        let ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        std::io::Write::write_all(&mut stream, ask).unwrap();
        std::io::read_to_string(stream).unwrap()
    }

    /// The admin socket serves, whatever the public one is busy with.
    pub fn admin_answers(&self) {
        self.admin("system_version", json!({}));
    }

    /// The verdict, with time enough to look at a chain that answers.
    pub fn check(&self, product: &str) -> Value {
        self.call("entitlement_check", json!({"product": product, "wait_ms": 2_000}))
    }

    pub fn code(&self, product: &str) -> String {
        self.check(product)["code"].as_str().unwrap().to_owned()
    }

    /// Asks until the verdict is as `wanted` says.
    pub fn wait_for(&self, product: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{product}: {what}"), || {
            let verdict = self.check(product);
            if wanted(&verdict) { Ok(verdict) } else { Err(verdict.to_string()) }
        })
    }

    /// Asks until the verdict has this code.
    pub fn wait_for_code(&self, product: &str, code: &str) -> Value {
        self.wait_for(product, code, |verdict| verdict["code"] == code)
    }

    /// The verdict must not have one of these codes at any time within `time`.
    pub fn never_answers(&self, product: &str, codes: &[&str], time: Duration) {
        super::never(time, || {
            let verdict = self.check(product);
            match codes.iter().any(|code| verdict["code"] == **code) {
                true => Err(format!("{product} must never be {codes:?}: {verdict}")),
                false => Ok(()),
            }
        });
    }

    pub fn subscribe(&self, product: &str) -> Subscription {
        Subscription::new(&self.socket(), product)
    }

    /// Links a wallet the way a person does: the challenge is signed outside.
    pub fn link(&self, wallet: &Wallet) -> Value {
        let challenge = self.challenge(wallet);
        let message = challenge["message"].as_str().unwrap();
        let signature = wallet.sign(message);
        self.call("wallet_link", json!({"message": message, "signature": signature}))
    }

    /// The same on the admin socket, for a customer of any name.
    pub fn link_for(&self, wallet: &Wallet, customer: &str) -> Value {
        let params =
            json!({"address": wallet.address(), "chain": super::CHAIN, "customer": customer});
        let challenge = self.admin("wallet_challenge", params);
        let message = challenge["message"].as_str().unwrap();
        let signature = wallet.sign(message);
        let params = json!({"message": message, "signature": signature, "customer": customer});
        self.admin("wallet_link", params)
    }

    pub fn challenge(&self, wallet: &Wallet) -> Value {
        self.call("wallet_challenge", json!({"address": wallet.address(), "chain": super::CHAIN}))
    }
}

fn isolated(program: &Path) -> Command {
    let mut command = command(Path::new("/usr/bin/unshare"));
    command.args(["--pid", "--fork", "--kill-child=KILL"]).arg(program).env("FUTURE_PID", "1");
    command
}

fn knowing_only_root(program: &Path) -> Command {
    let mut command = command(Path::new("/usr/bin/unshare"));
    command.args(["--user", "--map-root-user"]).arg(program);
    command
}

fn only_child(of: i32) -> Pid {
    let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap())
}

/// Nothing of the developer's own settings reaches a child.
pub(super) fn quiet(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ENTITLED") {
            command.env_remove(name);
        }
    }
    for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- what the daemon wrote ----\n{}\n----", self.log());
        }
    }
}
