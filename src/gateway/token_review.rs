//! Tokens that a Kubernetes API server vouches for: a `TokenReview` of `authentication.k8s.io/v1`.
//!
//! Owns: what was answered, for some seconds. Never: takes for a yes, or for a no, what is not clearly an answer about the very
//! token that was asked about.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;

use super::credentials::{Unknown, body, client};
use super::seldom::Seldom;
use super::settings;
use crate::regular_file;

/// How long an answer counts. A token that was taken back ends no later; the API server itself keeps its answers as long.
const FRESH: Duration = Duration::from_secs(10);
/// Tokens whose answers are kept.
const MOST: u64 = 4_096;
const LONGEST: usize = 64 * 1024;
/// How long a question waits for another one about the same token.
const TURN: Duration = Duration::from_secs(6);

type Digest = [u8; 32];

pub(super) struct TokenReview {
    settings: settings::TokenReview,
    http: reqwest::Client,
    /// The user of each token, by the token's hash; `None` for one that was refused.
    reviewed: Cache<Digest, Option<String>>,
    /// Held while a token is asked about: many questions about it at once are one.
    turns: Cache<Digest, Arc<AsyncMutex<()>>>,
    limits: Limits,
    told: Seldom,
}

/// How often the API server is asked. Whoever has no token may still show what looks like one, and the API server is
/// everybody's.
struct Limits {
    /// Tokens that were vouched for not long ago. They are asked about again whatever others show.
    known: Cache<Digest, ()>,
    of_known: DefaultDirectRateLimiter,
    of_strangers: DefaultDirectRateLimiter,
    /// A quarter of that is an address's: nobody alone uses up what there is for all.
    of_address: DefaultKeyedRateLimiter<IpAddr>,
}

/// How long a token that was vouched for is known for one.
const KNOWN: Duration = Duration::from_secs(600);
/// Addresses that are remembered; beyond, those are forgotten that have asked nothing for a while.
const ADDRESSES: usize = 4_096;

const fn a_second(rate: u32) -> NonZeroU32 {
    match NonZeroU32::new(rate) {
        Some(rate) => rate,
        None => NonZeroU32::MIN,
    }
}

impl Limits {
    fn new() -> Self {
        let quota = |rate: u32| Quota::per_second(a_second(rate)).allow_burst(a_second(rate * 5));
        Self {
            known: Cache::builder().max_capacity(MOST).time_to_live(KNOWN).build(),
            of_known: RateLimiter::direct(quota(100)),
            of_strangers: RateLimiter::direct(quota(20)),
            of_address: RateLimiter::keyed(quota(5)),
        }
    }

    fn may_ask(&self, token: &Digest, from: IpAddr) -> bool {
        if self.known.contains_key(token) {
            return self.of_known.check().is_ok();
        }
        if self.of_address.len() > ADDRESSES {
            self.of_address.retain_recent();
        }
        // The address first: what it has used up it takes from nobody else.
        self.of_address.check_key(&from).is_ok() && self.of_strangers.check().is_ok()
    }
}

/// The answer, as far as it is looked at. What is not of this form, or says a thing twice, is none.
#[derive(Deserialize)]
struct Reply {
    kind: String,
    #[serde(default)]
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
struct Spec {
    token: Option<String>,
}

/// What is empty or false may be left out.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    user: Option<User>,
    audiences: Option<Vec<String>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

impl TokenReview {
    pub(super) fn new(settings: settings::TokenReview) -> anyhow::Result<Self> {
        let http = client(settings.ca.as_deref())?;
        let reviewed = Cache::builder().max_capacity(MOST).time_to_live(FRESH).build();
        let turns = Cache::builder().max_capacity(MOST).time_to_idle(TURN * 2).build();
        let (limits, told) = (Limits::new(), Seldom::new());
        Ok(Self { settings, http, reviewed, turns, limits, told })
    }

    /// The user whose token it is: `system:serviceaccount:NAMESPACE:NAME` for a pod. `from`: who shows it.
    ///
    /// # Errors
    /// When it is nobody's, or when that could not be found out.
    pub(super) async fn subject(&self, token: &str, from: IpAddr) -> Result<String, Unknown> {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let digest: Digest = digest.as_ref().try_into().map_err(|_| Unknown::NotNow)?;
        if let Some(user) = self.reviewed.get(&digest) {
            return user.ok_or(Unknown::Nobody);
        }
        let turn = self.turns.get_with(digest, Arc::default);
        let turn = tokio::time::timeout(TURN, turn.lock()).await;
        let _turn = turn.map_err(|_| Unknown::NotNow)?;
        // Somebody else may have asked meanwhile.
        if let Some(user) = self.reviewed.get(&digest) {
            return user.ok_or(Unknown::Nobody);
        }
        if !self.limits.may_ask(&digest, from) {
            return Err(Unknown::NotNow);
        }
        let user = self.review(token).await.map_err(|error| {
            if self.told.is_due() {
                tracing::warn!(event = "token_review_failed", %error, "the API server gave no answer");
            }
            Unknown::NotNow
        })?;
        self.reviewed.insert(digest, user.clone());
        match &user {
            Some(_) => self.limits.known.insert(digest, ()),
            None => self.limits.known.invalidate(&digest),
        }
        user.ok_or(Unknown::Nobody)
    }

    async fn review(&self, token: &str) -> anyhow::Result<Option<String>> {
        let audience = &self.settings.audience;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": [audience] },
        });
        // Read each time: the kubelet exchanges it.
        let own = regular_file::read_linked_text(&self.settings.token_file, LONGEST)?;
        let url = self.settings.url.join("/apis/authentication.k8s.io/v1/tokenreviews")?;
        let asked = self.http.post(url).bearer_auth(own.trim());
        let asked = asked.header("content-type", "application/json").body(review.to_string());
        let reply = asked.send().await?;
        let is_made = [StatusCode::OK, StatusCode::CREATED].contains(&reply.status());
        ensure!(is_made, "it answers {}", reply.status());
        let reply: Reply = serde_json::from_slice(&body(reply, LONGEST).await?)?;
        let about = reply.spec.token.is_none_or(|it| it == token);
        ensure!(reply.kind == "TokenReview" && about, "it answers something else");
        let Status { authenticated, user, audiences, error } = reply.status;
        if !authenticated {
            return Ok(None);
        }
        // It says so where the token could not be looked at: then yes is not what it means.
        ensure!(error.is_none_or(|it| it.is_empty()), "it says yes, and that there was an error");
        // A server that knows nothing of audiences names none, and the token may be meant for anybody.
        let is_ours = audiences.is_some_and(|it| it.contains(audience));
        let user = user.map(|it| it.username).filter(|it| !it.is_empty());
        Ok(user.filter(|_| is_ours))
    }
}
