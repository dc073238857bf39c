//! Tokens that a Kubernetes API server vouches for: a `TokenReview` of `authentication.k8s.io/v1`.
//!
//! Owns: what was answered, for some seconds. Never: takes for a yes, or for a no, what is not clearly an answer about the very
//! token that was asked about; or asks about what can be no token for us, by its own words.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use http::StatusCode;
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::credentials::{Unknown, body, client};
use super::jwt::{Parts, decode, is_meant_for, read};
use super::review_limits::{Digest, Limits, MOST, is_service_account};
use super::seldom::Seldom;
use super::settings;
use crate::regular_file;

/// How long an answer counts. A token that was taken back ends no later; the API server itself keeps its answers as long.
const FRESH: Duration = Duration::from_secs(10);
const LONGEST: usize = 64 * 1024;
/// How long a question waits for another one about the same token.
const TURN: Duration = Duration::from_secs(6);

pub(super) struct TokenReview {
    settings: settings::TokenReview,
    http: reqwest::Client,
    /// The user of each token, by the token's hash; `None` for one that was refused.
    reviewed: Cache<Digest, Option<String>>,
    /// Held while a token is asked about: many questions about it at once are one.
    turns: Cache<Digest, Arc<AsyncMutex<()>>>,
    limits: Limits,
    told: Seldom,
    told_limited: Seldom,
}

/// What a token says of itself, which anybody may say: by that it is left out, and never let in.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    aud: Value,
    exp: Option<f64>,
}

/// How far clocks may differ. The API server's counts, and a token that has ended not long ago costs little.
const LEEWAY: i64 = 600;

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
    /// `subjects`: by which clients are known.
    pub(super) fn new(
        settings: settings::TokenReview,
        subjects: Vec<String>,
    ) -> anyhow::Result<Self> {
        let http = client(settings.ca.as_deref())?;
        let reviewed = Cache::builder().max_capacity(MOST).time_to_live(FRESH).build();
        let turns = Cache::builder().max_capacity(MOST).time_to_idle(TURN * 2).build();
        let (limits, told, told_limited) = (Limits::new(subjects), Seldom::new(), Seldom::new());
        Ok(Self { settings, http, reviewed, turns, limits, told, told_limited })
    }

    /// The user whose token it is: `system:serviceaccount:NAMESPACE:NAME` for a pod. `from`: who shows it.
    ///
    /// # Errors
    /// When it is nobody's, or when that could not be found out.
    pub(super) async fn subject(
        &self,
        token: &str,
        from: IpAddr,
        now: i64,
    ) -> Result<String, Unknown> {
        let claimed = self.claimed(token, now)?;
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
        if !self.limits.may_ask(&digest, &claimed, from) {
            if self.told_limited.is_due() {
                tracing::warn!(event = "token_reviews_limited", subject = claimed, %from, "more tokens are shown than the API server is asked about");
            }
            return Err(Unknown::NotNow);
        }
        let user = self.review(token).await.map_err(|error| {
            if self.told.is_due() {
                tracing::warn!(event = "token_review_failed", %error, "the API server gave no answer");
            }
            Unknown::NotNow
        })?;
        self.reviewed.insert(digest, user.clone());
        self.limits.learn(digest, user.is_some());
        user.ok_or(Unknown::Nobody)
    }

    /// Whose token it says it is, if it can be one for us at all. What was not issued for our audience, has ended, or is of
    /// another service account than those that clients are known by, the API server would not make one.
    #[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact in 53 bits")]
    fn claimed(&self, token: &str, now: i64) -> Result<String, Unknown> {
        let parts = Parts::of(token).ok_or(Unknown::Nobody)?;
        let _: Map<String, Value> = read(parts.header)?;
        let claims: Claims = read(parts.claims)?;
        let is_signed = decode(parts.signature).is_some_and(|it| !it.is_empty());
        // Of old tokens without an audience, and of others' than service accounts, the API server says for whom they are.
        let is_for_another = is_service_account(&claims.sub)
            && !claims.aud.is_null()
            && !is_meant_for(&claims.aud, &self.settings.audience);
        let is_over = claims.exp.is_some_and(|it| it + (LEEWAY as f64) < now as f64);
        let is_ours = is_signed && !is_for_another && !is_over && self.limits.expects(&claims.sub);
        if is_ours { Ok(claims.sub) } else { Err(Unknown::Nobody) }
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
