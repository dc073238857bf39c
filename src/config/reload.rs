//! What a changed configuration changes at run time, and what only a restart does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

use super::Config;
use crate::endpoint::{Address, EndpointSettings};

/// The keys that take effect on a reload, beside all of every chain. Each needs its part in `daemon`.
const AT_RUN_TIME: [&str; 4] = ["log.level", "cache.refresh", "products.dirs", "seats.dirs"];

/// The keys whose values differ, dotted, in alphabetical order; a chain's as `chain.eip155:1.rpc`, and a
/// chain that came or went as `chain.eip155:1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub applied: Vec<String>,
    pub needs_restart: Vec<String>,
}

impl fmt::Display for Changes {
    /// For people: what `system_reload` answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.applied.as_slice(), self.needs_restart.as_slice()) {
            ([], []) => f.write_str("nothing changed"),
            (now, []) => write!(f, "applied: {}", now.join(", ")),
            ([], later) => write!(f, "takes effect after a restart: {}", later.join(", ")),
            (now, later) => write!(
                f,
                "applied: {}; takes effect after a restart: {}",
                now.join(", "),
                later.join(", ")
            ),
        }
    }
}

/// A value as it is compared. One that may hold a secret is no text, so that it can be written nowhere.
#[derive(PartialEq)]
enum Value<'a> {
    Text(String),
    Endpoints(&'a [EndpointSettings]),
    Addresses(&'a [Address]),
}

impl Config {
    /// What differs between two configurations.
    pub fn changed(old: &Self, new: &Self) -> Changes {
        let ids = |it: &Self| it.chains.iter().map(|it| it.id).collect::<BTreeSet<_>>();
        let (before, after) = (ids(old), ids(new));
        let whole: Vec<String> =
            before.symmetric_difference(&after).map(|it| format!("chain.{it}")).collect();
        // A chain that came or went is one change.
        let named = |key: &String| {
            let of = |it: &&String| key.strip_prefix(*it).is_some_and(|rest| rest.starts_with('.'));
            whole.iter().find(of).unwrap_or(key).clone()
        };
        let (old, new) = (old.values(), new.values());
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed = keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(named);
        let (applied, needs_restart) = changed
            .collect::<BTreeSet<String>>()
            .into_iter()
            .partition(|key| key.starts_with("chain.") || AT_RUN_TIME.contains(&key.as_str()));
        Changes { applied, needs_restart }
    }

    /// Every key with its value.
    fn values(&self) -> BTreeMap<String, Value<'_>> {
        // Taken apart by name, so that a new key cannot be forgotten here.
        let Self { socket, store, keys, cache, products, seats, fleet, log, metrics, chains } =
            self;
        let mut values = BTreeMap::new();
        let mut add = |key: &str, value: &dyn Debug| {
            values.insert(key.to_owned(), Value::Text(format!("{value:?}")));
        };
        add("socket.path", &socket.path);
        add("socket.admin_path", &socket.admin_path);
        add("socket.admin_group", &socket.admin_group);
        add("socket.delegates", &socket.delegates);
        add("socket.threads", &socket.threads);
        for (key, value) in limits(&socket.limits) {
            add(&format!("socket.limits.{key}"), value);
        }
        add("store.path", &store.path);
        add("store.cache", &store.cache_bytes);
        add("store.backups", &store.backups);
        add("keys.source", &keys.source);
        add("cache.capacity", &cache.capacity);
        add("cache.refresh", &cache.refresh);
        add("products.dirs", &products.dirs);
        add("seats.dirs", &seats.dirs);
        // What it names is no secret: the password is in a file of its own.
        add("fleet", fleet);
        add("log.level", &log.level);
        add("log.format", &log.format);
        add("metrics.listen", &metrics.listen);
        for chain in chains {
            let super::Chain { id, rpc: _, beacon: _, trust, quorum, genesis, .. } = chain;
            let super::Chain { pinned, evm, retry, spec, checkpoint, silence, poll, .. } = chain;
            add(&format!("chain.{id}.trust"), trust);
            add(&format!("chain.{id}.quorum"), quorum);
            add(&format!("chain.{id}.genesis"), genesis);
            add(&format!("chain.{id}.pinned"), pinned);
            add(&format!("chain.{id}.evm"), evm);
            add(&format!("chain.{id}.retry"), retry);
            add(&format!("chain.{id}.spec"), spec);
            add(&format!("chain.{id}.checkpoint"), checkpoint);
            add(&format!("chain.{id}.silence"), silence);
            add(&format!("chain.{id}.poll"), poll);
        }
        for super::Chain { id, rpc, beacon, .. } in chains {
            values.insert(format!("chain.{id}.rpc"), Value::Endpoints(rpc));
            values.insert(format!("chain.{id}.beacon"), Value::Addresses(beacon));
        }
        values
    }
}

fn limits(limits: &super::Limits) -> [(&'static str, &dyn Debug); 16] {
    let super::Limits {
        request_bytes,
        admin_request_bytes,
        depth,
        batch,
        in_flight,
        subscriptions,
        connections,
        connections_reserved,
        connections_per_uid,
        in_flight_per_uid,
        reply_bytes_per_uid,
        requests_per_second,
        burst,
        first_byte,
        write,
        idle,
    } = limits;
    [
        ("request_bytes", request_bytes),
        ("admin_request_bytes", admin_request_bytes),
        ("depth", depth),
        ("batch", batch),
        ("in_flight", in_flight),
        ("subscriptions", subscriptions),
        ("connections", connections),
        ("connections_reserved", connections_reserved),
        ("connections_per_uid", connections_per_uid),
        ("in_flight_per_uid", in_flight_per_uid),
        ("reply_bytes_per_uid", reply_bytes_per_uid),
        ("requests_per_second", requests_per_second),
        ("burst", burst),
        ("first_byte", first_byte),
        ("write", write),
        ("idle", idle),
    ]
}
