//! The small server behind a page: HTTP on a loopback port, for one browser, for a while.
//!
//! Owns the port, the headers of every answer and how long it is served. Asks the gate who may come in and the relay what
//! the daemon says. Knows nothing of what is on a page.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;

use super::assets::{ASSETS, DENIED};
use super::gate::{Denied, Gate};
use super::live::{Event, Listener, Live};
use super::peer;
use super::places::{Busy, Places, Use};
use super::relay::Relay;
use crate::session::Door;

/// The longest request of a page: as long as the daemon takes one.
const BODY_MAX: usize = 64 * 1024;
/// How many ports are tried until one is free.
const BINDINGS_MAX: usize = 32;
/// How often a page that hears nothing is told that somebody is there, which also finds out that it is gone.
const PING: Duration = Duration::from_secs(2);

const KEY: HeaderName = HeaderName::from_static("entitled-page");

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What no answer is without. Nothing is fetched from elsewhere, framed, kept or told on.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Answer = Response<Body>;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) gate: Gate,
    pub(super) relay: Relay,
    pub(super) live: Arc<Live>,
    /// The page that the token leads to.
    pub(super) page: &'static str,
    /// What the page is told of how it was opened, as JSON.
    pub(super) opened: String,
    /// What all that the page hears later bears. It has it from `opened` and never sends it: whoever has the port after
    /// this command does not know it.
    pub(super) key: HeaderValue,
}

/// Binds a port that is free at both addresses that a name below `localhost` leads to: a browser may try either first, and
/// at the other one another user could wait for it.
pub(super) async fn bind() -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    for _ in 0..BINDINGS_MAX {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        match TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await {
            Ok(other) => return Ok((vec![listener, other], address)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            // A machine without IPv6, where nobody else has it either.
            Err(_) => return Ok((vec![listener], address)),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Serves whoever is ours, for ever.
pub(super) async fn serve(listeners: Vec<TcpListener>, desk: Arc<Desk>) {
    let places = Arc::new(Places::default());
    let at_each = |it| serve_at(it, Arc::clone(&desk), Arc::clone(&places));
    join_all(listeners.into_iter().map(at_each)).await;
}

async fn serve_at(listener: TcpListener, desk: Arc<Desk>, places: Arc<Places>) {
    let ours = peer::ours();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of descriptors, mostly: those who are served give some back.
            tokio::time::sleep(PING / 20).await;
            continue;
        };
        // Before a byte is read: another user of the machine takes no place and learns nothing.
        let uid = stream.local_addr().ok().and_then(|to| peer::uid(from, to));
        if !uid.is_some_and(|it| ours.contains(&it)) {
            continue;
        }
        let used = Use::new();
        let connection = tokio::spawn(converse(stream, Arc::clone(&desk), Arc::clone(&used)));
        places.give(connection.abort_handle(), used);
    }
}

async fn converse(stream: TcpStream, desk: Arc<Desk>, used: Arc<Use>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        let busy = desk.gate.session(request.headers()).is_ok().then(|| used.begin());
        async move { Ok::<_, Infallible>(with_headers(respond(&desk, request, busy).await)) }
    });
    let mut server = http1::Builder::new();
    server.header_read_timeout(None);
    // How it ended is the browser's affair.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn with_headers(mut answer: Answer) -> Answer {
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// `busy` is dropped when the answer is there; one that goes on takes it along.
async fn respond(desk: &Arc<Desk>, request: Request<Incoming>, busy: Option<Busy>) -> Answer {
    let is_post = *request.method() == Method::POST;
    if !is_post && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET or POST");
    }
    if let Err(denied) = desk.gate.admit(request.method(), request.headers()) {
        return turned_away(denied);
    }
    match (is_post, request.uri().path()) {
        (false, "/") => enter(desk, &request),
        (true, "/rpc") => ask(desk, Door::Public, request).await,
        (true, "/rpc/admin") => ask(desk, Door::Admin, request).await,
        (false, "/opened") => {
            with_session(desk, &request, || with_key(text(JSON, desk.opened.clone()), &desk.key))
        }
        (false, "/live") => with_session(desk, &request, || follow(desk, busy)),
        (false, path) => show(desk, &request, path),
        (true, _) => plain(StatusCode::NOT_FOUND, "there is nothing here"),
    }
}

fn with_session(
    desk: &Desk,
    request: &Request<Incoming>,
    answer: impl FnOnce() -> Answer,
) -> Answer {
    match desk.gate.session(request.headers()) {
        Ok(()) => answer(),
        Err(denied) => turned_away(denied),
    }
}

/// The way in: the token is exchanged, and the address that the browser shows and remembers has none any more.
fn enter(desk: &Desk, request: &Request<Incoming>) -> Answer {
    let token = request.uri().query().and_then(|it| it.strip_prefix("token="));
    let cookie = match token {
        Some(token) => match desk.gate.exchange(token, request.headers()) {
            Ok(cookie) => Some(cookie),
            Err(denied) => return turned_away(denied),
        },
        None => match desk.gate.session(request.headers()) {
            Ok(()) => None,
            Err(denied) => return turned_away(denied),
        },
    };
    let mut answer = plain(StatusCode::SEE_OTHER, "");
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static(desk.page));
    if let Some(cookie) = cookie.and_then(|it| HeaderValue::try_from(it).ok()) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn show(desk: &Desk, request: &Request<Incoming>, path: &str) -> Answer {
    let Some(asset) = ASSETS.iter().find(|it| it.path == path) else {
        return plain(StatusCode::NOT_FOUND, "there is nothing here");
    };
    let shown = || of_kind(asset.kind, Full::new(Bytes::from_static(asset.bytes)).boxed_unsync());
    match asset.is_page {
        true => with_session(desk, request, shown),
        false => shown(),
    }
}

async fn ask(desk: &Arc<Desk>, door: Door, request: Request<Incoming>) -> Answer {
    if let Err(denied) = desk.gate.session(request.headers()) {
        return turned_away(denied);
    }
    // A form cannot send this, and a script of another origin would have to ask first.
    if request.headers().get(header::CONTENT_TYPE).is_none_or(|it| it != JSON) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "at most 64 KiB");
    };
    let (desk, key, body) = (Arc::clone(desk), desk.key.clone(), body.to_bytes());
    match tokio::task::spawn_blocking(move || desk.relay.answer(door, &body)).await {
        Ok(reply) => with_key(text(JSON, reply), &key),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "entitlectl made a mistake"),
    }
}

/// Server-sent events: whose they are, what is known, then what changes.
fn follow(desk: &Desk, busy: Option<Busy>) -> Answer {
    let mut listener = desk.live.listen();
    let key = desk.key.to_str().unwrap_or_default();
    listener.first.push_front(format!("event: begun\ndata: {key}\n\n").into());
    let events = stream::unfold((listener, busy), |(mut listener, busy)| async move {
        let event = next(&mut listener).await?;
        let frame = Frame::data(Bytes::copy_from_slice(event.as_bytes()));
        Some((Ok::<_, Infallible>(frame), (listener, busy)))
    });
    of_kind("text/event-stream", StreamBody::new(events).boxed_unsync())
}

async fn next(listener: &mut Listener) -> Option<Event> {
    if let Some(event) = listener.first.pop_front() {
        return Some(event);
    }
    match tokio::time::timeout(PING, listener.next.recv()).await {
        Ok(Ok(event)) => Some(event),
        // A page that was too slow reads all anew.
        Ok(Err(RecvError::Lagged(_))) => Some("event: again\ndata: null\n\n".into()),
        Ok(Err(RecvError::Closed)) => None,
        Err(_) => Some(": still there\n\n".into()),
    }
}

fn turned_away(denied: Denied) -> Answer {
    let mut answer = text(HTML, DENIED.replace("{}", &denied.to_string()));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer
}

fn plain(status: StatusCode, said: &str) -> Answer {
    let mut answer = text(TEXT, said.to_owned());
    *answer.status_mut() = status;
    answer
}

fn text(kind: &'static str, text: String) -> Answer {
    of_kind(kind, Full::new(Bytes::from(text)).boxed_unsync())
}

fn with_key(mut answer: Answer, key: &HeaderValue) -> Answer {
    answer.headers_mut().insert(KEY, key.clone());
    answer
}

fn of_kind(kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
