//! Tokens that an OpenID Connect issuer signed (RFC 7519, RFC 7517), such as those of Kubernetes' service accounts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::credentials::{Unknown, client};
use super::jwt::{Parts, decode, is_meant_for, read};
use super::settings;

/// Keys are fetched anew after this time.
const FRESH: Duration = Duration::from_secs(600);
/// A key that nobody knows has them fetched anew, but not more often than this.
const PAUSE: Duration = Duration::from_secs(10);
/// How far clocks may differ.
const LEEWAY: i64 = 60;
const LONGEST: usize = 256 * 1024;
/// While the issuer is away its keys are believed for this time. It may have taken one back meanwhile.
const OLDEST: Duration = Duration::from_secs(86_400);
/// Questions that may wait for keys at a time. Whoever shows what looks like a token of a new key makes one wait.
const WAITING: usize = 64;

pub(super) struct Oidc {
    settings: settings::Oidc,
    http: reqwest::Client,
    keys: Mutex<Option<Keys>>,
    fetching: Arc<AsyncMutex<Option<Fetched>>>,
    waiting: Semaphore,
}

/// When keys were fetched last, and whether that succeeded.
#[derive(Clone, Copy)]
struct Fetched {
    at: Instant,
    came: bool,
}

#[derive(Clone)]
struct Keys {
    by_id: HashMap<String, Jwk>,
    fetched: Instant,
}

#[derive(Debug, Clone, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: f64,
    #[serde(default)]
    nbf: f64,
}

impl Oidc {
    pub(super) fn new(settings: settings::Oidc) -> anyhow::Result<Self> {
        let http = client(settings.ca.as_deref())?;
        Ok(Self {
            settings,
            http,
            keys: Mutex::new(None),
            fetching: Arc::default(),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// The subject of a token that holds now.
    ///
    /// # Errors
    /// When it does not, or when that could not be found out.
    pub(super) async fn subject(
        self: &Arc<Self>,
        token: &str,
        now: i64,
    ) -> Result<String, Unknown> {
        let parts = Parts::of(token).ok_or(Unknown::Nobody)?;
        let parsed: Header = read(parts.header)?;
        // What must be understood, and is not (RFC 7515, 4.1.11).
        if parsed.crit.is_some() {
            return Err(Unknown::Nobody);
        }
        let key = self.key(&parsed.kid).await?;
        let signature = decode(parts.signature).ok_or(Unknown::Nobody)?;
        if !key.verifies(&parsed.alg, parts.signed.as_bytes(), &signature) {
            return Err(Unknown::Nobody);
        }
        let claims: Claims = read(parts.claims)?;
        match self.holds(&claims, now) {
            true => Ok(claims.sub),
            false => Err(Unknown::Nobody),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact in 53 bits")]
    fn holds(&self, claims: &Claims, now: i64) -> bool {
        let is_ours = is_meant_for(&claims.aud, &self.settings.audience);
        let (now, leeway) = (now as f64, LEEWAY as f64);
        let in_time = now < claims.exp + leeway && claims.nbf <= now + leeway;
        is_ours && in_time && claims.iss == self.settings.issuer
    }

    /// The key of this id, fetched if it is not there or they are old.
    async fn key(self: &Arc<Self>, id: &str) -> Result<Jwk, Unknown> {
        if let Some((key, age)) = self.known(id)
            && age < FRESH
        {
            return Ok(key);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            // What many strangers wait for keeps nobody out whose key is known.
            let known = self.known(id).filter(|(_, age)| is_believed(*age));
            return known.map(|(key, _)| key).ok_or(Unknown::NotNow);
        };
        let mut last = Arc::clone(&self.fetching).lock_owned().await;
        // Somebody else may have fetched them meanwhile.
        if let Some((key, age)) = self.known(id)
            && age < FRESH
        {
            return Ok(key);
        }
        let came = match *last {
            Some(it) if it.at.elapsed() < PAUSE => it.came,
            _ => {
                // It goes on when whoever asks hangs up: strangers who do would keep the keys from everybody.
                let issuer = Arc::clone(self);
                let fetching = tokio::spawn(async move {
                    let came = issuer.fetch_and_keep().await;
                    *last = Some(Fetched { at: Instant::now(), came });
                    came
                });
                fetching.await.unwrap_or(false)
            }
        };
        match self.known(id) {
            Some((key, age)) if is_believed(age) => Ok(key),
            // The issuer has just said which keys it has.
            None if came => Err(Unknown::Nobody),
            _ => Err(Unknown::NotNow),
        }
    }

    async fn fetch_and_keep(&self) -> bool {
        match self.fetch().await {
            Ok(by_id) => {
                let keys = Keys { by_id, fetched: Instant::now() };
                *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
                true
            }
            Err(error) => {
                tracing::warn!(event = "jwks_unreachable", %error, "the issuer's keys cannot be fetched");
                false
            }
        }
    }

    /// A key, and how long ago it was the issuer's.
    fn known(&self, id: &str) -> Option<(Jwk, Duration)> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref()?;
        Some((keys.by_id.get(id)?.clone(), keys.fetched.elapsed()))
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, Jwk>> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let reply = self.http.get(self.settings.jwks.clone()).send().await?.error_for_status()?;
        let set: Set = serde_json::from_slice(&super::credentials::body(reply, LONGEST).await?)?;
        let keys = set.keys.into_iter().filter_map(|it| serde_json::from_value::<Jwk>(it).ok());
        let keys = keys.filter(|it| it.purpose.as_deref().is_none_or(|it| it == "sig"));
        Ok(keys.map(|it| (it.kid.clone(), it)).collect())
    }
}

/// Whether a key is the issuer's still, as far as is known. It is until the issuer says otherwise, which it may not be able to
/// for a while, and not for good.
fn is_believed(age: Duration) -> bool {
    age < OLDEST
}

impl Jwk {
    /// Whether this key made the signature: by the algorithm that goes with its kind, whatever the token names.
    fn verifies(&self, named: &str, signed: &[u8], signature: &[u8]) -> bool {
        let Some((algorithm, key)) = self.public_key() else { return false };
        if named != algorithm {
            return false;
        }
        match key {
            Key::Rsa(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Key::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Key::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok()
            }
        }
    }

    fn public_key(&self) -> Option<(&'static str, Key)> {
        match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) => Some(("RS256", Key::Rsa(decode(&self.n)?, decode(&self.e)?))),
            ("EC", "P-256") => {
                // Uncompressed, by SEC 1.
                let point = [vec![4], decode(&self.x)?, decode(&self.y)?].concat();
                Some(("ES256", Key::P256(point)))
            }
            ("OKP", "Ed25519") => Some(("EdDSA", Key::Ed25519(decode(&self.x)?))),
            _ => None,
        }
    }
}

enum Key {
    Rsa(Vec<u8>, Vec<u8>),
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[cfg(test)]
mod tests;
