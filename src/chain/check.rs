//! Whether a chain can work with its settings. Pure.
//!
//! Asked by: `mod`, before anybody is asked anything.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use super::ChainSettings;
use super::location::LocationError;
use super::terms::Terms;
use crate::domain::ids::ChainId;
use crate::domain::ownership::Trust;

/// Settings a chain cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("{chain}: no endpoint is configured; add at least one to `rpc`")]
    NoEndpoint { chain: ChainId },
    #[error("{chain}: endpoint {number} of `rpc` cannot be used")]
    Endpoint { chain: ChainId, number: usize, source: LocationError },
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

pub(super) fn check(settings: &ChainSettings, endpoints: &[Terms]) -> Result<(), ChainError> {
    let (chain, quorum) = (settings.id, settings.quorum);
    if endpoints.is_empty() {
        return Err(ChainError::NoEndpoint { chain });
    }
    if settings.poll.is_zero() {
        return Err(ChainError::Poll { chain });
    }
    let domains = endpoints.iter().map(|it| it.location.domain()).collect::<BTreeSet<_>>().len();
    match settings.trust {
        Trust::Quorum if quorum < 2 => Err(ChainError::QuorumTooSmall { chain, quorum }),
        Trust::Quorum if quorum > domains => {
            Err(ChainError::QuorumTooLarge { chain, quorum, domains })
        }
        Trust::Quorum | Trust::Single | Trust::Consensus => Ok(()),
    }
}
