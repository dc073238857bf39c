//! What a customer is entitled to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink, RpcModule};
use serde_json::value::RawValue;

use super::{ACTOR_TIME, Api, page, parse};
use crate::actors::tier_cache::{Cached, Check, Explain, Key, Refresh, Stored, Subscribe};
use crate::domain::entitlement::Verdict;
use crate::domain::peer::{Access, Peer, Permit, permit};
use crate::rpc::error::RpcError;
use crate::rpc::wire;

const WAIT_MS: u64 = 2_000;
const WAIT_AT_MOST_MS: u64 = 30_000;

pub(super) async fn check(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementCheck,
) -> Result<wire::Verdict, RpcError> {
    let key = Key { customer: permit.customer(), product: ask.product };
    let verdict = api.verdict(key, wait(ask.wait_ms)?).await?;
    let verdict = match ask.feature {
        Some(feature) => verdict.for_feature(&feature),
        None => verdict,
    };
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
    let verdicts = products.products.keys().map(|product| {
        api.verdict(Key { customer: permit.customer(), product: product.clone() }, wait)
    });
    let verdicts = futures_util::future::try_join_all(verdicts).await?;
    let now = api.clock.now();
    let items = verdicts
        .iter()
        .filter(|it| permit.is_admin() || it.token.is_some())
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
    let (Some(tier), Some(rank)) = (verdict.tier, verdict.rank) else { return Ok(None) };
    Ok(Some(wire::CustomerTier {
        tier,
        rank,
        features: verdict.features,
        token: verdict.token.unwrap_or_default(),
        wallet: verdict.wallet.unwrap_or_default(),
    }))
}

fn wait(wait_ms: Option<u64>) -> Result<Duration, RpcError> {
    match wait_ms.unwrap_or(WAIT_MS) {
        wait @ 0..=WAIT_AT_MOST_MS => Ok(Duration::from_millis(wait)),
        _ => Err(RpcError::invalid_params("`wait_ms` must be between 0 and 30000")),
    }
}

impl Api {
    /// The verdict for `key`: at once if it is there, else as soon as it has landed, or after `wait` what
    /// is known then. The work goes on whoever stops waiting.
    async fn verdict(&self, key: Key, wait: Duration) -> Result<Verdict, RpcError> {
        let now = self.clock.now();
        if let Some(cached) = self.reader.hit(&key, now) {
            self.nudge(&key, &cached, now);
            return Ok(cached.verdict_at(now));
        }
        self.reader.tally().misses.fetch_add(1, Ordering::Relaxed);
        let flight = self.cache.send(Check { key: key.clone() }).timeout(ACTOR_TIME);
        let mut flight = flight.await?;
        let landed = async { flight.wait_for(Option::is_some).await.ok()?.clone() };
        if let Ok(Some(cached)) = tokio::time::timeout(wait, landed).await {
            return Ok(cached.verdict_at(self.clock.now()));
        }
        Ok(self.cache.send(Stored { key }).timeout(ACTOR_TIME).await??)
    }

    fn nudge(&self, key: &Key, cached: &Cached, now: crate::domain::ids::Timestamp) {
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
        let Ok(permit) = permit(peer, Access::SelfService, own, ask.customer) else { return false };
        let key = Key { customer: permit.customer(), product: ask.product };
        let Some(cached) = self.reader.hit(&key, now) else { return false };
        if wait(ask.wait_ms).is_err() {
            return false;
        }
        self.nudge(&key, &cached, now);
        match ask.feature.map(|it| cached.verdict_at(now).for_feature(&it)) {
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

async fn subscribe(
    api: Arc<Api>,
    ask: Result<wire::OfProduct, RpcError>,
    pending: PendingSubscriptionSink,
    extensions: Extensions,
) -> SubscriptionResult {
    let begin = async {
        let ask = ask?;
        let permit = api.admit(&extensions, Access::SelfService, ask.customer).await?;
        let key = Key { customer: permit.customer(), product: ask.product };
        let told = api.cache.send(Subscribe { key: key.clone() }).timeout(ACTOR_TIME).await?;
        Ok::<_, RpcError>((key, told))
    };
    let (key, mut told) = match begin.await {
        Ok(begun) => begun,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    let _counted = Subscribed::one_more(&api);
    // What is known at once; the first landing follows when it says more.
    let first = api.verdict(key.clone(), Duration::from_millis(WAIT_MS)).await;
    let mut said = match first {
        Ok(verdict) => {
            send(&api, &sink, &verdict).await?;
            Some(verdict)
        }
        Err(_) => None,
    };
    loop {
        let landing = told.borrow_and_update().clone();
        if let Some(cached) = landing {
            let verdict = cached.verdict_at(api.clock.now());
            if said.as_ref().is_none_or(|it| it.says_otherwise(&verdict)) {
                send(&api, &sink, &verdict).await?;
                said = Some(verdict);
            }
        }
        let changed = tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = told.changed() => changed,
        };
        if changed.is_err() {
            // The cache was restarted, and knows no subscribers any more.
            tokio::time::sleep(Duration::from_millis(100)).await;
            told = api.cache.send(Subscribe { key: key.clone() }).timeout(ACTOR_TIME).await?;
        }
    }
}

/// Counted for as long as it is open.
struct Subscribed(Arc<Api>);

impl Subscribed {
    fn one_more(api: &Arc<Api>) -> Self {
        api.control.subscriptions.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(api))
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.control.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn send(
    api: &Api,
    sink: &jsonrpsee::SubscriptionSink,
    verdict: &Verdict,
) -> SubscriptionResult {
    let reply = wire::Verdict::at(verdict, api.clock.now());
    let message = serde_json::value::to_raw_value(&reply)?;
    // A subscriber that does not read in time is dropped; the others are not held up.
    sink.send_timeout(message, Duration::from_secs(10)).await?;
    Ok(())
}
