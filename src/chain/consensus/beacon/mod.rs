//! Where the words of sync committees come from: beacon nodes, mirrors of their files, directories. None is
//! trusted; all of it is signed.
//!
//! Owns: the sources of one chain, and how each behaved. Asked by: `sync`. Asks: the network and the disk.
//! Never: believes or even reads what it fetches; that is for the light client.
//!
//! A mirror holds the paths of the beacon API as files (`eth/v1/beacon/light_client/…`): `bootstrap/ROOT`,
//! `updates/PERIOD`, `finality_update`, `optimistic_update`, each with `.json`. Whatever serves files will do.

mod directory;
mod health;
mod http;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::B256;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::endpoint::Address;

pub use health::SourceState;

use health::Health;

/// No body and no file above this, counted after decompression.
const BODY: usize = 8 * 1024 * 1024;
/// Updates asked for at once. Nodes give up to 128; at 62 kB each, this many stay well below [`BODY`].
const UPDATES: u64 = 64;
/// Where the beacon API keeps what light clients need, below the address of a node.
const FOLDER: &str = "eth/v1/beacon/light_client";

/// What is asked of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) enum Query {
    /// The beacon block with this root, and its sync committee.
    Bootstrap(B256),
    /// The updates of these periods, from the first on, as many as there are.
    Updates {
        from: u64,
        count: u64,
    },
    Finality,
    Optimistic,
}

impl Query {
    /// A file's path in a mirror, below [`FOLDER`], for what is one file there.
    fn file(&self) -> String {
        match self {
            Self::Bootstrap(root) => format!("bootstrap/{root}.json"),
            Self::Updates { from, .. } => format!("updates/{from}.json"),
            Self::Finality => "finality_update.json".to_owned(),
            Self::Optimistic => "optimistic_update.json".to_owned(),
        }
    }

    /// The same, a file for each: a mirror has one for each period.
    fn files(&self) -> Vec<String> {
        match *self {
            Self::Updates { from, count } => (0..count.min(UPDATES))
                .map(|it| Self::Updates { from: from.saturating_add(it), count: 1 }.file())
                .collect(),
            _ => vec![self.file()],
        }
    }
}

/// Why a source gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::chain) enum SourceFault {
    #[error("cannot be reached")]
    Connect,
    #[error("gave no answer in time")]
    Timeout,
    #[error("broke off its answer")]
    Broken,
    #[error("answers with more than {BODY} bytes")]
    TooLarge,
    #[error("answers with HTTP status {status}")]
    Status { status: u16 },
    #[error("does not have it")]
    Absent,
    #[error("cannot be read: {kind}")]
    File { kind: std::io::ErrorKind },
    #[error("gave something that is not what was asked for: {message}")]
    Garbled { message: String },
    #[error("is left alone for a while")]
    Resting,
}

/// A source of light client data.
pub(in crate::chain) struct Source {
    /// Without credentials, path and query.
    shown: String,
    way: Way,
    health: Mutex<Health>,
    requests: AtomicU64,
    bytes: AtomicU64,
}

enum Way {
    Http(http::Remote),
    Directory(PathBuf),
}

/// A source of what validators sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BeaconSource {
    /// Without credentials, path and query.
    pub url: String,
    /// `ok`, `down` or `quarantined`.
    pub state: SourceState,
    pub last_error: Option<String>,
    pub requests: u64,
    /// Received, after decompression.
    pub bytes: u64,
    /// Answers that no committee signed.
    pub faults: u64,
}

/// An address that is no source of light client data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use http://, https:// or an absolute path to a directory")]
pub(in crate::chain) struct SourceError;

impl Source {
    /// # Errors
    /// When it is a WebSocket, or TLS cannot be set up.
    pub(in crate::chain) fn open(
        address: &Address,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let way = match address {
            Address::Http(url) => Way::Http(http::Remote::new(url.clone(), address.is_loopback())?),
            Address::Path(path) => Way::Directory(path.clone()),
            Address::WebSocket(_) => return Err(SourceError.into()),
        };
        Ok(Self {
            shown: address.shown(),
            way,
            health: Mutex::default(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    pub(in crate::chain) fn shown(&self) -> &str {
        &self.shown
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and remembers how that went. The answer's pieces are JSON texts, perhaps lists of what was asked
    /// for.
    ///
    /// # Errors
    /// [`SourceFault`]; that it does not have it is one, and speaks not against it.
    pub(in crate::chain) async fn ask(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        if self.health().rests(Instant::now()) {
            return Err(SourceFault::Resting);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = match &self.way {
            Way::Http(remote) => remote.ask(query).await,
            Way::Directory(path) => directory::ask(path, query).await,
        };
        match &answer {
            Ok(pieces) => {
                let bytes = pieces.iter().map(Vec::len).sum::<usize>();
                self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                self.health().answered();
            }
            Err(SourceFault::Absent) => self.health().answered(),
            Err(fault) => self.health().failed(fault, Instant::now()),
        }
        answer
    }

    /// It gave something that cannot be read as what was asked for.
    pub(in crate::chain) fn garbled(&self, message: String) {
        self.health().failed(&SourceFault::Garbled { message }, Instant::now());
    }

    /// It gave something that no committee signed, or that contradicts what one signed: it is left alone for
    /// a while, and the evidence is logged.
    pub(in crate::chain) fn refute(&self, query: Query, evidence: &str) {
        let rest = self.health().refuted(evidence, Instant::now());
        tracing::warn!(
            source = self.shown,
            asked = ?query,
            evidence,
            quarantined_for_s = rest.as_secs(),
            "a beacon source gave what no committee signed",
        );
    }

    pub(in crate::chain) fn status(&self) -> BeaconSource {
        let health = self.health();
        BeaconSource {
            url: self.shown.clone(),
            state: health.state(Instant::now()),
            last_error: health.last_error.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            faults: health.faults,
        }
    }
}

/// Those that behaved best first; as configured where they are equal.
pub(in crate::chain) fn ordered(sources: &[Source]) -> Vec<&Source> {
    let now = Instant::now();
    let mut ordered: Vec<&Source> = sources.iter().collect();
    ordered.sort_by_cached_key(|it| it.health().order(now));
    ordered
}

#[cfg(test)]
mod tests;
