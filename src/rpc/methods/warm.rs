//! The warm check: from the name of a product to the bytes of its verdict, on the shortest way there is.
//!
//! A connection asks again and again for one product. So what was looked up for it is remembered: whom its user stands
//! for, that user's verdict, and where the check is counted. It is answered from again while three things hold, each
//! compared for every request:
//!
//! * nothing was put into the cache or taken out of it since, by anybody: its `revision` is the same. A change raises it
//!   before it is acknowledged, so that no later answer rests on what was before
//!   ([0073](../../../docs/decisions/0073-a-connection-remembers-its-last-verdict.md));
//! * it was looked up a moment ago: how long the cache keeps what, and whose customer a user is believed to be, stays
//!   with the cache;
//! * time alone has not made the verdict another one. Whether it has gone stale and wants another look is asked as well.
//!
//! What is not at hand is left to [`Api::check_at_once`], and what must be waited for to [`super::entitlements`].

use std::sync::Arc;
use std::time::Duration;

use super::api::Api;
use super::control::Row;
use crate::actors::tier_cache::{Cached, Key};
use crate::clock::Moment;
use crate::rpc::call::answers::{Batch, Warm};
use entitled_core::domain::peer::{Access, Peer, permit};

/// After so long a verdict is looked up again.
const REMEMBERED: Duration = Duration::from_millis(100);

/// The warm checks of one connection.
pub(in crate::rpc) struct WarmChecks {
    api: Arc<Api>,
    peer: Peer,
    last: Option<Remembered>,
}

/// What was looked up last.
struct Remembered {
    key: Key,
    cached: Arc<Cached>,
    /// Where checks that come to this verdict are counted.
    row: Option<Arc<Row>>,
    revision: u64,
    /// The monotonic time from which it is looked up again.
    until: Duration,
}

impl Remembered {
    fn is_current(&self, product: &[u8], revision: u64, at: Moment) -> bool {
        self.revision == revision
            && at.monotonic < self.until
            && self.key.product.as_str().as_bytes() == product
    }
}

impl WarmChecks {
    pub(in crate::rpc) fn new(api: Arc<Api>, peer: &Peer) -> Self {
        Self { api, peer: peer.clone(), last: None }
    }

    fn look_up(&self, product: &[u8], revision: u64, at: Moment) -> Option<Remembered> {
        let own = self.api.reader.customer_of(self.peer.uid, at.now)?;
        let permit = permit(&self.peer, Access::Anybody, own, None).ok()?;
        let product = str::from_utf8(product).ok()?.parse().ok()?;
        let key = Key { customer: permit.customer(), product };
        let cached = self.api.reader.peek(&key)?;
        let row = self.api.control.counts.row(&key.product, cached.verdict.code);
        Some(Remembered { key, cached, row, revision, until: at.monotonic + REMEMBERED })
    }
}

impl Warm for WarmChecks {
    fn check(&mut self, product: &[u8], batch: &mut Batch, out: &mut Vec<u8>) -> bool {
        let at = *batch.moment.get_or_insert_with(|| self.api.clock.moment());
        // Before anything is looked up: what changes meanwhile shows the next time.
        let revision = self.api.reader.revision();
        if self.last.as_ref().is_none_or(|it| !it.is_current(product, revision, at)) {
            self.last = self.look_up(product, revision, at);
            batch.result = None;
        }
        let Some(Remembered { key, cached, row, .. }) = &self.last else { return false };
        if !self.api.reader.hit_again(cached, at.now) {
            return false;
        }
        self.api.control.counts.count(row.as_deref(), cached.verdict.code);
        let begin = out.len();
        match batch.result.take() {
            // The same verdict at the same moment reads the same.
            Some(said) => out.extend_from_within(said),
            None => {
                self.api.nudge(key, cached, at.now);
                cached.write(at.now, out);
            }
        }
        batch.result = Some(begin..out.len());
        true
    }
}

#[cfg(test)]
mod tests;
