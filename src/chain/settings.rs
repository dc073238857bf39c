//! How a chain is to be reached and believed, and which settings cannot work. Pure.
//!
//! Asked by: `facade`, before anything else.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use alloy_primitives::B256;

use super::consensus::sync::ConsensusSettings;
use super::endpoint::address::domain;
use super::endpoint::chain_identity::{Genesis, Identity};
use super::now::Now;
use crate::endpoint::EndpointSettings;
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;

/// How a chain is reached, and how far its endpoints are trusted.
#[derive(Debug, Clone)]
pub struct ChainSettings {
    pub id: ChainId,
    /// Of those that fare equally well, the first is asked first.
    pub rpc: Vec<EndpointSettings>,
    pub trust: Trust,
    /// How many endpoints of different domains have to agree, where trust is `Quorum`.
    pub quorum: usize,
    /// The hash of block 0; without it, the first one seen stands until all endpoints have another for long.
    pub genesis: Option<B256>,
    /// Number and hash of later blocks that tell this chain from its forks.
    pub pinned: Vec<(u64, B256)>,
    /// The rules of the EVM that are at least in force, where no specification of the chain says which are.
    pub evm: Option<EvmFork>,
    /// How long an endpoint that keeps failing is left alone at first.
    pub retry: Duration,
    /// How often the head is asked for.
    pub poll: Duration,
    /// Tells blocks of the future. Not moved by what one endpoint alone says.
    pub now: Now,
    /// How the chain's validators are followed, where trust is `Consensus`.
    pub consensus: Option<ConsensusSettings>,
}

impl ChainSettings {
    /// What tells this chain from others, as far as it is known before anybody is asked.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            chain: self.id,
            genesis: Mutex::new(self.genesis.map_or(Genesis::Unknown, Genesis::Given)),
            pinned: self.pinned.clone(),
            head_order: Mutex::default(),
            retry: self.retry,
        }
    }
}

/// Settings a chain cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("{chain}: no endpoint is configured; add at least one to `rpc`")]
    NoEndpoint { chain: ChainId },
    #[error("{chain}: trust `consensus` needs a specification of the chain (`spec`)")]
    NoSpecification { chain: ChainId },
    #[error("{chain}: the specification is of {other}")]
    OtherSpecification { chain: ChainId, other: ChainId },
    #[error("{chain}: `genesis` is {named}, and block 0 of the specification is {other}")]
    OtherGenesis { chain: ChainId, named: B256, other: B256 },
    #[error("{chain}: a source in `beacon` cannot be used")]
    Beacon { chain: ChainId, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{chain}: `quorum` is {quorum}, but at least 2 endpoints have to agree")]
    QuorumTooSmall { chain: ChainId, quorum: usize },
    #[error(
        "{chain}: `quorum` is {quorum}, but `rpc` has endpoints of only {domains} different domains"
    )]
    QuorumTooLarge { chain: ChainId, quorum: usize, domains: usize },
    #[error("{chain}: `poll` is zero; use a duration such as `12s`")]
    Poll { chain: ChainId },
    #[error("{chain}: cannot set up TLS")]
    Tls { chain: ChainId, source: Box<dyn std::error::Error + Send + Sync> },
}

/// # Errors
/// [`ChainError`]
pub(super) fn check(settings: &ChainSettings) -> Result<(), ChainError> {
    let (chain, quorum) = (settings.id, settings.quorum);
    if settings.rpc.is_empty() {
        return Err(ChainError::NoEndpoint { chain });
    }
    if settings.poll.is_zero() {
        return Err(ChainError::Poll { chain });
    }
    let domains = settings.rpc.iter().map(|it| domain(it.address())).collect::<BTreeSet<_>>().len();
    match settings.trust {
        Trust::Quorum if quorum < 2 => Err(ChainError::QuorumTooSmall { chain, quorum }),
        Trust::Quorum if quorum > domains => {
            Err(ChainError::QuorumTooLarge { chain, quorum, domains })
        }
        Trust::Quorum | Trust::Single | Trust::Consensus => Ok(()),
    }
}
