//! What comes with a request: in its time, not too long, and of each address and client no more than its share.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use serde_json::{Map, Value};

use super::census::Begun;
use super::clients::Client;
use super::endpoints::Endpoint;
use super::head::is_json;
use super::object;
use super::places::{Full, Place};
use super::problem::Problem;
use super::respond::{Arrival, Gateway};
use super::settings::Limits;

/// How long the rest of a body is waited for that nobody wants.
const LINGER: Duration = Duration::from_millis(200);

/// Bodies at a time that are on their way or wait for their request's turn, for each request that is answered at a time.
const BODIES: usize = 4;
/// What part of them one address may have.
const OF_AN_ADDRESS: usize = 8;

/// A body, and its place among the others until its request has its turn.
pub(super) struct Received<'a> {
    bytes: Bytes,
    /// None where there is no body.
    _places: Option<(Begun<'a>, Place)>,
}

impl Received<'_> {
    /// The body alone, whose place is another's from now on.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Gateway {
    /// Reads what is on its way of a body. Some clients (curl 7) take a reply for lost when they hear before they have sent
    /// all that the rest is not wanted.
    pub(super) async fn read_on(&self, body: &mut Incoming) {
        let reading = async {
            let mut most = self.limits.request_bytes;
            // Thrown away as it comes: whoever is refused has no memory of ours.
            while let Some(Ok(frame)) = body.frame().await {
                let Some(left) = most.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                    return;
                };
                most = left;
            }
        };
        // Whatever is left then is not waited for.
        let _ = tokio::time::timeout(LINGER, reading).await;
    }

    /// All of it.
    ///
    /// # Errors
    /// When it is too long, too late, cut off or no JSON, or when there are too many.
    pub(super) async fn body<'a>(
        &self,
        (parts, body): (&Parts, &mut Incoming),
        arrival: &'a Arrival,
        client: &Client,
    ) -> Result<Received<'a>, Problem> {
        if body.is_end_stream() {
            return Ok(Received { bytes: Bytes::new(), _places: None });
        }
        let too_long = || {
            let why = format!("a request has at most {} bytes", self.limits.request_bytes);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED", why)
        };
        // By its head: whoever asks before sending is told so, and is not waited for.
        if body.size_hint().lower() > self.limits.request_bytes as u64 {
            return Err(too_long());
        }
        let of_address = arrival
            .machine
            .receive(bodies_of_an_address(&self.limits))
            .ok_or_else(|| Problem::limited("this address sends too many bodies at a time"))?;
        let place = self.bodies.take(client.share()).map_err(|full| match full {
            Full::Own => Problem::limited("this client sends too many bodies at a time"),
            Full::All => Problem::busy("too many bodies at a time"),
        })?;
        let body = Limited::new(body, self.limits.request_bytes).collect();
        let bytes = match tokio::time::timeout(self.limits.head, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
            Ok(Err(_)) => return Err(Problem::bad("the body is cut off")),
            Err(_) => {
                let why = "the body did not arrive in time";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "LIMIT_EXCEEDED", why));
            }
        };
        if !bytes.is_empty() && !is_json(&parts.headers) {
            let why = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_REQUEST", why));
        }
        Ok(Received { bytes, _places: Some((of_address, place)) })
    }
}

/// How many bodies there are at a time.
pub(super) fn bodies(limits: &Limits) -> usize {
    limits.in_flight.saturating_mul(BODIES)
}

/// Some also where few are set.
fn bodies_of_an_address(limits: &Limits) -> usize {
    (bodies(limits) / OF_AN_ADDRESS).max(8)
}

/// The members of the object that it is; none where there is none.
///
/// # Errors
/// When it is no object, or comes with a question.
pub(super) fn members(endpoint: &Endpoint, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    if endpoint.verb == "GET" {
        return Err(Problem::bad("a question by GET has no body"));
    }
    object::read(body, "the body")
}
