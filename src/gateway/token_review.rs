//! Tokens that a Kubernetes API server vouches for: a `TokenReview` of `authentication.k8s.io/v1`.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use serde_json::{Value, json};

use super::credentials::{Unknown, body, client};
use super::settings;
use crate::regular_file;

/// How long an answer counts. A token that was taken back ends no later.
const FRESH: Duration = Duration::from_secs(30);
/// Reviews in a second, and in a burst: whoever has no token may still show what looks like one, and the API server is
/// everybody's.
const RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
const LONGEST: usize = 64 * 1024;

pub(super) struct TokenReview {
    settings: settings::TokenReview,
    http: reqwest::Client,
    /// The user of each token, by the token's hash; `None` for one that was refused.
    reviewed: Cache<[u8; 32], Option<String>>,
    rate: DefaultDirectRateLimiter,
}

impl TokenReview {
    pub(super) fn new(settings: settings::TokenReview) -> anyhow::Result<Self> {
        let http = client(settings.ca.as_deref())?;
        let reviewed = Cache::builder().max_capacity(4_096).time_to_live(FRESH).build();
        let rate = RateLimiter::direct(Quota::per_second(RATE).allow_burst(BURST));
        Ok(Self { settings, http, reviewed, rate })
    }

    /// The user whose token it is: `system:serviceaccount:NAMESPACE:NAME` for a pod.
    ///
    /// # Errors
    /// When it is nobody's, or when that could not be found out.
    pub(super) async fn subject(&self, token: &str) -> Result<String, Unknown> {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let digest: [u8; 32] = digest.as_ref().try_into().map_err(|_| Unknown::NotNow)?;
        let user = match self.reviewed.get(&digest) {
            Some(user) => user,
            None => {
                self.rate.check().map_err(|_| Unknown::NotNow)?;
                let user = self.review(token).await.map_err(|error| {
                    tracing::warn!(event = "token_review_failed", %error, "the API server gave no answer");
                    Unknown::NotNow
                })?;
                self.reviewed.insert(digest, user.clone());
                user
            }
        };
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
        let reply = asked.send().await?.error_for_status()?;
        let reply: Value = serde_json::from_slice(&body(reply, LONGEST).await?)?;
        let status = &reply["status"];
        // A server that knows nothing of audiences names none, and the token may be meant for anybody.
        let is_ours =
            status["audiences"].as_array().is_some_and(|it| it.contains(&audience.as_str().into()));
        let user = status["user"]["username"].as_str().filter(|it| !it.is_empty());
        let vouched = status["authenticated"] == true && is_ours;
        Ok(user.filter(|_| vouched).map(str::to_owned))
    }
}
