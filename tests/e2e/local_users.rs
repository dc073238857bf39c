//! Other local users, who do not mean well: processes with uids of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use entitled::daemon::most_threads;
use serde_json::{Value, json};

use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::settings::Settings;
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;
use crate::support::{CHAIN, eventually};

/// Opens `argv[2]` connections, sends the request of `argv[4]` on each `argv[3]` times, with its number in the place of NUMBER,
/// and says so; once it is told to, it reads what came of it and counts the replies by the name of their error.
const MANY: &str = r#"
import json, socket, sys
path, connections, times, request = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
opened, asked = [], 0
for _ in range(connections):
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    for _ in range(times):
        asked += 1
        one.sendall((request.replace("NUMBER", str(asked)) + "\n").encode())
    opened.append(one)
print("sent", flush=True)
sys.stdin.readline()
counts = {}
for one in opened:
    lines = one.makefile()
    for _ in range(times):
        reply = json.loads(lines.readline())
        name = reply["error"]["data"]["code"] if "error" in reply else "ok"
        counts[name] = counts.get(name, 0) + 1
print(json.dumps(counts), flush=True)
"#;

/// A process of another user that asks the same many times.
struct Crowd {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Crowd {
    /// `None` where this test is not run by root, or there is no python3: then nobody can be somebody else.
    fn of(
        daemon: &Daemon,
        uid: u32,
        (connections, times): (u32, u32),
        ask: &Value,
    ) -> Option<Self> {
        for folder in [daemon.home().to_owned(), daemon.home().join("run")] {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let spawned = Command::new("python3")
            .args(["-c", MANY])
            .arg(daemon.socket())
            .args([connections.to_string(), times.to_string(), ask.to_string()])
            .uid(uid)
            .gid(uid)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            prerequisites::skipped("other users of the machine", "root or python3");
            return None;
        };
        let (tell, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut crowd = Self { child, tell, said: BufReader::new(said) };
        assert_eq!(crowd.line(), "sent");
        Some(crowd)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// How many replies there were of each kind.
    fn counts(mut self) -> Value {
        self.tell.write_all(b"\n").unwrap();
        let counts = serde_json::from_str(&self.line()).unwrap();
        assert!(self.child.wait().unwrap().success());
        counts
    }
}

const HOSTILE: u32 = 65_534;
const ANOTHER: u32 = 65_533;

/// The dearest typed data there may be, nearly.
fn costly() -> Value {
    let fields: Vec<_> = (0..60)
        .map(|it| json!({"name": format!("field{it}"), "type": format!("Type{it}[]")}))
        .collect();
    let mut types = json!({"EIP712Domain": [], "Note": fields});
    let mut message = json!({});
    for it in 0..60 {
        types[format!("Type{it}")] = json!([]);
        message[format!("field{it}")] = json!(vec![json!({}); 2]);
    }
    json!({"types": types, "primaryType": "Note", "domain": {}, "message": message})
}

fn verify(payload: Value) -> Value {
    let mut params = payload;
    params["address"] = json!(format!("0x{}", "11".repeat(20)));
    params["signature"] = json!(format!("0x{}1b", "11".repeat(64)));
    json!({"jsonrpc": "2.0", "id": 1, "method": "wallet_verify", "params": params})
}

#[test]
fn one_user_with_costly_requests_in_flight_stops_nobody_else() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let asked = verify(json!({"typed_data": costly()}));
    let Some(crowd) = Crowd::of(&daemon, HOSTILE, (15, 30), &asked) else { return };
    // What the watchdog asks, and what a program asks for that has to go through every actor.
    let mut line = Line::connect(&daemon.socket());
    let health = line.call("system_health", &json!({})).unwrap();
    assert_eq!(health["store"]["status"], "ok", "{health}");
    line.call("wallet_create", &json!({})).unwrap();
    let text = verify(json!({"message": "hello"}));
    let another = Crowd::of(&daemon, ANOTHER, (2, 10), &text).unwrap();
    assert_eq!(another.counts(), json!({"ok": 20}), "another user is not refused");
    let counts = crowd.counts();
    let of = |name: &str| counts[name].as_u64().unwrap_or(0);
    assert_eq!(of("ok") + of("BUSY") + of("LIMIT_EXCEEDED"), 450, "{counts}");
    // Turns are small, so that few may be in flight at a time: then the pool has no place, where else there is a limit.
    assert!(of("ok") > 0 && of("BUSY") + of("LIMIT_EXCEEDED") > 0, "{counts}");
    line.call("system_health", &json!({})).unwrap();
}

#[test]
fn one_user_cannot_take_every_connection() {
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()]).more(
        "[socket.limits]\nconnections = 20\nconnections_per_uid = 15\nconnections_reserved = 2",
    );
    let daemon = Daemon::start(&settings);
    wait_until_alone(&daemon);
    let version = json!({"jsonrpc": "2.0", "id": 1, "method": "system_version"});
    let Some(first) = Crowd::of(&daemon, HOSTILE, (17, 1), &version) else { return };
    // Three places are left that are not kept, and root's two.
    let second = Crowd::of(&daemon, ANOTHER, (5, 1), &version).unwrap();
    Line::connect(&daemon.socket()).call("system_version", &json!({})).unwrap();
    Line::connect(&daemon.admin_socket()).call("store_stats", &json!({})).unwrap();
    assert_eq!(first.counts(), json!({"ok": 15, "LIMIT_EXCEEDED": 2}));
    assert_eq!(second.counts(), json!({"ok": 3, "LIMIT_EXCEEDED": 2}));
}

/// The daemon is ready, and every connection by which that was found out is gone: its own question too.
fn wait_until_alone(daemon: &Daemon) {
    eventually("nobody else is connected", || {
        let mut stream = UnixStream::connect(daemon.admin_socket()).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let open = page.lines().find_map(|it| it.strip_prefix("entitled_connections_open "));
        let is_ready = daemon.log().contains("event=\"started\"");
        if is_ready && open == Some("1.0") { Ok(()) } else { Err(format!("{open:?}")) }
    });
}

/// Kilobytes the daemon had at most.
fn most_resident(daemon: &mut Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn batches_of_the_longest_reply_that_nobody_reads_take_little_memory() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "rpc_discover"});
    let before = most_resident(&mut daemon);
    let batch = Value::Array(vec![ask; 32]);
    let Some(mut crowd) = Crowd::of(&daemon, HOSTILE, (60, 20), &batch) else { return };
    let mut quiet = 0;
    let mut seen = 0;
    eventually("the daemon is done with them", || {
        let now = most_resident(&mut daemon);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
        if quiet > 50 { Ok(()) } else { Err(format!("{now} KiB")) }
    });
    let grown = (most_resident(&mut daemon) - before) / 1024;
    crowd.child.kill().unwrap();
    crowd.child.wait().unwrap();
    assert!(grown < 120, "{grown} MiB for one user");
}

/// Each costs as much gas as a signature may.
#[test]
fn contracts_that_never_end_keep_nobody_elses_signature_waiting() {
    let stage = Stage::start();
    let hello = Wallet::numbered(1).sign("hello");
    let ask = |contract: &str, owner| {
        let address = Contract::deploy(&stage.anvil, contract, owner).address;
        json!({"address": address, "message": "hello", "signature": hello, "chain": CHAIN})
    };
    let endless = ask("LoopsOverSignatures", None);
    let good = ask("OwnedWallet", Some(Wallet::numbered(1).address()));
    stage.anvil.mine(1);
    assert_eq!(stage.daemon.call("wallet_verify", good.clone())["valid"], true);
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "wallet_verify", "params": endless});
    let Some(mut crowd) = Crowd::of(&stage.daemon, HOSTILE, (4, 25), &ask) else { return };
    // The first of these may come before most of theirs, and the others do not.
    let ours = (0..5).map(|_| stage.daemon.call("wallet_verify", good.clone())["valid"] == true);
    let ours: Vec<bool> = ours.collect();
    let theirs_go_on = crowd.child.try_wait().unwrap().is_none();
    crowd.child.kill().unwrap();
    crowd.child.wait().unwrap();
    assert!(theirs_go_on, "theirs take longer than that");
    assert_eq!(ours, [true; 5]);
}

#[test]
fn tokens_of_contracts_that_never_end_keep_nobody_elses_waiting() {
    let stage = Stage::entitled();
    // JUMPDEST PUSH1 0 JUMP: whatever it is asked, it uses up all the time there is.
    let endless = stage.anvil.send(None, "0x635b60005660e01b60005260046000f3");
    let endless = endless["contractAddress"].as_str().unwrap();
    let asked = json!({"token": format!("{CHAIN}/erc721:{endless}/NUMBER")});
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "token_verify", "params": asked});
    let Some(mut crowd) = Crowd::of(&stage.daemon, HOSTILE, (4, 32), &ask) else { return };
    // The first of these may come before most of theirs, and the others do not. Each is another question.
    for id in 100..103 {
        let ours = json!({"token": stage.licence.token(id)});
        assert_eq!(stage.daemon.call("token_verify", ours)["holding"], "not_held");
    }
    assert!(crowd.child.try_wait().unwrap().is_none(), "theirs take longer than that");
    crowd.child.kill().unwrap();
    crowd.child.wait().unwrap();
}

/// Each question of the ledger is read beside the actors. Had each a thread of its own, one user's would be more than the
/// service may have, and the next that is needed, be it by the sockets themselves, would be refused.
#[test]
fn the_questions_of_one_user_take_no_more_threads_than_there_are_for_such() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let (most, folder) = (most_threads(1), format!("/proc/{}/task", daemon.pid()));
    let ask = |product: &str| {
        let params = json!({"product": product});
        json!({"jsonrpc": "2.0", "id": 1, "method": "entitlement_explain", "params": params})
    };
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                seen = seen.max(std::fs::read_dir(&folder).unwrap().count());
            }
            seen
        });
        let counts =
            Crowd::of(&daemon, HOSTILE, (60, 30), &ask("product-NUMBER")).map(Crowd::counts);
        done.store(true, Ordering::Relaxed);
        let counts = counts?;
        assert!(counts["ok"].as_u64() > Some(100), "{counts}");
        counting.join().ok()
    });
    let Some(seen) = seen else { return };
    assert!(seen <= most, "{seen} threads, of {most} there may be");
    daemon.call("entitlement_explain", json!({"product": "acme-cad"}));
}

/// Connects and leaves so many times, without a pause, in three at once.
fn come_and_go(daemon: &Daemon, times: usize) {
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..times / 3 {
                    UnixStream::connect(daemon.socket()).unwrap();
                }
            });
        }
    });
}

/// Of whoever has left nothing is kept, however soon the next one comes.
#[test]
fn connecting_and_leaving_without_a_pause_takes_no_more_memory_the_longer_it_lasts() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    come_and_go(&daemon, 15_000);
    let before = most_resident(&mut daemon);
    come_and_go(&daemon, 120_000);
    let after = most_resident(&mut daemon);
    assert!(after < before + before / 8, "from {before} to {after} KiB");
}

/// Asks at each of these sockets which wallets there are, and prints what came of it: their number, or nothing.
const WALLETS: &str = r#"
import json, os, socket, sys
assert os.getuid() == 0 and os.getpid() < 10, (os.getuid(), os.getpid())
for path in sys.argv[1:]:
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    try:
        one.sendall(b'{"jsonrpc":"2.0","id":1,"method":"wallet_list","params":{}}\n')
        reply = json.loads(one.makefile().readline() or "{}")
    except OSError:
        reply = {}
    print(len(reply["result"]["items"]) if "result" in reply else "nothing")
"#;

/// Root there, and process 2, is whoever made it: the kernel names ids as they are here.
#[test]
fn root_of_a_user_namespace_is_whoever_made_it() {
    let what = "root of a user namespace";
    if !nix::unistd::geteuid().is_root() || !prerequisites::has("unshare", what) {
        return prerequisites::skipped(what, "root or unshare");
    }
    let stage = Stage::linked();
    let sockets = [stage.daemon.socket(), stage.daemon.admin_socket()];
    for (path, mode) in [
        (stage.daemon.home().to_owned(), 0o755),
        (stage.daemon.home().join("run"), 0o755),
        // As if somebody had loosened it: whom it lets in then is for the daemon to say.
        (stage.daemon.admin_socket(), 0o666),
    ] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--pid", "--fork", "python3", "-c", WALLETS]);
    inside.args(&sockets).uid(HOSTILE).gid(HOSTILE).current_dir("/");
    let output = inside.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Operation not permitted") {
        return prerequisites::skipped(what, "the right of users to make one");
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\nnothing\n", "{said}");
    let own = stage.daemon.call("wallet_list", json!({}));
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "{own}");
}

/// Asks for each of these methods at the socket, and prints what came of it.
const METHODS: &str = r#"
import json, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
lines = one.makefile()
for method, params in json.loads(sys.argv[2]):
    ask = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    one.sendall((json.dumps(ask) + "\n").encode())
    reply = json.loads(lines.readline())
    print(reply["error"]["data"]["code"] if "error" in reply else reply["result"].get("code", "ok"))
"#;

/// As in a container with users of its own, to which the socket was passed from outside.
#[test]
fn users_that_cannot_be_told_apart_are_told_what_is_so_and_share_no_wallets() {
    let what = "a daemon in a user namespace";
    if !nix::unistd::geteuid().is_root() || !prerequisites::has("unshare", what) {
        return prerequisites::skipped(what, "root or unshare");
    }
    let mut stage = Stage::entitled();
    stage.daemon.map_only_root();
    stage.daemon.wait_for_code(ACME, "VALID");
    for folder in [stage.daemon.home().to_owned(), stage.daemon.home().join("run")] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let asked = json!([
        ["system_version", {}],
        ["entitlement_check", {"product": ACME}],
        ["wallet_create", {}],
        ["wallet_list", {}],
        ["wallet_challenge", {"address": stage.holder(), "chain": CHAIN}],
        ["ownership_list", {}],
        ["seat_list", {"product": ACME}],
    ]);
    for uid in [HOSTILE, ANOTHER] {
        let mut other = Command::new("python3");
        other.args(["-c", METHODS]).arg(stage.daemon.socket()).arg(asked.to_string());
        let output = other.uid(uid).gid(uid).current_dir("/").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let refused = "PERMISSION_DENIED\n".repeat(5);
        assert_eq!(said, format!("ok\nNO_WALLET\n{refused}"), "{output:?}");
    }
    stage.daemon.call("wallet_create", json!({}));
}
