//! A service manager as far as it keeps descriptors: as systemd does for a unit with `FileDescriptorStoreMax=`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::eventually;
use super::process::{Process, command};

/// Keeps what comes by one socket, and tells and hands over all of it to whoever connects to the other. That it closes
/// the descriptor of a barrier, which it never keeps, is the answer to it.
const KEEP: &str = r#"
import os, select, socket, sys
home, kept = sys.argv[1], {}
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(home + "/notify")
asked = socket.socket(socket.AF_UNIX)
asked.bind(home + "/stored")
asked.listen()
while True:
    for one in select.select([told, asked], [], [])[0]:
        if one is asked:
            line, _ = asked.accept()
            socket.send_fds(line, [(":".join(kept) + "\n").encode()], list(kept.values()))
            line.close()
            continue
        text, fds, _, _ = socket.recv_fds(told, 4096, 8)
        said = dict(it.split("=", 1) for it in text.decode().splitlines())
        if said.get("FDSTORE") == "1":
            assert said.get("FDPOLL") == "0", said
            kept[said["FDNAME"]] = fds.pop()
        if said.get("FDSTOREREMOVE") == "1":
            fds.append(kept.pop(said["FDNAME"]))
        for fd in fds:
            os.close(fd)
"#;

/// Takes what was stored, puts it where a service expects it, and becomes the service.
const START: &str = r#"
import os, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
names, fds, _, _ = socket.recv_fds(one, 65536, 250)
one.close()
high = [os.dup2(fd, 300 + at) for at, fd in enumerate(fds)]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at, inheritable=True)
    os.close(fd)
if high:
    names = names.decode().strip()
    os.environ.update(LISTEN_FDS=str(len(high)), LISTEN_PID=os.environ.get("FUTURE_PID", str(os.getpid())), LISTEN_FDNAMES=names)
os.execvp(sys.argv[2], sys.argv[2:])
"#;

pub struct ServiceManager {
    home: PathBuf,
    _process: Process,
}

impl ServiceManager {
    pub fn start(home: &Path) -> Self {
        let mut keep = command(Path::new("/usr/bin/env"));
        keep.args(["python3", "-c", KEEP]).arg(home);
        let manager = Self { home: home.to_owned(), _process: Process::start(keep) };
        eventually("the service manager answers", || {
            manager.names().map(drop).map_err(|error| error.to_string())
        });
        manager
    }

    /// `service`, started with what it had stored.
    pub fn command(&self, service: &Command) -> Command {
        let mut command = Command::new("python3");
        command.args(["-c", START]).arg(self.home.join("stored"));
        command.arg(service.get_program()).args(service.get_args());
        for (name, value) in service.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("NOTIFY_SOCKET", self.home.join("notify"));
        command
    }

    /// How many descriptors it keeps.
    pub fn stored(&self) -> usize {
        let names = self.names().unwrap();
        names.split(':').filter(|it| !it.is_empty()).count()
    }

    fn names(&self) -> std::io::Result<String> {
        let mut line = String::new();
        BufReader::new(UnixStream::connect(self.home.join("stored"))?).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}
