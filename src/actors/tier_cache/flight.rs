//! The work that makes a verdict: gather what is known, look at the chain if that is not enough, decide.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::watch;

use super::messages::CheckError;
use super::{Cached, Epoch, Key, Landing, Parts, TierCache};
use crate::actors::chain_verifier::{Survey, Surveyed, VerifierError};
use crate::actors::ownership_ledger::{Facts, FindFacts, LooksRecorded};
use crate::clock::Clock;
use crate::products::Installed;
use entitled_core::domain::customer::Wallet;
use entitled_core::domain::entitlement::{
    Code, ContractWallet, Holder, Question, Verdict, evaluate, wants_look,
};
use entitled_core::domain::ids::{CustomerId, Timestamp, Token};
use entitled_core::domain::ownership::Sighting;
use entitled_core::domain::publication::Publication;

const LEDGER_TIME: Duration = Duration::from_secs(5);
/// Longer than the verifier's own bound, so that it is the one that answers.
const SURVEY_TIME: Duration = Duration::from_secs(70);

/// One key being worked out.
pub(super) struct Flight {
    pub(super) done: watch::Sender<Landing>,
    /// Something happened on the chain meanwhile: when it lands it flies again, and looks.
    pub(super) again: bool,
}

/// Everything one evaluation rests on.
pub(super) struct Scene {
    key: Key,
    /// From before anything of it was read: what has changed since may or may not be in it.
    epoch: Epoch,
    /// The monotonic time of that.
    gathered: Duration,
    installed: Option<Arc<Installed>>,
    holders: Vec<Holder>,
    facts: Arc<Facts>,
    sightings: Vec<Sighting>,
    suspended: BTreeSet<Token>,
}

/// What a flight brings home.
struct Landed {
    scene: Scene,
    looked: bool,
    /// A look was asked for, and there was none.
    owed: bool,
}

impl Scene {
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            product: &self.key.product,
            definition: self.installed.as_deref().map(|it| &it.product),
            customer: self.key.customer,
            holders: &self.holders,
            sightings: &self.sightings,
            suspended: &self.suspended,
        }
    }

    /// The time on the product's chains: never before what was already proven of them.
    pub(super) fn now(&self, clock: &Clock) -> Timestamp {
        let chains = self.installed.as_deref().map(|it| it.product.chains()).unwrap_or_default();
        clock.now_on(chains)
    }

    pub(super) fn verdict(&self, clock: &Clock) -> Verdict {
        evaluate(&self.question(), self.now(clock))
    }

    /// Whether nothing it rests on has changed since it was gathered.
    fn is_current(&self, parts: &Parts) -> bool {
        parts.reader.holds(self.epoch, self.key.customer)
    }

    fn wallets(&self) -> BTreeSet<Address> {
        self.holders.iter().flat_map(|it| it.wallets.iter().copied()).collect()
    }
}

/// What the ledger knows about `key`.
pub(super) async fn gather(parts: &Parts, key: &Key) -> Result<Scene, CheckError> {
    let (epoch, gathered) = (parts.reader.epoch(), parts.clock.monotonic());
    let installed = parts.reader.products().products.get(&key.product).cloned();
    let mut customers = vec![key.customer, CustomerId::Machine];
    customers.dedup();
    let collections = installed
        .as_deref()
        .map(|it| it.product.collections().into_iter().collect())
        .unwrap_or_default();
    let ask = FindFacts { customers, collections };
    let facts = match parts.ledger.send(ask).timeout(LEDGER_TIME).await {
        Ok(reply) => reply.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy),
    };
    let mut wallets: HashMap<CustomerId, Vec<&Wallet>> = HashMap::new();
    for wallet in &facts.wallets {
        wallets.entry(wallet.customer).or_default().push(wallet);
    }
    let holders = facts.customers.iter().map(|it| {
        let own = wallets.remove(&it.id).unwrap_or_default();
        Holder {
            customer: it.id,
            active: it.active,
            wallets: own.iter().map(|it| it.address).collect(),
            contracts: own.iter().filter_map(|it| contract(it)).collect(),
        }
    });
    Ok(Scene {
        key: key.clone(),
        epoch,
        gathered,
        installed,
        holders: holders.collect(),
        sightings: facts.sightings.clone(),
        suspended: facts.suspended.iter().copied().collect(),
        facts: Arc::new(facts),
    })
}

/// A wallet that is a contract.
fn contract(wallet: &Wallet) -> Option<(Address, ContractWallet)> {
    let accepted = wallet.accepted.clone();
    Some((wallet.address, ContractWallet { chain: wallet.chain?, accepted }))
}

/// Looks at the chain, and adds what was seen to the scene.
///
/// # Errors
/// When it is not known what others have seen meanwhile: then the scene is no answer any more.
async fn look(parts: &Parts, scene: &mut Scene) -> Result<(), CheckError> {
    let (Some(installed), Some(verifier)) = (&scene.installed, parts.verifier.get()) else {
        return Ok(());
    };
    let survey = Survey {
        product: Arc::new(installed.product.clone()),
        wallets: scene.wallets().into_iter().collect(),
        facts: Arc::clone(&scene.facts),
    };
    let begun = parts.clock.monotonic();
    let surveyed = verifier.send(survey).timeout(SURVEY_TIME).await;
    let took = parts.clock.monotonic().saturating_sub(begun);
    parts.reader.tally().looks.observe(took.as_secs_f64());
    let product = &scene.key.product;
    let seen = match surveyed {
        Ok(Ok(surveyed)) => surveyed,
        Ok(Err(error @ VerifierError::Unknown { .. })) => {
            tracing::info!(%product, %error, "nothing was found out");
            Surveyed::default()
        }
        Ok(Err(error)) => {
            tracing::warn!(%product, %error, "the look failed");
            Surveyed::default()
        }
        Err(error) => {
            tracing::warn!(%product, %error, "the look failed");
            Surveyed::default()
        }
    };
    scene.gathered = parts.clock.monotonic();
    learn_of_others(parts, scene, seen.recorded).await?;
    scene.sightings.extend(seen.sightings);
    Ok(())
}

/// Takes up what other looks have recorded meanwhile, besides the `own` ones. An older block must not speak last
/// because its look took longer.
async fn learn_of_others(parts: &Parts, scene: &mut Scene, own: u64) -> Result<(), CheckError> {
    let recorded = parts.ledger.send(LooksRecorded).timeout(LEDGER_TIME).await;
    if !recorded.is_ok_and(|it| it == scene.facts.looks + own) {
        let fresh = gather(parts, &scene.key).await?;
        (scene.sightings, scene.facts) = (fresh.sightings, fresh.facts);
    }
    Ok(())
}

impl TierCache {
    /// Joins the flight for `key`, or begins one. `must_look`: what is known is not enough, however young.
    pub(super) fn fly(
        &mut self,
        key: Key,
        must_look: bool,
        context: &mut Context<Self>,
    ) -> watch::Receiver<Landing> {
        let must_look = self.missed.remove(&key) || must_look;
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.again |= must_look;
            return flight.done.subscribe();
        }
        let (done, receiver) = watch::channel(None);
        self.flights.insert(key.clone(), Flight { done, again: false });
        self.take_off(key, must_look, context);
        receiver
    }

    fn take_off(&mut self, key: Key, must_look: bool, context: &mut Context<Self>) {
        let parts = self.parts.clone();
        let gathering = {
            let (parts, key) = (parts.clone(), key.clone());
            async move { gather(&parts, &key).await }
        };
        let flight = gathering.into_actor(self).then(move |gathered, actor, context| {
            let wants = |scene: &Scene| {
                let now = scene.now(&parts.clock);
                let has_wallet = !scene.wallets().is_empty();
                has_wallet && (must_look || wants_look(&scene.question(), now))
            };
            // What is outdated already is gathered again, not looked at.
            let looks = gathered.as_ref().is_ok_and(|it| it.is_current(&parts) && wants(it));
            // What holds is answered at once; the look goes on behind it.
            if let (Ok(scene), true) = (&gathered, looks) {
                actor.publish(scene, false);
                actor.set_alarm(context);
            }
            let rest = async move {
                let mut scene = gathered?;
                if looks {
                    look(&parts, &mut scene).await?;
                }
                Ok(Landed { scene, looked: looks, owed: must_look && !looks })
            };
            rest.into_actor(actor)
        });
        context.spawn(flight.map(move |landed, actor, context| actor.land(key, landed, context)));
    }

    fn land(&mut self, key: Key, landed: Result<Landed, CheckError>, context: &mut Context<Self>) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        let again = std::mem::take(&mut flight.again);
        match landed {
            Ok(Landed { scene, looked, owed }) => {
                let outdated = !self.publish(&scene, true);
                if outdated || again {
                    tracing::debug!(product = %key.product, looked, "once more");
                    return self.take_off(key, again || (outdated && owed), context);
                }
            }
            Err(error) => {
                tracing::error!(product = %key.product, %error, "no verdict could be made");
                let retry = self.parts.clock.monotonic() + self.parts.settings.retry;
                if self.due.contains_key(&key) || self.subscribers.contains_key(&key) {
                    self.due.insert(key.clone(), retry);
                    self.missed.insert(key.clone());
                }
            }
        }
        // Who still waits and got nothing sees the channel close, and asks what is known.
        self.flights.remove(&key);
        self.set_alarm(context);
    }

    /// Says what the ledger alone says, for those who wait or were told something that holds no more, while a look may
    /// be under way.
    pub(super) fn restate(&mut self, key: Key, context: &mut Context<Self>) {
        let parts = self.parts.clone();
        let gathering = async move { gather(&parts, &key).await };
        context.spawn(gathering.into_actor(self).map(|gathered, actor, context| match gathered {
            Ok(scene) => {
                actor.publish(&scene, false);
                actor.set_alarm(context);
            }
            Err(error) => tracing::error!(%error, "what has changed could not be told yet"),
        }));
    }

    /// Says what `scene` comes to: to whom it concerns, and into the cache. `false` when it is outdated. Before a
    /// look a yes is said to all; a no that a look could still turn into a yes, only to those who were told something
    /// that holds no more.
    fn publish(&mut self, scene: &Scene, looked: bool) -> bool {
        if !scene.is_current(&self.parts) {
            return false;
        }
        let Parts { clock, settings, reader, .. } = &self.parts;
        if !looked && reader.peek(&scene.key).is_some_and(|it| it.gathered > scene.gathered) {
            // A flight has landed meanwhile, and knew more.
            return true;
        }
        let now = scene.now(clock);
        let verdict = evaluate(&scene.question(), now);
        let told = self.subscribers.get(&scene.key);
        let told_holds = told.and_then(|it| {
            it.borrow().as_ref().map(|it| reader.still_holds(&scene.key, it, clock))
        });
        let publication = Publication::of(&verdict, (&scene.question(), now), looked, told_holds);
        let pace = Pace::of(&verdict, scene, settings, now);
        let mut cached = Cached::new(verdict, reader.render());
        cached.wallets = scene.wallets();
        (cached.evaluated_at, cached.evaluated) = (now, clock.monotonic());
        (cached.epoch, cached.gathered) = (scene.epoch, scene.gathered);
        cached.refresh_at = pace.refresh_at;
        cached.lifetime = pace.lifetime;
        let cached = Arc::new(cached);
        if let Some(told) = told.filter(|_| publication.told) {
            told.send_replace(Some(Arc::clone(&cached)));
        }
        if publication.kept { self.keep(scene, now, cached) } else { true }
    }

    /// Puts a verdict into the cache, and hands it to those who wait for it.
    fn keep(&mut self, scene: &Scene, now: Timestamp, cached: Arc<Cached>) -> bool {
        let Parts { clock, reader, .. } = &self.parts;
        if scene.installed.is_some() {
            tell_change(reader.peek(&scene.key).as_deref(), &cached.verdict);
            if !reader.put(&scene.key, Arc::clone(&cached)) {
                return false;
            }
        }
        // Anybody may name products that do not exist, and there are places for so many only.
        let concerns = !cached.wallets.is_empty() || self.subscribers.contains_key(&scene.key);
        let kept = scene.installed.is_some() && concerns;
        if kept && (self.due.len() < super::KEPT_AT_MOST || self.due.contains_key(&scene.key)) {
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
}

/// Logs that the answer is another one. Of what nobody knew the answer to before, only a yes is news.
fn tell_change(before: Option<&Cached>, verdict: &Verdict) {
    let Verdict { product, customer, code, detail, .. } = verdict;
    let before = before.map(|it| it.verdict.code);
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
    fn of(
        verdict: &Verdict,
        scene: &Scene,
        settings: &super::CacheSettings,
        now: Timestamp,
    ) -> Self {
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

#[cfg(test)]
mod tests;
