//! The floor: what a round trip costs when nothing is done in between.
//!
//! A process of its own, as the daemon is, and a runtime like the daemon's. Asked by the benchmark only; never
//! looks at what it reads.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::eventually;
use crate::support::process::{Process, command};

/// As the first argument it makes this program the echo, on the socket named by the second.
pub const ROLE: &str = "echo";

/// This program once more, as the echo.
pub struct Echo {
    process: Process,
    home: TempDir,
}

impl Echo {
    pub fn start() -> Self {
        let home = TempDir::new().unwrap();
        let mut command = command(&std::env::current_exe().unwrap());
        command.arg(ROLE).arg(home.path().join(ROLE));
        let echo = Self { process: Process::start(command), home };
        eventually("the echo listens", || {
            UnixStream::connect(echo.path()).map_err(|it| it.to_string())
        });
        echo
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join(ROLE)
    }
}

/// Answers on the socket `path` until the process is ended.
pub fn serve(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        let bytes: Arc<[u8]> = vec![b'x'; 1024 * 1024].into();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&bytes)));
        }
    });
}

/// Is told the sizes of a request and of its reply first; then answers each request with as many bytes as the
/// real reply has.
async fn answer(mut stream: tokio::net::UnixStream, bytes: Arc<[u8]>) {
    let mut buffer = vec![0; 4 * 1024];
    let mut count = stream.read(&mut buffer).await.unwrap_or(0);
    let size = |at: usize| u32::from_le_bytes(buffer[at..at + 4].try_into().unwrap()) as usize;
    let (request, reply) = (size(0), size(4));
    let mut unanswered = count.saturating_sub(8);
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
