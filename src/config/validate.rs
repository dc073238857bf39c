//! From the merged layers to a [`Config`]: each key's default, bounds and meaning, in the order of the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::defaults::{Places, is_private};
use super::{
    Cache, Chain, Config, Environment, Keys, Limits, Log, Metrics, Products, Seats, Socket, Store,
    chains, fleet, own_files,
};
use crate::key_source::KeySource;
use crate::logging::{Format, Level};
use entitled_core::domain::ownership::Trust;
use entitled_core::domain::product::document::{Flaw, Node, Place, Table, Value};
use entitled_core::domain::product::section::{
    Flaws, Section, duration, one_of, text, whole, words,
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const MOST_PRODUCT_DIRS: usize = 16;
/// `sockaddr_un` holds 108 bytes, the last of them zero.
const LONGEST_SOCKET_PATH: usize = 107;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn config(
    tree: &Table,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<Config, Vec<Flaw>> {
    let places = environment.places();
    let flaws = Flaws::default();
    let mut root = Section::root(tree, Place::default(), &flaws);
    let socket = socket(root.section("socket"), &places);
    let store = store(root.section("store"), &places);
    let keys = keys(root.section("keys"), &places, &store);
    let cache = cache(root.section("cache"));
    let products = products(root.section("products"), &places);
    let seats = seats(root.section("seats"), &places);
    let fleet = fleet::read(&mut root, &store, environment);
    let log = log(root.section("log"));
    let metrics = metrics(root.section("metrics"));
    let chains = chains::read(&mut root, warnings);
    root.finish();
    if places.runtime_is_shared && socket.path.starts_with(&places.runtime) {
        check_shared(&places, environment.uid, &flaws);
    }
    let config =
        Config { socket, store, keys, cache, products, seats, fleet, log, metrics, chains };
    own_files::check(&config, tree, &flaws);
    if !flaws.is_empty() {
        return Err(flaws.into_sorted());
    }
    warn(&config, warnings);
    Ok(config)
}

fn warn(config: &Config, warnings: &mut Vec<String>) {
    let is_no_majority = |it: &&Chain| it.trust == Trust::Quorum && it.quorum * 2 <= it.rpc.len();
    for it in config.chains.iter().filter(is_no_majority) {
        warnings.push(format!(
            "chain {}: `quorum` {} of {} endpoints is no majority: two different answers could both have one",
            it.id,
            it.quorum,
            it.rpc.len()
        ));
    }
    if config.chains.is_empty() {
        warnings.push("no `[[chain]]` is configured: nothing can be proven".to_owned());
    }
}

fn socket(mut section: Section<'_>, places: &Places) -> Socket {
    let path = section.or("path", places.runtime.join("entitled.sock"), socket_path);
    let admin_path = section.or("admin_path", places.runtime.join("admin.sock"), socket_path);
    let admin_group = section.or("admin_group", "entitled-admin".to_owned(), words(64));
    let delegates = section.or("delegates", Vec::new(), delegates);
    let threads = section.or("threads", 1, whole(1, 64));
    let limits = limits(section.section("limits"));
    section.finish();
    Socket { path, admin_path, admin_group, delegates, threads, limits }
}

/// Users who may speak for customers.
pub(super) fn delegates(node: &Node) -> Result<Vec<String>, String> {
    list(node, 16, words(64))
}

pub(super) fn limits(mut section: Section<'_>) -> Limits {
    let request_bytes = section.or("request_bytes", 64 * KIB, size(KIB, 16 * MIB));
    let admin_request_bytes = section.or("admin_request_bytes", 512 * KIB, size(KIB, 16 * MIB));
    // At least one of the longest replies.
    let reply_bytes_per_uid = section.or("reply_bytes_per_uid", 16 * MIB, size(2 * MIB, GIB));
    let limits = Limits {
        request_bytes: u32::try_from(request_bytes).unwrap_or(u32::MAX),
        admin_request_bytes: u32::try_from(admin_request_bytes).unwrap_or(u32::MAX),
        depth: section.or("depth", 64, whole(8, 128)),
        batch: section.or("batch", 32, whole(1, 1_000)),
        in_flight: section.or("in_flight", 32, whole(1, 1_000)),
        subscriptions: section.or("subscriptions", 16, whole(0, 1_000)),
        connections: section.or("connections", 256, whole(1, 4_096)),
        connections_reserved: section.or("connections_reserved", 32, whole(0, 2_048)),
        connections_per_uid: section.or("connections_per_uid", 64, whole(1, 4_096)),
        in_flight_per_uid: section.or("in_flight_per_uid", 128, whole(1, 100_000)),
        reply_bytes_per_uid: u32::try_from(reply_bytes_per_uid).unwrap_or(u32::MAX),
        requests_per_second: section.or("requests_per_second", 200, whole(1, 1_000_000)),
        burst: section.or("burst", 2_000, whole(1, 1_000_000)),
        first_byte: section.or("first_byte", 10 * SECOND, duration(100 * MILLISECOND, HOUR)),
        write: section.or("write", 10 * SECOND, duration(100 * MILLISECOND, HOUR)),
        idle: section.or("idle", HOUR, duration(SECOND, 30 * DAY)),
    };
    section.finish();
    limits
}

fn store(mut section: Section<'_>, places: &Places) -> Store {
    let store = Store {
        path: section.or("path", places.state.join("ledger.redb"), absolute_path),
        cache_bytes: section.or("cache", 8 * MIB, size(MIB, 4 * GIB)),
        backups: section.or("backups", 3, whole(0, 100)),
    };
    section.finish();
    store
}

/// A key file is kept beside the store, wherever that is, and so is what a passphrase needs.
fn keys(mut section: Section<'_>, places: &Places, store: &Store) -> Keys {
    let default = match &places.keys {
        KeySource::File(file) => {
            let name = file.file_name().unwrap_or_default();
            KeySource::File(store.path.with_file_name(name))
        }
        credential => credential.clone(),
    };
    let source = section.or("source", default, |node| key_source(node, store));
    section.finish();
    Keys { source }
}

fn key_source(node: &Node, store: &Store) -> Result<KeySource, String> {
    let wrong = "must be \"credential:NAME\", \"file:/absolute/path\" or \"passphrase\"";
    match text(node)?.split_once(':') {
        Some(("credential", name)) => {
            let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
            if (1..=255).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(allowed)
            {
                Ok(KeySource::Credential(name.to_owned()))
            } else {
                Err("a credential's name must be letters, digits, `.`, `_` and `-`".to_owned())
            }
        }
        Some(("file", path)) if is_absolute(path) => Ok(KeySource::File(path.into())),
        Some(("file", _)) => Err("must name an absolute path: \"file:/…\"".to_owned()),
        None if text(node) == Ok("passphrase") => {
            Ok(KeySource::Passphrase(store.path.with_file_name("kek.passphrase")))
        }
        _ => Err(wrong.to_owned()),
    }
}

fn cache(mut section: Section<'_>) -> Cache {
    let cache = Cache {
        capacity: section.or("capacity", 10_000, whole(16, 10_000_000)),
        refresh: section.or("refresh", 5 * MINUTE, duration(100 * MILLISECOND, DAY)),
    };
    section.finish();
    cache
}

fn products(mut section: Section<'_>, places: &Places) -> Products {
    let dirs = section.or("dirs", places.products.clone(), |node| {
        let dirs = list(node, MOST_PRODUCT_DIRS, absolute_path)?;
        if dirs.is_empty() { Err("must name at least one directory".to_owned()) } else { Ok(dirs) }
    });
    section.finish();
    Products { dirs }
}

fn seats(mut section: Section<'_>, places: &Places) -> Seats {
    let read = |node: &Node| list(node, MOST_PRODUCT_DIRS, absolute_path);
    let seats = Seats { dirs: section.or("dirs", places.seats.clone(), read) };
    section.finish();
    seats
}

fn log(mut section: Section<'_>) -> Log {
    let log = Log {
        level: section.or("level", Level::Info, one_of(&Level::WORDS)),
        format: section.or("format", Format::Auto, one_of(&Format::WORDS)),
    };
    section.finish();
    log
}

fn metrics(mut section: Section<'_>) -> Metrics {
    let metrics = Metrics { listen: section.or("listen", None, |it| loopback(it).map(Some)) };
    section.finish();
    metrics
}

/// Nothing of ours is to be reached from another machine.
fn loopback(node: &Node) -> Result<SocketAddr, String> {
    let wrong = || "must be a loopback address and port, such as \"127.0.0.1:9469\"".to_owned();
    let address: SocketAddr = text(node)?.parse().map_err(|_| wrong())?;
    if address.ip().is_loopback() && address.port() != 0 { Ok(address) } else { Err(wrong()) }
}

/// A list; a variable may also name its one item without brackets.
pub(super) fn list<T>(
    node: &Node,
    most: usize,
    read: impl Fn(&Node) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match &node.value {
        Value::List(items) if items.len() > most => Err(format!("may hold at most {most}")),
        Value::List(items) => {
            let numbered =
                |(index, item)| read(item).map_err(|why| format!("item {}: {why}", index + 1));
            items.iter().enumerate().map(numbered).collect()
        }
        Value::Text(_) if node.raw.is_some() => Ok(vec![read(node)?]),
        other => Err(format!("must be a list, not {}", other.kind())),
    }
}

pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0')
}

pub(super) fn absolute_path(node: &Node) -> Result<PathBuf, String> {
    match text(node)? {
        path if is_absolute(path) => Ok(path.into()),
        _ => Err("must be an absolute path".to_owned()),
    }
}

pub(super) fn socket_path(node: &Node) -> Result<PathBuf, String> {
    let path = absolute_path(node)?;
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        return Err(format!(
            "must be at most {LONGEST_SOCKET_PATH} bytes, as the path of a socket"
        ));
    }
    Ok(path)
}

/// A number of bytes: `65536`, `"64KiB"`, `"8MiB"`, `"1GiB"`.
fn size(least: u64, most: u64) -> impl Fn(&Node) -> Result<u64, String> {
    move |node| {
        let wrong = || {
            "must be a size such as \"64KiB\", \"8MiB\" or \"1GiB\", or a number of bytes"
                .to_owned()
        };
        let bytes = match &node.value {
            Value::Whole(bytes) => u64::try_from(*bytes).map_err(|_| wrong())?,
            Value::Text(text) => {
                let unit_at = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(unit_at);
                let scale = match unit {
                    "" | "B" => 1,
                    "KiB" => KIB,
                    "MiB" => MIB,
                    "GiB" => GIB,
                    _ => return Err(wrong()),
                };
                let number: u64 = number.parse().map_err(|_| wrong())?;
                number.checked_mul(scale).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        };
        if bytes < least || bytes > most {
            return Err(format!("must be from {} to {}", written_size(least), written_size(most)));
        }
        Ok(bytes)
    }
}

fn written_size(bytes: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    let fitting = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// `/tmp` is everybody's: a directory there counts only if nobody else made it or can enter it.
fn check_shared(places: &Places, uid: u32, flaws: &Flaws) {
    let is_ours = match std::fs::symlink_metadata(&places.runtime) {
        Ok(metadata) => is_private(&metadata, uid),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_ours {
        let dir = places.runtime.file_name().unwrap_or_default().display();
        let message = format!(
            "{dir} below /tmp is not a directory that only uid {uid} can enter; remove it, or set XDG_RUNTIME_DIR"
        );
        flaws.add(&Place::default(), "socket.path", message);
    }
}
