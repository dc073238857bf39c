//! The figures on a loopback port, for a Prometheus that cannot read a Unix socket.
//!
//! Opened only where the configuration names a port. Answers `GET /metrics` and `GET /healthz`, and nothing else:
//! a port has no caller to know. Few connections, none for long.

use std::convert::Infallible;
use std::net::TcpListener as StdTcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use jsonrpsee::server::serve_with_graceful_shutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answers::Answers;
use super::http::{Reply, page_reply, text};
use super::listen::Stop;

/// Connections at once; a scraper needs one.
const CONNECTIONS: usize = 8;
/// No connection lasts longer. A scraper that keeps one open connects again.
const LONGEST: Duration = Duration::from_secs(60);
/// How long to wait when the kernel gives us no connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop`. Without a port it ends at once.
pub(super) async fn attend(
    listener: Option<StdTcpListener>,
    answers: Arc<dyn Answers>,
    stop: Stop,
) {
    let Some(listener) = listener else { return };
    let listener =
        match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "cannot listen on the metrics port");
                return;
            }
        };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let stopped = stop.clone().requested();
    tokio::pin!(stopped);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BACK_OFF).await;
            continue;
        };
        // Whoever comes to a full house is hung up on, and comes again at the next scrape.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (answers, stop) = (Arc::clone(&answers), stop.clone().requested());
        connections.spawn(async move {
            let _place = place;
            let service = tower::service_fn(move |request: Request<Incoming>| {
                let answers = Arc::clone(&answers);
                let reply: BoxFuture<'static, Result<Reply, Infallible>> =
                    Box::pin(async move { Ok(respond(&*answers, &request).await) });
                reply
            });
            let serving = serve_with_graceful_shutdown(stream, service, stop);
            if let Ok(Err(error)) = tokio::time::timeout(LONGEST, serving).await {
                tracing::debug!(%error, "a scrape ended early");
            }
        });
    }
    connections.shutdown().await;
}

async fn respond(answers: &dyn Answers, request: &Request<Incoming>) -> Reply {
    let headers = request.headers();
    // A web page could make a browser ask here; no scraper names one.
    if headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER) {
        return text(StatusCode::FORBIDDEN, "not for web pages\n");
    }
    let shown = ["/metrics", "/healthz"].contains(&request.uri().path());
    match (request.method(), shown) {
        (&Method::GET, true) => match answers.page(request.uri().path()).await {
            Some(page) => page_reply(page),
            None => text(StatusCode::NOT_FOUND, "nothing here\n"),
        },
        (&Method::GET, false) => {
            text(StatusCode::NOT_FOUND, "there are GET /metrics and GET /healthz\n")
        }
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"),
    }
}
