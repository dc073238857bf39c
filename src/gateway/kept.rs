//! Verdicts that are handed out again, while the daemon's revisions say that it would answer the same.
//!
//! Owns: results by the client and the address they were given to. Never: keeps one for longer than [`LONGEST`], so that the daemon
//! goes on to hear who is asked for, and looks at the chain in time.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use moka::sync::Cache;

use super::answer::Kept;
use super::clients::Client;
use super::endpoints::Endpoint;
use super::revisions::{Revisions, Since};
use entitled_core::domain::ids::Timestamp;

const LONGEST: Duration = Duration::from_secs(1);
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// What an entry takes beside what was answered, roughly.
const ENTRY: usize = 512;
/// What is asked at a longer address is not kept.
const LONGEST_ADDRESS: usize = 512;

pub(super) struct Verdicts {
    revisions: Revisions,
    cache: Cache<Key, Arc<Entry>>,
}

/// By whom and where it was asked for: what the client may ask is held against its rights before it is kept, and those
/// stay as they are.
pub(super) type Key = (Arc<str>, Box<str>);

struct Entry {
    since: Since,
    kept: Arc<Kept>,
}

/// A question whose answer may be kept.
pub(super) struct Question {
    key: Key,
    since: Since,
}

impl Verdicts {
    pub(super) fn new(revisions: Revisions) -> Self {
        let weight = |_: &Key, it: &Arc<Entry>| {
            u32::try_from(ENTRY + LONGEST_ADDRESS + it.kept.len()).unwrap_or(u32::MAX)
        };
        let cache =
            Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_live(LONGEST).build();
        Self { revisions, cache }
    }

    /// Under what the answer to a question is kept, if it is one about a verdict.
    pub(super) fn key(endpoint: &Endpoint, client: &Client, parts: &Parts) -> Option<Key> {
        let address = parts.uri.path_and_query()?.as_str();
        let fits = endpoint.method == "entitlement_check" && address.len() <= LONGEST_ADDRESS;
        fits.then(|| (Arc::clone(&client.name), address.into()))
    }

    /// What was answered, if it still is the answer.
    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<Arc<Kept>> {
        let entry = self.cache.get(key)?;
        let holds = entry.kept.holds_at(now) && self.revisions.is_same(&entry.since);
        holds.then(|| Arc::clone(&entry.kept))
    }

    /// To be taken before the daemon is asked. `None` where its answer may not be kept.
    pub(super) fn ask(&self, key: Option<Key>, client: &Client) -> Option<Question> {
        Some(Question { key: key?, since: self.revisions.now(client.customer)? })
    }

    /// Keeps what the daemon has answered.
    pub(super) fn keep(&self, question: Question, kept: Arc<Kept>) {
        let Question { key, since } = question;
        self.cache.insert(key, Arc::new(Entry { since, kept }));
    }
}
