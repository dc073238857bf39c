//! How a chain and its endpoints are doing, for `chain_status` and health. Asks nobody.

use std::sync::atomic::Ordering;

use serde::Serialize;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::pool::Pool;
use super::sync::SyncStatus;
use crate::domain::ids::ChainId;
use crate::domain::ownership::Trust;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainStatus {
    pub id: ChainId,
    pub trust: Trust,
    /// The newest block any endpoint named.
    pub head: Option<u64>,
    /// The newest finalized block an anchor was made of.
    pub finalized: Option<u64>,
    pub endpoints: Vec<EndpointStatus>,
    /// How many milliseconds ago any endpoint last answered; `None` when none ever did.
    pub last_success_ms_ago: Option<u64>,
    /// How far the light client is, where trust is `consensus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `down`, `stale`, `wrong_chain`, `rate_limited`, `unsupported` or `quarantined`.
    pub state: &'static str,
    pub last_error: Option<String>,
    pub requests: u64,
    /// Received, after decompression.
    pub bytes: u64,
    /// Answers refuted by their own proof.
    pub faults: u64,
    /// A moving average.
    pub latency_ms: Option<u64>,
}

pub(super) fn of(id: ChainId, trust: Trust, pool: &Pool, finalized: Option<u64>) -> ChainStatus {
    let now = Instant::now();
    let newest = pool.newest();
    let all = pool.all();
    let head = all.iter().filter_map(|it| it.standing().head.map(|(number, _)| number)).max();
    let last = all.iter().filter_map(|it| it.standing().last_success).max();
    ChainStatus {
        id,
        trust,
        head,
        finalized,
        endpoints: all.iter().map(|it| endpoint(it, now, newest)).collect(),
        last_success_ms_ago: last.map(|at| milliseconds(now.saturating_duration_since(at))),
        sync: None,
    }
}

fn endpoint(endpoint: &Endpoint, now: Instant, newest: Option<u64>) -> EndpointStatus {
    let standing = endpoint.standing();
    EndpointStatus {
        url: endpoint.shown().to_owned(),
        state: standing.word(now, newest),
        last_error: standing.last_error.clone(),
        requests: endpoint.meter().requests.load(Ordering::Relaxed),
        bytes: endpoint.meter().bytes.load(Ordering::Relaxed),
        faults: standing.faults,
        latency_ms: standing.latency.map(milliseconds),
    }
}

fn milliseconds(of: std::time::Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}
