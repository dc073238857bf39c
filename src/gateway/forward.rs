//! What the daemon answers over HTTP itself, handed on: flags in OpenFeature's form, for the client's customer, and its figures.

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;

use super::answer::{Answer, Body};
use super::clients::Client;
use super::daemon::Daemon;
use super::problem::{Problem, tell_unreachable};

const LONGEST: usize = 1 << 20;
/// Headers of the answer that are handed on.
const KEPT: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::RETRY_AFTER];

/// Asks the daemon at the same address. `key`: of one flag.
pub(super) async fn flags(
    daemon: &Daemon,
    client: &Client,
    (address, key): (&str, Option<&str>),
    (headers, body): (&HeaderMap, Bytes),
) -> Result<Answer, Problem> {
    let mut request = Request::post(address)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header("entitled-customer", client.customer.to_string());
    if let Some(key) = key.filter(|_| !client.may_ask_about_all()) {
        request = request.header("entitled-products", candidates(client, key).join(","));
    }
    if let Some(known) = headers.get(header::IF_NONE_MATCH) {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let request = request.body(Full::new(body)).map_err(|it| failed(&it))?;
    let (parts, body) = exchange(daemon, request).await?;
    let mut answer = Answer::new(parts.status, Body::Whole(body));
    for name in KEPT {
        if let Some(value) = parts.headers.get(&name) {
            answer.headers.insert(name, value.clone());
        }
    }
    answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(answer)
}

/// The daemon's own figures, in the form that every Prometheus reads.
pub(super) async fn metrics(daemon: &Daemon) -> Result<String, Problem> {
    let request = Request::get("/metrics")
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "text/plain; version=0.0.4");
    let request = request.body(Full::default()).map_err(|it| failed(&it))?;
    let (parts, body) = exchange(daemon, request).await?;
    match parts.status {
        StatusCode::OK => String::from_utf8(body.into()).map_err(|it| failed(&it)),
        status => Err(failed(&status)),
    }
}

/// One request over a connection of its own.
async fn exchange(
    daemon: &Daemon,
    request: Request<Full<Bytes>>,
) -> Result<(Parts, Bytes), Problem> {
    let stream = daemon.open().await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|it| failed(&it))?;
    let driving = tokio::spawn(connection);
    let reply = sender.send_request(request).await.map_err(|it| failed(&it))?;
    let (parts, body) = reply.into_parts();
    let body = Limited::new(body, LONGEST).collect().await.map_err(|it| failed(&it))?.to_bytes();
    driving.abort();
    Ok((parts, body))
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tell_unreachable(error);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DAEMON_UNREACHABLE", "the daemon gave no answer")
}

/// Products that a flag's key may be about, and the client as well. Which are installed is the daemon's knowledge, and it
/// looks for the flag among these alone: `acme` is no word for `acme.plus`, which may be another product.
fn candidates<'a>(client: &'a Client, key: &str) -> Vec<&'a str> {
    let named = |product: &str| {
        key.strip_prefix(product).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    client.products.iter().map(|it| it.as_str()).filter(|it| named(it)).collect()
}

/// Whether a client may ask for the flag of this key, as far as its name says.
pub(super) fn may_ask(client: &Client, key: &str) -> bool {
    client.may_ask_about_all() || !candidates(client, key).is_empty()
}
