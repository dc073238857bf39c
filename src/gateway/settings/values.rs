//! Values of the gateway's file that are read nowhere else.

use std::path::PathBuf;

use entitled_core::domain::product::document::{Node, Value};
use entitled_core::domain::product::section::{parsed, text};

const MOST: usize = 1_000;

pub(super) fn list<T>(
    node: &Node,
    read: impl Fn(&Node) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Value::List(items) = &node.value else {
        return Err(format!("must be a list, not {}", node.value.kind()));
    };
    if items.len() > MOST {
        return Err(format!("may hold at most {MOST}"));
    }
    items.iter().map(read).collect()
}

pub(super) fn path(node: &Node) -> Result<PathBuf, String> {
    match text(node)? {
        path if path.starts_with('/') && !path.contains('\0') => Ok(path.into()),
        _ => Err("must be an absolute path".to_owned()),
    }
}

pub(super) fn host(node: &Node) -> Result<String, String> {
    let name = text(node)?.to_ascii_lowercase();
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b".-:[]".contains(&it);
    match !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed) {
        true => Ok(name),
        false => Err("must be a name or an address, without a port".to_owned()),
    }
}

/// An origin as a browser writes it, and nothing that could mean several.
pub(super) fn origin(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let wrong = || "must be an exact origin, such as \"https://app.example.com\"".to_owned();
    let parsed: url::Url = text.parse().map_err(|_| wrong())?;
    let is_web = ["http", "https"].contains(&parsed.scheme());
    match is_web && parsed.origin().ascii_serialization() == text {
        true => Ok(text.to_owned()),
        false => Err(wrong()),
    }
}

/// The address of who vouches for others: by TLS, or on this machine.
pub(super) fn https(node: &Node) -> Result<url::Url, String> {
    let url: url::Url = parsed(node)?;
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(it)) => it.is_loopback(),
        Some(url::Host::Ipv6(it)) => it.is_loopback(),
        _ => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err("must begin with https://".to_owned()),
    }
}

pub(super) fn digest(node: &Node) -> Result<[u8; 32], String> {
    let wrong = || "must be the SHA-256 of the token, in 64 hexadecimal digits".to_owned();
    let bytes = alloy_primitives::hex::decode(text(node)?).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}
