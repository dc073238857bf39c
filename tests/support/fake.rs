//! The fake daemon (`entitled --fake`), as who builds a program that asks runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::daemon::quiet;
use super::eventually;
use super::process::{Process, command};
use super::socket::{Line, Refused, Subscription};

/// A fake with its file and its sockets in one temporary folder.
pub struct FakeDaemon {
    home: TempDir,
    process: Process,
}

impl FakeDaemon {
    /// Starts one that answers what `text` says; returns once it answers.
    pub fn start(text: &str) -> Self {
        let home = TempDir::with_prefix("entitled-fake-").unwrap();
        write(home.path(), text);
        let process = Process::start(fake_command(home.path()));
        let mut fake = Self { home, process };
        fake.wait_until_it_answers();
        fake
    }

    pub fn wait_until_it_answers(&mut self) {
        let socket = self.socket();
        eventually("the fake answers", || {
            if let Some(status) = self.process.ended() {
                panic!("the fake ended with {status}:\n{}", self.process.output().text());
            }
            Line::try_connect(&socket).map(drop).map_err(|it| it.to_string())
        });
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("fake.sock")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.home.path().join("admin.sock")
    }

    /// Writes its file anew.
    pub fn write(&self, text: &str) {
        write(self.home.path(), text);
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.process.wait()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.process.output().text()
    }

    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, Refused> {
        Line::connect(&self.socket()).call(method, &params)
    }

    pub fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|it| panic!("{method}: {it:?}"))
    }

    pub fn check(&self, product: &str) -> Value {
        self.call("entitlement_check", serde_json::json!({ "product": product }))
    }

    pub fn code(&self, product: &str) -> String {
        self.check(product)["code"].as_str().unwrap().to_owned()
    }

    pub fn subscribe(&self, product: &str) -> Subscription {
        Subscription::new(&self.socket(), product)
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
}

/// The file that a fake in `home` reads.
pub fn file(home: &Path) -> PathBuf {
    home.join("fake.toml")
}

/// Writes the file of a fake, with its socket in the same folder.
pub fn write(home: &Path, text: &str) {
    let socket = home.join("fake.sock");
    let text = format!("socket.path = {:?}\n{text}", socket.display().to_string());
    std::fs::write(file(home), text).unwrap();
}

/// The command that starts a fake in `home`.
pub fn fake_command(home: &Path) -> Command {
    let mut command = command(Path::new(env!("CARGO_BIN_EXE_entitled")));
    command.arg("--fake").arg(file(home));
    quiet(&mut command);
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, home);
    }
    command
}
