//! The `[[chain]]` sections: chains, their endpoints, and on what terms each is asked.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use super::Chain;
use super::consensus::{self, Consensus};
use super::validate::{HOUR, MILLISECOND, MINUTE, SECOND, list};
use crate::endpoint::{Address, Budget, EndpointSettings, Header, UNITS};
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;
use entitled_core::domain::product::document::{Node, Value};
use entitled_core::domain::product::section::{Section, duration, one_of, parsed, text, whole};

pub(super) const MOST_ENDPOINTS: usize = 16;
const MOST_CHAINS: usize = 64;
const MOST_PINNED: usize = 16;
const MOST_HEADERS: usize = 16;

pub(super) fn read(root: &mut Section<'_>, warnings: &mut Vec<String>) -> Vec<Chain> {
    let sections = root.sections("chain");
    if sections.len() > MOST_CHAINS {
        root.flaw("chain", format!("may be at most {MOST_CHAINS}"));
    }
    let mut chains: Vec<Chain> = Vec::new();
    for section in sections.into_iter().take(MOST_CHAINS) {
        let (flaws, place, key) = (section.flaws(), section.place().clone(), section.path("id"));
        let Some(chain) = chain(section, warnings) else { continue };
        // Two layers may spell one chain in two ways only by a variable, after the layers were merged.
        if chains.iter().any(|it| it.id == chain.id) {
            flaws.add(&place, &key, format!("`{}` is configured twice", chain.id));
        }
        chains.push(chain);
    }
    chains
}

fn chain(mut section: Section<'_>, warnings: &mut Vec<String>) -> Option<Chain> {
    let id: Option<ChainId> = section.required("id", parsed);
    let allowance = budget(&mut section);
    let rpc = rpc(&mut section, allowance);
    let default = if rpc.len() > 1 { Trust::Quorum } else { Trust::Single };
    let trust = section.or("trust", default, one_of(&consensus::TRUST));
    let quorum = quorum(&mut section, trust, rpc.len());
    let genesis = section.optional("genesis", consensus::hash("a block's hash"));
    let pinned = pinned(&mut section);
    let evm = section.optional("evm", one_of(&EvmFork::NAMES));
    let poll = section.or("poll", 12 * SECOND, duration(100 * MILLISECOND, HOUR));
    let retry = section.or("retry", 30 * SECOND, duration(100 * MILLISECOND, 10 * MINUTE));
    let Consensus { beacon, spec, checkpoint, silence } =
        consensus::read(&mut section, trust, id, warnings);
    section.finish();
    Some(Chain {
        id: id?,
        rpc,
        beacon,
        trust,
        quorum,
        genesis,
        pinned,
        evm,
        spec,
        checkpoint,
        silence,
        poll,
        retry,
    })
}

/// By default a majority, so that no two different answers can both have a quorum.
fn quorum(section: &mut Section<'_>, trust: Trust, endpoints: usize) -> usize {
    let given: Option<u32> = section.optional("quorum", whole(1, 16));
    if trust != Trust::Quorum {
        return 1;
    }
    if endpoints == 1 {
        section
            .flaw("trust", "`quorum` needs two or more endpoints in `rpc`; use `single` for one");
    }
    let quorum = given.map_or((endpoints / 2 + 1).max(2), |it| usize::try_from(it).unwrap_or(0));
    if given.is_some() && quorum < 2 {
        section.flaw("quorum", "must be at least 2; for one endpoint's word use trust `single`");
    }
    if given.is_some() && endpoints > 1 && quorum > endpoints {
        section.flaw(
            "quorum",
            format!("must be at most {endpoints}, the number of endpoints in `rpc`"),
        );
    }
    quorum
}

/// Entries are addresses, or tables of an address and terms of its own.
fn rpc(section: &mut Section<'_>, allowance: Option<Budget>) -> Vec<EndpointSettings> {
    let Some(node) = section.node("rpc") else {
        section.required("rpc", endpoints);
        return Vec::new();
    };
    let (flaws, path) = (section.flaws(), section.path("rpc"));
    let mut found = Vec::new();
    match &node.value {
        Value::List(items) if items.iter().any(|it| matches!(it.value, Value::Table(_))) => {
            if items.len() > MOST_ENDPOINTS {
                section.flaw("rpc", format!("may hold at most {MOST_ENDPOINTS}"));
            }
            for (index, item) in items.iter().enumerate().take(MOST_ENDPOINTS) {
                found.extend(match &item.value {
                    Value::Table(_) => {
                        of_table(Section::of(item, format!("{path}[{index}]"), flaws))
                    }
                    _ => plain(item)
                        .map_err(|why| section.flaw("rpc", format!("item {}: {why}", index + 1)))
                        .ok(),
                });
            }
            if let Err(why) = once_each(&found) {
                section.flaw("rpc", why);
            }
        }
        _ => found = section.optional("rpc", endpoints).unwrap_or_default(),
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        section.flaw("rpc", "must name at least one endpoint");
    }
    for endpoint in &mut found {
        endpoint.budget = endpoint.budget.or(allowance);
    }
    found
}

fn plain(node: &Node) -> Result<EndpointSettings, String> {
    parsed(node).map(EndpointSettings::new)
}

fn of_table(mut section: Section<'_>) -> Option<EndpointSettings> {
    let address: Option<Address> = section.required("url", parsed);
    let cost = section.or("cost", 0, whole(0, 1_000_000));
    let budget = budget(&mut section);
    let mut units = BTreeMap::new();
    let mut of_methods = section.section("units");
    for (method, _) in UNITS {
        if let Some(each) = of_methods.optional(method, whole(0, 1_000_000)) {
            units.insert(method.to_owned(), each);
        }
    }
    of_methods.finish();
    let headers = headers(&mut section);
    let endpoint = address.map(|it| {
        let mut endpoint = EndpointSettings::new(it);
        (endpoint.cost, endpoint.budget, endpoint.units) = (cost, budget, units);
        if let Err(why) = endpoint.set_headers(headers) {
            section.flaw("headers", why.to_string());
        }
        endpoint
    });
    section.finish();
    endpoint
}

/// `budget = "300 CU/s"`, and `burst`, which is five seconds' worth by default.
fn budget(section: &mut Section<'_>) -> Option<Budget> {
    let per_second: Option<u32> = section.optional("budget", |node| {
        let wrong = || "must be compute units per second, such as \"300 CU/s\"".to_owned();
        let number = text(node)?.strip_suffix("/s").map(|it| it.trim_end_matches("CU").trim_end());
        let number = number.and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        if (1..=1_000_000).contains(&number) { Ok(number) } else { Err(wrong()) }
    });
    let burst: Option<u32> = section.optional("burst", whole(1, 10_000_000));
    if burst.is_some() && !section.has("budget") {
        section.flaw("burst", "needs a `budget` beside it");
    }
    let units_per_second = per_second?;
    Some(Budget { units_per_second, burst: burst.unwrap_or(units_per_second.saturating_mul(5)) })
}

fn headers(section: &mut Section<'_>) -> Vec<Header> {
    let mut given = section.section("headers");
    let mut headers = Vec::new();
    let entries: Vec<_> = given.entries().take(MOST_HEADERS).collect();
    for (name, node) in entries {
        // What is no text may be a secret all the same: its kind is told, and never its value.
        match text(node).map(|value| Header::new(name, value)) {
            Ok(Ok(header)) => headers.push(header),
            Ok(Err(why)) => given.flaws().add(&node.place, &given.path(name), why.to_string()),
            Err(why) => given.flaws().add(&node.place, &given.path(name), why),
        }
    }
    headers
}

/// `pinned = [{ number = …, hash = "0x…" }]`.
fn pinned(section: &mut Section<'_>) -> Vec<(u64, B256)> {
    let blocks = section.sections("pinned");
    if blocks.len() > MOST_PINNED {
        section.flaw("pinned", format!("may hold at most {MOST_PINNED}"));
    }
    let mut pinned: Vec<(u64, B256)> = Vec::new();
    for mut block in blocks.into_iter().take(MOST_PINNED) {
        let number = block.required("number", whole(1, i64::MAX.unsigned_abs()));
        let hash = block.required("hash", consensus::hash("a block's hash"));
        let again = pinned.iter().any(|(known, _)| Some(*known) == number);
        if again {
            block.flaw("number", "is pinned twice");
        }
        block.finish();
        pinned.extend(number.zip(hash).filter(|_| !again));
    }
    pinned
}

fn endpoints(node: &Node) -> Result<Vec<EndpointSettings>, String> {
    let endpoints = list(node, MOST_ENDPOINTS, plain)?;
    once_each(&endpoints)?;
    Ok(endpoints)
}

/// The same endpoint twice would make a quorum of one.
fn once_each(endpoints: &[EndpointSettings]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match endpoints.iter().map(EndpointSettings::address).find(|it| !seen.insert(*it)) {
        Some(again) => Err(format!("names {again} twice")),
        None => Ok(()),
    }
}
