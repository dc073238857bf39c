//! What TierCache tells: each verdict, to those who wait for it and to those who subscribed, and into the cache.

use std::sync::Arc;
use std::time::Duration;

use super::reader::Cached;
use super::work::flight::Scene;
use super::{CacheSettings, KEPT_AT_MOST, Parts, TierCache};
use entitled_core::domain::entitlement::{Code, Verdict, awaits_finality};
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::domain::publication::Publication;

impl TierCache {
    /// Says what `scene` comes to: to whom it concerns, and into the cache. `false` when it is outdated. Before a
    /// look a yes is said to all; a no that a look could still turn into a yes, only to those who were told something
    /// that holds no more.
    pub(super) fn publish(&mut self, scene: &Scene, looked: bool) -> bool {
        if !scene.is_current(&self.parts) {
            return false;
        }
        let Parts { clock, settings, reader, .. } = &self.parts;
        if !looked && reader.peek(&scene.key).is_some_and(|it| it.gathered > scene.gathered) {
            // A flight has landed meanwhile, and knew more.
            return true;
        }
        let now = scene.now(clock);
        let verdict = scene.verdict_at(now);
        let told = self.subscribers.get(&scene.key);
        let told_holds = told.and_then(|it| {
            it.borrow().as_ref().map(|it| reader.still_holds(&scene.key, it, clock))
        });
        let publication = Publication::of(&verdict, (&scene.question(), now), looked, told_holds);
        let pace = Pace::of(&verdict, scene, settings, now);
        let mut cached = Cached::new(verdict, reader.render());
        cached.wallets = scene.wallets().into_iter().collect();
        (cached.evaluated_at, cached.evaluated) = (now, clock.monotonic());
        (cached.epoch, cached.gathered) = (scene.epoch, scene.gathered);
        cached.refresh_at = pace.refresh_at;
        cached.lifetime = pace.lifetime;
        // Trust may be had at the next block, too, if it was lacking at this one.
        cached.awaits_block =
            cached.verdict.code == Code::TrustTooLow || awaits_finality(&scene.question());
        let cached = Arc::new(cached);
        // Whoever is told finds it in the cache already, and in the answer pages.
        let holds = !publication.kept || self.keep(scene, now, Arc::clone(&cached));
        if let Some(told) = self.subscribers.get(&scene.key).filter(|_| publication.told) {
            told.send_replace(Some(cached));
        }
        holds
    }

    /// Puts a verdict into the cache, and hands it to those who wait for it.
    fn keep(&mut self, scene: &Scene, now: Timestamp, cached: Arc<Cached>) -> bool {
        let Parts { clock, reader, .. } = &self.parts;
        if scene.installed.is_some() {
            tell_change(self.said.get(&scene.key), &cached.verdict);
            self.said.insert(scene.key.clone(), cached.verdict.code);
            if !reader.put(&scene.key, Arc::clone(&cached)) {
                return false;
            }
        }
        // Anybody may name products that do not exist, and there are places for so many only.
        let concerns = !cached.wallets.is_empty() || self.subscribers.contains_key(&scene.key);
        let kept = scene.installed.is_some() && concerns;
        if kept && (self.due.len() < KEPT_AT_MOST || self.due.contains_key(&scene.key)) {
            let rest =
                Duration::try_from(cached.refresh_at.duration_since(now)).unwrap_or_default();
            self.due.insert(scene.key.clone(), clock.monotonic() + rest);
        } else {
            self.due.remove(&scene.key);
        }
        if let Some(flight) = self.flights.get(&scene.key) {
            flight.done.send_replace(Some(cached));
        }
        true
    }

    /// Where nothing was said yet of what `scene` is about, what the ledger knows before the first look was the last word
    /// of an earlier run. That it says nothing is not one.
    pub(super) fn recall(&self, scene: &Scene) {
        if scene.installed.is_none() || self.said.contains_key(&scene.key) {
            return;
        }
        let code = scene.verdict(&self.parts.clock).code;
        if code != Code::Undetermined {
            self.said.insert(scene.key.clone(), code);
        }
    }
}

/// Logs that the answer is another one. Of what nobody knew the answer to before, only a yes is news.
fn tell_change(before: Option<Code>, verdict: &Verdict) {
    let Verdict { product, customer, code, detail, .. } = verdict;
    if before != Some(*code) && (before.is_some() || verdict.is_valid()) {
        let uid = match customer {
            CustomerId::Uid(uid) => Some(*uid),
            _ => None,
        };
        let before = before.map_or("not known", Code::as_str);
        tracing::info!(event = "entitlement_changed", %product, %customer, uid, before, %code, detail);
    }
}

/// How soon a verdict is looked at again, and how long it is kept.
struct Pace {
    refresh_at: Timestamp,
    lifetime: Duration,
}

impl Pace {
    fn of(verdict: &Verdict, scene: &Scene, settings: &CacheSettings, now: Timestamp) -> Self {
        let refresh = scene
            .installed
            .as_deref()
            .map_or(settings.refresh, |it| it.product.refresh.min(settings.refresh));
        let wait = match verdict.code {
            Code::Valid => jittered(refresh),
            Code::Grace | Code::Undetermined => settings.retry.min(refresh),
            _ => settings.recheck.min(refresh),
        };
        let after = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let refresh_at = verdict.changes_at.map_or(after(wait), |it| it.min(after(wait)));
        let lifetime = match verdict.code {
            Code::Undetermined => settings.retry.min(refresh),
            Code::Valid | Code::Grace => until(verdict.changes_at, now),
            _ => until(verdict.changes_at, now).min(refresh),
        };
        Self { refresh_at, lifetime }
    }
}

fn until(moment: Option<Timestamp>, now: Timestamp) -> Duration {
    const A_DAY: Duration = Duration::from_secs(86_400);
    moment
        .map_or(A_DAY, |it| Duration::try_from(it.duration_since(now)).unwrap_or_default())
        .min(A_DAY)
}

/// Between seven and nine tenths of `whole`, so that what was made together is not remade together and
/// is looked at before it goes stale.
fn jittered(whole: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let share = RandomState::new().hash_one(0_u8) % 2_001;
    let tenths = 7_000 + u32::try_from(share).unwrap_or_default();
    whole.saturating_mul(tenths) / 10_000
}
