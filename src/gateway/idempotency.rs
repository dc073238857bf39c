//! Changes that are asked for twice and made once: what a client's `Idempotency-Key` came to, for an hour.
//!
//! In the memory of one gateway, so it spans repetitions over a lost connection, and neither a restart nor another gateway.
//! Each client has places of its own, and of a request no more is kept than its hash: so no client can push out what another
//! relies on, nor fill the memory with what it asks for.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ring::digest::{SHA256, digest};
use tokio::sync::Mutex as AsyncMutex;

use super::problem::Problem;

const KEPT: Duration = Duration::from_secs(3_600);
/// Keys of one client. A customer has fewer changes than half of that in an hour, whatever client asks for them.
const MOST: usize = 1_000;
const LONGEST: usize = 255;
pub(super) const HEADER: &str = "idempotency-key";

#[derive(Clone, Default)]
pub(super) struct Idempotency {
    by_client: Arc<Mutex<HashMap<String, Keys>>>,
}

type Keys = HashMap<String, Entry>;

/// What is known of a key.
struct Entry {
    asked: Arc<Asked>,
    /// How many requests under this key are being answered.
    users: usize,
    /// When the change was made; `None` while it was not.
    made: Option<Instant>,
}

struct Asked {
    /// The hash of what was asked for: a key stands for one request.
    request: [u8; 32],
    /// Held while it is being made.
    outcome: AsyncMutex<Option<Bytes>>,
}

/// What a change came to, and whether that was known already.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) result: Bytes,
    pub(super) again: bool,
}

impl Entry {
    fn is_over(&self) -> bool {
        self.users == 0 && self.made.is_none_or(|it| it.elapsed() >= KEPT)
    }
}

impl Idempotency {
    /// The client's key, where it gave one.
    pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => match one.to_str() {
                Ok(key) if !key.is_empty() && key.len() <= LONGEST => Ok(Some(key.to_owned())),
                _ => Err(Problem::bad("`Idempotency-Key` must have 1 to 255 visible characters")),
            },
            _ => Err(Problem::bad("`Idempotency-Key` is given twice")),
        }
    }

    /// Makes the change unless it was made before. Who fails may try again under the same key, which is not kept.
    pub(super) async fn once<Work>(
        &self,
        (client, key): (&str, String),
        request: &str,
        change: Work,
    ) -> Result<Made, Problem>
    where
        Work: Future<Output = Result<Bytes, Problem>>,
    {
        let user = self.enter(client, key, request)?;
        let mut outcome = user.asked.outcome.lock().await;
        if let Some(result) = &*outcome {
            return Ok(Made { result: result.clone(), again: true });
        }
        let result = change.await?;
        *outcome = Some(result.clone());
        user.note_made();
        Ok(Made { result, again: false })
    }

    fn enter<'a>(
        &'a self,
        client: &'a str,
        key: String,
        request: &str,
    ) -> Result<User<'a>, Problem> {
        let mut request_hash = [0; 32];
        request_hash.copy_from_slice(digest(&SHA256, request.as_bytes()).as_ref());
        let mut by_client = self.lock();
        let keys = by_client.entry(client.to_owned()).or_default();
        if keys.get(&key).is_some_and(Entry::is_over) {
            keys.remove(&key);
        }
        if !keys.contains_key(&key) && keys.len() >= MOST {
            keys.retain(|_, it| !it.is_over());
            if keys.len() >= MOST {
                return Err(Problem::limited("this client has as many keys as it may have"));
            }
        }
        let new = || Asked { request: request_hash, outcome: AsyncMutex::new(None) };
        let entry = keys.entry(key.clone());
        let entry = entry.or_insert_with(|| Entry { asked: Arc::new(new()), users: 0, made: None });
        if entry.asked.request != request_hash {
            let why = "this `Idempotency-Key` was given with another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PARAMS", why));
        }
        entry.users += 1;
        Ok(User { all: self, client, key, asked: Arc::clone(&entry.asked) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Keys>> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn kept(&self, client: &str) -> usize {
        self.lock().get(client).map_or(0, HashMap::len)
    }
}

/// A request under a key, until it is answered or given up.
struct User<'a> {
    all: &'a Idempotency,
    client: &'a str,
    key: String,
    asked: Arc<Asked>,
}

impl User<'_> {
    fn note_made(&self) {
        if let Some(it) = self.all.lock().get_mut(self.client).and_then(|it| it.get_mut(&self.key))
        {
            it.made = Some(Instant::now());
        }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let mut by_client = self.all.lock();
        let Some(keys) = by_client.get_mut(self.client) else { return };
        let Some(entry) = keys.get_mut(&self.key) else { return };
        entry.users -= 1;
        if entry.is_over() {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
