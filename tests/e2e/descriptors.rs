//! Nobody sends the daemon descriptors. What closes when it reads them would be closed on a thread that serves everybody, and
//! may take as long as its sender likes. Where the kernel lets them be sent all the same, whoever sends some holds nobody else.

use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};
use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::process::{Process, command};
use crate::support::settings::Settings;
use crate::support::socket::Line;
use crate::support::{PATIENCE, eventually, preloaded, prerequisites};

/// Linux has `SO_PASSRIGHTS` since 6.16.
fn kernel_can_refuse() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|it| it.parse::<u32>().ok());
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 16);
    if !known {
        prerequisites::skipped("that descriptors are refused", "Linux 6.16");
    }
    known
}

/// Whoever connects can ask, and cannot send a descriptor beside the question.
pub fn refuses_descriptors(socket: &Path) {
    if !kernel_can_refuse() {
        return;
    }
    let stream = UnixStream::connect(socket).unwrap();
    let descriptors = [stream.as_raw_fd()];
    let (blank, sent) = ([IoSlice::new(b" ")], [ControlMessage::ScmRights(&descriptors)]);
    let end = sendmsg::<()>(stream.as_raw_fd(), &blank, &sent, MsgFlags::empty(), None);
    assert_eq!(end, Err(Errno::EPERM), "{}", socket.display());
    let end = sendmsg::<()>(stream.as_raw_fd(), &blank, &[], MsgFlags::empty(), None);
    assert_eq!(end, Ok(1), "{}", socket.display());
}

#[test]
fn who_connects_can_send_no_descriptor() {
    let daemon = Daemon::start(&settings());
    refuses_descriptors(&daemon.socket());
    refuses_descriptors(&daemon.admin_socket());
    daemon.call("system_version", json!({}));
}

fn settings() -> Settings {
    Settings::new(["http://127.0.0.1:9".to_owned()])
}

/// A daemon that the kernel cannot help: it is told that descriptors cannot be refused. None where there is no C compiler.
fn on_an_older_kernel(settings: &Settings) -> Option<Daemon> {
    let mut daemon = Daemon::prepare(settings);
    let what = "descriptors that an older kernel lets through";
    let library = preloaded::build("older_kernel", daemon.home(), what)?;
    daemon.preload(library);
    daemon.resume();
    daemon.wait_for_log("this kernel (before 6.16) lets");
    Some(daemon)
}

/// A connection whose closing lasts an hour, as nobody reads what it still has to send: for whoever closes it last.
struct Lingering {
    sent: TcpStream,
    /// Its other side, which has to stay.
    others: (TcpListener, TcpStream),
}

impl Lingering {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        let hour = nix::libc::linger { l_onoff: 1, l_linger: 3_600 };
        setsockopt(&sent, sockopt::Linger, &hour).unwrap();
        sent.set_nonblocking(true).unwrap();
        while sent.write(&[0; 65_536]).is_ok() {}
        Self { sent, others: (listener, other) }
    }

    /// Sends it with these bytes. Whoever has it then has it last, and its other side stays.
    fn go(self, stream: &UnixStream, bytes: &[u8], flags: MsgFlags) -> (TcpListener, TcpStream) {
        let descriptors = [self.sent.as_raw_fd()];
        let (bytes, with) = ([IoSlice::new(bytes)], [ControlMessage::ScmRights(&descriptors)]);
        let flags = flags | MsgFlags::MSG_NOSIGNAL;
        // The daemon may have hung up by now.
        let _ = sendmsg::<()>(stream.as_raw_fd(), &bytes, &with, flags, None);
        // Or have closed it by now: then this is the last time.
        std::thread::spawn(move || drop(self.sent));
        self.others
    }
}

/// What is sent first, and how the rest with a descriptor.
struct Attack {
    name: &'static str,
    first: &'static [u8],
    answer: &'static str,
    then: &'static [u8],
    flags: MsgFlags,
    waits: bool,
}

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"system_version","params":{}}"#;
const BROKEN: &[u8] = b"{]";

fn attacks() -> Vec<Attack> {
    let none = MsgFlags::empty();
    let (name, first, answer, then, flags, waits) =
        ("blanks", &b""[..], "", &b"   "[..], none, true);
    let blanks = || Attack { name, first, answer, then, flags, waits };
    let page = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    vec![
        blanks(),
        Attack { name: "a request", first: REQUEST, answer: "version", then: REQUEST, ..blanks() },
        Attack { name: "the same, and gone", waits: false, then: REQUEST, ..blanks() },
        Attack { name: "after what is broken", first: BROKEN, ..blanks() },
        Attack { name: "out of band", flags: MsgFlags::MSG_OOB, ..blanks() },
        Attack {
            name: "out of band, after a request",
            first: REQUEST,
            answer: "version",
            flags: MsgFlags::MSG_OOB,
            ..blanks()
        },
        Attack { name: "HTTP", first: b"GET /hea", then: b"lthz", ..blanks() },
        Attack {
            name: "HTTP, after a page",
            first: page,
            answer: "200 OK",
            then: page,
            ..blanks()
        },
        Attack { name: "WebSocket", first: UPGRADE, answer: "101 Switching", ..blanks() },
    ]
}

impl Attack {
    /// Makes it; gives what must stay for it to last.
    fn make(&self, socket: &Path) -> (UnixStream, (TcpListener, TcpStream)) {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(self.first).unwrap();
        let mut answered = Vec::new();
        while !String::from_utf8_lossy(&answered).contains(self.answer) {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{}: {}", self.name, String::from_utf8_lossy(&answered));
            answered.extend_from_slice(&bytes[..count]);
        }
        let others = Lingering::new().go(&stream, self.then, self.flags);
        if self.waits {
            eventually(self.name, || match stream.read(&mut [0; 4_096]) {
                Ok(0) => Ok(()),
                Ok(_) => Err("it says something".to_owned()),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
                Err(error) => panic!("{}: {error}", self.name),
            });
        }
        (stream, others)
    }
}

/// Nobody has a place but who asks this.
fn all_places_are_given_back(daemon: &Daemon) {
    eventually("all places are given back", || {
        let figures = daemon.figures();
        let line = figures.lines().find(|it| it.starts_with("entitled_connections_open "));
        match line.unwrap_or_else(|| panic!("{figures}")) {
            "entitled_connections_open 1.0" => Ok(()),
            more => Err(more.to_owned()),
        }
    });
}

#[test]
fn descriptors_that_an_older_kernel_lets_through_hold_nobody() {
    let Some(mut daemon) = on_an_older_kernel(&settings()) else { return };
    let mut others = Line::connect(&daemon.socket());
    let mut kept = Vec::new();
    for socket in [daemon.socket(), daemon.admin_socket()] {
        for attack in attacks() {
            kept.push(attack.make(&socket));
            others.call("system_version", &json!({})).unwrap();
            daemon.call("system_version", json!({}));
            daemon.admin_answers();
        }
    }
    drop(others);
    kept.iter_mut().for_each(|(stream, _)| stream.shutdown(std::net::Shutdown::Both).unwrap_or(()));
    all_places_are_given_back(&daemon);
    assert!(daemon.stop().success(), "{}", daemon.log());
}

/// Those for whom there is no place are closed at once, or told so first.
#[test]
fn descriptors_of_those_who_find_no_place_hold_nobody() {
    let few = settings().more("[socket.limits]\nconnections = 8\nconnections_reserved = 0");
    let Some(daemon) = on_an_older_kernel(&few) else { return };
    let mut lines = eventually("all places are ours", || {
        let mut lines: Vec<Line> = (0..8).map(|_| Line::connect(&daemon.socket())).collect();
        lines.iter_mut().try_for_each(is_served).map(|()| lines)
    });
    let mut kept = Vec::new();
    for _ in 0..200 {
        let stream = UnixStream::connect(daemon.socket()).unwrap();
        kept.push((Lingering::new().go(&stream, b"   ", MsgFlags::empty()), stream));
    }
    for line in &mut lines {
        line.call("system_version", &json!({})).unwrap();
    }
    drop(lines);
    eventually("there are places again", || is_served(&mut Line::connect(&daemon.socket())));
}

/// Whether there is a place for it.
fn is_served(line: &mut Line) -> Result<(), String> {
    line.say(REQUEST);
    match line.hear() {
        Some(reply) if reply["result"].is_object() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// What was sent to a connection that nobody has accepted closes with the socket.
#[test]
fn descriptors_that_nobody_has_accepted_do_not_hold_the_end() {
    let Some(mut daemon) = on_an_older_kernel(&settings()) else { return };
    daemon.signal(Signal::SIGSTOP);
    let stream = UnixStream::connect(daemon.socket()).unwrap();
    let _others = Lingering::new().go(&stream, b"   ", MsgFlags::empty());
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.end(Signal::SIGCONT).success(), "{}", daemon.log());
}

/// Makes the sockets, and becomes the daemon when there is a file.
const HAND_OVER: &str = r#"
import os, socket, sys, time
paths, wait, program = sys.argv[1:3], sys.argv[3], sys.argv[4:]
for at, path in enumerate(paths):
    it = socket.socket(socket.AF_UNIX)
    it.bind(path)
    it.listen(16)
    high = os.dup2(it.detach(), 50 + at)
    os.dup2(high, 3 + at, inheritable=True)
while not os.path.exists(wait):
    time.sleep(0.02)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="entitled:admin", LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
"#;

/// A service manager listens before there is a daemon that could refuse anything.
#[test]
fn what_was_sent_before_the_daemon_began_holds_nobody() {
    if !prerequisites::has("python3", "the hand-over of sockets") {
        return;
    }
    let daemon = Daemon::prepare(&settings());
    let [public, admin, begin] =
        ["handed.sock", "admin.sock", "begin"].map(|it| daemon.home().join(it));
    let mut starting = command("/usr/bin/env".as_ref());
    starting.args(["python3", "-c", HAND_OVER]).args([&public, &admin, &begin]);
    starting.arg(env!("CARGO_BIN_EXE_entitled")).arg("--config").arg(daemon.config());
    let mut process = Process::start(starting);
    let kept = [&public, &admin].map(|socket| {
        let stream = eventually("the socket is there", || {
            UnixStream::connect(socket).map_err(|it| it.to_string())
        });
        (Lingering::new().go(&stream, b"   ", MsgFlags::empty()), stream)
    });
    std::fs::write(&begin, "").unwrap();
    for socket in [&public, &admin] {
        Line::connect(socket).call("system_version", &json!({})).unwrap();
        refuses_descriptors(socket);
    }
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait().code(), Some(0));
    drop(kept);
}
