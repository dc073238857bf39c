//! How chains and their endpoints fare.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::sets;
use crate::actors::chain_verifier as chains;

pub use crate::actors::chain_verifier::{
    BeaconSource, EndpointCost, Evidence, Latency, SyncStatus,
};

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

/// An endpoint of a chain, since the start of the daemon.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EndpointStatus {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `untried`, `down`, `stale`, `syncing`, `wrong_chain`, `unreadable` (it has headers that this version cannot read),
    /// `rate_limited`, `unsupported` (it gives no proofs) or `quarantined`.
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
    /// `behind`, `disagreeing`, `wrong_chain`, `unreadable`, `lying`.
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
            sync: chain.sync,
        }
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
            cost: endpoint.cost,
            latency: endpoint.latency,
            faults,
            last_fault: endpoint.last_fault.map(Into::into),
            evidence: endpoint.evidence,
        }
    }
}

impl From<chains::FaultStatus> for EndpointFault {
    fn from(fault: chains::FaultStatus) -> Self {
        let chains::FaultStatus { kind, at, asked, message } = fault;
        Self { kind, at: at.to_string(), asked, message }
    }
}
