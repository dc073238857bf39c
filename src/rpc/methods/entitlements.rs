//! What a customer is entitled to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink, RpcModule, SubscriptionSink};
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::api::{ACTOR_TIME, Api};
use super::paging::page;
use super::parse::parse;
use crate::actors::tier_cache::{Cached, Check, Explain, Key, Landing, Refresh, Stored, Subscribe};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::entitlement::{self, Verdict};
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::peer::{Access, Peer, Permit, permit};

pub(super) const WAIT_MS: u64 = 2_000;
const WAIT_AT_MOST_MS: u64 = 30_000;
/// After this a subscription tries again what did not work.
pub(super) const AGAIN: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const AGAIN_AT_LAST: Duration = Duration::from_secs(5);
/// The last word of a subscription to a named customer.
const NO_MORE: &str = "the caller does not stand for this customer any more";

pub(super) async fn check(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementCheck,
) -> Result<wire::Verdict, RpcError> {
    let key = Key { customer: permit.customer(), product: ask.product };
    let verdict = api.verdict(key, wait(ask.wait_ms)?).await?;
    let verdict = verdict.narrowed(ask.publisher.as_ref(), ask.feature.as_deref());
    api.control.counts.checked(&verdict.product, verdict.code);
    Ok(wire::Verdict::at(&verdict, api.clock.now()))
}

pub(super) async fn list(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementList,
) -> Result<wire::Listed<wire::Verdict>, RpcError> {
    let wait = wait(ask.wait_ms)?;
    let products = api.reader.products();
    let all = |wait| {
        let key =
            |product: &ProductId| Key { customer: permit.customer(), product: product.clone() };
        let verdicts = products.products.keys().map(|it| api.verdict(key(it), wait));
        futures_util::future::try_join_all(verdicts.collect::<Vec<_>>())
    };
    // While one was waited for, another may have come to its end: all are told as they are now.
    all(wait).await?;
    let verdicts = all(Duration::ZERO).await?;
    let now = api.clock.now();
    let items = verdicts
        .iter()
        .filter(|it| permit.is_admin() || may_hold(it))
        .map(|it| wire::Verdict::at(it, now))
        .collect();
    page(items, ask.limit, ask.cursor.as_deref())
}

pub(super) async fn explain(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OfProduct,
) -> Result<wire::Explanation, RpcError> {
    let key = Key { customer: permit.customer(), product: ask.product };
    // Somebody who asks why wants the reason of an answer, not of "not looked yet".
    let _ = api.verdict(key.clone(), Duration::from_millis(WAIT_MS)).await?;
    let explained = api.cache.send(Explain { key }).timeout(ACTOR_TIME).await??;
    Ok(wire::Explanation {
        verdict: wire::Verdict::at(&explained.verdict, api.clock.now()),
        steps: explained.steps.iter().map(Into::into).collect(),
    })
}

pub(super) async fn tier(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OfProduct,
) -> Result<Option<wire::CustomerTier>, RpcError> {
    let key = Key { customer: permit.customer(), product: ask.product };
    let verdict = api.verdict(key, Duration::from_millis(WAIT_MS)).await?;
    let verdict = wire::Verdict::from(&verdict);
    Ok(tier_of(verdict))
}

/// The tier that a verdict comes to.
pub(in crate::rpc) fn tier_of(verdict: wire::Verdict) -> Option<wire::CustomerTier> {
    let (Some(tier), Some(rank)) = (verdict.tier, verdict.rank) else { return None };
    Some(wire::CustomerTier {
        tier,
        rank,
        features: verdict.features,
        token: verdict.token.unwrap_or_default(),
        wallet: verdict.wallet.unwrap_or_default(),
    })
}

/// Whether the customer holds the product, or may hold it: what is not known, or not looked at, may be held.
pub(in crate::rpc) fn may_hold(verdict: &Verdict) -> bool {
    let unknown = [entitlement::Code::Undetermined, entitlement::Code::Suspended];
    verdict.token.is_some() || unknown.contains(&verdict.code)
}

pub(in crate::rpc) fn wait(wait_ms: Option<u64>) -> Result<Duration, RpcError> {
    let wrong = || RpcError::invalid_params("`wait_ms` must be between 0 and 30000");
    wait_of(wait_ms).ok_or_else(wrong)
}

/// How long who gives this waits for the chain; `None` if nobody may wait so long.
pub(crate) fn wait_of(wait_ms: Option<u64>) -> Option<Duration> {
    let wait = wait_ms.unwrap_or(WAIT_MS);
    (wait <= WAIT_AT_MOST_MS).then(|| Duration::from_millis(wait))
}

impl Api {
    /// The verdict for `key`: at once if it is there, else as soon as it has landed, or after `wait` what
    /// is known then. The work goes on whoever stops waiting.
    pub(super) async fn verdict(&self, key: Key, wait: Duration) -> Result<Verdict, RpcError> {
        let now = self.clock.now();
        if let Some(cached) = self.reader.hit(&key, now) {
            self.nudge(&key, &cached, now);
            return Ok(cached.verdict_at(now));
        }
        self.reader.tally().misses.one_more();
        let flight = self.cache.send(Check { key: key.clone() }).timeout(ACTOR_TIME);
        let mut flight = flight.await?;
        // What landed before its look may be over by now, or rest on what has changed since.
        let holds = |it: &Landing| {
            it.as_ref().is_some_and(|it| self.reader.still_holds(&key, it, &self.clock))
        };
        let landed = async { flight.wait_for(holds).await.ok()?.clone() };
        if let Ok(Some(cached)) = tokio::time::timeout(wait, landed).await {
            return Ok(cached.verdict_at(self.clock.now()));
        }
        Ok(self.cache.send(Stored { key }).timeout(ACTOR_TIME).await??)
    }

    pub(super) fn nudge(
        &self,
        key: &Key,
        cached: &Cached,
        now: entitled_core::domain::ids::Timestamp,
    ) {
        // If the cache has no room for the notice, its own alarm looks again soon enough.
        if cached.wants_nudge(now) {
            let _ = self.cache.try_send(Refresh { key: key.clone() });
        }
    }

    /// Writes the answer to a check whose verdict is at hand. `false` leaves it to [`check`].
    pub(crate) fn check_at_once(
        &self,
        peer: &Peer,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool {
        let now = self.clock.now();
        let Some(own) = self.reader.customer_of(peer.uid, now) else { return false };
        let Ok(ask) = parse::<wire::EntitlementCheck>(params.map(RawValue::get)) else {
            return false;
        };
        let Ok(permit) = permit(peer, Access::Anybody, own, ask.customer) else { return false };
        let key = Key { customer: permit.customer(), product: ask.product };
        let Some(cached) = self.reader.hit(&key, now) else { return false };
        if wait(ask.wait_ms).is_err() {
            return false;
        }
        self.nudge(&key, &cached, now);
        let (publisher, feature) = (ask.publisher.as_ref(), ask.feature.as_deref());
        let narrower = publisher.is_some() || feature.is_some();
        match narrower.then(|| cached.verdict_at(now).narrowed(publisher, feature)) {
            Some(narrowed) if narrowed.code != cached.verdict.code => {
                self.control.counts.checked(&key.product, narrowed.code);
                let reply = wire::Verdict::at(&narrowed, now);
                // Writing to a vector cannot fail.
                let _ = serde_json::to_writer(out, &reply);
            }
            _ => {
                self.control.counts.checked(&key.product, cached.verdict.code);
                cached.write(now, out);
            }
        }
        true
    }
}

/// `entitlement_subscribe`: the verdict at once, then whenever it says something else.
pub(super) fn register_subscription(
    module: &mut RpcModule<Api>,
) -> Result<(), jsonrpsee::core::RegisterMethodError> {
    module.register_subscription(
        "entitlement_subscribe",
        "entitlement_changed",
        "entitlement_unsubscribe",
        |params, pending, api, extensions| async move {
            let ask = parse::<wire::OfProduct>(params.as_str());
            subscribe(api, ask, pending, extensions).await
        },
    )?;
    Ok(())
}

/// What a subscription follows.
pub(super) struct Followed {
    pub(super) key: Key,
    pub(super) told: watch::Receiver<Landing>,
}

impl Followed {
    /// What is so now. What has landed by now is no newer.
    async fn ask(&mut self, api: &Api) -> Result<Verdict, RpcError> {
        self.told.mark_unchanged();
        api.verdict(self.key.clone(), Duration::from_millis(WAIT_MS)).await
    }

    /// What has landed, if it still holds. If not, more will.
    fn hear(&mut self, api: &Api) -> Option<Verdict> {
        let landed = self.told.borrow_and_update().clone()?;
        let holds = api.reader.still_holds(&self.key, &landed, &api.clock);
        holds.then(|| landed.verdict_at(api.clock.now()))
    }
}

impl Api {
    /// What `ask` is about as of now: the caller may be somebody else's user than before.
    async fn key_of(
        &self,
        extensions: &Extensions,
        ask: &wire::OfProduct,
    ) -> Result<Key, RpcError> {
        let permit = self.admit(extensions, Access::Anybody, ask.customer).await?;
        Ok(Key { customer: permit.customer(), product: ask.product.clone() })
    }

    async fn begin(
        &self,
        ask: Result<wire::OfProduct, RpcError>,
        extensions: &Extensions,
    ) -> Result<(Followed, wire::OfProduct), RpcError> {
        let ask = ask?;
        let key = self.key_of(extensions, &ask).await?;
        Ok((self.follow(key).await?, ask))
    }

    pub(super) async fn follow(&self, key: Key) -> Result<Followed, RpcError> {
        let told = self.cache.send(Subscribe { key: key.clone() }).timeout(ACTOR_TIME).await?;
        Ok(Followed { key, told })
    }
}

async fn subscribe(
    api: Arc<Api>,
    ask: Result<wire::OfProduct, RpcError>,
    pending: PendingSubscriptionSink,
    extensions: Extensions,
) -> SubscriptionResult {
    let begun = match api.begin(ask, &extensions).await {
        Ok(begun) => begun,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    let _counted = Subscribed::one_more(&api);
    // Who unsubscribes has the place back at once, whatever is being waited for.
    tokio::select! {
        () = sink.closed() => Ok(()),
        ended = tell_changes(&api, &sink, &extensions, begun) => ended,
    }
}

/// Tells what is so and what changes, until that cannot be told any more.
async fn tell_changes(
    api: &Api,
    sink: &SubscriptionSink,
    extensions: &Extensions,
    (mut followed, ask): (Followed, wire::OfProduct),
) -> SubscriptionResult {
    let mut changes = api.reader.changes();
    let mut said: Option<Verdict> = None;
    // At first, and of another customer, it is asked what is so; later it is told what has landed.
    let (mut asks, mut landed, mut known_at, mut pause) = (true, false, None, AGAIN);
    loop {
        let epoch = api.reader.epoch();
        if known_at != Some(epoch) {
            match api.key_of(extensions, &ask).await {
                Ok(key) if key == followed.key => {}
                Ok(key) => {
                    (followed, asks) = (api.follow(key).await.map_err(|it| it.detail)?, true);
                }
                Err(error) if error.code == Code::PermissionDenied => return Err(NO_MORE.into()),
                // Whose it is now is not known: nothing is told until it is.
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            known_at = Some(epoch);
        }
        let verdict = match (asks, landed) {
            (true, _) => followed.ask(api).await.map(Some),
            (false, true) => Ok(followed.hear(api)),
            (false, false) => Ok(None),
        };
        if api.reader.epoch() != epoch {
            continue;
        }
        // What could not be answered is asked again, after ever longer pauses: no verdict may land for long.
        (asks, landed) = (verdict.is_err(), false);
        pause = if asks { AGAIN_AT_LAST.min(2 * pause) } else { AGAIN };
        if let Ok(Some(verdict)) = verdict
            && said.as_ref().is_none_or(|it| it.says_otherwise(&verdict))
        {
            send(api, sink, &verdict).await?;
            said = Some(verdict);
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(pause), if asks => {}
            changed = followed.told.changed() => match changed {
                Ok(()) => landed = true,
                Err(_) => {
                    // The cache was restarted, and knows no subscribers any more.
                    tokio::time::sleep(AGAIN).await;
                    followed = api.follow(followed.key).await.map_err(|it| it.detail)?;
                    asks = true;
                }
            },
        }
    }
}

/// Counted for as long as it is open.
pub(super) struct Subscribed(Arc<Api>);

impl Subscribed {
    pub(super) fn one_more(api: &Arc<Api>) -> Self {
        api.control.subscriptions.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(api))
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.control.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn send(api: &Api, sink: &SubscriptionSink, verdict: &Verdict) -> SubscriptionResult {
    let reply = wire::Verdict::at(verdict, api.clock.now());
    let message = serde_json::value::to_raw_value(&reply)?;
    // A subscriber that does not read in time is dropped; the others are not held up.
    sink.send_timeout(message, Duration::from_secs(10)).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
