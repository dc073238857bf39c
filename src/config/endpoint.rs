//! Where a chain is asked. The address may hold a secret, so only [`Endpoint::expose`] shows all of it.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// An `http`, `https`, `ws` or `wss` address, or the absolute path of a node's IPC socket.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    /// What may be shown: no user, password, path or query, any of which may be an access key.
    shown: String,
}

impl Endpoint {
    /// The whole address, for connecting only: never log it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

/// The message never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address beginning with https://, http://, wss:// or ws://, or the absolute path of an IPC socket"
)]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.len() > 2_048 || text.chars().any(char::is_control) {
            return Err(EndpointError);
        }
        if text.starts_with('/') {
            return Ok(Self { text: text.to_owned(), shown: text.to_owned() });
        }
        let url = Url::parse(text).map_err(|_| EndpointError)?;
        let host = url.host_str().filter(|it| !it.is_empty()).ok_or(EndpointError)?;
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
            return Err(EndpointError);
        }
        let port = url.port().map(|it| format!(":{it}")).unwrap_or_default();
        let hidden = url.path() != "/" || url.query().is_some() || !url.username().is_empty();
        let rest = if hidden { "/…" } else { "" };
        let shown = format!("{}://{host}{port}{rest}", url.scheme());
        Ok(Self { text: url.into(), shown })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_shown_nowhere() {
        for text in [
            "https://user:SECRET@node.example:8443/v2/SECRET?key=SECRET#SECRET",
            "wss://SECRET@node.example:8443/",
            "https://:SECRET@node.example:8443/SECRET",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            let shown = format!("{endpoint} {endpoint:?}");
            assert!(!shown.contains("SECRET"), "{shown}");
            assert!(shown.contains("node.example:8443"), "{shown}");
            assert!(endpoint.expose().contains("SECRET"));
        }
        assert_eq!(
            "http://127.0.0.1:8545".parse::<Endpoint>().unwrap().to_string(),
            "http://127.0.0.1:8545"
        );
    }

    #[test]
    fn only_what_can_be_connected_to_is_an_endpoint() {
        assert!("/run/geth/geth.ipc".parse::<Endpoint>().is_ok());
        for text in
            ["", "SECRET", "ftp://SECRET", "https://", "geth.ipc", "file:///SECRET", "https://a b/"]
        {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }
}
