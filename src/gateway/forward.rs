//! What the daemon answers over HTTP itself, handed on: flags in OpenFeature's form, for the client's customer, and its figures.

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;

use super::answer::{Answer, Body};
use super::clients::Client;
use super::daemon::Daemon;
use super::exchange::failed;
use super::problem::Problem;
use super::waiting;
use crate::rpc::methods::wait_of;
use crate::rpc::socket::ofrep::{CUSTOMER, PRODUCTS, UNSETTLED, WAIT};

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
        .header(CUSTOMER, client.customer.to_string());
    if let Some(key) = key.filter(|_| !client.may_ask_about_all()) {
        request = request.header(PRODUCTS, candidates(client, key).join(","));
    }
    if let Some(known) = headers.get(header::IF_NONE_MATCH) {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let request = request.body(Full::new(body)).map_err(|it| failed(&it))?;
    let ask = |wait_ms: u64| {
        let mut request = request.clone();
        request.headers_mut().insert(WAIT, HeaderValue::from(wait_ms));
        daemon.exchange(request)
    };
    let is_known = |(parts, _): &(Parts, Bytes)| !parts.headers.contains_key(UNSETTLED);
    let wait = wait_of(None).unwrap_or_default();
    let (parts, body) = waiting::in_turn((daemon, client), wait, ask, is_known).await?;
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
    let (parts, body) = daemon.open_exchange().await?.ask(request).await?;
    match parts.status {
        StatusCode::OK => String::from_utf8(body.into()).map_err(|it| failed(&it)),
        status => Err(failed(&status)),
    }
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
