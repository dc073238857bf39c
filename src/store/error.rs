//! What can go wrong with the store, in the store's own words.
//!
//! Two kinds, and the writer treats them differently: a *refusal* concerns one operation, which has
//! changed nothing; everything else concerns the file, and fails the whole group of operations.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the store did not do what was asked. Cheap to clone: one failed commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("no such {what}")]
    NotFound { what: &'static str },
    #[error("{why}")]
    Conflict { why: String },
    /// A quota is used up.
    #[error("{why}")]
    Full { why: String },
    #[error("the challenge is unknown, used or expired")]
    ChallengeSpent,

    #[error("another entitled is using {path}")]
    InUse { path: PathBuf },
    #[error(
        "{path} has schema {found}, and this entitled knows schemas up to {known}: run a newer one"
    )]
    NewerSchema { path: PathBuf, found: u32, known: u32 },
    #[error("{path} exists already, and a backup never overwrites anything")]
    Exists { path: PathBuf },
    #[error("cannot {doing}")]
    File { doing: String, source: Arc<std::io::Error> },
    #[error("cannot {doing}")]
    Database { doing: &'static str, source: Arc<redb::Error> },
    #[error("a record of {what} in the store cannot be read")]
    Record { what: &'static str, source: Arc<serde_json::Error> },
    #[error("a record of {what} in the store is not in any form this entitled knows")]
    Form { what: &'static str },
    #[error("a backup does not hold what was copied into it")]
    Backup,
    #[error("a change to the store failed inside; nothing of its group was kept")]
    Panicked,
    #[error("another backup is being written")]
    BackingUp,
    #[error("too many changes are waiting for the store")]
    Busy,
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether this is a plain no to one operation, and not trouble with the store.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::Conflict { .. }
                | Self::Full { .. }
                | Self::ChallengeSpent
        )
    }

    /// Whether the file's content cannot be trusted, so that a backup is the better file.
    pub(super) fn is_corruption(&self) -> bool {
        match self {
            Self::Form { .. } | Self::Record { .. } | Self::Panicked => true,
            Self::Database { source, .. } => match source.as_ref() {
                redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => true,
                // redb says this of a file that is not one of its own.
                redb::Error::Io(cause) => cause.kind() == std::io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn conflict(why: impl Into<String>) -> Self {
        Self::Conflict { why: why.into() }
    }

    /// For `map_err` on redb's many error types.
    pub(super) fn database<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Database { doing, source: Arc::new(error.into()) }
    }

    pub(super) fn file(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::File { doing: doing.into(), source: Arc::new(error) }
    }
}
