//! How the program ends: exit codes, and what each failure amounts to.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use entitled_client::{ClientError, ErrorCode};

/// Scripts rely on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Entitled, held, valid; or simply done.
    Done = 0,
    /// A "no" that is certain: not entitled, not held, not valid, or the daemon declined what was asked.
    No = 1,
    /// The command was not understood.
    Usage = 2,
    /// Neither yes nor no can be said now.
    Undetermined = 3,
    /// No daemon answers.
    Unreachable = 4,
    /// Not allowed.
    Refused = 5,
    /// A mistake of this program or of the daemon.
    Internal = 70,
    /// A command to be run cannot be executed; as shells and env(1) have it.
    NotExecutable = 126,
    /// A command to be run is not there.
    NoCommand = 127,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),

    #[error("{0}")]
    Usage(String),

    /// A name that is nobody's.
    #[error("{0}")]
    Unknown(String),

    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("cannot write {}", path.display())]
    NewFile { path: PathBuf, source: io::Error },

    #[error("the store was not restored")]
    Store { source: entitled::store::StoreError },

    #[error("cannot write the answer")]
    Output { source: io::Error },

    #[error("the answer to {method} has another shape than expected")]
    Shape { method: &'static str, source: serde_json::Error },

    #[error(
        "{method} has more than {pages} pages; a part would be mistaken for all, so nothing is shown"
    )]
    Endless { method: &'static str, pages: usize },

    #[error("cannot show a page")]
    Page { source: io::Error },

    #[error("cannot wait for signals")]
    Signals { source: io::Error },

    #[error("cannot start {}", program.display())]
    Exec { program: PathBuf, source: io::Error },
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => exit_of(error),
            Self::Usage(_) | Self::File { .. } | Self::NewFile { .. } => Exit::Usage,
            Self::Store { .. } | Self::Unknown(_) => Exit::No,
            Self::Output { .. }
            | Self::Shape { .. }
            | Self::Endless { .. }
            | Self::Page { .. }
            | Self::Signals { .. } => Exit::Internal,
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Exit::NoCommand
            }
            Self::Exec { .. } => Exit::NotExecutable,
        }
    }

    /// The same refusal of the daemon's, said of what was typed.
    pub(crate) fn reworded(self, detail: String, help: &str) -> Self {
        match self {
            Self::Client(ClientError::Refused { code, data, .. }) => {
                let mut data = data.unwrap_or_default();
                if let Some(data) = data.as_object_mut() {
                    data.insert("detail".to_owned(), detail.as_str().into());
                    data.insert("help".to_owned(), help.into());
                }
                Self::Client(ClientError::Refused { code, message: detail, data: Some(data) })
            }
            it => it,
        }
    }

    /// Whether the same question may be answered later: the daemon is away or busy, or lacks its chain or store.
    pub(crate) fn may_pass(&self) -> bool {
        let is_imposter = matches!(self, Self::Client(ClientError::Untrusted { .. }));
        !is_imposter && matches!(self.exit(), Exit::Undetermined | Exit::Unreachable)
    }
}

fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Exit::Refused
        }
        ClientError::Unreachable { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Timeout { .. } => Exit::Unreachable,
        ClientError::Refused { .. } => error.code().map_or(Exit::Internal, exit_of_refusal),
        ClientError::Protocol { .. } => Exit::Internal,
    }
}

/// What a refusal's code amounts to. A daemon too busy to look, or without its chain or its store, has said
/// neither yes nor no.
fn exit_of_refusal(code: ErrorCode) -> Exit {
    use ErrorCode::{
        Busy, ChainUnavailable, Conflict, InvalidParams, LimitExceeded, Locked, NotFound,
        PermissionDenied, SignatureInvalid, StoreUnavailable,
    };
    match code {
        InvalidParams => Exit::Usage,
        PermissionDenied => Exit::Refused,
        NotFound | Conflict | Locked | SignatureInvalid => Exit::No,
        LimitExceeded | ChainUnavailable | StoreUnavailable | Busy => Exit::Undetermined,
        _ => Exit::Internal,
    }
}

#[cfg(test)]
mod tests;
