//! Connections: accepted, counted, and served by TLS and HTTP within their limits.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::census::{Census, Place};
use super::certificate::Certificate;
use super::guarded::Guarded;
use super::respond::{Arrival, Gateway};
use super::tls::Tls;
use crate::rpc::socket::limits;
use crate::rpc::socket::progress::Progress;
use crate::rpc::socket::turn::Turn;

/// The longest head of a request.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
const STREAMS: u32 = 64;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that were reset before they were looked at, and after: more is an attack (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
const LOCAL_RESETS: usize = 128;
/// After so long without a sign of the other machine its connection is closed.
const SILENCE_MS: u32 = 30_000;
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long what is under way may take when the gateway stops.
const DRAIN: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI ";

/// Drives a connection until it ends, is overdue, or the gateway stops. Both protocols have the same methods, and no trait
/// of them.
macro_rules! drive {
    ($serving:ident, $progress:ident, $stop:ident) => {{
        let mut stop = $stop;
        let mut overdue = pin!($progress.overdue());
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                ended = $serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                _ = stop.wait_for(|it| *it), if !stopping => {
                    stopping = true;
                    $serving.as_mut().graceful_shutdown();
                }
                // Dropping the connection drops every reply that waits on it.
                why = overdue.as_mut() => {
                    tracing::debug!(?why, "a connection was ended");
                    return;
                }
            }
        }
    }};
}

/// Serves until `stop`, then finishes what is under way.
pub(super) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) {
    let census = Arc::new(Census::default());
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            _ = stopped.wait_for(|it| *it) => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(BACK_OFF).await;
            continue;
        };
        // Whom there is no place for sees the connection closed, as at a machine that is down.
        let Some(place) = census.admit(from.ip(), &gateway.limits) else {
            gateway.figures.turned_away();
            continue;
        };
        let (gateway, tls, stop) = (Arc::clone(&gateway), tls.clone(), stop.clone());
        connections.spawn(async move {
            attend(stream, place, gateway, tls, stop).await;
        });
    }
    drop(listener);
    let finishing = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, finishing).await;
}

async fn attend(
    stream: TcpStream,
    place: Place,
    gateway: Arc<Gateway>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
    let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &SILENCE_MS);
    // The kernel would take megabytes for whoever does not read, of memory that is ours as well.
    let _ = setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER);
    let first = gateway.limits.head;
    let Some(tls) = tls else {
        let mut preface = [0; 4];
        let Ok(Ok(count)) = tokio::time::timeout(first, stream.peek(&mut preface)).await else {
            return;
        };
        let is_http2 = preface.get(..count) == Some(PREFACE);
        return converse(stream, is_http2, (place, None), gateway, stop).await;
    };
    let accepting = TlsAcceptor::from(Arc::clone(&tls.terms().config)).accept(stream);
    let shaking = tls.handshakes.make(place.address(), accepting);
    match tokio::time::timeout(first, shaking).await {
        Ok(Some(Ok(stream))) => {
            let (_, session) = stream.get_ref();
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            let certificate = Certificate::of(session.peer_certificates(), &tls);
            converse(stream, is_http2, (place, certificate), gateway, stop).await;
        }
        Ok(Some(Err(error))) => tracing::debug!(%error, "a TLS handshake failed"),
        Ok(None) => tracing::error!("a TLS handshake panicked"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn converse<S>(
    stream: S,
    is_http2: bool,
    (place, certificate): (Place, Option<Arc<Certificate>>),
    gateway: Arc<Gateway>,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &gateway.limits;
    let terms = limits::Limits {
        idle: limits.idle,
        first_byte: limits.head,
        write: limits.write,
        ..limits::Limits::default()
    };
    let progress = Progress::new(&terms, !is_http2);
    let turn = Arc::new(Turn::new(place.machine()));
    let guarded = Guarded::new(stream, Arc::clone(&progress), Arc::clone(&turn), limits.write);
    let io = TokioIo::new(guarded);
    let (address, machine) = (place.address(), place.machine());
    let progress_of = Arc::clone(&progress);
    let arrival = Arc::new(Arrival { address, certificate, machine, progress: progress_of, turn });
    let service = {
        let gateway = Arc::clone(&gateway);
        service_fn(move |request: Request<Incoming>| {
            let (gateway, arrival) = (Arc::clone(&gateway), Arc::clone(&arrival));
            async move { gateway.respond(request, &arrival).await }
        })
    };
    if is_http2 {
        let mut serving = pin!(second().serve_connection(io, service));
        drive!(serving, progress, stop);
    } else {
        let mut serving = pin!(first().serve_connection(io, service));
        drive!(serving, progress, stop);
    }
}

fn first() -> http1::Builder {
    let mut server = http1::Builder::new();
    // How long a head may take is counted in `progress`.
    server
        .header_read_timeout(None)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .timer(TokioTimer::new());
    server
}

fn second() -> http2::Builder<TokioExecutor> {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS);
    server
}
