//! A daemon that is started before the one it replaces has ended, as a cluster's agents are.

use nix::sys::signal::Signal;

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::process::Process;
use crate::support::settings::Settings;
use crate::support::socket::Line;

const STARTED: &str = "event=\"started\"";

fn settings() -> Settings {
    Settings::new(["http://127.0.0.1:9".to_owned()])
}

/// Another process on the same state and sockets.
fn start(daemon: &Daemon) -> Process {
    let mut command = daemon.command();
    command.arg("--wait-for-predecessor");
    Process::start(command)
}

fn serves(process: &mut Process) {
    eventually("it serves", || {
        let said = process.output().text();
        assert!(process.ended().is_none(), "it ended:\n{said}");
        match said.contains(STARTED) {
            true => Ok(()),
            false => Err(said),
        }
    });
}

fn waits(process: &mut Process) {
    eventually("it waits", || {
        let said = process.output().text();
        assert!(process.ended().is_none(), "it ended:\n{said}");
        match said.contains("waiting for the daemon before this one to end") {
            true => Ok(()),
            false => Err(said),
        }
    });
}

#[test]
fn who_waits_takes_the_place_of_a_daemon_that_ends() {
    let daemon = Daemon::prepare(&settings());
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut first = start(&daemon);
        serves(&mut first);
        let mut second = start(&daemon);
        waits(&mut second);
        assert!(Line::try_connect(&daemon.socket()).is_ok(), "the first one serves meanwhile");
        let mut third = start(&daemon);
        waits(&mut third);

        first.signal(signal);
        first.wait();
        let mut both = [second, third];
        let next = eventually("one of them serves", || {
            let ready = |it: &Process| it.output().text().contains(STARTED);
            both.iter().position(ready).ok_or_else(|| "neither".to_owned())
        });
        assert!(Line::try_connect(&daemon.socket()).is_ok());
        let other = &mut both[1 - next];
        assert!(!other.output().text().contains(STARTED), "two work on one ledger");
        other.signal(Signal::SIGTERM);
        assert!(other.wait().success(), "who waits ends well when it is told to");
        both[next].signal(Signal::SIGTERM);
        assert!(both[next].wait().success());
    }
}

#[test]
fn without_the_option_nobody_waits() {
    let mut daemon = Daemon::start(&settings());
    let mut second = Process::start(daemon.command());
    assert!(!second.wait().success(), "{}", second.output().text());
    assert!(daemon.stop().success());
}
