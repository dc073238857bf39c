//! Real etcd: members of one cluster on this machine, each with a door of its own for every daemon that a test can shut.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::process::send;
use super::{eventually, prerequisites, tests_dir};

/// Where `make prepare` puts it, or where a package has.
pub fn program() -> Option<PathBuf> {
    found("etcd")
}

/// The client of the command line.
pub fn client() -> Option<PathBuf> {
    found("etcdctl")
}

fn found(program: &str) -> Option<PathBuf> {
    let places = [tests_dir().join(".etcd/usr/bin"), "/usr/bin".into()];
    places.into_iter().map(|it| it.join(program)).find(|it| it.exists())
}

pub struct Etcd {
    home: TempDir,
    members: Vec<Member>,
    /// Of the members, `etcd.crt` and `etcd.key`, and of who may ask, `ca.crt`; `None` without TLS.
    certificates: Option<PathBuf>,
    /// What else its members are told.
    flags: Vec<String>,
}

struct Member {
    client: u16,
    peer: u16,
    /// Where it says how it fares, to anybody.
    health: u16,
    child: Option<Child>,
}

impl Etcd {
    /// A cluster of so many; `None` where etcd is missing, which is said.
    pub fn start(members: usize) -> Option<Self> {
        if program().is_none() {
            prerequisites::skipped("fleets over real etcd", "etcd");
            return None;
        }
        let member = |_| Member { client: free(), peer: free(), health: free(), child: None };
        let members = (0..members).map(member);
        let mut etcd = Self {
            home: TempDir::with_prefix("entitled-etcd-").unwrap(),
            members: members.collect(),
            certificates: None,
            flags: Vec::new(),
        };
        (0..etcd.members.len()).for_each(|it| etcd.start_member(it));
        etcd.wait_until_healthy();
        Some(etcd)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn data(&self, member: usize) -> PathBuf {
        self.home.path().join(format!("m{member}"))
    }

    pub fn address(&self, member: usize) -> String {
        format!("127.0.0.1:{}", self.members[member].client)
    }

    /// Its own addresses, without doors.
    pub fn endpoints(&self) -> Vec<String> {
        let scheme = self.scheme();
        (0..self.len()).map(|it| format!("{scheme}://{}", self.address(it))).collect()
    }

    fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    /// Starts all members again, over TLS: with `etcd.crt` of this folder, and for who shows a certificate of its `ca.crt`.
    pub fn secure(&mut self, certificates: &Path) {
        (0..self.len()).for_each(|it| self.kill_member(it));
        self.certificates = Some(certificates.to_owned());
        (0..self.len()).for_each(|it| self.start_member(it));
        self.wait_until_healthy();
    }

    /// Starts all members again, with these flags.
    pub fn restart_with(&mut self, flags: &[&str]) {
        (0..self.len()).for_each(|it| self.kill_member(it));
        self.flags = flags.iter().map(|it| (*it).to_owned()).collect();
        (0..self.len()).for_each(|it| self.start_member(it));
        self.wait_until_healthy();
    }

    /// A question to the gateway, of anybody, without TLS.
    pub fn ask(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let request = format!(
            "POST /v3/{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(&self.address(0), &request).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    pub fn start_member(&mut self, at: usize) {
        let peer = |it: &Member| format!("http://127.0.0.1:{}", it.peer);
        let all: Vec<String> = self
            .members
            .iter()
            .enumerate()
            .map(|(number, it)| format!("m{number}={}", peer(it)))
            .collect();
        let own = &self.members[at];
        let client = format!("{}://127.0.0.1:{}", self.scheme(), own.client);
        let health = format!("http://127.0.0.1:{}", own.health);
        let mut command = Command::new(program().unwrap());
        command
            .args(["--name", &format!("m{at}"), "--data-dir"])
            .arg(self.data(at))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-metrics-urls", &health])
            .args(["--listen-peer-urls", &peer(own)])
            .args(["--initial-advertise-peer-urls", &peer(own)])
            .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(["--log-level", "error"])
            .args(&self.flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(certificates) = &self.certificates {
            command.arg("--client-cert-auth");
            let files = [
                ("--cert-file", "etcd.crt"),
                ("--key-file", "etcd.key"),
                ("--trusted-ca-file", "ca.crt"),
            ];
            for (flag, file) in files {
                command.arg(flag).arg(certificates.join(file));
            }
        }
        self.members[at].child = Some(command.spawn().unwrap());
    }

    pub fn kill_member(&mut self, at: usize) {
        if let Some(mut child) = self.members[at].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `SIGSTOP` or `SIGCONT`.
    pub fn signal_member(&self, at: usize, signal: Signal) {
        if let Some(child) = &self.members[at].child {
            send(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal);
        }
    }

    pub fn is_running(&self, at: usize) -> bool {
        self.members[at].child.is_some()
    }

    /// Until a write would succeed.
    pub fn wait_until_healthy(&self) {
        eventually("etcd has a leader", || {
            let is_healthy = |it: &Member| {
                let asked =
                    exchange(&format!("127.0.0.1:{}", it.health), "GET /health HTTP/1.0\r\n\r\n");
                asked.is_ok_and(|it| it.contains("\"true\""))
            };
            if self.members.iter().any(is_healthy) {
                Ok(())
            } else {
                Err("no member is healthy".to_owned())
            }
        });
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|it| self.kill_member(it));
    }
}

fn exchange(address: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A cable between a daemon and a member.
pub struct Link {
    address: String,
    inner: Arc<Wire>,
}

struct Wire {
    upstream: String,
    is_cut: AtomicBool,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Link {
    pub fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Arc::new(Wire {
            upstream,
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let address = listener.local_addr().unwrap().to_string();
        let wire = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if wire.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let wire = Arc::clone(&wire);
                std::thread::spawn(move || wire.carry(&stream));
            }
        });
        Self { address, inner }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nothing comes through any more, and nobody is told: what is under way is lost, as when a cable is pulled.
    pub fn cut(&self) {
        self.inner.is_cut.store(true, Ordering::SeqCst);
    }

    /// What was under way is gone; what is new comes through.
    pub fn heal(&self) {
        self.inner.is_cut.store(false, Ordering::SeqCst);
        for stream in self.inner.streams.lock().unwrap().drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::SeqCst);
        self.heal();
        let _wakes_the_listener = TcpStream::connect(&self.address);
    }
}

impl Wire {
    fn carry(self: Arc<Self>, near: &TcpStream) {
        let Ok(far) = TcpStream::connect(&self.upstream) else { return };
        let ways = [(near, &far), (&far, near)].map(|(from, to)| {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let wire = Arc::clone(&self);
            std::thread::spawn(move || wire.pump(from, to))
        });
        self.streams.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
        for way in ways {
            way.join().unwrap();
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            match from.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                // Swallowed, and the sender does not learn of it.
                Ok(_) if self.is_cut.load(Ordering::SeqCst) => {}
                Ok(count) if to.write_all(&bytes[..count]).is_err() => break,
                Ok(_) => {}
            }
        }
        let _gone_already = to.shutdown(Shutdown::Both);
    }
}

/// Copies everything below a directory.
pub fn copy_directory(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "{} is copied to {}", from.display(), to.display());
}
