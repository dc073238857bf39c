//! How a chain's validators are followed: the keys of a chain that only trust `consensus` needs.

use std::time::Duration;

use alloy_primitives::B256;

use super::Spec;
use super::chains::MOST_ENDPOINTS;
use super::validate::{DAY, SECOND, is_absolute, list};
use crate::endpoint::Address;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;
use entitled_core::domain::product::document::Node;
use entitled_core::domain::product::section::{Section, duration, one_of, text};

/// What those keys say.
pub(super) struct Consensus {
    pub(super) beacon: Vec<Address>,
    pub(super) spec: Option<Spec>,
    pub(super) checkpoint: Option<B256>,
    pub(super) silence: Option<Duration>,
}

pub(super) fn read(
    section: &mut Section<'_>,
    trust: Trust,
    id: Option<ChainId>,
    warnings: &mut Vec<String>,
) -> Consensus {
    let beacon = section.or("beacon", Vec::new(), sources);
    let spec = section.optional("spec", spec);
    let checkpoint = section.optional("checkpoint", hash("a beacon block's root"));
    let silence = section.optional("silence", duration(SECOND, 30 * DAY));
    let own = id.and_then(built_in).map(|it| Spec::BuiltIn(it.to_owned()));
    let said = [!beacon.is_empty(), spec.is_some(), checkpoint.is_some(), silence.is_some()];
    if trust == Trust::Consensus {
        if own.is_none() && !section.has("spec") && id.is_some() {
            section.flaw(
                "trust",
                "`consensus` needs `spec` for this chain: no specification of it is built in",
            );
        }
        if let Some(id) = id.filter(|_| beacon.is_empty()) {
            warnings.push(format!(
                "chain {id}: no `beacon` is named: what validators sign has to be brought with `entitlectl chain sync --from`"
            ));
        }
    } else if let Some(id) = id.filter(|_| said.contains(&true)) {
        warnings.push(format!(
            "chain {id}: `beacon`, `spec`, `checkpoint` and `silence` have an effect with trust `consensus` only"
        ));
    }
    Consensus { beacon, spec: spec.or(own), checkpoint, silence }
}

pub(super) const TRUST: [(&str, Trust); 3] =
    [("consensus", Trust::Consensus), ("quorum", Trust::Quorum), ("single", Trust::Single)];

/// The specifications that are built in, by chain.
const BUILT_IN: [(u64, &str); 3] = [(1, "mainnet"), (11_155_111, "sepolia"), (560_048, "hoodi")];

fn built_in(id: ChainId) -> Option<&'static str> {
    BUILT_IN.iter().find(|(chain, _)| *chain == id.0).map(|(_, name)| *name)
}

fn spec(node: &Node) -> Result<Spec, String> {
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
fn sources(node: &Node) -> Result<Vec<Address>, String> {
    let wrong = "must be an address beginning with https:// or http://, or the absolute path of a directory";
    let source = |node: &Node| -> Result<Address, String> {
        let text = text(node)?;
        let text = text.strip_prefix("file://").unwrap_or(text);
        match text.parse() {
            Ok(found @ (Address::Http(_) | Address::Path(_))) => Ok(found),
            Ok(Address::WebSocket(_)) | Err(_) => Err(wrong.to_owned()),
        }
    };
    list(node, MOST_ENDPOINTS, source)
}
