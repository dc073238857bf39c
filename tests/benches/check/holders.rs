//! Processes that hold seats, as many as are wanted.

use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use tempfile::TempDir;

use crate::support::prerequisites;

/// The program, compiled.
pub struct Program(TempDir);

/// Processes that end with this.
pub struct Holders {
    parent: Child,
    /// Those that live.
    pub processes: Vec<Pid>,
}

impl Program {
    pub fn compiled() -> Option<Self> {
        prerequisites::has("cc", "seats of many processes").then_some(())?;
        let program = Self(TempDir::new().unwrap());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/benches/check/holders.c");
        let mut build = Command::new("cc");
        build.args(["-O2", "-Wall", "-Werror", "-o"]).arg(program.path()).arg(source);
        assert!(build.status().unwrap().success(), "{build:?}");
        Some(program)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("holders")
    }

    /// Until each has its seat, if it asks for one.
    pub fn start(&self, socket: &Path, request: &str, count: usize) -> Holders {
        let mut command = Command::new(self.path());
        command.arg(socket).arg(request).arg(count.to_string());
        let mut parent =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(parent.stdout.take().unwrap()).lines();
        let mut processes = Vec::new();
        for line in said.map_while(Result::ok) {
            match line.parse() {
                Ok(process) => processes.push(Pid::from_raw(process)),
                Err(_) => break,
            }
        }
        let holders = Holders { parent, processes };
        assert_eq!(holders.processes.len(), count, "all have a seat");
        holders
    }
}

impl Holders {
    /// Kills one of them; returns since when.
    pub fn kill_one(&mut self, which: usize) -> Instant {
        let process = self.processes.swap_remove(which);
        let begun = Instant::now();
        kill(process, Signal::SIGKILL).unwrap();
        begun
    }

    /// What becomes readable when it ends.
    pub fn descriptor(&self, which: usize) -> OwnedFd {
        let raw = rustix::process::Pid::from_raw(self.processes[which].as_raw()).unwrap();
        pidfd_open(raw, PidfdFlags::empty()).unwrap()
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.parent.kill().unwrap();
        self.parent.wait().unwrap();
    }
}

/// Waits until a process has ended, as anybody can.
pub fn wait_for_end(descriptor: &OwnedFd) {
    let mut waits = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut waits, PollTimeout::NONE).unwrap();
}
