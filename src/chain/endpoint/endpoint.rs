//! One endpoint: asked typed questions, identified before it is used, and remembered for how it behaved.
//!
//! Asked by: `pool` and whoever it lends one to. Asks: the network, through `transport`. Never: decides what is true.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_json_rpc::RpcRecv;
use alloy_rpc_client::RpcClient;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::address;
use super::budget::RateLimiter;
use super::chain_identity::Identity;
use super::error::EndpointError;
use super::health::{Health, Rank};
use super::peers::Peers;
use super::transport::{Meter, Wire};
use crate::endpoint::{Address, EndpointSettings};

/// Requests at work at one endpoint.
const AT_ONCE: usize = 16;
/// No longer than this for a place among them.
const PLACE: Duration = Duration::from_secs(4);

pub(in crate::chain) struct Endpoint {
    settings: EndpointSettings,
    shown: String,
    domain: String,
    client: RpcClient,
    meter: Arc<Meter>,
    identity: Arc<Identity>,
    health: Mutex<Health>,
    limiter: Mutex<RateLimiter>,
    places: Semaphore,
    /// Held while probing, so that many who ask at once cost one probe.
    pub(in crate::chain) probing: tokio::sync::Mutex<()>,
}

impl Endpoint {
    /// # Errors
    /// When the TLS machinery cannot be set up.
    pub(in crate::chain) fn new(
        settings: EndpointSettings,
        identity: Arc<Identity>,
    ) -> Result<Self, reqwest::Error> {
        let meter = Arc::new(Meter::default());
        let wire = Wire::new(&settings, Arc::clone(&meter))?;
        let limiter = RateLimiter::new(settings.budget, settings.units.clone());
        Ok(Self {
            shown: settings.address().shown(),
            domain: address::domain(settings.address()),
            settings,
            client: RpcClient::new(wire, true),
            meter,
            health: Mutex::new(Health::new(identity.retry)),
            identity,
            limiter: Mutex::new(limiter),
            places: Semaphore::new(AT_ONCE),
            probing: tokio::sync::Mutex::default(),
        })
    }

    pub(in crate::chain) fn address(&self) -> &Address {
        self.settings.address()
    }

    pub(in crate::chain) fn shown(&self) -> &str {
        &self.shown
    }

    pub(in crate::chain) fn domain(&self) -> &str {
        &self.domain
    }

    /// As configured: the cheaper is asked first.
    pub(in crate::chain) fn cost(&self) -> u32 {
        self.settings.cost
    }

    pub(in crate::chain) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(in crate::chain) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(in crate::chain) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How gladly it is asked now.
    pub(in crate::chain) fn rank(&self, now: Instant, peers: &Peers) -> Rank {
        let has_room = self.limiter().has_room(now);
        self.health().rank(now, peers, has_room)
    }

    /// Asks one question, after a probe where one is due.
    ///
    /// # Errors
    /// [`EndpointError`]; `null` is an answer.
    pub(in crate::chain) async fn ask<T: RpcRecv>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, EndpointError> {
        self.ready().await?;
        self.ask_now(method, params).await
    }

    /// As [`Self::ask`], without a probe before it.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub(in crate::chain) async fn ask_now<T: RpcRecv>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, EndpointError> {
        let (answer, took) = self.send(method, params).await?;
        self.noted(method, answer, took)
    }

    /// Asks something the endpoint need not be able to answer: that it cannot is no fault of it.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub(in crate::chain) async fn try_ask<T: RpcRecv>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, EndpointError> {
        self.ready().await?;
        let (answer, took) = self.send(method, params).await?;
        match answer {
            Err(error) if !error.is_outage() => Err(error),
            answer => self.noted(method, answer, took),
        }
    }

    /// # Errors
    /// When it was not sent at all.
    async fn send<T: RpcRecv>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<(Result<T, EndpointError>, Duration), EndpointError> {
        let _place = self.place([method].into_iter()).await?;
        let begun = Instant::now();
        let answer =
            self.client.request::<Value, T>(method, params).await.map_err(EndpointError::from);
        Ok((answer, begun.elapsed()))
    }

    /// Pays for some questions and waits for a place among those at work.
    async fn place(
        &self,
        methods: impl Iterator<Item = &'static str>,
    ) -> Result<SemaphorePermit<'_>, EndpointError> {
        let (units, paid) = {
            let mut limiter = self.limiter();
            let units = methods.map(|it| limiter.cost(it)).sum();
            (units, limiter.spend(units, Instant::now()))
        };
        let wait = paid.map_err(|_| EndpointError::OverBudget)?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let place = tokio::time::timeout(PLACE, self.places.acquire()).await;
        let place = place.ok().and_then(Result::ok).ok_or(EndpointError::Busy)?;
        self.meter.units.fetch_add(units, Ordering::Relaxed);
        Ok(place)
    }

    fn noted<T>(
        &self,
        method: &str,
        answer: Result<T, EndpointError>,
        took: Duration,
    ) -> Result<T, EndpointError> {
        let (now, mut health) = (Instant::now(), self.health());
        let was_open = health.open_until().is_some();
        match &answer {
            Ok(_) => health.answered(method, took, now),
            Err(error) => health.refused(method, error, now),
        }
        let is_open = health.open_until().is_some();
        drop(health);
        if was_open != is_open {
            let (chain, endpoint) = (self.identity.chain, self.shown());
            match &answer {
                Err(error) => {
                    tracing::warn!(%chain, endpoint, refusal = %error, "an endpoint keeps failing");
                }
                Ok(_) => tracing::info!(%chain, endpoint, "an endpoint answers again"),
            }
        }
        answer
    }

    /// Asks several questions, in batches where the endpoint takes them. All or nothing.
    ///
    /// # Errors
    /// The first error.
    pub(in crate::chain) async fn ask_all<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, EndpointError> {
        self.ready().await?;
        self.ask_all_now(questions).await
    }

    /// As [`Self::ask_all`], without a probe before it.
    ///
    /// # Errors
    /// The first error.
    pub(in crate::chain) async fn ask_all_now<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, EndpointError> {
        let mut answers = Vec::with_capacity(questions.len());
        while answers.len() < questions.len() {
            let rest = &questions[answers.len()..];
            let most = self.health().batch.max(1);
            let part = &rest[..most.min(rest.len())];
            if part.len() > 1 {
                match self.batch(part).await {
                    Ok(more) => {
                        answers.extend(more);
                        continue;
                    }
                    // Perhaps only the batch is refused: ask one by one, and find out.
                    Err(error) if is_about_the_batch(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            for (method, params) in part {
                answers.push(self.ask_now(method, params.clone()).await?);
            }
            if part.len() > 1 {
                tracing::debug!(endpoint = self.shown(), "refuses batches");
                self.health().batch = 1;
            }
        }
        Ok(answers)
    }

    /// # Errors
    /// [`EndpointError`]; one that may concern the batch as such is not held against the endpoint.
    pub(in crate::chain) async fn batch<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, EndpointError> {
        let _place = self.place(questions.iter().map(|(method, _)| *method)).await?;
        let begun = Instant::now();
        match self.send_batch(questions).await {
            Err(error) if is_about_the_batch(&error) => Err(error),
            other => {
                let method = questions.first().map_or("", |(method, _)| method);
                self.noted(method, other, begun.elapsed())
            }
        }
    }

    async fn send_batch<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, EndpointError> {
        let mut batch = self.client.new_batch();
        let mut waiting = Vec::with_capacity(questions.len());
        for (method, params) in questions {
            waiting.push(batch.add_call::<Value, T>(*method, params)?);
        }
        batch.send().await?;
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await?);
        }
        Ok(answers)
    }
}

/// Whether an error may concern the batch as such and not a question in it.
pub(in crate::chain) fn is_about_the_batch(error: &EndpointError) -> bool {
    use crate::chain::endpoint::transport::WireError;
    error.is_no()
        || matches!(
            error,
            EndpointError::Garbled
                | EndpointError::Down { source: WireError::Garbled | WireError::Status { .. } }
        )
}
