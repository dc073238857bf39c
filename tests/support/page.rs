//! A page of entitlectl that is open, as the person who opened it sees it: the command in the terminal, and a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::eventually;
use super::prerequisites;
use super::process::{Process, command};
use super::tests_dir;

/// The command behind a page. It ends with this value.
pub struct Page {
    process: Process,
    pub url: String,
}

impl Page {
    /// Runs `entitlectl` with these arguments, which open a page.
    pub fn open(daemon: &Daemon, arguments: &[&str]) -> Self {
        let mut command = daemon.entitlectl();
        // No browser of whoever runs the tests.
        command.args(arguments).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        Self::of(command)
    }

    pub fn of(command: Command) -> Self {
        let mut process = Process::start(command);
        let url = eventually("entitlectl prints an address", || {
            let text = process.output().text();
            if let Some(status) = process.ended() {
                panic!("entitlectl ended with {status}:\n{text}");
            }
            let found = text.split_whitespace().find(|it| it.starts_with("http://"));
            found.map(str::to_owned).ok_or(text.clone())
        });
        Self { process, url }
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// `127.0.0.1:PORT`, and what follows it.
    pub fn parts(&self) -> (&str, &str) {
        self.url.trim_start_matches("http://").split_once('/').unwrap()
    }

    pub fn end(&mut self) -> ExitStatus {
        self.process.signal(Signal::SIGTERM);
        self.process.wait()
    }

    /// How it ended by itself, and all that it wrote.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait();
        (status, self.process.output().text())
    }

    pub fn text(&self) -> String {
        self.process.output().text()
    }

    /// A connection to it, on which nothing takes for ever.
    pub fn connect(&self) -> TcpStream {
        let (_, port) = self.parts().0.rsplit_once(':').unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// The reply to a request with these headers, `Host` among them.
    pub fn request(&self, line: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut stream = self.connect();
        let mut text =
            format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
        let mut reply = String::new();
        // One that is turned away before it was read may be cut off.
        let _ = stream.read_to_string(&mut reply);
        reply
    }
}

/// A Chromium that is installed.
pub fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    named.into_iter().chain(usual.map(PathBuf::from)).find(|it| it.exists())
}

/// Whether pages can be tested in a browser. Where they cannot, says what was not tested.
pub fn has_browser(untested: &str) -> bool {
    let has = chromium().is_some();
    if !has {
        prerequisites::skipped(untested, "chromium");
    }
    has && prerequisites::has("node", untested)
}

/// Where pictures of the pages are kept, for whoever wants to see them.
pub fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Plays a scene of `tests/browser` on a page; `given` is what it needs to know beside the page.
///
/// # Panics
/// With what it said, where something was not as it should be.
pub fn play(scene: &str, page: &Page, given: Value) {
    let mut all = json!({
        "url": page.url,
        "pid": page.pid(),
        "chromium": chromium(),
        "screenshots": screenshots(),
        "chain": 31_337,
    });
    all.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
    let output = run_scene(scene, &all);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scene}:\n{said}\nentitlectl wrote:\n{}", page.text());
}

/// Plays a scene that needs no page of entitlectl's.
pub fn run_scene(scene: &str, given: &Value) -> Output {
    let mut command = command(Path::new("node"));
    command.arg(format!("browser/{scene}.mjs")).arg(given.to_string()).current_dir(tests_dir());
    command.output().unwrap()
}
