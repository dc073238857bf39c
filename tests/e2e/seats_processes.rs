//! What holds a seat is a process, wherever it is and whatever its number: in a container, or after another of the same id.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::seats::{holder, pool, stage, two_seats, wait_until_used};
use crate::support::prerequisites;
use crate::support::seat_holder::SeatHolder;

#[test]
fn a_process_in_a_container_holds_a_seat_until_the_container_is_killed() {
    let mut stage = stage(two_seats);
    if !prerequisites::has("runc", "a seat of a container") {
        return;
    }
    let bundle = stage.daemon.home().join("bundle");
    let Some(mut inside) = SeatHolder::in_container(&stage.daemon.socket(), &bundle) else {
        return prerequisites::skipped("a seat of a container", "root");
    };
    let seat = inside.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["bind"]), (&json!("GRANTED"), &json!("process")), "{seat}");
    inside.reconnect();
    assert_eq!(inside.acquire(json!({}))["seat"], seat["seat"], "it is not its connection");
    // It is found again by its id here, and the folder of sockets is the one that the container was given.
    stage.daemon.kill();
    stage.daemon.resume();
    let mut other = holder(&stage);
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(holder(&stage).acquire(json!({}))["code"], "SEATS_FULL", "the container has one");
    inside.reconnect();
    assert_eq!(inside.acquire(json!({}))["seat"], seat["seat"], "also after a restart");
    inside.kill_container();
    wait_until_used(&stage, 1);
    assert_eq!(holder(&stage).acquire(json!({}))["code"], "GRANTED");
}

/// Starts a program with a seat, and when it is told to, kills it and starts another of the same process id, which asks
/// as well. Each says its id and the answer.
const SAME_ID: &str = r#"
import json, os, signal, socket, sys
ask = {"jsonrpc": "2.0", "id": 1, "method": "seat_acquire", "params": {"product": "acme-cad", "wait_ms": 60000}}
def start(wanted):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        if wanted not in (None, os.getpid()):
            os._exit(1)
        one = socket.socket(socket.AF_UNIX)
        one.connect(sys.argv[1])
        one.sendall((json.dumps(ask) + "\n").encode())
        os.write(write, b"asked\n")
        reply = json.loads(one.makefile().readline())
        os.write(1, (json.dumps([os.getpid(), reply["result"]]) + "\n").encode())
        signal.pause()
    os.close(write)
    return pid, os.fdopen(read)
first, _ = start(None)
sys.stdin.readline()
os.kill(first, signal.SIGKILL)
os.waitpid(first, 0)
for _ in range(1000):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(first - 1))
    other, said = start(first)
    if other == first:
        said.readline()
        print("asked", flush=True)
        break
    os.waitpid(other, 0)
sys.stdin.readline()
os.kill(other, signal.SIGKILL)
os.waitpid(other, 0)
sys.stdin.readline()
"#;

#[test]
fn a_process_id_that_is_used_again_gives_nobody_a_seat() {
    let mut stage = stage(two_seats);
    if !nix::unistd::geteuid().is_root() {
        return prerequisites::skipped("a process id that is used again", "root");
    }
    stage.daemon.isolate();
    let mut filler = holder(&stage);
    assert_eq!(filler.acquire(json!({}))["code"], "GRANTED", "one seat is left");
    let mut command = Command::new("nsenter");
    command.arg(format!("--pid={}", stage.daemon.namespace().display()));
    command.args(["python3", "-c", SAME_ID]).arg(stage.daemon.socket());
    let mut programs = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut tell = programs.stdin.take().unwrap();
    let mut said = BufReader::new(programs.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    let (pid, seat): (i32, Value) = serde_json::from_str(&line()).unwrap();
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let list = stage.daemon.admin("seat_list", json!({}));
    let pids: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|it| &it["pid"]).collect();
    assert!(pids.contains(&&json!(pid)), "the daemon knows it by that id: {list}");
    // The daemon hears of the end of the first and of the request of the second at once.
    stage.daemon.signal(Signal::SIGSTOP);
    tell.write_all(b"\n").unwrap();
    assert_eq!(line(), "asked");
    stage.daemon.signal(Signal::SIGCONT);
    let (again, other): (i32, Value) = serde_json::from_str(&line()).unwrap();
    assert_eq!(again, pid, "the same id");
    assert_eq!(other["code"], "GRANTED", "{other}");
    assert!(other["fence"].as_u64() > seat["fence"].as_u64(), "another seat: {other} and {seat}");
    assert_eq!(pool(&stage)["used"], 2);
    tell.write_all(b"\n").unwrap();
    wait_until_used(&stage, 1);
    drop(tell);
    programs.wait().unwrap();
}
