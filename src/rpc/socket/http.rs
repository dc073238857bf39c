//! HTTP/1.1, HTTP/2 with prior knowledge, and the way into WebSocket.
//!
//! The connection is jsonrpsee's; what a request is answered is ours, so that the rules are those of the raw framing.
//! Refuses whatever a web page could have sent: identity here is the connecting process, and a browser is one
//! process for many pages.

mod body;

use std::convert::Infallible;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::sync::mpsc;

use super::limits::Limits;
use super::message::take_message;
use super::ofrep::{self, Evaluated};
use super::progress::{Overdue, Progress, Unwritten};
use super::replay::Replay;
use super::reply::Held;
use super::shared_stream::SharedStream;
use super::stop::Stop;
use super::stream::Stream;
use super::turn::ANY_REQUEST;
use super::websocket;
use crate::rpc::call::answers::{Page, Warm};
use crate::rpc::call::caller::Caller;
use crate::rpc::call::enclosure::Line;
use crate::rpc::call::envelope::Fault;

pub(in crate::rpc) type Reply = Response<Full<Bytes>>;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// How every connection by HTTP/2 begins.
const PREFACE: &[u8] = b"PRI ";
/// The longest head of a request.
const HEAD: usize = 16 * 1024;
/// What the other side may send ahead of our reading it, on one stream and on all of a connection; and what we may
/// have ready of one stream.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// Serves HTTP on `io`, of which `first` has been read already, and the WebSocket it may become.
pub(in crate::rpc) async fn converse(io: Stream, first: Vec<u8>, caller: Arc<Caller>, stop: Stop) {
    let (hand_over, mut upgrades) = mpsc::channel(1);
    let progress = Progress::new(caller.limits(), !first.starts_with(PREFACE));
    let stream = SharedStream::new(io);
    let io = Replay::new(stream.clone(), first, Arc::clone(&caller), Arc::clone(&progress));
    let desk = Arc::new(Desk {
        warm: Mutex::new(caller.warm()),
        caller: Arc::clone(&caller),
        progress: Arc::clone(&progress),
        stream: stream.clone(),
        hand_over,
    });
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.respond(request).await) }
    });
    let server = server(caller.limits());
    let stopped = stop.clone().requested();
    {
        let mut serving = pin!(server.serve_connection_with_upgrades(TokioIo::new(io), service));
        let mut stopped = pin!(stopped);
        let mut overdue = pin!(progress.overdue());
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an HTTP connection ended early");
                    }
                    break;
                }
                () = stopped.as_mut(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
                // Dropping the connection drops every reply that waits on it.
                why = overdue.as_mut() => {
                    if why == Overdue::Unwritten {
                        caller.figures().slow_readers.one_more();
                    }
                    tracing::debug!(?why, "an HTTP connection was ended");
                    return;
                }
            }
        }
    }
    if let Ok(upgrade) = upgrades.try_recv() {
        websocket::converse(upgrade, stream, caller, stop).await;
    }
}

fn server(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // How long a head may take is counted in `progress`: hyper would count the rest between requests as well.
    server.http1().header_read_timeout(None).max_buf_size(HEAD + limits.request_bytes.min(HEAD));
    // A place for each request in flight, and as many for what is answered at once.
    let streams = u32::try_from(limits.in_flight.saturating_mul(2)).unwrap_or(u32::MAX);
    server
        .http2()
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    server
}

/// Answers the requests of one connection.
struct Desk {
    caller: Arc<Caller>,
    warm: Mutex<Box<dyn Warm>>,
    progress: Arc<Progress>,
    stream: SharedStream,
    hand_over: mpsc::Sender<OnUpgrade>,
}

/// What is answered, before it is a response.
pub(in crate::rpc) struct Answer {
    pub(in crate::rpc) status: StatusCode,
    pub(in crate::rpc) content_type: &'static str,
    pub(in crate::rpc) bytes: Bytes,
    held: Option<Held>,
}

/// The bytes of a reply together with what they take up: given back with the last copy of them, which is when they are
/// written or will never be.
struct Outgoing {
    bytes: Bytes,
    _held: Option<Held>,
    _unwritten: Unwritten,
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Desk {
    async fn respond(&self, request: Request<Incoming>) -> Reply {
        let _serving = self.progress.serve();
        if !self.caller.turn.try_take(ANY_REQUEST) {
            self.caller.turn.take(ANY_REQUEST).await;
        }
        if is_foreign(&request) {
            return self.send(fault(StatusCode::FORBIDDEN, &Fault::foreign_page()));
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") if websocket::is_upgrade(request.headers()) => {
                self.upgrade(request)
            }
            (&Method::GET, path) => self.send(self.page(path, &accepted(&request)).await),
            (&Method::HEAD, path) => head(&self.page(path, &accepted(&request)).await),
            (&Method::POST, "/") => {
                let answer = self.answer(request).await;
                self.send(answer)
            }
            (&Method::POST, path) if ofrep::Asked::of(path).is_some() => {
                self.evaluate(request).await
            }
            (&Method::POST, _) => self.send(text(StatusCode::NOT_FOUND, "POST requests to /\n")),
            _ => {
                let why = "use POST /, GET or HEAD\n";
                let mut reply = self.send(text(StatusCode::METHOD_NOT_ALLOWED, why));
                let allowed = HeaderValue::from_static("GET, HEAD, POST");
                reply.headers_mut().insert(header::ALLOW, allowed);
                reply
            }
        }
    }

    fn send(&self, answer: Answer) -> Reply {
        let Answer { status, content_type, bytes, held } = answer;
        if bytes.is_empty() {
            return reply(status, content_type, bytes);
        }
        let unwritten = self.progress.reply();
        let outgoing = Outgoing { bytes, _held: held, _unwritten: unwritten };
        reply(status, content_type, Bytes::from_owner(outgoing))
    }

    /// Pages are asked for at the rate of requests, and take up a place in flight.
    async fn page(&self, path: &str, accept: &str) -> Answer {
        if !self.caller.is_welcome() {
            return fault(StatusCode::FORBIDDEN, &Fault::refused());
        }
        let flight = match self.caller.check_rate().and_then(|()| self.caller.fly(0)) {
            Ok(flight) => flight,
            Err(limit) => return self.refuse(StatusCode::TOO_MANY_REQUESTS, &limit),
        };
        self.progress.completed();
        let Some(page) = self.caller.service.answers.page(path, accept).await else {
            return text(
                StatusCode::NOT_FOUND,
                "there are POST / for requests, and GET /healthz, /metrics and /openrpc.json\n",
            );
        };
        match self.caller.held(page.body.len(), Some(flight)) {
            Ok(held) => Answer { held: Some(held), ..page_answer(page) },
            Err(fault) => self.refuse(StatusCode::TOO_MANY_REQUESTS, &fault),
        }
    }

    /// Flags in the form of OpenFeature.
    async fn evaluate(&self, request: Request<Incoming>) -> Reply {
        let address = request.uri().clone();
        let terms = terms_of(request.headers());
        let names_wait = terms.wait_ms.is_some();
        let known = request.headers().get(header::IF_NONE_MATCH).cloned();
        let known = known.as_ref().and_then(|it| it.to_str().ok()).unwrap_or_default();
        let (body, _room) = match self.body(request).await {
            Ok(body) => body,
            Err(answer) => return self.send(answer),
        };
        let evaluated = ofrep::evaluate(&self.caller, &self.warm, &address, (&body, terms)).await;
        let (etag, is_unsettled) = (evaluated.etag.clone(), evaluated.is_unsettled);
        let mut reply = match etag.as_deref().filter(|it| ofrep::is_known(it, known)) {
            Some(_) => reply(StatusCode::NOT_MODIFIED, JSON, Bytes::new()),
            None => self.send(self.evaluated(evaluated)),
        };
        if names_wait && is_unsettled {
            reply.headers_mut().insert(ofrep::UNSETTLED, HeaderValue::from_static("1"));
        }
        if let Some(etag) = etag.and_then(|it| HeaderValue::from_str(&it).ok()) {
            reply.headers_mut().insert(header::ETAG, etag);
        }
        if reply.status() == StatusCode::TOO_MANY_REQUESTS {
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        reply
    }

    /// The bytes of an evaluation, which count until they are written like those of any reply.
    fn evaluated(&self, evaluated: Evaluated) -> Answer {
        let bytes = Bytes::from(evaluated.body);
        match self.caller.held(bytes.len(), None) {
            Ok(held) => {
                let status = evaluated.status;
                Answer { status, content_type: JSON, bytes, held: Some(held) }
            }
            Err(fault) => self.refuse(StatusCode::TOO_MANY_REQUESTS, &fault),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (body, _room) = match self.body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let mut out = Vec::new();
        let later = {
            let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
            let line = Line { sink: None, stream: Some(self.stream.as_fd()), hands_over: false };
            take_message(&self.caller, &mut **warm, &body, line, &mut out)
        };
        let finished = match later {
            Some(later) => later.await,
            None => self.caller.hold(out, None, None),
        };
        let status =
            if finished.bytes.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        let (bytes, held) = (finished.bytes.into(), finished.held);
        Answer { status, content_type: JSON, bytes, held }
    }

    fn refuse(&self, status: StatusCode, why: &Fault) -> Answer {
        let mut out = Vec::new();
        self.caller.refuse(None, why, &mut out);
        Answer { status, content_type: JSON, bytes: out.into(), held: None }
    }

    fn upgrade(&self, mut request: Request<Incoming>) -> Reply {
        let accepted = match websocket::accept(request.headers()) {
            Ok(accepted) => accepted,
            Err(why) => return self.send(text(StatusCode::BAD_REQUEST, why)),
        };
        let upgrade = hyper::upgrade::on(&mut request);
        if self.hand_over.try_send(upgrade).is_err() {
            let why = "this connection is being upgraded already\n";
            return self.send(text(StatusCode::BAD_REQUEST, why));
        }
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        reply.headers_mut().extend(accepted);
        reply
    }
}

/// Whether a web page may be behind the request, or it is meant for somebody else: then it could be one that a
/// browser was tricked into sending (DNS rebinding), should anything ever bridge this socket to TCP.
fn is_foreign(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let from_page = headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER);
    // HTTP/2 has its host in the URI, as `:authority`; so has HTTP/1.1 in absolute form.
    let authority = request.uri().authority().map(|it| it.as_str().as_bytes());
    let hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes).chain(authority);
    from_page || hosts.into_iter().any(|it| !is_our_host(it))
}

/// A port is no part of a socket's name, but some clients write that of HTTP all the same.
fn is_our_host(host: &[u8]) -> bool {
    let name = host.strip_suffix(b":80").unwrap_or(host);
    host.is_empty()
        || name.eq_ignore_ascii_case(b"localhost")
        || name.eq_ignore_ascii_case(b"entitled")
}

/// For whom flags are evaluated, of which products, and how long that may wait.
fn terms_of(headers: &HeaderMap) -> ofrep::Terms {
    let text = |name: &str| {
        headers.get(name).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
    };
    let (customer, products) = (text(ofrep::CUSTOMER), text(ofrep::PRODUCTS));
    ofrep::Terms { customer, products, wait_ms: text(ofrep::WAIT) }
}

/// What the request says it wants to read; empty for anything.
pub(in crate::rpc) fn accepted<B>(request: &Request<B>) -> String {
    let values = request.headers().get_all(header::ACCEPT).iter();
    let values: Vec<&str> = values.filter_map(|it| it.to_str().ok()).collect();
    values.join(",")
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE);
    // As nearly every program says it.
    if named.is_some_and(|it| it.as_bytes() == JSON.as_bytes()) {
        return true;
    }
    let kind = named.and_then(|it| it.to_str().ok());
    let kind = kind.and_then(|it| it.split(';').next()).map_or("", str::trim);
    kind.eq_ignore_ascii_case("application/json")
        || kind.eq_ignore_ascii_case("application/json-rpc")
}

pub(in crate::rpc) fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// The head alone of what would be answered to GET.
pub(in crate::rpc) fn head(answer: &Answer) -> Reply {
    let length = answer.bytes.len();
    let mut reply = reply(answer.status, answer.content_type, Bytes::new());
    reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    reply
}

pub(in crate::rpc) fn page_answer(page: Page) -> Answer {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer { status, content_type: page.content_type, bytes: page.body, held: None }
}

pub(in crate::rpc) fn text(status: StatusCode, why: &'static str) -> Answer {
    let bytes = Bytes::from_static(why.as_bytes());
    Answer { status, content_type: TEXT, bytes, held: None }
}

fn fault(status: StatusCode, fault: &Fault) -> Answer {
    Answer { status, content_type: JSON, bytes: fault.line().into(), held: None }
}
