//! Whom a follower hears: all endpoints of a chain as one, of which the first that answers is believed to hint; or, where one's
//! word is not enough, the endpoints of one domain, and the other domains have followers of their own.
//!
//! Owned by: `follow`. Asks: `pool`. Never: has one domain wait for another, or keep from it what it says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::chain::endpoint::Endpoint;
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use crate::chain::inner::Chain;
use entitled_core::domain::ownership::Cause;

/// No longer than this for one poll.
const DEADLINE: Duration = Duration::from_secs(20);
/// What another source named counts for so many polls.
const LATELY: u32 = 5;

/// Endpoints of which one is asked at a time.
pub(super) struct Source<'a> {
    chain: &'a Chain,
    own: Vec<Arc<Endpoint>>,
    others: Vec<Arc<Endpoint>>,
}

impl<'a> Source<'a> {
    /// All there are, and how many of them may be silent before nothing can be found out.
    pub(super) fn all(chain: &'a Chain) -> (Vec<Self>, Reach) {
        let pool = chain.pool();
        let mut domains = BTreeMap::<&str, Vec<Arc<Endpoint>>>::new();
        for endpoint in pool.all() {
            let domain = pool.quorum().map_or("", |_| endpoint.domain());
            domains.entry(domain).or_default().push(Arc::clone(endpoint));
        }
        let spare = domains.len().saturating_sub(pool.quorum().unwrap_or(1));
        let source = |own: Vec<Arc<Endpoint>>| {
            let is_own = |it: &Arc<Endpoint>| own.iter().any(|own| Arc::ptr_eq(own, it));
            let others = pool.all().iter().filter(|it| !is_own(it)).cloned().collect();
            Self { chain, own, others }
        };
        (domains.into_values().map(source).collect(), Reach { spare, lost: AtomicUsize::new(0) })
    }

    pub(super) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.own
    }

    /// As [`Pool::first`], of these. Who rests is left alone where others are followed beside.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn first<'b, T, F>(&'b self, ask: F) -> Result<T, Cause>
    where
        T: 'b,
        F: Fn(Arc<Endpoint>) -> BoxFuture<'b, Result<T, EndpointError>>,
    {
        let (pool, now): (&Pool, _) = (self.chain.pool(), Instant::now());
        let rests = |it: &Arc<Endpoint>| it.health().rests_until(now).is_some();
        if !self.others.is_empty() && self.own.iter().all(rests) {
            return Err(Cause::Unreachable);
        }
        pool.first_but(&self.others, now + DEADLINE, ask).await
    }

    /// Whether another source has lately named a block as high as this.
    pub(super) fn is_reached_elsewhere(&self, number: u64) -> bool {
        let lately = self.chain.poll().saturating_mul(LATELY);
        let heads = self.others.iter().filter_map(|it| it.health().head);
        heads.into_iter().any(|it| it.number >= number && it.at.elapsed() <= lately)
    }
}

/// How many sources are lost. Where one's word is not enough, one that is left is not either.
pub(super) struct Reach {
    spare: usize,
    lost: AtomicUsize,
}

impl Reach {
    /// One source is lost; whether the chain is, by that.
    pub(super) fn is_lost_by_one_more(&self) -> bool {
        self.lost.fetch_add(1, Ordering::Relaxed) == self.spare
    }

    /// One source is found again; whether the chain is, by that.
    pub(super) fn is_found_by_one_less(&self) -> bool {
        self.lost.fetch_sub(1, Ordering::Relaxed) == self.spare + 1
    }
}

#[cfg(test)]
mod tests;
