//! The daemon's figures as Prometheus text (OpenMetrics 1.0).
//!
//! Asked by: `front`, for `GET /metrics`. Every name begins with `entitled_`; docs/operating.md says what each is
//! good for. Nothing here names a customer, a wallet or a path: anybody on the machine may read it.

mod format;
mod seats;

use std::fmt::Error;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

pub(super) use self::format::Format;
use super::figures::SocketFigures;
use super::methods::Api;
use crate::actors::chain_verifier::{ChainStatus, EndpointStatus};
use crate::actors::ownership_ledger::StoreFigures;
use crate::actors::seat_keeper::SeatFigures;

/// What has to be asked for. Absent while the part does not answer.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) store: Option<StoreFigures>,
    pub(super) chains: Option<Vec<ChainStatus>>,
    pub(super) seats: Option<SeatFigures>,
}

/// Everything counted, as of now.
pub(super) fn text(api: &Api, socket: &SocketFigures, asked: &Asked) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("entitled");
    registry.register_with_unit(
        "look",
        "Time one look at the chain took, for one customer and product",
        Unit::Seconds,
        api.reader.tally().looks.clone(),
    );
    if let Some(seats) = &asked.seats {
        let help = "Time a request waited for a seat that it was given";
        registry.register_with_unit("seat_wait", help, Unit::Seconds, seats.waits.clone());
    }
    registry.register_collector(Box::new(Snapshot::take(api, socket, asked)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

type Labels = Vec<(&'static str, String)>;

/// One figure: name, meaning, and its value under each set of its labels.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    /// Counts only grow; gauges go both ways.
    counts: bool,
    values: Vec<(Labels, f64)>,
}

#[derive(Debug)]
struct Snapshot(Vec<Figure>);

fn count(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, help, counts: true, values: vec![(Labels::new(), exact(value))] }
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, help, counts: false, values: vec![(Labels::new(), exact(value))] }
}

/// Prometheus keeps every value as a double: whole up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 may lose their last digit")]
fn exact(value: u64) -> f64 {
    value as f64
}

impl Snapshot {
    fn take(api: &Api, socket: &SocketFigures, asked: &Asked) -> Self {
        let mut figures = of_checks(api);
        figures.extend(of_daemon(api));
        figures.extend(of_socket(socket));
        if let Some(store) = &asked.store {
            figures.extend(of_store(store));
        }
        if let Some(chains) = &asked.chains {
            figures.extend(of_chains(chains));
            figures.extend(of_endpoints(chains));
        }
        if let Some(seats) = &asked.seats {
            figures.extend(seats::of_seats(seats));
        }
        Self(figures)
    }
}

fn of_checks(api: &Api) -> Vec<Figure> {
    let tally = api.reader.tally();
    let read = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
    let checks = api.control.counts.all().into_iter().map(|(product, code, value)| {
        (vec![("product", product), ("code", code.to_string())], exact(value))
    });
    let expiries = api.reader.next_expiries(api.clock.now()).into_iter();
    let expiries = expiries
        .map(|(product, left)| (vec![("product", product.to_string())], left.as_secs_f64()));
    vec![
        Figure {
            name: "checks",
            help: "Entitlement checks answered, by product and what they came to",
            counts: true,
            values: checks.collect(),
        },
        Figure {
            name: "next_expiry_seconds",
            help: "Time until the first entitlement to a product ends by itself",
            counts: false,
            values: expiries.collect(),
        },
        count("cache_hits", "Checks answered from the cache", tally.hits.get()),
        count("cache_misses", "Checks not in the cache", tally.misses.get()),
        gauge("cache_verdicts", "Verdicts in the cache", api.reader.entry_count()),
        gauge("subscriptions", "Programs told of every change", read(&api.control.subscriptions)),
        gauge("products", "Products installed", api.reader.products().products.len() as u64),
    ]
}

fn of_daemon(api: &Api) -> Vec<Figure> {
    let children = api.tree.children();
    let restarts = children
        .iter()
        .map(|it| (vec![("actor", it.name.to_owned())], exact(u64::from(it.restarts()))));
    let up = api.clock.monotonic().saturating_sub(api.control.started);
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        Figure {
            name: "actor_restarts",
            help: "Restarts of each actor",
            counts: true,
            values: restarts.collect(),
        },
        Figure {
            name: "build_info",
            help: "The version that runs; always 1",
            counts: false,
            values: vec![(version, 1.0)],
        },
        gauge("uptime_seconds", "Time since start", up.as_secs()),
        count("log_records_lost", "Log records that found no room", (api.control.lost_records)()),
    ]
}

fn of_store(store: &StoreFigures) -> [Figure; 7] {
    [
        gauge("store_bytes", "Size of the store's file", store.file_bytes),
        count("store_commits", "Durable commits since start", store.commits),
        count("store_changes", "Changes written since start", store.changes),
        gauge("ownerships", "Ownerships recorded", store.ownerships),
        gauge("customers", "Customers", store.customers),
        gauge("wallets", "Wallets", store.wallets),
        gauge("audit_entries", "Entries in the audit", store.audit_entries),
    ]
}

fn of_socket(socket: &SocketFigures) -> [Figure; 11] {
    [
        gauge("connections_open", "Connections served now", socket.connections_open.get()),
        count("connections", "Connections ever served", socket.connections_total.get()),
        count("connections_refused", "Connections turned away", socket.connections_refused.get()),
        count(
            "accept_failures",
            "Connections the kernel would not give",
            socket.accept_failures.get(),
        ),
        count("requests", "Requests read", socket.requests.get()),
        count(
            "requests_at_once",
            "Requests answered without waiting",
            socket.answered_at_once.get(),
        ),
        count("requests_limited", "Requests over a limit", socket.requests_limited.get()),
        count("panics", "Handlers that panicked", socket.panics.get()),
        count("slow_readers", "Connections dropped for not reading", socket.slow_readers.get()),
        count("received_bytes", "Bytes read from sockets", socket.bytes_in.get()),
        count("sent_bytes", "Bytes written to sockets", socket.bytes_out.get()),
    ]
}

fn of_chains(chains: &[ChainStatus]) -> [Figure; 3] {
    let each = |value: &dyn Fn(&ChainStatus) -> Option<f64>| {
        let of = |it: &ChainStatus| Some((vec![("chain", it.id.to_string())], value(it)?));
        chains.iter().filter_map(of).collect()
    };
    [
        Figure {
            name: "chain_head_block",
            help: "Newest block any endpoint named",
            counts: false,
            values: each(&|it| it.head.map(exact)),
        },
        Figure {
            name: "chain_finalized_block",
            help: "Newest finalized block that was looked at",
            counts: false,
            values: each(&|it| it.finalized.map(exact)),
        },
        Figure {
            name: "chain_silent_seconds",
            help: "Time since any endpoint of the chain answered",
            counts: false,
            values: each(&|it| it.last_success_ms_ago.map(|it| exact(it) / 1_000.0)),
        },
    ]
}

fn of_endpoints(chains: &[ChainStatus]) -> [Figure; 9] {
    let each = |value: &dyn Fn(&EndpointStatus) -> Option<f64>| {
        let of = |chain: &ChainStatus, it: &EndpointStatus| {
            let labels = vec![("chain", chain.id.to_string()), ("endpoint", it.url.clone())];
            Some((labels, value(it)?))
        };
        let all = chains.iter().flat_map(|chain| chain.endpoints.iter().map(move |it| (chain, it)));
        all.filter_map(|(chain, it)| of(chain, it)).collect()
    };
    [
        Figure {
            name: "endpoint_up",
            help: "Whether the endpoint is asked: 1, or 0 while something is wrong with it",
            counts: false,
            values: each(&|it| Some(if matches!(it.state, "ok" | "untried") { 1.0 } else { 0.0 })),
        },
        Figure {
            name: "endpoint_head_block",
            help: "Newest block the endpoint named",
            counts: false,
            values: each(&|it| it.head.map(exact)),
        },
        Figure {
            name: "endpoint_head_age_seconds",
            help: "How old the endpoint's newest block was when it named it",
            counts: false,
            values: each(&|it| it.head_age_s.map(exact)),
        },
        Figure {
            name: "endpoint_requests",
            help: "Requests sent to the endpoint",
            counts: true,
            values: each(&|it| Some(exact(it.cost.requests))),
        },
        Figure {
            name: "endpoint_units",
            help: "Compute units asked of the endpoint",
            counts: true,
            values: each(&|it| Some(exact(it.cost.units))),
        },
        Figure {
            name: "endpoint_failures",
            help: "Times the endpoint was down, silent or answered nonsense",
            counts: true,
            values: each(&|it| {
                let count = |kind| it.faults.get(kind).copied().unwrap_or(0);
                Some(exact(count("down") + count("garbled")))
            }),
        },
        Figure {
            name: "endpoint_received_bytes",
            help: "Bytes received from the endpoint, after decompression",
            counts: true,
            values: each(&|it| Some(exact(it.cost.bytes))),
        },
        Figure {
            name: "endpoint_faults",
            help: "Answers of the endpoint that their own proof refuted",
            counts: true,
            values: each(&|it| Some(exact(it.faults.get("lying").copied().unwrap_or(0)))),
        },
        Figure {
            name: "endpoint_latency_seconds",
            help: "What 95 of 100 answers of the endpoint took at most, of the last 64",
            counts: false,
            values: each(&|it| it.latency.p95_ms.map(|it| exact(it) / 1_000.0)),
        },
    ]
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for figure in self.0.iter().filter(|it| !it.values.is_empty()) {
            let kind = if figure.counts { MetricType::Counter } else { MetricType::Gauge };
            let mut family = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            let encode = |encoder: MetricEncoder<'_>, value: f64| match kind {
                MetricType::Counter => ConstCounter::new(value).encode(encoder),
                _ => ConstGauge::new(value).encode(encoder),
            };
            if let [(labels, value)] = &figure.values[..]
                && labels.is_empty()
            {
                encode(family, *value)?;
                continue;
            }
            for (labels, value) in &figure.values {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                encode(family.encode_family(&labels)?, *value)?;
            }
        }
        Ok(())
    }
}
