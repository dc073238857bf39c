//! Changes that are asked for twice and made once: what a client's `Idempotency-Key` came to, for an hour.
//!
//! In the memory of one gateway, so it spans repetitions over a lost connection, and neither a restart nor another gateway.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::problem::Problem;

const KEPT: Duration = Duration::from_secs(3_600);
const MOST: u64 = 10_000;
const LONGEST: usize = 255;
pub(super) const HEADER: &str = "idempotency-key";

#[derive(Clone)]
pub(super) struct Idempotency {
    known: Cache<(String, String), Arc<Asked>>,
}

struct Asked {
    /// What was asked for: a key stands for one request.
    request: String,
    /// Held while it is being made.
    outcome: Mutex<Option<Bytes>>,
}

/// What a change came to, and whether that was known already.
pub(super) struct Made {
    pub(super) result: Bytes,
    pub(super) again: bool,
}

impl Idempotency {
    pub(super) fn new() -> Self {
        Self { known: Cache::builder().max_capacity(MOST).time_to_live(KEPT).build() }
    }

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

    /// Makes the change unless it was made before. Who fails may try again under the same key.
    pub(super) async fn once<Work>(
        &self,
        (client, key): (&str, String),
        request: String,
        change: Work,
    ) -> Result<Made, Problem>
    where
        Work: Future<Output = Result<Bytes, Problem>>,
    {
        let new = || Arc::new(Asked { request: request.clone(), outcome: Mutex::new(None) });
        let asked = self.known.get_with((client.to_owned(), key), new);
        if asked.request != request {
            let why = "this `Idempotency-Key` was given with another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PARAMS", why));
        }
        let mut outcome = asked.outcome.lock().await;
        if let Some(result) = &*outcome {
            return Ok(Made { result: result.clone(), again: true });
        }
        let result = change.await?;
        *outcome = Some(result.clone());
        Ok(Made { result, again: false })
    }
}
