//! The second port: whether the gateway lives, whether it is ready, and its figures. For the machine that runs it.
//!
//! A port has no caller to know. Few connections, none for long: whoever comes takes the place of who was there longest, of the
//! address that has most, so that nobody who stays, or comes again and again, keeps away who asks whether we live. A thread of
//! its own, and a connection of its own to the daemon from the start: whatever the clients are at, it does not wait behind them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::AbortHandle;

use super::cors::is_of_another_site;
use super::daemon::Daemon;
use super::forward;
use super::hosts::name_of;
use super::respond::Gateway;
use entitled_client::AsyncClient;

/// Connections at once, and how long one lasts.
const CONNECTIONS: usize = 16;
const LONGEST: Duration = Duration::from_secs(10);
/// How long the daemon may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so long it is asked again, where it was not there at the start.
const AGAIN: Duration = Duration::from_secs(1);
const SILENT: &str = "the daemon does not answer";
/// For how long what it said is told on.
const MOMENT: Duration = Duration::from_millis(200);
/// How long another's answer may take, from one byte to the next, and how long it may be.
const ANSWER: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: u64 = 4 * 1024;

/// What the gateway has answered, by the first digit of the status.
#[derive(Debug, Default)]
pub(super) struct Figures {
    answers: [AtomicU64; 6],
    turned_away: AtomicU64,
}

impl Figures {
    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(count) = self.answers.get(usize::from(status.as_u16() / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    fn text(&self, ready: bool) -> String {
        let mut text = String::from(
            "# HELP entitled_gateway_answers_total Answers, by the class of their status.\n\
             # TYPE entitled_gateway_answers_total counter\n",
        );
        for (class, count) in self.answers.iter().enumerate().skip(2) {
            let count = count.load(Ordering::Relaxed);
            // Writing to a text cannot fail.
            let _ =
                writeln!(text, "entitled_gateway_answers_total{{status=\"{class}xx\"}} {count}");
        }
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        let _ = write!(
            text,
            "# HELP entitled_gateway_turned_away_total Connections that there was no place for.\n\
             # TYPE entitled_gateway_turned_away_total counter\n\
             entitled_gateway_turned_away_total {turned_away}\n\
             # HELP entitled_gateway_ready Whether the daemon answers and its store is open.\n\
             # TYPE entitled_gateway_ready gauge\n\
             entitled_gateway_ready {}\n",
            u8::from(ready)
        );
        text
    }
}

/// What the daemon says of itself, for a moment: a port has no caller to know, and whoever asks here without end takes none of
/// the questions that the clients of the gateway have.
struct Moment<T>(Arc<AsyncMutex<Option<(Instant, T)>>>);

impl<T: Clone + Send + 'static> Moment<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    /// What was said a moment ago, or what `ask` comes to. `None` when that has failed.
    async fn get(&self, ask: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((at, said)) = &*last
            && at.elapsed() < MOMENT
        {
            return Some(said.clone());
        }
        // It goes on when whoever asks hangs up: else each who does would begin the next one.
        let asking = tokio::spawn(async move {
            let said = ask.await;
            *last = Some((Instant::now(), said.clone()));
            said
        });
        asking.await.ok()
    }
}

/// The connection on which the daemon is asked how it is.
type Line = Arc<AsyncMutex<Option<AsyncClient>>>;

/// Connections and where they come from; who was there longest first.
#[derive(Default)]
struct Places(VecDeque<(IpAddr, AbortHandle)>);

impl Places {
    fn make_room(&mut self) {
        let Self(places) = self;
        places.retain(|(_, it)| !it.is_finished());
        if places.len() < CONNECTIONS {
            return;
        }
        let own = |(from, _): &(IpAddr, AbortHandle)| {
            places.iter().filter(|(other, _)| other == from).count()
        };
        // The first of those that have as many.
        let longest = (0..places.len()).rev().max_by_key(|it| places.get(*it).map(own));
        if let Some((_, longest)) = longest.and_then(|it| places.remove(it)) {
            longest.abort();
        }
    }
}

struct Probed {
    gateway: Arc<Gateway>,
    line: Line,
    ready: Moment<Result<(), &'static str>>,
    figures: Moment<Option<String>>,
}

impl Probed {
    /// Has a connection to the daemon as soon as there is one.
    async fn connect(&self) {
        while self.ready().await == Err(SILENT) {
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn ready(&self) -> Result<(), &'static str> {
        let (daemon, line) = (Arc::clone(&self.gateway.daemon), Arc::clone(&self.line));
        let said = self.ready.get(async move { ready(&daemon, &line).await }).await;
        said.unwrap_or(Err(SILENT))
    }

    /// Those of the daemon.
    async fn figures(&self) -> Option<String> {
        let daemon = Arc::clone(&self.gateway.daemon);
        let ask = async move {
            let asked = forward::metrics(&daemon);
            tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
        };
        self.figures.get(ask).await.flatten()
    }
}

/// Has the second port served for as long as the process lives.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn begin(listener: TcpListener, gateway: Arc<Gateway>) -> io::Result<()> {
    let serving = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Err(error) = runtime.and_then(|it| it.block_on(serve(listener, gateway))) {
            tracing::error!(%error, "nobody answers on the port for probes");
        }
    };
    std::thread::Builder::new().name("probes".to_owned()).spawn(serving).map(drop)
}

/// Ends only when it cannot begin.
async fn serve(listener: TcpListener, gateway: Arc<Gateway>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (ready, figures) = (Moment::new(), Moment::new());
    let probed = Arc::new(Probed { gateway, line: Line::default(), ready, figures });
    let connecting = Arc::clone(&probed);
    tokio::spawn(async move { connecting.connect().await });
    let mut places = Places::default();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        places.make_room();
        let probed = Arc::clone(&probed);
        let serving = tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let probed = Arc::clone(&probed);
                async move { Ok::<_, Infallible>(respond(&request, &probed).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).max_headers(64).max_buf_size(16 * 1024);
            let serving = server.serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(LONGEST, serving).await;
        });
        places.0.push_back((from.ip(), serving.abort_handle()));
    }
}

/// Whether a web page may be behind a request: it names one, a browser says that another site's asks, or it reached us by a name
/// that we do not have, as a browser does whose name service was tricked. Who looks after machines comes by an address, or by a
/// name of ours.
fn is_of_a_page(request: &Request<Incoming>, gateway: &Gateway) -> bool {
    let headers = request.headers();
    let authority = request.uri().authority().map(|it| it.as_str().as_bytes());
    let mut hosts = headers.get_all(header::HOST).iter().map(|it| it.as_bytes()).chain(authority);
    let is_expected = |host: &[u8]| {
        let name = name_of(host).unwrap_or_default();
        let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
        let is_plain = host.is_empty() || name.eq_ignore_ascii_case("localhost");
        is_plain || address.parse::<IpAddr>().is_ok() || gateway.hosts.is_ours(host)
    };
    headers.contains_key(header::ORIGIN)
        || headers.contains_key(header::REFERER)
        || is_of_another_site(headers)
        || !hosts.all(is_expected)
}

async fn respond(request: &Request<Incoming>, probed: &Probed) -> Response<Full<Bytes>> {
    const JSON: &str = "application/json";
    const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "use GET\n".to_owned());
    }
    if is_of_a_page(request, &probed.gateway) {
        let why = "not for web pages: ask by an address, or by one of `hosts`\n".to_owned();
        return reply(StatusCode::FORBIDDEN, "text/plain", why);
    }
    match request.uri().path() {
        // Whoever reads this was answered: the process lives. What a chain, the daemon or a client does says nothing of that.
        "/livez" => reply(StatusCode::OK, JSON, json!({ "status": "ok" }).to_string()),
        "/readyz" => {
            let ready = probed.ready().await;
            let status =
                if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let said = ready.map_or_else(
                |why| json!({ "status": "not ready", "detail": why }),
                |()| json!({ "status": "ok" }),
            );
            reply(status, JSON, said.to_string())
        }
        "/metrics" => {
            let text = probed.gateway.figures.text(probed.ready().await.is_ok());
            reply(StatusCode::OK, METRICS, text)
        }
        // Those of the daemon, for a monitoring system that reaches no socket of another container's.
        "/daemon/metrics" => match probed.figures().await {
            Some(text) => reply(StatusCode::OK, METRICS, text),
            None => {
                let why = "the daemon gave no figures\n".to_owned();
                reply(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why)
            }
        },
        _ => reply(
            StatusCode::NOT_FOUND,
            "text/plain",
            "there are /livez, /readyz, /metrics and /daemon/metrics\n".to_owned(),
        ),
    }
}

/// Ready is who can give verdicts: the daemon answers, its store is open, and each chain whose validators it follows was
/// seen once. A chain that is away since is no reason: what was proven holds until its grace is over.
async fn ready(daemon: &Daemon, line: &Line) -> Result<(), &'static str> {
    let Ok(Some(health)) = tokio::time::timeout(PATIENCE, health(daemon, line)).await else {
        return Err(SILENT);
    };
    let health: Value = serde_json::from_str(health.get()).unwrap_or_default();
    if health["store"]["status"] != "ok" {
        return Err("the store is not open");
    }
    let chains = health["chains"].as_array();
    let unseen = |it: &Value| it["trust"] == "consensus" && it["head"].is_null();
    match chains.is_some_and(|it| it.iter().any(unseen)) {
        true => Err("a chain's validators were not heard yet"),
        false => Ok(()),
    }
}

/// What the daemon says of itself. The connection of a question that is given up is closed.
async fn health(daemon: &Daemon, line: &Line) -> Option<Box<RawValue>> {
    let mut line = line.lock().await;
    let mut client = match line.take() {
        Some(client) => client,
        None => daemon.connect().await.ok()?,
    };
    let said = client.call_raw("system_health", &json!({})).await.ok()?;
    *line = Some(client);
    Some(said)
}

/// Asks the second port of another process whether that is ready.
pub(super) fn ask(mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)
        .with_context(|| format!("nobody answers on {address}"))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut said = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut said).context("the answer was cut off")?;
    let why = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    anyhow::ensure!(said.starts_with("HTTP/1.1 200 "), "it is not ready: {why}");
    Ok(())
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let value = http::HeaderValue::from_static(content_type);
    reply.headers_mut().insert(header::CONTENT_TYPE, value);
    // A browser says whose page asks where the way to us is secure, and keeps our status from the page by this in any case (the
    // Fetch standard, "Cross-Origin-Resource-Policy header").
    let of_ours = http::HeaderValue::from_static("same-origin");
    reply.headers_mut().insert("cross-origin-resource-policy", of_ours);
    reply
}
