//! The seat of each client library, with the real daemon: given back, lost with its process, drained.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use entitled_client::{AsyncSeat, Seat, SeatError, SeatRequest, SeatState, SocketPath};
use serde_json::json;
use tempfile::TempDir;

use crate::seats::{holder, pool, stage, two_seats, wait_until_used, wait_until_waiting};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::toolchain;

/// A driver of the conformance suite: a program of its own that holds seats.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &mut Command, stage: &Stage) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { child, input, output: BufReader::new(output) };
        let socket = stage.daemon.socket();
        assert_eq!(program.ask(&format!("open\t{}\t30000", socket.display())), "ok");
        program
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    fn take(&mut self) {
        let said = self.ask("seat\tacme-cad");
        assert!(said.starts_with("yes s-"), "{said}");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn holds_a_seat(make: impl Fn(&TempDir) -> Option<Command>) {
    let directory = TempDir::new().unwrap();
    let Some(mut command) = make(&directory) else { return };
    let stage = stage(|licence| two_seats(licence).seats("drain = \"3s\""));
    let mut start = || Program::start(&mut command, &stage);
    let (mut first, mut second, mut third) = (start(), start(), start());
    first.take();
    second.take();
    assert_eq!(third.ask("seat\tacme-cad"), "no SEATS_FULL");
    assert_eq!(third.ask("seat\tacme-cad\ttier=gold"), "no NOT_ENTITLED");
    third.tell("seat\tacme-cad\twait_ms=60000");
    wait_until_waiting(&stage, 1);
    assert_eq!(first.ask("release"), "ok");
    let said = third.hear();
    assert!(said.starts_with("yes s-"), "{said}");
    assert_eq!(
        (first.ask("held\t0").as_str(), second.ask("held\t0").as_str()),
        ("no released", "yes")
    );
    third.kill();
    wait_until_used(&stage, 1);
    stage.give_away(7);
    let warned = second.ask("held\t30000");
    assert!(warned.starts_with("yes 20"), "it drains: {warned}");
    assert_eq!(second.ask("held\t30000"), "no capacity");
    assert_eq!(second.ask("release"), "ok");
}

#[test]
fn python_holds_a_seat() {
    holds_a_seat(|_| toolchain::python("tests/conformance.py"));
}

#[test]
fn python_with_asyncio_holds_a_seat() {
    holds_a_seat(|_| {
        let mut command = toolchain::python("tests/conformance.py")?;
        command.arg("--asyncio");
        Some(command)
    });
}

#[test]
fn node_holds_a_seat() {
    holds_a_seat(|_| toolchain::node("test/conformance.js"));
}

#[test]
fn go_holds_a_seat() {
    holds_a_seat(|it| toolchain::go_program("./internal/conformance", it.path()));
}

#[test]
fn java_holds_a_seat() {
    let source = "src/test/java/Conformance.java";
    holds_a_seat(|it| toolchain::java(source, "Conformance", it.path()));
}

/// And so does the C library, through which it speaks.
#[test]
fn cpp_holds_a_seat() {
    holds_a_seat(|it| toolchain::cpp("tests/conformance.cpp", it.path()));
}

#[test]
fn a_guard_of_rust_gives_its_seat_back_when_it_is_dropped() {
    let stage = stage(two_seats);
    let path = SocketPath::at(stage.daemon.socket());
    let request = SeatRequest::new("acme-cad");
    let mut seat = Seat::acquire(&path, request.clone()).unwrap();
    assert_eq!((seat.tier(), &pool(&stage)["used"]), ("pro", &json!(1)));
    let state = seat.check(Duration::ZERO);
    assert!(matches!(state, SeatState::Held { ends_at: None }), "{state:?}");
    drop(seat);
    assert_eq!(pool(&stage)["used"], 0, "the daemon has heard it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seat = runtime.block_on(AsyncSeat::acquire(&path, request.clone())).unwrap();
    assert_eq!(pool(&stage)["used"], 1);
    drop(seat);
    wait_until_used(&stage, 0);
    stage.give_away(7);
    stage.daemon.wait_for_code("acme-cad", "NOT_HELD");
    let refused = Seat::acquire(&path, request).unwrap_err();
    let SeatError::Refused(refusal) = &refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code.as_str(), refusal.is_known()), ("NOT_ENTITLED", true));
}

#[test]
fn a_subscription_to_one_seat_tells_of_that_one_alone() {
    let stage = stage(two_seats);
    let (mut one, mut other) = (holder(&stage), holder(&stage));
    let (seat, later) = (one.acquire(json!({})), other.acquire(json!({})));
    let mut line = Line::connect(&stage.daemon.socket());
    let order = json!({"product": ACME, "seat": seat["seat"]});
    line.call("seat_subscribe", &order).unwrap();
    other.kill();
    wait_until_used(&stage, 1);
    one.kill();
    let told = line.hear().expect("it goes on")["params"]["result"].take();
    assert_eq!((&told["event"], &told["seat"]["seat"]), (&json!("ended"), &seat["seat"]), "{told}");
    for gone in [&seat["seat"], &later["seat"]] {
        let order = json!({"product": ACME, "seat": gone});
        let refused = line.call("seat_subscribe", &order).unwrap_err();
        assert_eq!(refused.data["code"], "NOT_FOUND", "{refused:?}");
    }
}
