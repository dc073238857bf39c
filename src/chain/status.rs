//! How a chain and its endpoints are doing, for `chain_status` and health. Asks nobody.
//!
//! What can be serialized is a part of the public API, which `rpc` passes on as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::consensus::sync::SyncStatus;
use super::endpoint::Endpoint;
use super::endpoint::fault::FaultKind;
use super::endpoint::health::{Abilities, Rank};
use super::endpoint::peers::{Head, Peers};
use super::endpoint::pool::Pool;
use super::settings::ChainSettings;
use entitled_core::domain::ids::{ChainId, Timestamp};
use entitled_core::domain::ownership::Trust;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainStatus {
    pub id: ChainId,
    pub trust: Trust,
    /// `ok`: all endpoints are well. `degraded`: enough are. `down`: too few are to prove anything. `untried`: none
    /// was asked yet.
    pub state: &'static str,
    /// The newest block any endpoint named.
    pub head: Option<u64>,
    /// How old that block is, by its own time and our clock.
    pub head_age_s: Option<u64>,
    /// The newest finalized block an anchor was made of.
    pub finalized: Option<u64>,
    /// As seen; `None` before it was.
    pub block_time_s: Option<u64>,
    /// How many endpoints may be asked now.
    pub available: usize,
    pub endpoints: Vec<EndpointStatus>,
    /// How many milliseconds ago any endpoint last answered; `None` when none ever did.
    pub last_success_ms_ago: Option<u64>,
    /// How far the light client is, where trust is `consensus`.
    pub sync: Option<SyncStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `untried`, `down`, `stale`, `syncing`, `wrong_chain`, `unreadable`, `rate_limited`, `unsupported` or `quarantined`.
    pub state: &'static str,
    /// Of the circuit breaker: `closed`, `open`, or `half_open` when a trial is due.
    pub breaker: &'static str,
    /// When it is asked again, if it is not now.
    pub retry_at: Option<Timestamp>,
    pub head: Option<u64>,
    /// How old its newest block was when it named it.
    pub head_age_s: Option<u64>,
    pub abilities: Abilities,
    /// Whether it takes a block hash where a block is named (EIP-1898). `None`: not seen yet.
    pub block_hashes: Option<bool>,
    /// Requests in one body; 1 when it takes no batches. `None`: not seen yet.
    pub batch: Option<usize>,
    pub cost: EndpointCost,
    pub latency: Latency,
    /// How often each kind of trouble occurred, without those that never did.
    pub faults: BTreeMap<&'static str, u64>,
    pub last_fault: Option<FaultStatus>,
    /// Against its last lie, also after it was forgiven.
    pub evidence: Option<Evidence>,
}

/// What was asked of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EndpointCost {
    pub requests: u64,
    /// Compute units.
    pub units: u64,
    /// Received, after decompression.
    pub bytes: u64,
    /// How often it was asked because another was silent.
    pub beside: u64,
}

/// Of the last 64 requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Latency {
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultStatus {
    pub kind: &'static str,
    pub at: Timestamp,
    /// The method, or what else we wanted to know.
    pub asked: String,
    pub message: String,
}

/// What an endpoint claimed and its own proof refuted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    #[schemars(with = "String")]
    pub at: Timestamp,
    pub asked: String,
    pub finding: String,
    /// Where the proof ended, and what was found there.
    pub proof: Option<String>,
}

/// Now, by the clock that measures and by the calendar.
#[derive(Clone, Copy)]
struct Clocks {
    instant: Instant,
    time: Timestamp,
}

impl Clocks {
    fn time_of(self, at: Instant) -> Timestamp {
        let since = |from: Instant, to: Instant| {
            jiff::SignedDuration::try_from(to.saturating_duration_since(from)).unwrap_or_default()
        };
        let shifted = self
            .time
            .checked_sub(since(at, self.instant))
            .and_then(|it| it.checked_add(since(self.instant, at)));
        // To the second: what is reckoned from two clocks is no more exact.
        let whole = shifted.unwrap_or(self.time).as_second();
        Timestamp::from_second(whole).unwrap_or(self.time)
    }

    /// How old a block was when it was named; a block of the future is not old.
    fn age(self, head: Head) -> u64 {
        let named = u64::try_from(self.time_of(head.at).as_second()).unwrap_or_default();
        named.saturating_sub(head.time)
    }
}

pub(super) fn of(
    settings: &ChainSettings,
    pool: &Pool,
    finalized: Option<u64>,
    time: Timestamp,
) -> ChainStatus {
    let now = Clocks { instant: Instant::now(), time };
    let (peers, all) = (pool.peers(), pool.all());
    let newest = peers.heads.iter().max_by_key(|it| it.number);
    let last = all.iter().filter_map(|it| it.health().last_success).max();
    let is_available =
        |it: &&std::sync::Arc<Endpoint>| it.rank(now.instant, &peers) <= Rank::Limited;
    let available: Vec<_> = all.iter().filter(is_available).collect();
    let endpoints: Vec<_> = all.iter().map(|it| endpoint(it, now, &peers)).collect();
    let voices = available.iter().map(|it| it.domain()).collect::<BTreeSet<_>>().len();
    let needed = if settings.trust == Trust::Quorum { settings.quorum } else { 1 };
    let state = if last.is_none() && endpoints.iter().all(|it| it.last_fault.is_none()) {
        "untried"
    } else if last.is_none() || voices < needed {
        "down"
    } else if endpoints.iter().all(|it| matches!(it.state, "ok" | "untried")) {
        "ok"
    } else {
        "degraded"
    };
    ChainStatus {
        id: settings.id,
        trust: settings.trust,
        state,
        head: newest.map(|it| it.number),
        // Seen a while ago, it is as much older now.
        head_age_s: newest
            .map(|it| now.age(*it) + now.instant.saturating_duration_since(it.at).as_secs()),
        finalized,
        block_time_s: pool.block_time().map(|it| it.as_secs()),
        available: available.len(),
        endpoints,
        last_success_ms_ago: last.map(|at| milliseconds(now.instant.saturating_duration_since(at))),
        sync: None,
    }
}

fn endpoint(endpoint: &Endpoint, now: Clocks, peers: &Peers) -> EndpointStatus {
    let (health, meter) = (endpoint.health(), endpoint.meter());
    let read = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
    let counted = FaultKind::ALL.iter().map(|(kind, word)| (*word, health.faults.count(*kind)));
    let seen = health.examined.is_some();
    let head_age_s = health.head.map(|it| now.age(it));
    // By our clock, which may be wrong, or the chain may stand still: so it is told, and changes no order.
    let is_old = head_age_s.is_some_and(|it| it > peers.lag().as_secs());
    let state = match health.word(now.instant, peers) {
        "ok" if is_old => "stale",
        word => word,
    };
    EndpointStatus {
        url: endpoint.shown().to_owned(),
        state,
        breaker: match health.open_until() {
            None => "closed",
            Some(until) if until > now.instant => "open",
            Some(_) => "half_open",
        },
        retry_at: health.rests_until(now.instant).map(|it| now.time_of(it)),
        head: health.head.map(|it| it.number),
        head_age_s,
        abilities: health.abilities,
        block_hashes: seen.then_some(health.takes_hashes),
        batch: seen.then_some(health.batch),
        cost: EndpointCost {
            requests: read(&meter.requests),
            units: read(&meter.units),
            bytes: read(&meter.bytes),
            beside: read(&meter.beside),
        },
        latency: Latency {
            p50_ms: health.latency.percentile(50).map(milliseconds),
            p95_ms: health.latency.percentile(95).map(milliseconds),
        },
        faults: counted.filter(|(_, count)| *count > 0).collect(),
        last_fault: health.faults.last.as_ref().map(|it| FaultStatus {
            kind: it.kind.word(),
            at: now.time_of(it.at),
            asked: it.asked.clone(),
            message: it.message.clone(),
        }),
        evidence: health.faults.evidence.as_ref().map(|it| Evidence {
            at: now.time_of(it.at),
            asked: it.asked.clone(),
            finding: it.finding.clone(),
            proof: it.proof.clone(),
        }),
    }
}

fn milliseconds(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}
