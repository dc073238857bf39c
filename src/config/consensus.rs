//! How a chain's validators are followed: the keys of a chain that only trust `consensus` needs.

use alloy_primitives::B256;

use super::validate::{MOST_ENDPOINTS, is_absolute, list};
use super::{Endpoint, Spec};
use crate::domain::ids::ChainId;
use crate::domain::ownership::Trust;
use crate::domain::product::document::Node;
use crate::domain::product::section::{one_of, text};

pub(super) const TRUST: [(&str, Trust); 3] =
    [("consensus", Trust::Consensus), ("quorum", Trust::Quorum), ("single", Trust::Single)];

/// The specifications that are built in, by chain.
const BUILT_IN: [(u64, &str); 3] = [(1, "mainnet"), (11_155_111, "sepolia"), (560_048, "hoodi")];

pub(super) fn built_in(id: ChainId) -> Option<&'static str> {
    BUILT_IN.iter().find(|(chain, _)| *chain == id.0).map(|(_, name)| *name)
}

pub(super) fn spec(node: &Node) -> Result<Spec, String> {
    let text = text(node)?;
    if is_absolute(text) {
        return Ok(Spec::File(text.into()));
    }
    let names = BUILT_IN.map(|(_, name)| (name, name));
    one_of(&names)(node)
        .map(|name| Spec::BuiltIn(name.to_owned()))
        .map_err(|why| format!("{why}, or the absolute path of a specification"))
}

/// A hash; `what` says of what.
pub(super) fn hash(what: &str) -> impl Fn(&Node) -> Result<B256, String> {
    move |node| text(node)?.parse().map_err(|_| format!("must be {what}: 0x and 64 digits"))
}

/// Beacon nodes and mirrors: addresses of web servers, `file:` addresses and directories.
pub(super) fn sources(node: &Node) -> Result<Vec<Endpoint>, String> {
    let wrong = "must be an address beginning with https:// or http://, or the absolute path of a directory";
    let source = |node: &Node| -> Result<Endpoint, String> {
        let text = text(node)?;
        let text = text.strip_prefix("file://").unwrap_or(text);
        match text.parse::<Endpoint>() {
            Ok(found) if !text.starts_with("ws") => Ok(found),
            _ => Err(wrong.to_owned()),
        }
    };
    list(node, MOST_ENDPOINTS, source)
}
