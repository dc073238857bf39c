//! The work that makes a verdict: gather what is known, look at the chain if that is not enough, decide.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::watch;

use crate::actors::chain_verifier::{Survey, Surveyed, VerifierError};
use crate::actors::ownership_ledger::{Facts, FindFacts, LooksRecorded};
use crate::actors::tier_cache::messages::{CheckError, Landing, TokenCounts};
use crate::actors::tier_cache::reader::{Cached, Key};
use crate::actors::tier_cache::{Parts, TierCache};
use crate::clock::Clock;
use crate::products::Installed;
use entitled_core::domain::customer::{Custody, Wallet};
use entitled_core::domain::entitlement::{
    ContractWallet, Holder, Question, Verdict, capacities, evaluate, wants_look,
};
use entitled_core::domain::epoch::Epoch;
use entitled_core::domain::ids::{CustomerId, Timestamp, Token};
use entitled_core::domain::ownership::Sighting;

const LEDGER_TIME: Duration = Duration::from_secs(5);
/// Longer than the verifier's own bound, so that it is the one that answers.
const SURVEY_TIME: Duration = Duration::from_secs(70);

/// One key being worked out.
pub(in crate::actors::tier_cache) struct Flight {
    pub(in crate::actors::tier_cache) done: watch::Sender<Landing>,
    /// Something happened on the chain meanwhile: when it lands it flies again, and looks.
    pub(in crate::actors::tier_cache) again: bool,
    /// A block came meanwhile: if one is awaited once it lands, this was it.
    pub(in crate::actors::tier_cache) block_came: bool,
}

/// Everything one evaluation rests on.
pub(in crate::actors::tier_cache) struct Scene {
    pub(in crate::actors::tier_cache) key: Key,
    /// From before anything of it was read: what has changed since may or may not be in it.
    pub(in crate::actors::tier_cache) epoch: Epoch,
    /// The monotonic time of that.
    pub(in crate::actors::tier_cache) gathered: Duration,
    pub(in crate::actors::tier_cache) installed: Option<Arc<Installed>>,
    holders: Vec<Holder>,
    pub(super) facts: Arc<Facts>,
    pub(super) sightings: Vec<Sighting>,
    suspended: BTreeSet<Token>,
    /// How late it was, for what was lent, when it was gathered.
    pub(super) loans_now: Timestamp,
}

/// What a flight brings home.
struct Landed {
    scene: Scene,
    looked: bool,
    /// A look was asked for, and there was none.
    owed: bool,
}

impl Scene {
    pub(in crate::actors::tier_cache) fn question(&self) -> Question<'_> {
        Question {
            product: &self.key.product,
            definition: self.installed.as_deref().map(|it| &it.product),
            publisher: self.installed.as_deref().and_then(|it| it.publisher.as_ref()),
            customer: self.key.customer,
            holders: &self.holders,
            sightings: &self.sightings,
            suspended: &self.suspended,
        }
    }

    /// The time on the product's chains: never before what was already proven of them.
    pub(in crate::actors::tier_cache) fn now(&self, clock: &Clock) -> Timestamp {
        let chains = self.installed.as_deref().map(|it| it.product.chains()).unwrap_or_default();
        clock.now_on(chains)
    }

    pub(in crate::actors::tier_cache) fn verdict(&self, clock: &Clock) -> Verdict {
        self.verdict_at(self.now(clock))
    }

    pub(in crate::actors::tier_cache) fn verdict_at(&self, now: Timestamp) -> Verdict {
        self.or_by_loan(evaluate(&self.question(), now), now)
    }

    /// The verdict as if there were no wallets but those whose keys are here, and no loans.
    pub(in crate::actors::tier_cache) fn verdict_by_own_keys(&self, clock: &Clock) -> Verdict {
        let is_here = |wallet: &Address| {
            let mut wallets = self.facts.wallets.iter();
            wallets.any(|it| it.address == *wallet && it.custody == Custody::Managed)
        };
        let holders: Vec<Holder> = self
            .holders
            .iter()
            .map(|it| {
                let wallets = it.wallets.iter().copied().filter(&is_here).collect();
                Holder { wallets, ..it.clone() }
            })
            .collect();
        evaluate(&Question { holders: &holders, ..self.question() }, self.now(clock))
    }

    /// What the customer itself holds by each grant.
    pub(in crate::actors::tier_cache) fn token_counts(&self, clock: &Clock) -> TokenCounts {
        let now = self.now(clock);
        let (question, customer) = (self.question(), self.key.customer);
        let own = capacities(&question, now).into_iter().filter(|it| it.holder == customer);
        let (tokens, counted) = own.map(|it| (it.tokens, it.counted)).unzip();
        TokenCounts {
            installed: self.installed.clone(),
            tokens,
            counted,
            loans: self.loan_counts(now),
            is_deactivated: question.is_deactivated(),
            now,
            gathered: self.gathered,
        }
    }

    /// Whether nothing it rests on has changed since it was gathered.
    pub(in crate::actors::tier_cache) fn is_current(&self, parts: &Parts) -> bool {
        parts.reader.holds(self.epoch, self.key.customer)
    }

    pub(in crate::actors::tier_cache) fn wallets(&self) -> BTreeSet<Address> {
        self.holders.iter().flat_map(|it| it.wallets.iter().copied()).collect()
    }
}

/// What the ledger knows about `key`.
pub(in crate::actors::tier_cache) async fn gather(
    parts: &Parts,
    key: &Key,
) -> Result<Scene, CheckError> {
    let (epoch, gathered) = (parts.reader.epoch(), parts.clock.monotonic());
    let installed = parts.reader.products().products.get(&key.product).cloned();
    let mut customers = vec![key.customer, CustomerId::Machine];
    customers.dedup();
    let collections = installed
        .as_deref()
        .map(|it| it.product.collections().into_iter().collect())
        .unwrap_or_default();
    let ask = FindFacts { customers, collections };
    let mut facts = match parts.ledger.send(ask).timeout(LEDGER_TIME).await {
        Ok(reply) => reply.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy),
    };
    facts.sightings.iter_mut().for_each(|it| parts.earlier.date(it));
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
        loans_now: parts.clock.loans_now(),
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
    pub(in crate::actors::tier_cache) fn fly(
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
        self.flights.insert(key.clone(), Flight { done, again: false, block_came: false });
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
            if let Ok(scene) = &gathered {
                actor.recall(scene);
            }
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
        let mut again = std::mem::take(&mut flight.again);
        let block_came = std::mem::take(&mut flight.block_came);
        match landed {
            Ok(Landed { scene, looked, owed }) => {
                let outdated = !self.publish(&scene, true);
                let awaits_block = |it: Arc<Cached>| it.awaits_block;
                again |= block_came && self.parts.reader.peek(&key).is_some_and(awaits_block);
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
    pub(in crate::actors::tier_cache) fn restate(&mut self, key: Key, context: &mut Context<Self>) {
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
}

#[cfg(test)]
mod tests;
