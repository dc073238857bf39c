//! What stands beside the daemon: an echo, an echo behind hyper, and Redis. Each a process of its own, as the daemon is.
//!
//! The echoes are this program once more, on a runtime like the daemon's; they never look at what they read.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream as Stream};

use super::asking::Question;
use crate::support::eventually;
use crate::support::process::{Process, command};

/// As the first argument each makes this program that echo, on the socket named by the second.
const ECHO: &str = "echo";
const HTTP_ECHO: &str = "http-echo";
/// On a port, which the file named by the second argument tells.
const TCP_ECHO: &str = "tcp-echo";
/// The key whose value Redis gives.
const KEY: &str = "verdict";

/// A process on a socket of its own.
pub struct Peer {
    process: Process,
    home: TempDir,
}

impl Peer {
    pub fn echo() -> Self {
        Self::own(ECHO, &[])
    }

    /// Answers every request with a body of so many bytes.
    pub fn http_echo(body: usize) -> Self {
        Self::own(HTTP_ECHO, &[body.to_string()])
    }

    /// The same on a port, from a runtime like the gateway's.
    pub fn tcp_echo(body: usize) -> (Self, u16) {
        let (command, home) = Self::command(TCP_ECHO, &[body.to_string()]);
        let peer = Self { process: Process::start(command), home };
        let port = eventually("the peer listens", || {
            let told = std::fs::read_to_string(peer.path()).map_err(|it| it.to_string())?;
            told.parse().map_err(|_| format!("{told} is no port"))
        });
        (peer, port)
    }

    fn own(role: &str, more: &[String]) -> Self {
        let (command, home) = Self::command(role, more);
        Self::started(command, home)
    }

    fn command(role: &str, more: &[String]) -> (std::process::Command, TempDir) {
        let home = TempDir::new().unwrap();
        let mut command = command(&std::env::current_exe().unwrap());
        command.arg(role).arg(home.path().join("socket")).args(more);
        (command, home)
    }

    /// Redis, which keeps nothing on disk, with a value of so many bytes. `None` where it is not installed.
    pub fn redis(value: usize) -> Option<(Self, Question)> {
        let program = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"];
        let program = program.into_iter().map(Path::new).find(|it| it.exists())?;
        let home = TempDir::new().unwrap();
        let mut command = command(program);
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"]).arg(home.path());
        command.arg("--unixsocket").arg(home.path().join("socket"));
        let peer = Self::started(command, home);
        let set = format!(
            "*3\r\n$3\r\nSET\r\n${}\r\n{KEY}\r\n${value}\r\n{}\r\n",
            KEY.len(),
            "x".repeat(value)
        );
        Question::new(&peer.path(), set.into_bytes(), &["+OK"]);
        let get = format!("*2\r\n$3\r\nGET\r\n${}\r\n{KEY}\r\n", KEY.len());
        let question = Question::new(&peer.path(), get.into_bytes(), &["xxx"]);
        Some((peer, question))
    }

    fn started(command: std::process::Command, home: TempDir) -> Self {
        let peer = Self { process: Process::start(command), home };
        eventually("the peer listens", || {
            UnixStream::connect(peer.path()).map(drop).map_err(|it| it.to_string())
        });
        peer
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("socket")
    }
}

/// Whether the arguments make this program an echo: then it was one, until the process is ended.
pub fn was_an_echo(arguments: &[String]) -> bool {
    let [_, role, path, more @ ..] = arguments else { return false };
    let path = Path::new(path);
    match (role.as_str(), more) {
        (ECHO, []) => {
            let bytes: Arc<[u8]> = vec![b'x'; 1024 * 1024].into();
            serve(path, move |stream| drop(tokio::spawn(answer(stream, Arc::clone(&bytes)))));
        }
        (HTTP_ECHO, [length]) => {
            let body = Bytes::from(vec![b'x'; length.parse().unwrap()]);
            serve(path, move |stream| drop(tokio::spawn(answer_http(stream, body.clone()))));
        }
        (TCP_ECHO, [length]) => {
            serve_port(path, Bytes::from(vec![b'x'; length.parse().unwrap()]));
        }
        _ => return false,
    }
    true
}

fn serve(path: &Path, begin: impl Fn(Stream)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = UnixListener::bind(path).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            begin(stream);
        }
    });
}

fn serve_port(file: &Path, body: Bytes) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Whoever reads it finds all of it or nothing.
        let written = file.with_extension("new");
        std::fs::write(&written, port.to_string()).unwrap();
        std::fs::rename(&written, file).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(answer_http(stream, body.clone()));
        }
    });
}

/// Is told the sizes of a request and of its reply first; then answers each request with as many bytes as the
/// real reply has.
async fn answer(mut stream: Stream, bytes: Arc<[u8]>) {
    let mut buffer = vec![0; 4 * 1024];
    let mut count = stream.read(&mut buffer).await.unwrap_or(0);
    if count < 8 {
        return;
    }
    let size = |at: usize| u32::from_le_bytes(buffer[at..at + 4].try_into().unwrap()) as usize;
    let (request, reply) = (size(0), size(4));
    let mut unanswered = count - 8;
    while count > 0 {
        let whole = unanswered / request;
        unanswered %= request;
        if stream.write_all(&bytes[..whole * reply]).await.is_err() {
            return;
        }
        count = stream.read(&mut buffer).await.unwrap_or(0);
        unanswered += count;
    }
}

async fn answer_http(stream: impl AsyncRead + AsyncWrite + Unpin, body: Bytes) {
    let reply = hyper::service::service_fn(|request: Request<Incoming>| {
        let body = body.clone();
        async move {
            // Read, as who answers must.
            let _read = request.into_body().collect().await;
            let reply = Response::builder().header("content-type", "application/json");
            Ok::<_, Infallible>(reply.body(Full::new(body)).unwrap())
        }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    let _ended = connection.serve_connection(TokioIo::new(stream), reply).await;
}
