//! The time from exec to the first answered request, and what the program takes on disk.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::report::{Row, leave_out, median};
use crate::rounds::timed;
use crate::support::daemon::Daemon;
use crate::support::process::{Process, command};

const STARTS: usize = 15;

pub fn measure(daemon: &Daemon) {
    let nothing = || {
        let done = command(Path::new("/bin/true")).status().unwrap();
        assert!(done.success(), "/bin/true failed");
    };
    // The first start of all makes the ledger.
    time_to_answer(daemon, VERSION);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        floor.push(timed(&mut { nothing }));
        ours.push(time_to_answer(daemon, VERSION));
    }
    let (ours, floor) = (median(ours) / 1e3, median(floor) / 1e3);
    Row {
        id: "start",
        ours: format!("{ours:.1} ms"),
        peer: format!("{floor:.1} ms"),
        processor: None,
        judged: &[("ms", ours)],
    }
    .tell();
    stripped();
}

pub const VERSION: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_version\"}\n";

/// Starts the daemon, has one question answered and stops it. In microseconds, without the stopping.
pub fn time_to_answer(daemon: &Daemon, request: &str) -> f64 {
    let begun = Instant::now();
    let mut process = Process::start(daemon.command());
    let answered = || {
        let mut stream = UnixStream::connect(daemon.socket()).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        stream.read(&mut [0; 4096]).ok().filter(|count| *count > 0)
    };
    while answered().is_none() {
        assert!(process.ended().is_none(), "it should start:\n{}", process.output().text());
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = begun.elapsed().as_secs_f64() * 1e6;
    process.signal(Signal::SIGTERM);
    process.wait();
    took
}

/// As packages ship it.
fn stripped() {
    let copy = tempfile::NamedTempFile::new().unwrap();
    let program = env!("CARGO_BIN_EXE_entitled");
    let done = Command::new("strip").arg("-o").arg(copy.path()).arg(program).status();
    if !done.is_ok_and(|it| it.success()) {
        return leave_out("stripped", "strip (binutils) is not installed");
    }
    let size = copy.path().metadata().unwrap().len() as f64 / 1e6;
    let ours = format!("{size:.1} MB");
    Row { id: "stripped", ours, peer: String::new(), processor: None, judged: &[("MB", size)] }
        .tell();
}
