//! What the gateway is called by. A browser that was tricked into taking our address for another's name names the other.

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::problem::Problem;

/// Names and addresses, without ports.
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a request is meant for us, by all that it says of that.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Problem> {
        let authority = parts.uri.authority().map(|it| it.as_str().as_bytes());
        let given = parts.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
        let mut given = given.chain(authority).peekable();
        let wrong =
            |why: &str| Problem::new(StatusCode::MISDIRECTED_REQUEST, "INVALID_REQUEST", why);
        if given.peek().is_none() {
            return Err(wrong("say in `Host` whom you ask"));
        }
        match given.all(|it| self.is_ours(it)) {
            true => Ok(()),
            false => Err(wrong("this is not the host that the request is for")),
        }
    }

    pub(super) fn is_ours(&self, host: &[u8]) -> bool {
        name_of(host).is_some_and(|name| self.0.iter().any(|it| it.eq_ignore_ascii_case(name)))
    }
}

/// A `Host` without its port.
pub(super) fn name_of(host: &[u8]) -> Option<&str> {
    let host = std::str::from_utf8(host).ok()?;
    Some(match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => {
            name
        }
        _ => host,
    })
}
