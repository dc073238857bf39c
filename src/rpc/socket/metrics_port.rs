//! The figures on a loopback port, for a Prometheus that cannot read a Unix socket.
//!
//! Opened only where the configuration names a port. Answers `GET /metrics` and `GET /healthz`, and nothing else:
//! a port has no caller to know. Few connections, none for long: whoever comes takes the place of who was there longest.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use jsonrpsee::server::serve_with_graceful_shutdown;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::http::{Answer, Reply, accepted, head, page_answer, reply, text};
use super::stop::Stop;
use crate::rpc::call::answers::Answers;

/// Connections at once; a scraper needs one.
const CONNECTIONS: usize = 8;
/// No connection lasts longer. A scraper that keeps one open connects again.
const LONGEST: Duration = Duration::from_secs(60);
/// How long to wait when the kernel gives us no connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop`. Without a port it ends at once.
pub(in crate::rpc) async fn attend(
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
    let stopped = stop.clone().requested();
    tokio::pin!(stopped);
    let mut connections = JoinSet::new();
    let mut places = VecDeque::<AbortHandle>::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BACK_OFF).await;
            continue;
        };
        places.retain(|it| !it.is_finished());
        // A scrape takes milliseconds. Anybody may keep connections open here, and nobody is to be kept out by that.
        if places.len() >= CONNECTIONS
            && let Some(longest) = places.pop_front()
        {
            longest.abort();
        }
        let (answers, stop) = (Arc::clone(&answers), stop.clone().requested());
        places.push_back(connections.spawn(async move {
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
        }));
    }
    connections.shutdown().await;
}

async fn respond(answers: &dyn Answers, request: &Request<Incoming>) -> Reply {
    let is_head = request.method() == Method::HEAD;
    let answer = answer(answers, request).await;
    if is_head { head(&answer) } else { reply(answer.status, answer.content_type, answer.bytes) }
}

async fn answer(answers: &dyn Answers, request: &Request<Incoming>) -> Answer {
    let headers = request.headers();
    // A web page could make a browser ask here; no scraper names one.
    if headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER) {
        return text(StatusCode::FORBIDDEN, "not for web pages\n");
    }
    // Nor does one reach a loopback address by another's name, as a browser does whose name service was tricked.
    let authority = request.uri().authority().map(|it| it.as_str().as_bytes());
    let hosts = headers.get_all(header::HOST).iter().map(|it| it.as_bytes()).chain(authority);
    if hosts.into_iter().any(|it| !is_loopback(it)) {
        return text(StatusCode::FORBIDDEN, "ask for localhost or a loopback address\n");
    }
    let path = request.uri().path();
    match (request.method(), ["/metrics", "/healthz"].contains(&path)) {
        (&Method::GET | &Method::HEAD, true) => {
            match answers.page(path, &accepted(request)).await {
                Some(page) => page_answer(page),
                None => text(StatusCode::NOT_FOUND, "nothing here\n"),
            }
        }
        (&Method::GET | &Method::HEAD, false) => {
            text(StatusCode::NOT_FOUND, "there are GET /metrics and GET /healthz\n")
        }
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"),
    }
}

/// Whether a `Host` names this machine to itself: `localhost` or a loopback address, with a port or without.
fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    host.is_empty()
        || name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests;
