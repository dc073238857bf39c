//! What is known of a request while its answer is made, and after what it said is gone.

use http::request::Parts;
use http::{HeaderMap, Method, Version, header};

use super::cors::{Cors, Origin};

pub(super) struct Head {
    pub(super) origin: Origin,
    /// What it is called in what is answered.
    pub(super) id: String,
    pub(super) is_head: bool,
    pub(super) is_http2: bool,
    pub(super) has_body_by_chunks: bool,
}

impl Head {
    pub(super) fn of(parts: &Parts, cors: &Cors) -> Self {
        Self {
            origin: cors.origin(&parts.headers),
            id: request_id(&parts.headers),
            is_head: parts.method == Method::HEAD,
            is_http2: parts.version == Version::HTTP_2,
            has_body_by_chunks: parts.headers.contains_key(header::TRANSFER_ENCODING),
        }
    }
}

/// Whether the body is JSON by its one name. A page's form cannot send this type without being asked about first.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (given.next(), given.next()) else { return false };
    let named = one.to_str().ok().and_then(|it| it.split(';').next()).unwrap_or_default();
    named.trim().eq_ignore_ascii_case("application/json")
}

/// What the client calls the request, if that can stand in a log; else a name of ours.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|it| it.to_str().ok());
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    match given.filter(|it| (1..=64).contains(&it.len()) && it.bytes().all(allowed)) {
        Some(given) => given.to_owned(),
        None => {
            let mut bytes = [0; 8];
            let random = ring::rand::SystemRandom::new();
            // A name that is not random still is one.
            let _ = ring::rand::SecureRandom::fill(&random, &mut bytes);
            alloy_primitives::hex::encode(bytes)
        }
    }
}
