//! How chains and their endpoints fare.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::sets;
use crate::actors::chain_verifier as chains;

/// A chain in `system_health`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChainHealth {
    pub id: String,
    /// `ok`: every endpoint is well. `degraded`: enough are. `down`: too few to prove anything. `untried`: none was
    /// asked yet.
    #[schemars(with = "sets::ChainState")]
    pub status: &'static str,
    /// `single`, `quorum` or `consensus`.
    #[schemars(with = "sets::Trust")]
    pub trust: &'static str,
    /// The newest block any endpoint named.
    pub head: Option<u64>,
    pub head_age_s: Option<u64>,
    /// The newest finalized block something was proven at.
    pub finalized: Option<u64>,
    /// How many endpoints may be asked now.
    pub available: usize,
    pub endpoints: Vec<EndpointHealth>,
    /// How long ago any endpoint last answered.
    pub last_success_ms_ago: Option<u64>,
}

/// An endpoint in `system_health`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EndpointHealth {
    /// Without credentials, path and query.
    pub url: String,
    /// As in EndpointStatus.
    #[schemars(with = "sets::EndpointState")]
    pub state: &'static str,
}

/// A chain in `chain_status`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChainStatus {
    pub id: String,
    /// As in ChainHealth.
    #[schemars(with = "sets::ChainState")]
    pub status: &'static str,
    #[schemars(with = "sets::Trust")]
    pub trust: &'static str,
    pub head: Option<u64>,
    pub head_age_s: Option<u64>,
    pub finalized: Option<u64>,
    /// As seen.
    pub block_time_s: Option<u64>,
    pub available: usize,
    pub last_success_ms_ago: Option<u64>,
    pub endpoints: Vec<EndpointStatus>,
    /// How far the light client is, where trust is `consensus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
}

/// How far a chain's validators are followed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SyncStatus {
    /// `no_checkpoint`, `beginning`, `catching_up`, `synced` or `silent`.
    #[schemars(with = "sets::SyncState")]
    pub state: &'static str,
    /// The name of the specification; `sha256:…` for one that is not built in.
    pub specification: String,
    /// The root of the beacon block it began from.
    pub checkpoint: Option<String>,
    /// Other checkpoints found to lead to the same committee.
    pub agreed: Vec<String>,
    /// Checkpoints of products found to lead to another one: they do not serve their products.
    pub disagreeing: Vec<String>,
    /// The sync committee period whose committee is known, the one it began in, and the present one.
    pub period: Option<u64>,
    pub first_period: Option<u64>,
    pub present_period: u64,
    pub present_slot: u64,
    pub finalized_slot: Option<u64>,
    pub finalized_time: Option<String>,
    pub optimistic_slot: Option<u64>,
    /// How many of the committee signed for the newest block.
    pub participation: Option<u16>,
    /// What to bring where it has nothing to begin from: roots of checkpoints, the best first.
    pub wants_bootstrap: Vec<String>,
    /// The period whose update is wanted next.
    pub wants_period: Option<u64>,
    /// Why the last pass did not come further.
    pub trouble: Option<String>,
    /// Two histories that validators signed. The first was kept, and a person has to look at this.
    pub equivocation: Option<String>,
    pub sources: Vec<BeaconSource>,
}

/// A source of what validators sign.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BeaconSource {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `down` or `quarantined`.
    #[schemars(with = "sets::SourceState")]
    pub state: &'static str,
    pub last_error: Option<String>,
    pub requests: u64,
    /// Received, after decompression.
    pub bytes: u64,
    /// Answers that no committee signed.
    pub faults: u64,
}

/// An endpoint of a chain, since the start of the daemon.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EndpointStatus {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `untried`, `down`, `stale`, `syncing`, `wrong_chain`, `rate_limited`, `unsupported` (it gives no proofs) or
    /// `quarantined`.
    #[schemars(with = "sets::EndpointState")]
    pub state: &'static str,
    /// The circuit breaker: `closed`, `open`, or `half_open` when a trial is due.
    #[schemars(with = "sets::BreakerState")]
    pub breaker: &'static str,
    /// When it is asked again, if it is left alone now.
    pub retry_at: Option<String>,
    pub head: Option<u64>,
    /// How old its newest block was when it named it.
    pub head_age_s: Option<u64>,
    pub abilities: Abilities,
    pub cost: EndpointCost,
    pub latency: Latency,
    /// How often each kind of trouble occurred: `down`, `garbled`, `rate_limited`, `unsupported`, `pruned`, `refused`,
    /// `behind`, `disagreeing`, `wrong_chain`, `lying`.
    pub faults: BTreeMap<&'static str, u64>,
    pub last_fault: Option<EndpointFault>,
    /// Against its last lie; kept when its quarantine is over.
    pub evidence: Option<Evidence>,
}

/// What an endpoint was seen to be able to do; `null`: not seen yet.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Abilities {
    /// It is not catching up.
    pub synced: Option<bool>,
    /// `eth_getProof`, at any block.
    pub proofs: Option<bool>,
    /// The tag `finalized`.
    pub finalized: Option<bool>,
    /// `eth_getProof` at the newest finalized block.
    pub finalized_proofs: Option<bool>,
    /// The oldest block it says it has proofs of.
    pub oldest_proof: Option<u64>,
    pub access_lists: Option<bool>,
    /// Blocks named by hash (EIP-1898).
    pub block_hashes: Option<bool>,
    /// Requests in one body.
    pub batch: Option<usize>,
}

/// What was asked of an endpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Latency {
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
}

/// What last went wrong with an endpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EndpointFault {
    /// As in `faults`.
    #[schemars(with = "sets::FaultKind")]
    pub kind: &'static str,
    pub at: String,
    /// The method, or what else it was asked for.
    pub asked: String,
    pub message: String,
}

/// What an endpoint claimed and its own proof refuted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Evidence {
    pub at: String,
    pub asked: String,
    pub finding: String,
    /// Where the proof ended, and what was found there.
    pub proof: Option<String>,
}

impl From<&chains::ChainStatus> for ChainHealth {
    fn from(chain: &chains::ChainStatus) -> Self {
        Self {
            id: chain.id.to_string(),
            status: chain.state,
            trust: chain.trust.as_str(),
            head: chain.head,
            head_age_s: chain.head_age_s,
            finalized: chain.finalized,
            available: chain.available,
            endpoints: chain
                .endpoints
                .iter()
                .map(|it| EndpointHealth { url: it.url.clone(), state: it.state })
                .collect(),
            last_success_ms_ago: chain.last_success_ms_ago,
        }
    }
}

impl From<chains::ChainStatus> for ChainStatus {
    fn from(chain: chains::ChainStatus) -> Self {
        Self {
            id: chain.id.to_string(),
            status: chain.state,
            trust: chain.trust.as_str(),
            head: chain.head,
            head_age_s: chain.head_age_s,
            finalized: chain.finalized,
            block_time_s: chain.block_time_s,
            available: chain.available,
            last_success_ms_ago: chain.last_success_ms_ago,
            endpoints: chain.endpoints.into_iter().map(Into::into).collect(),
            sync: chain.sync.map(Into::into),
        }
    }
}

impl From<chains::SyncStatus> for SyncStatus {
    fn from(sync: chains::SyncStatus) -> Self {
        let text = |them: Vec<_>| them.iter().map(ToString::to_string).collect();
        Self {
            state: sync.state,
            specification: sync.specification,
            checkpoint: sync.checkpoint.map(|it| it.to_string()),
            agreed: text(sync.agreed),
            disagreeing: text(sync.disagreeing),
            period: sync.period,
            first_period: sync.first_period,
            present_period: sync.present_period,
            present_slot: sync.present_slot,
            finalized_slot: sync.finalized_slot,
            finalized_time: sync.finalized_time.map(|it| it.to_string()),
            optimistic_slot: sync.optimistic_slot,
            participation: sync.participation,
            wants_bootstrap: text(sync.wants_bootstrap),
            wants_period: sync.wants_period,
            trouble: sync.trouble,
            equivocation: sync.equivocation,
            sources: sync.sources.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<chains::SourceStatus> for BeaconSource {
    fn from(source: chains::SourceStatus) -> Self {
        let chains::SourceStatus { url, state, last_error, requests, bytes, faults } = source;
        Self { url, state, last_error, requests, bytes, faults }
    }
}

impl From<chains::EndpointStatus> for EndpointStatus {
    fn from(endpoint: chains::EndpointStatus) -> Self {
        let chains::EndpointStatus { url, state, breaker, head, head_age_s, faults, .. } = endpoint;
        let (block_hashes, batch) = (endpoint.block_hashes, endpoint.batch);
        let chains::Abilities { synced, proofs, finalized, finalized_proofs, .. } =
            endpoint.abilities;
        let chains::Abilities { oldest_proof, access_lists, .. } = endpoint.abilities;
        Self {
            url,
            state,
            breaker,
            retry_at: endpoint.retry_at.map(|it| it.to_string()),
            head,
            head_age_s,
            abilities: Abilities {
                synced,
                proofs,
                finalized,
                finalized_proofs,
                oldest_proof,
                access_lists,
                block_hashes,
                batch,
            },
            cost: endpoint.cost.into(),
            latency: Latency { p50_ms: endpoint.latency.p50_ms, p95_ms: endpoint.latency.p95_ms },
            faults,
            last_fault: endpoint.last_fault.map(Into::into),
            evidence: endpoint.evidence.map(Into::into),
        }
    }
}

impl From<chains::EndpointCost> for EndpointCost {
    fn from(cost: chains::EndpointCost) -> Self {
        let chains::EndpointCost { requests, units, bytes, beside } = cost;
        Self { requests, units, bytes, beside }
    }
}

impl From<chains::FaultStatus> for EndpointFault {
    fn from(fault: chains::FaultStatus) -> Self {
        let chains::FaultStatus { kind, at, asked, message } = fault;
        Self { kind, at: at.to_string(), asked, message }
    }
}

impl From<chains::EvidenceStatus> for Evidence {
    fn from(evidence: chains::EvidenceStatus) -> Self {
        let chains::EvidenceStatus { at, asked, finding, proof } = evidence;
        Self { at: at.to_string(), asked, finding, proof }
    }
}
