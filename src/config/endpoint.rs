//! Where a chain is asked, and on what terms. Address and headers may hold secrets, so only what is named `expose`
//! shows all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::web_address;

/// An `http`, `https`, `ws` or `wss` address, or the absolute path of a node's IPC socket.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    /// What may be shown: no user, password, path or query, any of which may be an access key.
    shown: String,
    pub terms: Terms,
}

/// On what terms an endpoint is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The cheaper is asked first.
    pub cost: u32,
    pub budget: Option<Budget>,
    /// Compute units of methods, where they are others than usual.
    pub units: BTreeMap<String, u32>,
    /// Sent along with each request.
    pub headers: Vec<Header>,
}

/// Compute units that may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub units_per_second: u32,
    /// How many may be spent at once after a rest.
    pub burst: u32,
}

/// A header of HTTP. The value is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    value: String,
}

impl Header {
    /// # Errors
    /// What would be right, without repeating the value.
    pub fn new(name: &str, value: &str) -> Result<Self, &'static str> {
        const RESERVED: [&str; 4] = ["content-length", "content-type", "host", "transfer-encoding"];
        let is_token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
            return Err("the name of a header must be letters, digits and `-`");
        }
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err("this header is not for you to set");
        }
        let is_visible = |it: u8| (0x20..0x7f).contains(&it);
        if value.is_empty() || value.len() > 4_096 || !value.bytes().all(is_visible) {
            return Err("the value of a header must be visible ASCII on one line");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// The value, for sending only: never log it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", self.name)
    }
}

impl Endpoint {
    /// The whole address, for connecting only: never log it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub(super) fn on(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Everything about it in one text, for comparison only: never log it.
    pub fn expose_all(&self) -> String {
        let headers: Vec<_> = self.terms.headers.iter().map(|it| (&it.name, &it.value)).collect();
        let Terms { cost, budget, units, headers: _ } = &self.terms;
        format!("{} {cost} {budget:?} {units:?} {headers:?}", self.text)
    }

    pub(super) fn is_http(&self) -> bool {
        self.text.starts_with("http")
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
            let (text, shown) = (text.to_owned(), text.to_owned());
            return Ok(Self { text, shown, terms: Terms::default() });
        }
        let url = Url::parse(text).map_err(|_| EndpointError)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(EndpointError);
        }
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
            return Err(EndpointError);
        }
        let hidden = url.path() != "/" || url.query().is_some() || !url.username().is_empty();
        let rest = if hidden { "/…" } else { "" };
        let shown = web_address::shown(&url) + rest;
        Ok(Self { text: url.into(), shown, terms: Terms::default() })
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
mod tests;
