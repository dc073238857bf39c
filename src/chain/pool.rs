//! The endpoints of a chain, and whom to ask next.
//!
//! Owns: the endpoints. Asked by: everything in `chain` that needs an answer. Never: believes one; what
//! is asked through here is proven or counted by those who ask.

use std::sync::Arc;
use std::sync::Mutex;

use alloy_primitives::B256;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::endpoint::Identity;
use super::location::Location;
use super::refusal::Refusal;
use super::refusal::more_telling;
use crate::domain::ids::ChainId;
use crate::domain::ownership::Cause;

pub(super) struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
}

impl Pool {
    /// # Errors
    /// When the TLS machinery cannot be set up.
    pub(super) fn new(
        chain: ChainId,
        genesis: Option<B256>,
        locations: &[Location],
    ) -> Result<Self, reqwest::Error> {
        let identity = Arc::new(Identity { chain, genesis: Mutex::new(genesis) });
        let endpoints = locations
            .iter()
            .map(|it| Endpoint::new(it, Arc::clone(&identity)).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { endpoints })
    }

    pub(super) fn all(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The time of the newest block any endpoint named, in seconds since 1970.
    pub(super) fn newest(&self) -> Option<u64> {
        self.endpoints.iter().filter_map(|it| it.standing().head.map(|(_, time)| time)).max()
    }

    /// All endpoints, the most promising first; as configured where they are equal.
    pub(super) fn ordered(&self) -> Vec<Arc<Endpoint>> {
        let (now, newest) = (Instant::now(), self.newest());
        let mut endpoints = self.endpoints.clone();
        endpoints.sort_by_cached_key(|it| it.standing().order(now, newest));
        endpoints
    }

    /// Asks one endpoint after the other until one gives a usable answer or the time is over.
    ///
    /// # Errors
    /// The most telling of their causes.
    pub(super) async fn first<'a, T, F>(&'a self, deadline: Instant, ask: F) -> Result<T, Cause>
    where
        F: Fn(Arc<Endpoint>) -> BoxFuture<'a, Result<T, Refusal>>,
    {
        self.first_but(&[], deadline, ask).await
    }

    /// As [`Self::first`], without asking some of them.
    ///
    /// # Errors
    /// The most telling of their causes.
    pub(super) async fn first_but<'a, T, F>(
        &'a self,
        some: &[Arc<Endpoint>],
        deadline: Instant,
        ask: F,
    ) -> Result<T, Cause>
    where
        F: Fn(Arc<Endpoint>) -> BoxFuture<'a, Result<T, Refusal>>,
    {
        let mut cause = Cause::Unreachable;
        for endpoint in self.ordered() {
            if some.iter().any(|it| Arc::ptr_eq(it, &endpoint)) {
                continue;
            }
            let asked = tokio::time::timeout_at(deadline, ask(Arc::clone(&endpoint))).await;
            match asked.unwrap_or(Err(Refusal::Late)) {
                Ok(answer) => return Ok(answer),
                Err(refusal) => {
                    tracing::debug!(endpoint = endpoint.shown(), %refusal, "trying the next one");
                    cause = more_telling(cause, refusal.cause());
                    if matches!(refusal, Refusal::Late) {
                        break;
                    }
                }
            }
        }
        Err(cause)
    }
}
