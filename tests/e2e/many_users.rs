//! Many local users who mean no good together: what each of them may have is little, and all of it must fit into the memory
//! that the service has.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::publishers::{Vendor, install_signed};
use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};

/// Less than `MemoryHigh=` of the unit, with room for a keystore of 256 MiB beside it.
const MOST: usize = 224 << 20;

/// Connects as `argv[2]` users with `argv[3]` connections each, and sends on each the bytes that `argv[4]` evaluates to, until none of
/// them takes any more for two seconds. Then it reads until `argv[5]` lines have come on each.
const MANY: &str = r#"
import os, select, socket, sys, time
path, users, connections, said, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), eval(sys.argv[4]), int(sys.argv[5])
left = {}
for user in range(users):
    for _ in range(connections):
        os.seteuid(61_000 + user)
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        os.seteuid(0)
        one.setblocking(False)
        left[one] = said
quiet = time.monotonic() + 2
while any(left.values()) and time.monotonic() < quiet:
    for one in select.select([], [it for it in left if left[it]], [], 0.1)[1]:
        left[one] = left[one][one.send(left[one]):]
        quiet = time.monotonic() + 2
heard = dict.fromkeys(left, 0)
while any(it < lines for it in heard.values()):
    ready = select.select([it for it in heard if heard[it] < lines], [], [], 60)[0]
    assert ready, f"nothing more is heard after {sum(heard.values())} lines"
    for one in ready:
        more = one.recv(1 << 20)
        assert more, f"the daemon hung up after {heard[one]} lines"
        heard[one] += more.count(b"\n")
print(sum(heard.values()))
"#;

/// Connects as `argv[2]` users with `argv[3]` connections each, begins `argv[4]` requests on each by HTTP/2, and sends as much of a body to
/// each as is taken, but for its end.
const BODIES: &str = r#"
import os, select, socket, sys, time
path, users, connections, streams = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
def field(name, value):
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value
head = b"\x83\x86\x84" + field(b":authority", b"localhost") + field(b"content-type", b"application/json")
part = b"{" + b" " * 15_999
class One:
    def __init__(self, user):
        os.seteuid(61_000 + user)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        os.seteuid(0)
        self.window, self.got = 65_535, b""
        begun = b"".join(frame(1, 4, 2 * at + 1, head) for at in range(streams))
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + begun)
        self.parts = [2 * at + 1 for _ in range(4) for at in range(streams)]
    def read(self):
        more = self.socket.recv(1 << 16)
        if not more:
            self.parts = []
        self.got += more
        while len(self.got) >= 9 and len(self.got) >= 9 + (length := int.from_bytes(self.got[:3], "big")):
            kind, flags, stream = self.got[3], self.got[4], int.from_bytes(self.got[5:9], "big")
            payload, self.got = self.got[9:9 + length], self.got[9 + length:]
            if kind == 8 and stream == 0:
                self.window += int.from_bytes(payload, "big")
            elif kind == 4 and not flags & 1:
                self.socket.sendall(frame(4, 1, 0, b""))
            elif kind == 3 or flags & 1:  # answered before its end: no more of it is sent
                self.parts = [it for it in self.parts if it != stream]
    def write(self):
        while self.parts and self.window >= len(part):
            self.socket.sendall(frame(0, 0, self.parts.pop(0), part))
            self.window -= len(part)
ones = [One(user) for user in range(users) for _ in range(connections)]
of = {it.socket: it for it in ones}
quiet = time.monotonic() + 2
while any(it.parts for it in ones) and time.monotonic() < quiet:
    for one in select.select(list(of), [], [], 0.1)[0]:
        try:
            of[one].read()
            of[one].write()
        except (BrokenPipeError, ConnectionResetError):
            of[one].parts = []
        if not of[one].parts:
            del of[one]
        quiet = time.monotonic() + 2
print(len(ones))
"#;

/// Runs such a program: what it counted; `None` where this is not run by root, or there is no python3.
fn many(
    daemon: &Daemon,
    (users, connections): (u32, u32),
    program: &str,
    more: &[String],
) -> Option<usize> {
    for folder in [daemon.home().to_owned(), daemon.home().join("run")] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(daemon.socket());
    command.args([users.to_string(), connections.to_string()]).args(more);
    let is_root = nix::unistd::geteuid().is_root();
    let Some(output) = is_root.then(|| command.output().ok()).flatten() else {
        prerequisites::skipped("other users of the machine", "root or python3");
        return None;
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(told.lines().last().unwrap().parse().unwrap())
}

/// Sends one request so many times on each connection, and hears each answered or refused.
fn ask(
    daemon: &Daemon,
    (users, connections): (u32, u32),
    (method, params): (&str, &Value),
    times: u32,
) -> Option<()> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let said = format!("({:?} + chr(10)).encode() * {times}", request.to_string());
    let heard = many(daemon, (users, connections), MANY, &[said, times.to_string()])?;
    assert_eq!(heard, (users * connections * times) as usize, "not each was answered or refused");
    Some(())
}

fn fits(daemon: &mut Daemon) {
    let peak = daemon.peak_memory();
    assert!(peak < MOST, "{} MiB", peak >> 20);
    // Somebody else is answered what is short.
    assert_eq!(daemon.call("system_health", json!({}))["store"]["status"], "ok");
}

#[test]
fn replies_that_many_users_do_not_read_take_little_memory_together() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    if ask(&daemon, (50, 2), ("rpc_discover", &json!({})), 32).is_some() {
        fits(&mut daemon);
    }
}

#[test]
fn bodies_that_many_users_do_not_finish_take_little_memory_together() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    if many(&daemon, (4, 40), BODIES, &["64".to_owned()]).is_some() {
        fits(&mut daemon);
    }
}

#[test]
fn requests_that_many_users_have_under_way_take_little_memory_together() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let params = json!({"address": format!("0x{}", "11".repeat(20)), "message": "x".repeat(60_000),
        "signature": format!("0x{}1b", "11".repeat(64))});
    if ask(&daemon, (50, 4), ("wallet_verify", &params), 32).is_some() {
        fits(&mut daemon);
    }
}

#[test]
fn large_receipts_that_many_users_ask_for_take_little_memory_together() {
    let vendor = Vendor::new();
    let mut stage = Stage::start();
    // As much as a product file may have, which each receipt carries.
    let remarks = format!("# {}\n", "x".repeat(97)).repeat(2_300);
    let product = ProductFile::acme(&stage.licence.collection());
    let product = product.set("refresh", "\"1h\"").remarks(&remarks);
    install_signed(&stage.daemon, &vendor, &product);
    stage.daemon.wait_for(ACME, "the vendor's", |it| it["publisher"] == vendor.key());
    // What the machine has, everybody has a receipt of.
    let wallet = stage.daemon.admin("wallet_create", json!({"customer": "machine"}));
    stage.licence.mint(&stage.anvil, wallet["address"].as_str().unwrap().parse().unwrap(), 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let asked = ("entitlement_receipt", &json!({"product": ACME}));
    if ask(&stage.daemon, (16, 5), asked, 10).is_some() {
        fits(&mut stage.daemon);
    }
}
