//! Where an endpoint is, and on what terms it is asked. Pure.
//!
//! Owns: how the text of an address is read, what of it may be shown, and which header may be sent. Asked by: `config`, which
//! tells what is wrong with line and key, and `chain`, which connects. Never: shows or repeats a user name, a password, a
//! path or a query of a URL, or the value of a header, because that is where providers put their keys.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};
use url::{Host, Url};

/// No text of an address is longer than this.
const LONGEST: usize = 2_048;

/// What asking each method costs where nothing else is configured, in compute units as one large provider bills them
/// (Alchemy, 2026); others weigh proofs and events heavier, which is why they can be set. No other method is asked.
pub const UNITS: [(&str, u32); 11] = [
    ("eth_blockNumber", 10),
    ("eth_call", 26),
    ("eth_capabilities", 10),
    ("eth_chainId", 0),
    ("eth_createAccessList", 10),
    ("eth_getBlockByNumber", 20),
    ("eth_getCode", 20),
    ("eth_getLogs", 60),
    ("eth_getProof", 20),
    ("eth_getTransactionReceipt", 20),
    ("eth_syncing", 0),
];

/// A place where an endpoint, a beacon node or a mirror of one can be reached. May hold a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    Http(Url),
    WebSocket(Url),
    /// Of a node's IPC socket, or of a directory.
    Path(PathBuf),
}

impl Address {
    /// For people and logs: scheme, host and port, or the path.
    pub fn shown(&self) -> String {
        match self {
            Self::Http(url) | Self::WebSocket(url) => {
                let port = url.port().map(|it| format!(":{it}")).unwrap_or_default();
                format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
            }
            Self::Path(path) => path.display().to_string(),
        }
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let (Self::Http(url) | Self::WebSocket(url)) = self else { return true };
        match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
            None => false,
        }
    }
}

/// A text that is no address. Repeats nothing of it: it may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error(
        "must be an address beginning with https://, http://, wss:// or ws://, or the absolute path of an IPC socket"
    )]
    Form,
    #[error(
        "must not have a user name or a password, which are not sent to a WebSocket; use https://, or a key in the path"
    )]
    WebSocketCredentials,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(AddressError::Form);
        }
        if text.starts_with('/') {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|_| AddressError::Form)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::Form);
        }
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            "ws" | "wss" if !url.username().is_empty() || url.password().is_some() => {
                Err(AddressError::WebSocketCredentials)
            }
            "ws" | "wss" => Ok(Self::WebSocket(url)),
            _ => Err(AddressError::Form),
        }
    }
}

/// What may be shown, and whether there is more.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown();
        let is_more = match self {
            Self::Http(url) | Self::WebSocket(url) => url.as_str().trim_end_matches('/') != shown,
            Self::Path(_) => false,
        };
        write!(f, "{shown}{}", if is_more { "/…" } else { "" })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown())
    }
}

/// How many compute units an endpoint may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub units_per_second: u32,
    /// How many may be spent at once after a rest.
    pub burst: u32,
}

/// A header of HTTP that goes with each request. The value is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: HeaderName,
    value: HeaderValue,
}

/// Why a header is not sent, and what would be right. Does not repeat the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the name of a header must be letters, digits and `-`")]
    Name,
    #[error("this header is not for you to set")]
    Reserved,
    #[error("the value of a header must be visible ASCII on one line")]
    Value,
}

impl Header {
    /// # Errors
    /// [`HeaderError`]
    pub fn new(name: &str, value: &str) -> Result<Self, HeaderError> {
        const RESERVED: [&str; 4] = ["content-length", "content-type", "host", "transfer-encoding"];
        if name.len() > 128 {
            return Err(HeaderError::Name);
        }
        let name = HeaderName::try_from(name).map_err(|_| HeaderError::Name)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(HeaderError::Reserved);
        }
        let is_visible = |it: u8| (0x20..0x7f).contains(&it);
        if value.is_empty() || value.len() > 4_096 || !value.bytes().all(is_visible) {
            return Err(HeaderError::Value);
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| HeaderError::Value)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// Name and value, for sending only.
    pub fn expose(&self) -> (&HeaderName, &HeaderValue) {
        (&self.name, &self.value)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", self.name)
    }
}

/// Headers that would never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("go with https:// and http:// only")]
pub struct HeadersWithoutHttp;

/// One endpoint of a chain, and on what terms it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    address: Address,
    headers: Vec<Header>,
    /// Of two endpoints that fare equally well, the cheaper is asked first. Any unit, the same for all.
    pub cost: u32,
    /// `None`: as much as is needed.
    pub budget: Option<Budget>,
    /// Compute units of methods, where they are others than [`UNITS`].
    pub units: BTreeMap<String, u32>,
}

impl EndpointSettings {
    pub fn new(address: Address) -> Self {
        Self { address, headers: Vec::new(), cost: 0, budget: None, units: BTreeMap::new() }
    }

    /// What is sent with each request.
    ///
    /// # Errors
    /// [`HeadersWithoutHttp`]; then none is.
    pub fn set_headers(&mut self, headers: Vec<Header>) -> Result<(), HeadersWithoutHttp> {
        if !headers.is_empty() && !matches!(self.address, Address::Http(_)) {
            return Err(HeadersWithoutHttp);
        }
        self.headers = headers;
        Ok(())
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn headers(&self) -> &[Header] {
        &self.headers
    }
}

#[cfg(test)]
mod tests;
