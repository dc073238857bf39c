//! The socket side of the daemon, driven as clients drive it, with answers made for the tests.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says on stderr what it skipped"
)]

#[path = "../support/c_library.rs"]
#[allow(dead_code, reason = "no test binary needs all of it")]
mod c_library;
mod doors;
mod ending;
mod fairness;
mod http;
mod http2;
mod limits;
mod older_kernel;
#[path = "../support/preloaded.rs"]
mod preloaded;
#[path = "../support/prerequisites.rs"]
#[allow(dead_code, reason = "no test binary needs all of it")]
mod prerequisites;
mod raw;
mod subscriptions;
mod threads;
mod websocket;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entitled::rpc::call::answers::{Answers, Page};
use entitled::rpc::figures::SocketFigures;
use entitled::rpc::socket::doors::Doors;
use entitled::rpc::socket::limits::Limits;
use entitled::rpc::socket::listen::{self, SocketSummary};
use entitled_core::domain::peer::{Door, Peer};
use futures_util::future::BoxFuture;
use jsonrpsee::core::to_json_raw_value;
use jsonrpsee::{PendingSubscriptionSink, RpcModule};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, broadcast, oneshot};
use tokio::task::JoinHandle;

/// The folder `tests` of the repository.
fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Long enough that only something that never comes takes longer.
const NEVER: Duration = Duration::from_secs(30);

/// What the test's methods share with the test.
struct Stage {
    /// Each `wait` takes one.
    gate: Semaphore,
    news: broadcast::Sender<u64>,
    /// How often `count` was answered.
    counted: AtomicU64,
    /// How often `change` was begun, and done.
    changing: AtomicU64,
    changed: AtomicU64,
}

#[derive(Clone)]
struct TestAnswers(Arc<Stage>);

impl Answers for TestAnswers {
    fn methods(&self) -> jsonrpsee::Methods {
        let mut module = RpcModule::from_arc(Arc::clone(&self.0));
        let whoami = |_: jsonrpsee::types::Params<'_>, _: &Stage, given: &jsonrpsee::Extensions| {
            let peer = given.get::<Peer>().unwrap();
            let door = if peer.door == Door::Admin { "admin" } else { "public" };
            serde_json::json!({ "uid": peer.uid, "pid": peer.pid, "door": door })
        };
        module.register_method("whoami", whoami).unwrap();
        module
            .register_async_method("echo", |params, _, _| async move {
                let given: Value = params.parse().unwrap_or(Value::Null);
                tokio::task::yield_now().await;
                given
            })
            .unwrap();
        module
            .register_async_method("wait", |_, stage, _| async move {
                stage.gate.acquire().await.unwrap().forget();
                "waited"
            })
            .unwrap();
        module
            .register_async_method("change", |_, stage, _| async move {
                stage.changing.fetch_add(1, Ordering::Relaxed);
                stage.gate.acquire().await.unwrap().forget();
                stage.changed.fetch_add(1, Ordering::Relaxed);
                "x".repeat(4_000)
            })
            .unwrap();
        module.register_method("long", |_, _, _| "x".repeat(4_000)).unwrap();
        module.register_async_method("panic", |_, _, _| panicking()).unwrap();
        module.register_subscription("watch", "changed", "unwatch", watch).unwrap();
        module.register_subscription("flood", "flooded", "unflood", flood).unwrap();
        module.into()
    }

    fn changes(&self, method: &str) -> bool {
        method == "change"
    }

    fn answer_at_once(
        &self,
        _: &Peer,
        method: &str,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool {
        match method {
            "hot" => out.extend_from_slice(params.map_or("{}", RawValue::get).as_bytes()),
            "count" => {
                let before = self.0.counted.fetch_add(1, Ordering::Relaxed);
                out.extend_from_slice(before.to_string().as_bytes());
            }
            "thread" => {
                let thread = format!("\"{:?}\"", std::thread::current().id());
                out.extend_from_slice(thread.as_bytes());
            }
            "hot_panic" => {
                out.extend_from_slice(b"half an ans");
                panic!("asked for");
            }
            // Hot for the caller, but not this time.
            "echo" => {
                out.extend_from_slice(b"thrown away");
                return false;
            }
            _ => return false,
        }
        true
    }

    fn page(&self, path: &str, accept: &str) -> BoxFuture<'static, Option<Page>> {
        let page = match path {
            "/healthz" => Some(Page {
                status: 503,
                content_type: "application/json",
                body: "{\"status\":\"starting\"}".into(),
            }),
            "/metrics" => {
                let body = format!("asked for {accept:?}").into();
                Some(Page { status: 200, content_type: "text/plain", body })
            }
            _ => None,
        };
        Box::pin(async { page })
    }
}

async fn panicking() -> u32 {
    panic!("asked for")
}

/// Says 0 at once, then whatever is news.
async fn watch(
    _: jsonrpsee::types::Params<'static>,
    pending: PendingSubscriptionSink,
    stage: Arc<Stage>,
    _: jsonrpsee::Extensions,
) {
    let mut news = stage.news.subscribe();
    let Ok(sink) = pending.accept().await else { return };
    let mut said = 0;
    loop {
        if sink.send(to_json_raw_value(&said).unwrap()).await.is_err() {
            return;
        }
        tokio::select! {
            next = news.recv() => said = next.unwrap(),
            () = sink.closed() => return,
        }
    }
}

/// Says far more than anybody wants to hear.
async fn flood(
    _: jsonrpsee::types::Params<'static>,
    pending: PendingSubscriptionSink,
    _: Arc<Stage>,
    _: jsonrpsee::Extensions,
) {
    let Ok(sink) = pending.accept().await else { return };
    let drop = to_json_raw_value(&"x".repeat(8_000)).unwrap();
    while sink.send(drop.clone()).await.is_ok() {}
}

/// A running socket side.
struct House {
    home: tempfile::TempDir,
    stage: Arc<Stage>,
    figures: Arc<SocketFigures>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<SocketSummary>,
}

impl House {
    fn open(limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listen_at = |name: &str| UnixListener::bind(home.path().join(name)).unwrap();
        let doors = Doors::of(listen_at("entitled.sock"), listen_at("admin.sock"), None);
        Self::with(home, doors, limits)
    }

    fn with(home: tempfile::TempDir, doors: Doors, limits: Limits) -> Self {
        let (gate, news) = (Semaphore::new(0), broadcast::channel(64).0);
        let none = || AtomicU64::new(0);
        let stage =
            Arc::new(Stage { gate, news, counted: none(), changing: none(), changed: none() });
        let answers = Arc::new(TestAnswers(Arc::clone(&stage)));
        let (stop, stopped) = oneshot::channel::<()>();
        let figures = doors.figures();
        let serving = tokio::spawn(listen::serve(doors, answers, limits, async {
            let _ = stopped.await;
        }));
        Self { home, stage, figures, stop: Some(stop), serving }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("entitled.sock")
    }

    async fn connect(&self) -> Client {
        Client::new(UnixStream::connect(self.path()).await.unwrap())
    }

    async fn admin(&self) -> Client {
        Client::new(UnixStream::connect(self.home.path().join("admin.sock")).await.unwrap())
    }

    fn tell_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn stop(mut self) -> SocketSummary {
        self.tell_to_stop();
        within(self.serving).await.unwrap()
    }

    /// Waits until `count` says what is wanted.
    async fn until(&self, wanted: impl Fn(&SocketFigures) -> bool) {
        within(async {
            while !wanted(&self.figures) {
                // Figures are counters, which wake nobody: they are looked at again and again.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

async fn within<T>(waited_for: impl Future<Output = T>) -> T {
    tokio::time::timeout(NEVER, waited_for).await.expect("it never came")
}

/// A client that speaks raw bytes.
struct Client(BufReader<UnixStream>);

impl Client {
    fn new(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        within(self.0.get_mut().write_all(bytes.as_ref())).await.unwrap();
        self
    }

    /// One reply line, without its end. Empty when the connection has ended.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        within(self.0.read_line(&mut line)).await.unwrap();
        assert!(line.is_empty() || line.ends_with('\n'), "a whole line: {line}");
        line.trim_end().to_owned()
    }

    async fn reply(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a reply: {line:?}"))
    }

    async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Value {
        self.send(bytes).await.reply().await
    }

    /// Everything up to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A connection closed while we were still sending ends with an error.
        let _ = within(self.0.read_to_end(&mut rest)).await;
        String::from_utf8(rest).unwrap()
    }
}

fn call(id: impl std::fmt::Display, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)
}

#[track_caller]
fn assert_fault(reply: &Value, code: i64, name: &str) {
    assert_eq!(reply["error"]["code"], code, "{reply}");
    assert_eq!(reply["error"]["data"]["code"], name, "{reply}");
    assert!(reply["error"]["data"]["detail"].is_string(), "{reply}");
    assert!(reply["error"]["data"]["help"].is_string(), "{reply}");
}

fn limits() -> Limits {
    // Here the daemon and its callers are one process.
    Limits { ourselves_exempt: false, ..Limits::default() }
}
