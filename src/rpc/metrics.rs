//! The daemon's figures as Prometheus text.

use std::fmt::Error;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::figures::SocketFigures;
use super::methods::Api;
use crate::actors::ownership_ledger::StoreFigures;
use crate::domain::entitlement::Code;

/// Everything counted, as of now. `store` is absent while the ledger does not answer.
pub(super) fn text(
    api: &Api,
    socket: &SocketFigures,
    store: Option<StoreFigures>,
) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("entitled");
    registry.register_collector(Box::new(Snapshot::take(api, socket, store)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// One figure: name, meaning, and its value under each of its labels.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    /// Counts only grow; gauges go both ways.
    counts: bool,
    label: &'static str,
    values: Vec<(String, u64)>,
}

#[derive(Debug)]
struct Snapshot(Vec<Figure>);

fn one(name: &'static str, help: &'static str, counts: bool, value: u64) -> Figure {
    Figure { name, help, counts, label: "", values: vec![(String::new(), value)] }
}

impl Snapshot {
    fn take(api: &Api, socket: &SocketFigures, store: Option<StoreFigures>) -> Self {
        let tally = api.reader.tally();
        let children = api.tree.children();
        let checks = Code::ALL.iter().map(|it| (it.to_string(), api.control.counts.of(*it)));
        let restarts = children.iter().map(|it| (it.name.to_owned(), u64::from(it.restarts())));
        let read = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
        let mut figures = vec![
            Figure {
                name: "checks",
                help: "Entitlement checks answered, by what they came to",
                counts: true,
                label: "code",
                values: checks.collect(),
            },
            Figure {
                name: "actor_restarts",
                help: "Restarts of each actor",
                counts: true,
                label: "actor",
                values: restarts.collect(),
            },
            one("cache_hits", "Checks answered from the cache", true, read(&tally.hits)),
            one("cache_misses", "Checks not in the cache", true, read(&tally.misses)),
            one("cache_verdicts", "Verdicts in the cache", false, api.reader.entry_count()),
            one(
                "products",
                "Products installed",
                false,
                api.reader.products().products.len() as u64,
            ),
            one("uptime_seconds", "Time since start", false, up(api)),
        ];
        figures.extend(of_socket(socket));
        if let Some(store) = store {
            figures.extend([
                one("store_bytes", "Size of the store's file", false, store.file_bytes),
                one("store_commits", "Durable commits since start", true, store.commits),
                one("store_changes", "Changes written since start", true, store.changes),
                one("ownerships", "Ownerships recorded", false, store.ownerships),
                one("customers", "Customers", false, store.customers),
                one("wallets", "Wallets", false, store.wallets),
                one("audit_entries", "Entries in the audit", false, store.audit_entries),
            ]);
        }
        Self(figures)
    }
}

fn of_socket(socket: &SocketFigures) -> [Figure; 11] {
    [
        one("connections_open", "Connections served now", false, socket.connections_open.get()),
        one("connections", "Connections ever served", true, socket.connections_total.get()),
        one(
            "connections_refused",
            "Connections turned away",
            true,
            socket.connections_refused.get(),
        ),
        one(
            "accept_failures",
            "Connections the kernel would not give",
            true,
            socket.accept_failures.get(),
        ),
        one("requests", "Requests read", true, socket.requests.get()),
        one(
            "requests_at_once",
            "Requests answered without waiting",
            true,
            socket.answered_at_once.get(),
        ),
        one("requests_limited", "Requests over a limit", true, socket.requests_limited.get()),
        one("panics", "Handlers that panicked", true, socket.panics.get()),
        one("slow_readers", "Connections dropped for not reading", true, socket.slow_readers.get()),
        one("received_bytes", "Bytes read from sockets", true, socket.bytes_in.get()),
        one("sent_bytes", "Bytes written to sockets", true, socket.bytes_out.get()),
    ]
}

fn up(api: &Api) -> u64 {
    api.clock.monotonic().saturating_sub(api.control.started).as_secs()
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for figure in &self.0 {
            let kind = if figure.counts {
                ConstCounter::new(0_u64).metric_type()
            } else {
                ConstGauge::new(0_i64).metric_type()
            };
            let mut family = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            for (value_of_label, value) in &figure.values {
                let labels: Vec<(&str, &str)> = match figure.label {
                    "" => Vec::new(),
                    label => vec![(label, value_of_label.as_str())],
                };
                let labelled = family.encode_family(&labels)?;
                if figure.counts {
                    ConstCounter::new(*value).encode(labelled)?;
                } else {
                    ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX)).encode(labelled)?;
                }
            }
        }
        Ok(())
    }
}
