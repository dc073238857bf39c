//! HTTP/1.1, HTTP/2 with prior knowledge, and the way into WebSocket.
//!
//! The connection is jsonrpsee's; what a request is answered is ours, so that the rules are those of the raw framing.
//! Refuses whatever a web page could have sent: identity here is the connecting process, and a browser is one
//! process for many pages.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use jsonrpsee::server::serve_with_graceful_shutdown;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answers::Page;
use super::call::Caller;
use super::envelope::Fault;
use super::listen::Stop;
use super::replay::Replay;
use super::scan::{self, Step};
use super::websocket;

pub(super) type Reply = Response<Full<Bytes>>;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves HTTP on `io`, of which `first` has been read already, and the WebSocket it may become.
pub(super) async fn converse(io: UnixStream, first: Vec<u8>, caller: Arc<Caller>, stop: Stop) {
    let (hand_over, mut upgrades) = mpsc::channel(1);
    let stays_open = Arc::new(AtomicBool::new(false));
    let figures = Arc::clone(&caller.service.figures);
    let io = Replay::new(io, first, caller.limits(), figures, Arc::clone(&stays_open));
    let desk = Arc::new(Desk { caller: Arc::clone(&caller), hand_over, stays_open });
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        let reply: BoxFuture<'static, Result<Reply, Infallible>> =
            Box::pin(async move { Ok(desk.respond(request).await) });
        reply
    });
    let stopped = stop.clone().requested();
    // A task of its own because the future's type is more general than an async block can hold; in a set because
    // it must end with us.
    let mut connection = JoinSet::new();
    connection.spawn(serve_with_graceful_shutdown(io, service, stopped));
    if let Some(Ok(Err(error))) = connection.join_next().await {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
    if let Ok(upgrade) = upgrades.try_recv() {
        websocket::converse(upgrade, caller, stop).await;
    }
}

/// Answers the requests of one connection.
struct Desk {
    caller: Arc<Caller>,
    hand_over: mpsc::Sender<OnUpgrade>,
    stays_open: Arc<AtomicBool>,
}

impl Desk {
    async fn respond(&self, request: Request<Incoming>) -> Reply {
        if is_foreign(&request) {
            return fault(StatusCode::FORBIDDEN, &Fault::foreign_page());
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") if websocket::is_upgrade(request.headers()) => {
                self.upgrade(request)
            }
            (&Method::GET, path) => self.page(path).await,
            (&Method::POST, "/") => self.answer(request).await,
            (&Method::POST, _) => text(StatusCode::NOT_FOUND, "POST requests to /\n"),
            _ => {
                let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "use POST / or GET\n");
                reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
                reply
            }
        }
    }

    async fn page(&self, path: &str) -> Reply {
        if !self.caller.is_welcome() {
            return fault(StatusCode::FORBIDDEN, &Fault::refused());
        }
        match self.caller.service.answers.page(path).await {
            Some(page) => page_reply(page),
            None => text(
                StatusCode::NOT_FOUND,
                "there are POST / for requests, and GET /healthz, /metrics and /openrpc.json\n",
            ),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        if !is_json(request.headers()) {
            return text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send requests with content-type application/json\n",
            );
        }
        let limits = self.caller.limits();
        let body = Limited::new(request.into_body(), limits.request_bytes).collect();
        let body = match tokio::time::timeout(limits.first_byte, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let too_long = Fault::too_long(limits.request_bytes);
                return self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_long);
            }
            Ok(Err(_)) => {
                return self.refuse(StatusCode::BAD_REQUEST, &Fault::parse("the body is cut off"));
            }
            Err(_) => {
                let slow = Fault::limit("the body did not arrive in time", "send it at once");
                return self.refuse(StatusCode::REQUEST_TIMEOUT, &slow);
            }
        };
        let mut out = Vec::new();
        if let Some(later) = take_message(&self.caller, &body, None, &mut out) {
            out = later.await;
        }
        if out.is_empty() {
            return reply(StatusCode::NO_CONTENT, JSON, Bytes::new());
        }
        reply(StatusCode::OK, JSON, out.into())
    }

    fn refuse(&self, status: StatusCode, why: &Fault) -> Reply {
        let mut out = Vec::new();
        self.caller.refuse(None, why, &mut out);
        reply(status, JSON, out.into())
    }

    fn upgrade(&self, mut request: Request<Incoming>) -> Reply {
        let accepted = match websocket::accept(request.headers()) {
            Ok(accepted) => accepted,
            Err(why) => return text(StatusCode::BAD_REQUEST, why),
        };
        let upgrade = hyper::upgrade::on(&mut request);
        if self.hand_over.try_send(upgrade).is_err() {
            return text(StatusCode::BAD_REQUEST, "this connection is being upgraded already\n");
        }
        self.stays_open.store(true, Ordering::Relaxed);
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        reply.headers_mut().extend(accepted);
        reply
    }
}

/// Takes a body or a message that is to be exactly one JSON value.
pub(super) fn take_message(
    caller: &Arc<Caller>,
    message: &[u8],
    sink: Option<&jsonrpsee::MethodSink>,
    out: &mut Vec<u8>,
) -> Option<super::call::Later> {
    match scan::only_frame(message, caller.limits().depth) {
        Ok(frame) => return caller.take(frame, sink, out),
        Err(Step::TooDeep { .. }) => {
            caller.refuse(None, &Fault::too_deep(caller.limits().depth), out);
        }
        Err(_) => caller.refuse(None, &Fault::parse("not one JSON object or array"), out),
    }
    None
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

fn is_our_host(host: &[u8]) -> bool {
    host.is_empty()
        || host.eq_ignore_ascii_case(b"localhost")
        || host.eq_ignore_ascii_case(b"entitled")
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let kind = named.and_then(|it| it.split(';').next()).map_or("", str::trim);
    kind.eq_ignore_ascii_case("application/json")
        || kind.eq_ignore_ascii_case("application/json-rpc")
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn page_reply(page: Page) -> Reply {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(status, page.content_type, page.body.into())
}

pub(super) fn text(status: StatusCode, why: &'static str) -> Reply {
    reply(status, TEXT, Bytes::from_static(why.as_bytes()))
}

fn fault(status: StatusCode, fault: &Fault) -> Reply {
    reply(status, JSON, fault.line().into())
}
