//! Programs that hold floating seats: processes of their own, which can be stopped, killed and left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::socket::result_of;

/// Passes each line of its input on as a request, and each reply back. `fork` makes a child that holds the connection
/// after the process itself has ended; `again` opens another connection; `send` does not wait for the reply, and `listen` passes
/// on what comes next.
const RELAY: &str = r#"
import os, socket, sys
def connect():
    one = socket.socket(socket.AF_UNIX)
    one.connect(sys.argv[1])
    return one, one.makefile()
one, lines = connect()
print("ready", flush=True)
kept = []
while True:
    line = sys.stdin.readline()
    if not line:
        break
    if line == "again\n":
        kept.append((one, lines))
        one, lines = connect()
    elif line == "close\n":
        one.close(); lines.close()
        one, lines = connect()
    elif line.startswith("send "):
        one.sendall(line[5:].encode())
    elif line == "listen\n":
        print(lines.readline(), end="", flush=True)
    elif line == "fork\n":
        if os.fork() != 0:
            os._exit(0)
        print(os.getpid(), flush=True)
    else:
        one.sendall(line.encode())
        print(lines.readline(), end="", flush=True)
"#;

/// A process that asks for seats.
pub struct SeatHolder {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
    asked: u64,
    container: Option<Container>,
}

/// A container of runc's, which outlives whoever started it.
struct Container {
    /// Where it keeps what it knows of its containers.
    root: PathBuf,
    name: String,
}

impl Container {
    fn runc(&self, command: &[&str]) -> bool {
        let mut runc = Command::new("runc");
        let runc = runc.arg("--root").arg(&self.root).args(command);
        runc.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.runc(&["delete", "--force", &self.name]);
    }
}

impl SeatHolder {
    pub fn start(socket: &Path) -> Self {
        Self::spawn(&mut Self::command(socket)).expect("python3 can be started")
    }

    /// A process of another user; `None` where we may not be somebody else.
    pub fn of_user(socket: &Path, uid: u32) -> Option<Self> {
        Self::of_user_in(socket, uid, uid)
    }

    /// The same, whose group is this one.
    pub fn of_user_in(socket: &Path, uid: u32, gid: u32) -> Option<Self> {
        Self::spawn(Self::command(socket).uid(uid).gid(gid).current_dir("/"))
    }

    /// A process in a process-id namespace of its own; `None` where we may not make one.
    pub fn in_pid_namespace(socket: &Path) -> Option<Self> {
        let inner = Self::command(socket);
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child=KILL"]).arg(inner.get_program());
        command.args(inner.get_args());
        Self::spawn(&mut command)
    }

    /// A process in a container, of which `bundle` will hold the description; `None` where we may not make one.
    pub fn in_container(socket: &Path, bundle: &Path) -> Option<Self> {
        let inner = Self::command(Path::new("/run/entitled.sock"));
        let mut arguments = vec![json!("/usr/bin/python3")];
        arguments.extend(inner.get_args().map(|it| json!(it.to_str().unwrap())));
        let bind = |source: &Path, destination: &str| json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "ro"]});
        let usr = Path::new("/usr");
        let spaces = ["pid", "mount", "ipc", "uts", "network"].map(|it| json!({"type": it}));
        let description = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": arguments, "env": ["PATH=/usr/bin"], "cwd": "/",
                "capabilities": {}, "noNewPrivileges": true,
            },
            "root": {"path": "root", "readonly": true},
            "mounts": [
                json!({"destination": "/proc", "type": "proc", "source": "proc"}),
                bind(usr, "/usr"), bind(&usr.join("lib"), "/lib"), bind(&usr.join("lib64"), "/lib64"),
                bind(socket.parent()?, "/run"),
            ],
            "linux": {"namespaces": spaces},
        });
        std::fs::create_dir_all(bundle.join("root")).unwrap();
        std::fs::write(bundle.join("config.json"), description.to_string()).unwrap();
        let name = format!("seat-{}-{}", std::process::id(), bundle.file_name()?.to_string_lossy());
        let container = Container { root: bundle.join("runc"), name };
        let mut command = Command::new("runc");
        command.arg("--root").arg(&container.root).arg("run").arg("--bundle").arg(bundle);
        let mut holder = Self::spawn(command.arg(&container.name))?;
        holder.container = Some(container);
        Some(holder)
    }

    /// Ends its container, as the engine does with one that does not end by itself.
    pub fn kill_container(&self) {
        let container = self.container.as_ref().expect("it is in a container");
        assert!(container.runc(&["kill", &container.name, "KILL"]), "the container can be killed");
    }

    fn command(socket: &Path) -> Command {
        let usual = Path::new("/usr/bin/python3");
        let python = if usual.exists() { usual } else { Path::new("python3") };
        let mut command = Command::new(python);
        command.args(["-c", RELAY]).arg(socket);
        command
    }

    fn spawn(command: &mut Command) -> Option<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let (tell, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let said = BufReader::new(said);
        let mut holder = Self { child, tell, said, asked: 0, container: None };
        (holder.line() == "ready").then_some(holder)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn say(&mut self, line: &str) {
        self.tell.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Asks, and does not wait for the answer.
    pub fn ask(&mut self, method: &str, params: &Value) {
        self.asked += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        self.say(&request.to_string());
    }

    /// Waits for the answer to what was asked.
    pub fn answer(&mut self) -> Value {
        let line = self.line();
        let reply = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        result_of(reply).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The next line that its connection says, such as a notification.
    pub fn next_line(&mut self) -> Value {
        self.say("listen");
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.ask(method, params);
        self.answer()
    }

    /// The error that a call is answered with.
    pub fn refused(&mut self, method: &str, params: &Value) -> Value {
        self.ask(method, params);
        let line = self.line();
        let mut reply: Value = serde_json::from_str(&line).unwrap();
        reply["error"].take()
    }

    /// Asks for a seat of `acme-cad`, with `more` parameters.
    pub fn acquire(&mut self, more: Value) -> Value {
        self.ask_for_seat(more);
        self.answer()
    }

    pub fn ask_for_seat(&mut self, mut params: Value) {
        params["product"] = json!("acme-cad");
        self.ask("seat_acquire", &params);
    }

    /// Asks by another connection from now on, and keeps the old one.
    pub fn connect_again(&mut self) {
        self.say("again");
    }

    /// Closes its connection, and asks by another from now on.
    pub fn reconnect(&mut self) {
        self.say("close");
    }

    /// Leaves its connection to a child, and ends. The child goes on in its place.
    pub fn fork_and_exit(&mut self) -> Pid {
        self.say("fork");
        let child = self.line().parse().unwrap();
        self.child.wait().unwrap();
        Pid::from_raw(child)
    }

    /// Asks for a seat, and reads no answer.
    pub fn send_for_seat(&mut self, params: &Value) {
        self.asked += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.asked, "method": "seat_acquire", "params": params});
        self.say(&format!("send {request}"));
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// As by `kill -9`, and nobody has reaped it yet.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }
}

impl Drop for SeatHolder {
    fn drop(&mut self) {
        // It may be gone already. A child that it left reads the end of its input, and ends.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
