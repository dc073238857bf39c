//! Where an endpoint is, how it may be shown, and to whom it belongs. Pure.
//!
//! Asked by: `terms`, `endpoint`, `transport`. Never: shows a credential, a path or a query of a URL,
//! because that is where providers put their keys.

use std::path::PathBuf;

use url::{Host, Url};

use crate::web_address;

/// An address that cannot be used. Repeats nothing of it: it may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("use http://, https://, ws://, wss:// or an absolute path to an IPC socket")]
    Scheme,
    #[error("it is not a valid URL")]
    Url { source: url::ParseError },
    #[error("the URL has no host")]
    Host,
    #[error(
        "a WebSocket URL cannot carry a user name or password; use https, or a key in its path"
    )]
    WebSocketCredentials,
    #[error("`headers` are for http:// and https:// only")]
    HeadersWithoutHttp,
    #[error("one of its `headers` is not a valid HTTP header")]
    Header,
}

/// A place an endpoint can be reached at.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::chain) enum Location {
    Http(Url),
    WebSocket(Url),
    Ipc(PathBuf),
}

impl Location {
    /// # Errors
    /// [`LocationError`], saying what would be right.
    pub(in crate::chain) fn parse(text: &str) -> Result<Self, LocationError> {
        if text.starts_with('/') {
            return Ok(Self::Ipc(PathBuf::from(text)));
        }
        if !text.contains("://") {
            return Err(LocationError::Scheme);
        }
        let url = Url::parse(text).map_err(|source| LocationError::Url { source })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(LocationError::Host);
        }
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            "ws" | "wss" if !url.username().is_empty() || url.password().is_some() => {
                Err(LocationError::WebSocketCredentials)
            }
            "ws" | "wss" => Ok(Self::WebSocket(url)),
            _ => Err(LocationError::Scheme),
        }
    }

    /// For people: scheme, host and port, or the path of an IPC socket.
    pub(in crate::chain) fn shown(&self) -> String {
        match self {
            Self::Http(url) | Self::WebSocket(url) => web_address::shown(url),
            Self::Ipc(path) => path.display().to_string(),
        }
    }

    /// Who answers there: endpoints of one domain count once in a quorum.
    ///
    /// A name counts as its registrable domain (public suffix list), an address as itself. On loopback
    /// it is the port, by whatever name: whoever can listen there is on this machine anyway, and
    /// several nodes side by side are how a quorum is tried out. An IPC socket counts by its path.
    pub(in crate::chain) fn domain(&self) -> String {
        let url = match self {
            Self::Http(url) | Self::WebSocket(url) => url,
            Self::Ipc(path) => return format!("ipc:{}", path.display()),
        };
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        if self.is_loopback() {
            return format!("loopback:{}", url.port_or_known_default().unwrap_or_default());
        }
        match url.host() {
            Some(Host::Domain(_)) => psl::domain_str(host).unwrap_or(host).to_owned(),
            _ => host.to_owned(),
        }
    }

    pub(in crate::chain) fn is_loopback(&self) -> bool {
        match self {
            Self::Http(url) | Self::WebSocket(url) => web_address::is_loopback(url),
            Self::Ipc(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
