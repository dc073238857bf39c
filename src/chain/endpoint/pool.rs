//! The endpoints of a chain, and whom to ask next.
//!
//! Owns: the endpoints. Asked by: everything in `chain` that needs an answer. Never: believes one; what
//! is asked through here is proven or counted by those who ask.
//!
//! One honest endpoint is enough where answers are proven, so one is asked; another beside it only when the
//! first is silent for longer than is usual for it. The first usable answer wins.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::chain_identity::Identity;
use super::error::{EndpointError, more_telling};
use super::health::Rank;
use super::peers::Peers;
use super::{BlockName, Endpoint};
use crate::chain::head_order::{HeadOrder, KnownBlock, Pace};
use crate::chain::now::Now;
use crate::endpoint::EndpointSettings;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::{Cause, Finality};
use entitled_core::proof::state::locked;

mod genesis;

/// Endpoints asked at once for one answer.
const AT_ONCE: usize = 3;
/// Abilities are looked at again after this long.
const EXAMINED_FOR: Duration = Duration::from_secs(600);
/// And those of an endpoint that is late, catching up or without proofs sooner.
const DOUBTED_FOR: Duration = Duration::from_secs(60);
/// The head of an endpoint that is not followed is looked at again after so many polls, to see whether any is late.
const HEADS: u32 = 5;
/// So many polls, and the time of so many blocks, all endpoints have to say that the chain is another.
const PATIENCE: u32 = 50;
const PATIENCE_BLOCKS: u32 = 5;
/// No longer than this for one examination.
const EXAMINATION: Duration = Duration::from_secs(30);

pub(in crate::chain) struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
    identity: Arc<Identity>,
    /// The time between blocks before it was seen.
    poll: Duration,
    now: Now,
    /// Of so many domains the endpoints have to agree, where one's word is not enough.
    quorum: Option<usize>,
}

impl Pool {
    /// `poll`: how often the head is asked for. `quorum`: of how many domains the endpoints have to agree, where one's
    /// word is not enough.
    ///
    /// # Errors
    /// When the TLS machinery cannot be set up.
    pub(in crate::chain) fn new(
        identity: Identity,
        all: Vec<EndpointSettings>,
        (poll, now): (Duration, Now),
        quorum: Option<usize>,
    ) -> Result<Self, reqwest::Error> {
        let identity = Arc::new(identity);
        let endpoints = all
            .into_iter()
            .map(|it| Endpoint::new(it, Arc::clone(&identity)).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { endpoints, identity, poll, now, quorum })
    }

    pub(in crate::chain) fn all(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Of how many domains the endpoints have to agree, where one's word is not enough.
    pub(in crate::chain) fn quorum(&self) -> Option<usize> {
        self.quorum
    }

    /// What each endpoint is judged against.
    pub(in crate::chain) fn peers(&self) -> Peers {
        Peers {
            heads: self.endpoints.iter().filter_map(|it| it.health().head).collect(),
            block_time: self.block_time().unwrap_or(self.poll),
        }
    }

    /// The time between two blocks, as most endpoints showed it; of two the longer, so that one alone cannot make
    /// it nothing.
    pub(in crate::chain) fn block_time(&self) -> Option<Duration> {
        let mut seen: Vec<Duration> =
            self.endpoints.iter().filter_map(|it| it.health().block_time).collect();
        seen.sort_unstable();
        seen.get(seen.len() / 2).copied()
    }

    pub(in crate::chain) fn chain(&self) -> ChainId {
        self.identity.chain
    }

    pub(in crate::chain) fn head_order(&self) -> MutexGuard<'_, HeadOrder> {
        locked(&self.identity.head_order)
    }

    pub(in crate::chain) fn pace(&self) -> Pace {
        let now = u64::try_from(self.now.read().as_second()).unwrap_or_default();
        Pace { now, block_time: self.block_time().unwrap_or(self.poll) }
    }

    /// The newest block of a finality, if it was named so lately that there need be no newer one.
    pub(in crate::chain) fn still_newest(&self, finality: Finality) -> Option<KnownBlock> {
        let lately = self.poll.max(self.pace().block_time.saturating_mul(2));
        let head_order = self.head_order();
        head_order.newest(finality).filter(|it| it.at.elapsed() <= lately).cloned()
    }

    /// How long all endpoints have to say that the chain is another before it is.
    fn patience(&self) -> Duration {
        let blocks = self.pace().block_time.saturating_mul(PATIENCE_BLOCKS);
        self.poll.saturating_mul(PATIENCE).max(blocks)
    }

    /// Whether every endpoint has named heads before this number only, and for long; and is, looked at again, on
    /// the right chain.
    pub(in crate::chain) fn has_lost(&self, number: u64) -> bool {
        let since = self.head_order().missing_since(Instant::now());
        let (waited, patience) = (since.elapsed(), self.patience());
        let is_below = |it: &Arc<Endpoint>| {
            let mut health = it.health();
            if waited >= patience / 2 && health.probed.is_some_and(|at| at < since) {
                health.probed = None;
            }
            let head = health.head.filter(|it| it.at >= since && it.number < number);
            // Who never said anything need not say this.
            health.last_success.is_none() || (health.probed.is_some() && head.is_some())
        };
        // Each of them, also where one is enough to say no.
        let below = self.endpoints.iter().filter(|it| is_below(it)).count();
        waited >= patience && below == self.endpoints.len()
    }

    /// All endpoints with their ranks, the most promising first; of those the ones that can prove what is
    /// finalized, then the cheaper, then the faster, then as configured.
    pub(in crate::chain) fn ordered(&self) -> Vec<(Rank, Arc<Endpoint>)> {
        let (now, peers) = (Instant::now(), self.peers());
        let mut endpoints: Vec<_> =
            self.endpoints.iter().map(|it| (it.rank(now, &peers), Arc::clone(it))).collect();
        endpoints.sort_by_cached_key(|(rank, it)| {
            let health = it.health();
            (*rank, health.lacks_finalized_proofs(), it.cost(), health.latency.class())
        });
        endpoints
    }

    /// Those whose word counts in a quorum: all but those whose breaker is open, as long as the others are of
    /// enough domains without them.
    pub(in crate::chain) fn voices(&self, quorum: usize) -> Vec<Arc<Endpoint>> {
        let ordered = self.ordered();
        let up = ordered.iter().filter(|(rank, _)| *rank < Rank::Open);
        let domains: std::collections::BTreeSet<&str> = up.map(|(_, it)| it.domain()).collect();
        let enough = domains.len() >= quorum;
        let counts = |rank: &Rank| !enough || *rank != Rank::Open;
        ordered.iter().filter(|(rank, _)| counts(rank)).map(|(_, it)| Arc::clone(it)).collect()
    }

    /// Asks until one endpoint gives a usable answer or the time is over.
    ///
    /// # Errors
    /// The most telling of their causes.
    pub(in crate::chain) async fn first<'a, T, F>(
        &'a self,
        deadline: Instant,
        ask: F,
    ) -> Result<T, Cause>
    where
        T: 'a,
        F: Fn(Arc<Endpoint>) -> BoxFuture<'a, Result<T, EndpointError>>,
    {
        self.first_but(&[], deadline, ask).await
    }

    /// As [`Self::first`], without asking some of them.
    ///
    /// # Errors
    /// The most telling of their causes.
    pub(in crate::chain) async fn first_but<'a, T, F>(
        &'a self,
        some: &[Arc<Endpoint>],
        deadline: Instant,
        ask: F,
    ) -> Result<T, Cause>
    where
        T: 'a,
        F: Fn(Arc<Endpoint>) -> BoxFuture<'a, Result<T, EndpointError>>,
    {
        let excluded = |it: &Arc<Endpoint>| some.iter().any(|other| Arc::ptr_eq(it, other));
        let mut waiting: VecDeque<_> = self.ordered().into();
        waiting.retain(|(_, it)| !excluded(it));
        let mut race = Race { ask, waiting, asked: Vec::new(), answers: FuturesUnordered::new() };
        let mut cause = Cause::Unreachable;
        let mut answered = false;
        loop {
            if race.answers.is_empty() && !race.ask_next(answered) {
                return Err(cause);
            }
            let until = race.patient_until().min(deadline);
            let (endpoint, answer) = tokio::select! {
                Some(next) = race.answers.next() => next,
                () = tokio::time::sleep_until(until) => {
                    let now = Instant::now();
                    if now >= deadline {
                        return Err(more_telling(cause, EndpointError::Late.cause()));
                    }
                    // It may have answered something in the meantime.
                    if race.patient_until() <= now {
                        race.ask_beside();
                    }
                    continue;
                }
            };
            match answer {
                Ok(answer) => {
                    race.outpaced(&endpoint);
                    return Ok(answer);
                }
                Err(error) => {
                    tracing::debug!(endpoint = endpoint.shown(), refusal = %error, "trying the next one");
                    answered |= error.is_answer();
                    // Found out above the endpoint, which therefore does not know.
                    if matches!(
                        error,
                        EndpointError::Behind { .. } | EndpointError::Disagreement { .. }
                    ) {
                        endpoint.health().refused("a block", &error, Instant::now());
                    }
                    race.asked.retain(|(it, _)| !Arc::ptr_eq(it, &endpoint));
                    cause = more_telling(cause, error.cause());
                }
            }
        }
    }

    /// Looks at what each endpoint can do, now and then again, and tries those that failed. Never ends.
    pub(in crate::chain) async fn examine(&self) {
        let often = self.poll.clamp(Duration::from_millis(500), Duration::from_secs(15));
        loop {
            tokio::time::sleep(often).await;
            let examined = self.endpoints.iter().map(|it| async {
                let looked = async {
                    if self.is_due(it) {
                        it.examine().await
                    } else if self.has_old_head(it) {
                        it.header(BlockName::Tag("latest")).await.map(|_| ())
                    } else {
                        Ok(())
                    }
                };
                match tokio::time::timeout(EXAMINATION, looked).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(endpoint = it.shown(), refusal = %error, "was not examined");
                    }
                    Err(_) => tracing::debug!(endpoint = it.shown(), "examined for too long"),
                }
            });
            futures_util::future::join_all(examined).await;
            self.notice_mistaken_genesis();
            self.notice_new_genesis();
        }
    }

    /// Whether it may be late without anybody knowing. One alone cannot be.
    fn has_old_head(&self, endpoint: &Endpoint) -> bool {
        let (now, often) = (Instant::now(), self.poll.saturating_mul(HEADS));
        let health = endpoint.health();
        self.endpoints.len() > 1
            && health.open_until().is_none()
            && health.rests_until(now).is_none()
            && health.head.is_none_or(|it| now.saturating_duration_since(it.at) >= often)
    }

    fn is_due(&self, endpoint: &Endpoint) -> bool {
        let (now, peers) = (Instant::now(), self.peers());
        let health = endpoint.health();
        if health.rests_until(now).is_some() {
            return false;
        }
        let doubted = !matches!(health.word(now, &peers), "ok" | "untried");
        let good_for = if doubted { DOUBTED_FOR } else { EXAMINED_FOR };
        // One that came out of its rest is tried, whenever it was examined.
        health.open_until().is_some()
            || health.examined.is_none_or(|at| now.saturating_duration_since(at) >= good_for)
    }
}

type Answer<'a, T> = BoxFuture<'a, (Arc<Endpoint>, Result<T, EndpointError>)>;

/// Several endpoints asked for the same.
struct Race<'a, T, F> {
    ask: F,
    waiting: VecDeque<(Rank, Arc<Endpoint>)>,
    /// Who was asked and gave no answer yet, and when.
    asked: Vec<(Arc<Endpoint>, Instant)>,
    answers: FuturesUnordered<Answer<'a, T>>,
}

impl<'a, T, F> Race<'a, T, F>
where
    F: Fn(Arc<Endpoint>) -> BoxFuture<'a, Result<T, EndpointError>>,
    T: 'a,
{
    /// `answered`: somebody said no, so that trying those who keep failing would only cost time.
    fn ask_next(&mut self, answered: bool) -> bool {
        while let Some((rank, endpoint)) = self.waiting.pop_front() {
            let pointless = rank == Rank::Open
                && answered
                && endpoint.health().rests_until(Instant::now()).is_some();
            if !pointless {
                self.ask(endpoint);
                return true;
            }
        }
        false
    }

    /// Asks one more, beside those that are silent. One that is limited or keeps failing is not asked beside.
    fn ask_beside(&mut self) {
        if self.may_ask_beside()
            && let Some((_, endpoint)) = self.waiting.pop_front()
        {
            for (silent, _) in &self.asked {
                tracing::debug!(endpoint = silent.shown(), beside = endpoint.shown(), "is silent");
            }
            endpoint.meter().beside.fetch_add(1, Ordering::Relaxed);
            self.ask(endpoint);
        }
    }

    fn ask(&mut self, endpoint: Arc<Endpoint>) {
        self.asked.push((Arc::clone(&endpoint), Instant::now()));
        let answer = (self.ask)(Arc::clone(&endpoint));
        self.answers.push(answer.map(|answer| (endpoint, answer)).boxed());
    }

    /// When the silence of the one asked last becomes unusual. Any answer of it counts, because many questions
    /// may belong to one answer here.
    fn patient_until(&self) -> Instant {
        let far = Duration::from_secs(3_600);
        let Some((endpoint, begun)) = self.asked.last().filter(|_| self.may_ask_beside()) else {
            return Instant::now() + far;
        };
        let health = endpoint.health();
        let heard = health.last_success.map_or(*begun, |it| it.max(*begun));
        heard + health.latency.patience()
    }

    fn may_ask_beside(&self) -> bool {
        self.answers.len() < AT_ONCE
            && self.waiting.front().is_some_and(|(rank, _)| *rank <= Rank::Poor)
    }

    /// Remembers the silence of those that were asked before the winner and did not answer.
    fn outpaced(&self, winner: &Arc<Endpoint>) {
        let now = Instant::now();
        for (endpoint, begun) in &self.asked {
            if Arc::ptr_eq(endpoint, winner) {
                return;
            }
            let mut health = endpoint.health();
            let heard = health.last_success.map_or(*begun, |it| it.max(*begun));
            health.outpaced(now.saturating_duration_since(heard), now);
        }
    }
}

#[cfg(test)]
mod tests;
